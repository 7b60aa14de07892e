"""Measures of tickets against figures worked out by hand."""

from pathlib import Path
from typing import Any

import pytest

from cs_assets.health.features import Features
from tests.health.measure_cases import Landed, customer, features, measured, one, ticket

Row = dict[str, Any]


@pytest.fixture
def tiers(tmp_path: Path) -> Features:
    return features(tmp_path)


def test_tickets_by_their_day_of_creation(tiers: Features) -> None:
    rows = [
        ticket("2025-04-01", "2025-04-02", priority="urgent"),  # a day too early
        ticket("2025-04-02", "2025-04-02", priority="urgent"),
        ticket("2025-06-30", priority="high"),
        ticket("2025-06-30", "2025-06-30"),
    ]
    row = one(Landed(support=rows), tiers)
    assert (row["tickets"], row["urgent_tickets"], row["open_tickets"]) == (3, 1, 1)


def test_a_ticket_solved_later_is_open(tiers: Features) -> None:
    rows = [
        ticket("2023-06-30", priority="urgent"),
        ticket("2025-06-20", "2025-07-01", priority="urgent"),
        ticket("2025-06-01", "2025-06-30", priority="urgent"),
        ticket("2025-01-01"),
    ]
    row = one(Landed(support=rows), tiers)
    assert row["open_tickets"] == 3
    assert row["oldest_urgent_open_days"] == 731  # 2024 was a leap year


def test_no_urgent_ticket_is_open(tiers: Features) -> None:
    rows = [ticket("2025-06-01"), ticket("2025-06-01", "2025-06-30", priority="urgent")]
    assert one(Landed(support=rows), tiers)["oldest_urgent_open_days"] is None


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], None),
        ([ticket("2025-06-01", "2025-06-02", hours="2.5")], 2.5),
        # hours not told: two days
        ([ticket("2025-06-01", "2025-06-03")], 48),
        # solved within the window, created before it
        ([ticket("2025-01-01", "2025-04-02", hours="7")], 7),
        ([ticket("2025-01-01", "2025-04-01", hours="7")], None),
        # open, or solved later: ten days old, whatever the row has learnt since
        ([ticket("2025-06-20")], 240),
        ([ticket("2025-06-20", "2025-07-01", hours="1")], 240),
        # open tickets count however old
        ([ticket("2024-06-30")], 365 * 24),
        # 1, 2, 240 and 0.0001, 0.0002: the middle one, the mean of the two in the middle
        (
            [
                ticket("2025-06-20"),
                ticket("2025-06-01", "2025-06-01", hours="2"),
                ticket("2025-06-01", "2025-06-01", hours="1"),
            ],
            2,
        ),
        (
            [
                ticket("2025-06-01", "2025-06-01", hours="0.0002"),
                ticket("2025-06-01", "2025-06-01", hours="0.0001"),
            ],
            0.00015,
        ),
    ],
)
def test_hours_to_the_solution(tiers: Features, rows: list[Row], expected: float | None) -> None:
    assert one(Landed(support=rows), tiers)["resolution_hours"] == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], None),
        ([ticket("2025-06-01", "2025-06-02")], None),
        ([ticket("2025-06-01", "2025-06-02", satisfaction_score=4)], 4),
        (
            [
                ticket("2024-01-01", "2025-01-02", satisfaction_score=5),
                ticket("2024-01-01", "2025-01-01", satisfaction_score=1),  # a day too early
                ticket("2025-06-01", "2025-06-30", satisfaction_score=4),
                ticket("2025-06-01", "2025-06-30", satisfaction_score=1),
                ticket("2025-06-01", "2025-07-01", satisfaction_score=1),  # not yet
                ticket("2025-06-01", satisfaction_score=1),  # open
                ticket("2025-06-01", "2025-06-30"),
            ],
            10 / 3,
        ),
    ],
)
def test_satisfaction(tiers: Features, rows: list[Row], expected: float | None) -> None:
    assert one(Landed(support=rows), tiers)["csat"] == expected


def sla(created: str, resolved: str | None, is_missed: bool | None, **more: Any) -> Row:
    return ticket(created, resolved, is_sla_missed=is_missed, **more)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], None),
        ([sla("2025-06-01", "2025-06-02", None)], None),
        ([sla("2025-06-01", "2025-06-02", False)], 0),
        # another customer's, long ago, tells that the source exists
        ([sla("2022-06-01", "2022-06-02", False, customer_id="b")], 0),
        # another tenant's does not
        ([sla("2025-06-01", "2025-06-02", True, tenant_id="u")], None),
        # only learnt after as_of
        ([sla("2025-06-01", "2025-07-01", True)], None),
        (
            [
                sla("2025-04-01", "2025-04-02", True),  # a day too early
                sla("2025-04-02", "2025-04-02", True),
                sla("2025-06-30", None, True),
                sla("2025-06-01", "2025-07-01", True),
                sla("2025-06-01", "2025-06-02", None),
            ],
            2,
        ),
    ],
)
def test_missed_agreed_times(tiers: Features, rows: list[Row], expected: int | None) -> None:
    assert one(Landed(support=rows), tiers)["sla_breaches"] == expected


def test_customers_and_tenants_are_told_apart(tiers: Features) -> None:
    customers = [customer("a"), customer("b"), customer("a", tenant_id="u")]
    rows = [
        ticket("2025-06-01"),
        ticket("2025-06-01"),
        ticket("2025-06-01", customer_id="b"),
        ticket("2025-06-01", customer_id="gone"),
    ]
    found = measured(Landed(customers, support=rows), tiers)
    told = [(row["tenant_id"], row["customer_id"], row["tickets"]) for row in found]
    assert told == [("t", "a", 2), ("t", "b", 1), ("u", "a", 0)]
