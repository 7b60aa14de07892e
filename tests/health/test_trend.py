"""Trends: changes since earlier days, and what they are called."""

from typing import Any

import ibis
import pytest

from cs_assets.health.contracts import PREVIOUS_PERIOD, THIRTY_DAYS_BEFORE
from cs_assets.health.forecast import forecasts, standing
from cs_assets.health.recent import recent
from cs_assets.health.trend import changes, trend
from cs_assets.periods import SCHEMA
from tests.health.forecast_cases import AS_OF, table

KEYS = {
    "tenant_id": "t",
    "customer_id": "c",
    "scorecard": "saas_8",
    "period_type": "month",
    "period_key": "2025-12",
}
COLUMNS = dict.fromkeys(KEYS, "string") | SCHEMA | {"overall": "float64", "grade": "string"}


def row_of(now: float | None, **before: float | None) -> dict[str, Any]:
    present = dict.fromkeys(COLUMNS) | KEYS | {"overall": now, "grade": "good"}
    old = [present | {"overall": score, "basis": basis} for basis, score in before.items()]
    (row,) = (
        trend(
            changes(
                ibis.memtable([present], schema=COLUMNS),
                ibis.memtable(old, schema=COLUMNS | {"basis": "string"}),
            ),
            recent(table([]), [AS_OF]),
            forecasts(standing(table([]), [AS_OF]), []),
        )
        .to_pyarrow()
        .to_pylist()
    )
    return row  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("now", "old", "direction"),
    [
        (0.73, 0.70, "stable"),
        (0.67, 0.70, "stable"),
        (0.730001, 0.70, "improving"),
        (0.669999, 0.70, "declining"),
        (0.33, 0.3, "stable"),  # binary fractions differ by more than 0.03
    ],
)
def test_directions_at_their_edges(now: float, old: float, direction: str) -> None:
    row = row_of(now, **{THIRTY_DAYS_BEFORE: old})
    assert row["direction"] == direction
    assert row["change_30d"] == pytest.approx(now - old, abs=1e-9)


def test_changes_are_against_their_own_day() -> None:
    row = row_of(0.6, **{THIRTY_DAYS_BEFORE: 0.8, PREVIOUS_PERIOD: 0.5})
    assert (row["change"], row["change_30d"], row["change_rate"]) == (0.1, -0.2, -0.25)
    assert (row["previous_score"], row["score_30d_ago"]) == (0.5, 0.8)
    assert row["previous_grade"] == "good"


@pytest.mark.parametrize("before", [{}, {THIRTY_DAYS_BEFORE: None}])
def test_what_was_unknown_makes_no_change(before: dict[str, float | None]) -> None:
    row = row_of(0.6, **before)
    assert (row["change_30d"], row["change_rate"], row["direction"]) == (None, None, None)


def test_a_score_that_is_unknown_now() -> None:
    row = row_of(None, **{THIRTY_DAYS_BEFORE: 0.4, PREVIOUS_PERIOD: 0.4})
    assert (row["overall"], row["change"], row["direction"]) == (None, None, None)
