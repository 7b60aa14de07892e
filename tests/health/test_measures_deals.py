"""Measures of deals and contracts against figures worked out by hand."""

from pathlib import Path
from typing import Any

import pytest

from cs_assets.health.features import Features
from tests.health.measure_cases import AS_OF, Landed, churn, customer, day, deal, features, one

Row = dict[str, Any]


@pytest.fixture
def tiers(tmp_path: Path) -> Features:
    return features(tmp_path)


def test_renewals_and_losses_of_a_year(tiers: Features) -> None:
    rows = [
        deal("2024-06-30", "renewed"),  # a day too early
        deal("2024-07-01", "renewed"),
        deal("2025-06-30", "renewed"),
        deal("2025-06-30", "won"),
        churn("2024-06-30"),
        churn("2024-07-01"),
        *[deal("2025-06-30", stage) for stage in ("lost", "prospect", "negotiation")],
    ]
    row = one(Landed(sales=rows), tiers)
    assert (row["renewals"], row["losses"]) == (2, 1)


def test_revenue_is_that_of_active_deals(tiers: Features) -> None:
    rows = [
        deal("2024-06-30", amount=12_000),  # ends on the day: exclusive
        deal("2024-07-01", amount=12_000),  # 1,000 a month until tomorrow
        deal("2025-06-30", amount=100, contract_length_months=3),  # from today
        deal("2025-04-01", amount=240, product_type="q"),  # 20 a month, 90 days ago already
        deal("2025-04-02", amount=120, product_type="r"),  # 10 a month, not yet then
    ]
    row = one(Landed(sales=rows), tiers)
    assert row["mrr"] == pytest.approx(1000 + 100 / 3 + 20 + 10, abs=1e-9)
    assert row["mrr_90d_ago"] == 1000 + 1000 + 20
    assert row["contract_value"] == 12_000 + 100 + 240 + 120


def test_a_renewal_made_ahead_earns_nothing_yet(tiers: Features) -> None:
    rows = [deal("2025-01-01", amount=1200), deal("2025-02-01", "renewed", amount=2400)]
    row = one(Landed(sales=rows), tiers)
    assert (row["mrr"], row["mrr_90d_ago"], row["contract_value"]) == (100, 100, 1200)
    assert row["contract_end"] == day("2027-01-01")


def test_a_churn_ends_revenue_on_its_day(tiers: Features) -> None:
    rows = [
        deal("2025-01-01", amount=1200),
        deal("2025-01-01", amount=2400, product_type="q"),
        churn("2025-06-30", "p"),
    ]
    row = one(Landed(sales=rows), tiers)
    assert (row["mrr"], row["mrr_90d_ago"], row["contract_value"]) == (200, 300, 2400)


def test_a_churn_that_has_not_come_moves_nothing(tiers: Features) -> None:
    rows = [deal("2025-01-01", amount=1200), churn("2025-07-01", None)]
    row = one(Landed([customer(contract_length_months=1)], sales=rows), tiers)
    assert (row["mrr"], row["losses"]) == (100, 0)
    assert row["contract_end"] == day("2026-01-01")


def test_cents_add_up_exactly(tiers: Features) -> None:
    rows = [deal("2025-06-01", amount="0.10", contract_length_months=1) for _ in range(3)]
    row = one(Landed(sales=rows), tiers)
    assert (row["mrr"], row["contract_value"]) == (0.3, 0.3)


@pytest.mark.parametrize(
    ("rows", "changes"),
    [
        ([], 0),
        ([deal("2025-06-01")], 0),
        ([deal("2025-05-01"), deal("2025-06-01", "renewed")], 0),
        ([deal("2025-05-01"), deal("2025-06-01", amount=1300)], 1),
        ([deal("2025-05-01"), deal("2025-06-01", product_type="q")], 1),
        ([deal("2025-05-01"), deal("2025-06-01", product_type=None)], 1),
        ([deal("2025-05-01", product_type=None), deal("2025-06-01", product_type=None)], 0),
        # the previous one may lie before the year, the changed one may not
        ([deal("2023-01-01", amount=1), deal("2024-07-01")], 1),
        ([deal("2023-01-01", amount=1), deal("2024-06-30")], 0),
        # what is no deal of the customer is not compared
        (
            [
                deal("2025-04-01"),
                deal("2025-05-01", "lost", 1),
                churn("2025-05-02", None),
                deal("2025-05-03", amount=5, customer_id="b"),
                deal("2025-06-01"),
                deal("2025-07-01", amount=1),
            ],
            0,
        ),
        # 5, then 7, then 5 again
        ([deal(f"2025-01-0{n}", amount=amount) for n, amount in enumerate((5, 7, 5), 1)], 2),
    ],
)
def test_changes_of_the_contract(tiers: Features, rows: list[Row], changes: int) -> None:
    assert one(Landed(sales=rows), tiers)["contract_changes"] == changes


@pytest.mark.parametrize(
    ("begun", "length", "rows", "end"),
    [
        ("2025-01-31", 1, [], "2025-02-28"),
        ("2025-01-31", 12, [deal("2025-01-31", contract_length_months=6)], "2026-01-31"),
        ("2025-01-31", 1, [deal("2025-01-31")], "2026-01-31"),
        ("2025-01-31", 1, [deal("2025-01-31"), churn("2025-03-31", None)], "2025-03-31"),
        ("2025-01-31", 1, [churn("2025-01-31")], "2025-02-28"),
    ],
)
def test_the_contract_ends_with_the_last_of_all(
    tiers: Features, begun: str, length: int, rows: list[Row], end: str
) -> None:
    who = customer(contract_date=day(begun), contract_length_months=length)
    row = one(Landed([who], sales=rows), tiers)
    assert row["contract_end"] == day(end)
    assert row["tenure_months"] == 150 / 30.4375
    assert row["remaining_months"] == max(0, (day(end) - AS_OF).days) / 30.4375


def test_without_deals_at_hand_the_contract_ends_as_agreed(tiers: Features) -> None:
    row = one(Landed([customer(contract_date=AS_OF)], sales=None), tiers)
    assert (row["tenure_months"], row["remaining_months"]) == (0, 365 / 30.4375)
    assert row["contract_end"] == day("2026-06-30")
