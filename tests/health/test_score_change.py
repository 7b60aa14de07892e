"""The score-delta ledger against changes worked out by hand, and its law: it sums to the change."""

from collections import defaultdict
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from cs_assets.health.score_change import KINDS
from cs_assets.health.scorecard import Scorecard
from tests.health.score_cases import (
    SAAS,
    SERVICE,
    Row,
    card_of,
    customer,
    ledger,
    measured,
    numbered,
    one_dimension,
    scored,
    written,
)

FLAT = [[0, 0], [1, 1]]
RATES = {
    "core_rate": {"weight": 0.5, "points": FLAT},
    "advanced_rate": {"weight": 0.3, "points": FLAT},
    "integration_rate": {"weight": 0.2, "points": FLAT},
}
CARD = one_dimension(RATES)


def steps(
    before: Row, after: Row, old: Scorecard = CARD, new: Scorecard | None = None
) -> list[tuple[Any, ...]]:
    found = ledger([before], [after], old, new)
    return [(row["step"], row["kind"], row["measure"], row["delta"]) for row in found]


def rates(core: float | None, advanced: float | None, integration: float | None) -> Row:
    return customer(core_rate=core, advanced_rate=advanced, integration_rate=integration)


def test_common_measures_come_one_by_one() -> None:
    assert steps(rates(0.5, 0.5, 0.5), rates(1, 0, 0.5)) == [
        (2, "measure", "core_rate", 0.25),
        (3, "measure", "advanced_rate", -0.15),
    ]


def test_lost_measures_come_first_and_gained_ones_last() -> None:
    """0.8 with two; 1 without advanced; 0.5 as core falls; 0.35 / 0.7 with integration at 0.5."""
    assert steps(rates(1, 7 / 15, None), rates(0.5, None, 1)) == [
        (1, "coverage", None, 0.2),
        (2, "measure", "core_rate", -0.5),
        (5, "coverage", None, round(0.45 / 0.7 - 0.5, 6)),
    ]


def test_all_that_was_known_is_lost_and_the_rest_gained() -> None:
    assert steps(rates(0.2, None, None), rates(None, 0.9, None)) == [(5, "coverage", None, 0.7)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (rates(0.2, 0.3, 0.4), rates(0.2, 0.3, 0.4)),
        (rates(None, None, None), rates(1, 1, 1)),
        (rates(1, 1, 1), rates(None, None, None)),
        (rates(1, 1, 1), {**rates(0, 0, 0), "customer_id": "new"}),
        (rates(1, 1, 1), {**rates(0, 0, 0), "tenant_id": "other"}),
        # what the scorecard does not read
        (customer(core_rate=1, nps=0), customer(core_rate=1, nps=100)),
    ],
)
def test_no_change_or_no_score_has_no_ledger(before: Row, after: Row) -> None:
    assert steps(before, after) == []


def test_curves_before_weights() -> None:
    """New curve and weight of core: 0.3 -> 0.55 by the curve, then 0.6 weighs 0.8, not 0.5."""
    pieces = {
        "core_rate": {"weight": 0.8, "points": [[0, 0], [0.5, 1]]},
        "advanced_rate": {"weight": 0.2, "points": FLAT},
    }
    before, after = rates(0.3, 0.3, 0.3), rates(0.4, 0.3, 0.3)
    assert steps(before, after, CARD, one_dimension(pieces)) == [
        (2, "measure", "core_rate", 0.05),
        (6, "thresholds", None, 0.2),
        (7, "weights", None, 0.15),
    ]


def test_dimensions_that_come_and_go_are_weights() -> None:
    found = steps(customer(login_days=10, csat=3), customer(login_days=20, csat=3), SAAS, SERVICE)
    last = [step for step in found if step[1] != "measure"]
    # saas_8: usage 0.5 -> 1, csat 0.5 in two dimensions; service_4: 0.3 of csat, 0.25 of logins
    old = (0.15 * 1 + 0.15 * 0.5 + 0.1 * 0.5) / 0.4
    new = (0.3 * 0.5 + 0.25 * 1) / 0.55
    assert last == [(22, "weights", None, round(round(new, 6) - round(old, 6), 6))]


def test_benchmarks_are_thresholds_and_types_are_weights() -> None:
    monthly = {"enterprise": 20_000, "mid_market": 5_000, "startup": 2_000}
    benchmarks = {**written("saas_8")["benchmarks"], "mrr": monthly}
    new = card_of(benchmarks=benchmarks)
    before = customer(1, "startup", mrr=1000)
    after = customer(1, "mid_market", mrr=800)
    found = steps(before, after, SAAS, new)
    assert [(kind, name, delta) for _, kind, name, delta in found] == [
        ("measure", "mrr", -0.2),
        ("thresholds", None, -0.4),
        ("weights", None, -0.24),
    ]


OTHER = card_of(
    weights={"all": {**dict.fromkeys(SAAS.dimensions, 0.1), "usage": 0.3}},
    benchmarks={"mrr": {"all": 3000}, "contract_value": {"all": 30_000}},
)


@pytest.mark.parametrize(
    ("old", "new"),
    [(SAAS, SAAS), (SERVICE, SERVICE), (SAAS, OTHER), (SERVICE, SAAS)],
    ids=lambda card: card.name,
)
@settings(max_examples=6)
@given(pairs=st.lists(st.tuples(measured(), measured()), min_size=1, max_size=20))
def test_a_ledger_sums_to_the_published_change(
    old: Scorecard, new: Scorecard, pairs: list[tuple[Row, Row]]
) -> None:
    before = numbered([pair[0] for pair in pairs])
    after = numbered([pair[1] for pair in pairs])
    found: dict[str, list[Row]] = defaultdict(list)
    for row in ledger(before, after, old, new):
        assert row["kind"] in KINDS
        assert (row["measure"] is not None) == (row["kind"] == "measure")
        assert row["delta"] != 0
        found[row["customer_id"]].append(row)
    for was, is_now in zip(scored(old, *before), scored(new, *after), strict=True):
        rows = found[was["customer_id"]]
        assert len({row["step"] for row in rows}) == len(rows)
        if was["overall"] is None or is_now["overall"] is None:
            assert rows == []
            continue
        change = is_now["overall"] - was["overall"]
        assert abs(sum(row["delta"] for row in rows) - change) <= 1e-9


@settings(max_examples=4)
@given(pairs=st.lists(st.tuples(measured(), measured()), min_size=2, max_size=15))
def test_the_order_of_rows_does_not_matter(pairs: list[tuple[Row, Row]]) -> None:
    before = numbered([pair[0] for pair in pairs])
    after = numbered([pair[1] for pair in pairs])
    assert ledger(before[::-1], after, SERVICE) == ledger(before, after[::-1], SERVICE)
