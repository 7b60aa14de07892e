"""The last 30 days of a score: days in poor health and stability."""

import statistics
from datetime import timedelta
from typing import Any

import pytest

from cs_assets.health.recent import FEWEST_SCORES, recent
from tests.health.forecast_cases import AS_OF, Row, daily, table

WHOLE = [daily(1, AS_OF - timedelta(days=back), 0.5 + back / 100) for back in range(30)]


def of(rows: list[Row], customer: int = 1) -> tuple[Any, Any]:
    found = recent(table(rows), [AS_OF]).to_pyarrow().to_pylist()
    (row,) = (row for row in found if row["customer_id"] == f"c{customer:04}")
    return row["days_in_poor_health"], row["stability"]


def test_days_at_high_or_critical_risk_count() -> None:
    levels = {0: "high", 3: "critical", 4: "low", 29: "high"}
    rows = [row | {"risk_level": levels.get(back, "medium")} for back, row in enumerate(WHOLE)]
    before = daily(1, AS_OF - timedelta(days=30), 0.1, risk_level="critical")
    after = daily(1, AS_OF + timedelta(days=1), 0.1, risk_level="critical")
    assert of([*rows, before, after])[0] == 3


def test_stability_is_one_less_twice_the_deviation() -> None:
    spread = statistics.pstdev(row["overall"] for row in WHOLE)
    assert of(WHOLE)[1] == pytest.approx(1 - 2 * spread, abs=1e-6)
    still = [row | {"overall": 0.7} for row in WHOLE]
    assert of(still)[1] == 1
    torn = [row | {"overall": float(back % 2)} for back, row in enumerate(WHOLE)]
    assert of(torn)[1] == 0


def test_a_day_that_is_not_loaded_makes_both_unknown() -> None:
    assert of([row for back, row in enumerate(WHOLE) if back != 5]) == (None, None)


def test_a_day_on_which_nothing_was_known_makes_both_unknown() -> None:
    gap = [
        row | ({"overall": None, "risk_level": None} if n == 5 else {})
        for n, row in enumerate(WHOLE)
    ]
    assert of(gap) == (None, None)


def test_days_before_a_customer_came_are_none_of_its_days() -> None:
    new = [daily(2, AS_OF - timedelta(days=back), 0.2, risk_level="high") for back in range(8)]
    assert of([*WHOLE, *new], 2) == (8, 1)
    few = new[: FEWEST_SCORES - 1]
    assert of([*WHOLE, *few], 2) == (FEWEST_SCORES - 1, None)
