"""Laws of scores: intervals, monotone inputs, the order of rows."""

import random
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from cs_assets.health.contracts import MEASURES
from cs_assets.health.scorecard import Scorecard
from cs_assets.sources.contracts import PAYMENT_STATUSES
from tests.health.score_cases import (
    SAAS,
    SERVICE,
    Row,
    customer,
    measured,
    numbered,
    scored,
    value_of,
)

BOTH = pytest.mark.parametrize("card", [SAAS, SERVICE], ids=lambda card: card.name)
NAMES = [measure.name for measure in MEASURES]
ROUNDING = 1.000001e-6
"""Two rounded figures of the same value."""
MORE_IS_BETTER = {
    *("login_days", "depth", "engaged_events", "onboarding_steps"),
    *("core_rate", "advanced_rate", "integration_rate", "csat", "nps", "payment_status"),
    *("renewals", "mrr", "contract_value", "tenure_months", "remaining_months"),
}
LESS_IS_BETTER = {"tickets", "resolution_hours", "losses", "contract_changes"}

OLD_TICKET = customer(
    **dict.fromkeys(NAMES, 1) | {"tickets": 0, "resolution_hours": 2400, "payment_status": "late"}
)
"""All is known; not to know that no ticket is new must not make the old one count."""


@BOTH
@settings(max_examples=12)
@given(rows=st.lists(measured(), min_size=6, max_size=25))
def test_a_score_lies_in_its_interval(card: Scorecard, rows: list[Row]) -> None:
    for row in scored(card, *numbered(rows)):
        low, high = row["score_low"], row["score_high"]
        assert 0 <= low <= high <= 1
        assert 0 <= row["coverage"] <= 1
        if row["overall"] is None:
            assert (low, high, row["coverage"]) == (0, 1, 0)
            continue
        assert low <= row["overall"] <= high
        assert row["overall"] == round(row["overall"], 6)
        if row["coverage"] == 1:
            assert low == row["overall"] == high
        # what is missing is what the interval is wide
        assert high - low == pytest.approx(1 - row["coverage"], abs=2 * ROUNDING)
        bands = [grade for grade in card.grades if low < grade.to or grade.to == 1]
        bands = [grade for grade in bands if high >= grade.from_]
        assert row["is_certain"] == (len(bands) == 1)
        assert row["grade"] in [grade.name for grade in bands]


@BOTH
@settings(max_examples=12)
@given(
    views=st.lists(
        st.tuples(measured(optional=False), st.sets(st.sampled_from(NAMES))),
        min_size=6,
        max_size=25,
    )
)
@example(views=[(OLD_TICKET, {"tickets"})])
def test_the_full_score_lies_in_every_partial_interval(
    card: Scorecard, views: list[tuple[Row, set[str]]]
) -> None:
    full = scored(card, *numbered([row for row, _ in views]))
    partial = scored(card, *numbered([{**row, **dict.fromkeys(gone)} for row, gone in views]))
    for whole, part in zip(full, partial, strict=True):
        if whole["overall"] is None:
            continue
        assert part["score_low"] - ROUNDING <= whole["overall"] <= part["score_high"] + ROUNDING
        assert part["coverage"] <= whole["coverage"]


@st.composite
def improvements(draw: st.DrawFn, card: Scorecard) -> tuple[Row, Row]:
    """A customer, and the same with one measure better or the same."""
    exempt = {"tickets"} if card is SERVICE else set()
    names = sorted((MORE_IS_BETTER | LESS_IS_BETTER) & set(card.measures) - exempt)
    row, name = draw(measured()), draw(st.sampled_from(names))

    def goodness(value: Any) -> float:
        if name == "payment_status":
            return -PAYMENT_STATUSES.index(value)
        return float(value if name in MORE_IS_BETTER else -value)

    values = sorted((draw(value_of(name)), draw(value_of(name))), key=goodness)
    worse, better = ({**row, name: value} for value in values)
    return worse, better


@pytest.mark.parametrize("card", [SAAS, SERVICE], ids=lambda card: card.name)
@settings(max_examples=12)
@given(data=st.data())
def test_better_input_never_lowers_a_score(card: Scorecard, data: st.DataObject) -> None:
    pairs = data.draw(st.lists(improvements(card), min_size=8, max_size=25))
    worse = scored(card, *numbered([pair[0] for pair in pairs]))
    better = scored(card, *numbered([pair[1] for pair in pairs]))
    for was, is_now in zip(worse, better, strict=True):
        if was["overall"] is not None and is_now["overall"] is not None:
            assert was["overall"] <= is_now["overall"] + ROUNDING


@BOTH
def test_every_measure_has_a_direction(card: Scorecard) -> None:
    """The base of a ratio is neither good nor bad; all others are tried above."""
    assert set(card.measures) - MORE_IS_BETTER - LESS_IS_BETTER <= {"mrr_90d_ago"}


@BOTH
@settings(max_examples=5)
@given(rows=st.lists(measured(), min_size=2, max_size=25), seed=st.integers(0, 99))
def test_the_order_of_rows_does_not_matter(card: Scorecard, rows: list[Row], seed: int) -> None:
    rows = numbered(rows)
    shuffled = random.Random(seed).sample(rows, len(rows))
    found = {row["customer_id"]: row for row in scored(card, *shuffled)}
    assert [found[row["customer_id"]] for row in rows] == scored(card, *rows)
