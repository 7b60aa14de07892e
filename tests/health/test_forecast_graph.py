"""Forecasts as the graph publishes them: made, and graded when they come due."""

from datetime import date, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from cs_apps.sample_data.health import write_health_files
from cs_assets.health.forecast_contracts import DAILY_SCORES, EVERY_TYPE
from tests.calls.cases import Installation
from tests.health.forecast_cases import expected
from tests.health.graph_cases import FILES

Row = dict[str, Any]
FIRST, LAST = date(2025, 10, 2), date(2025, 12, 31)
"""Ninety days: what is due at the end was learnt from one step of 30 days."""
MADE = LAST - timedelta(days=30)
CUSTOMERS = 40
DECEMBER = "customer_measures_month,customer_health_month,health_trend_month"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    path: Path = tmp_path_factory.mktemp("forecasts")
    made = Installation(path, FIRST, LAST)
    write_health_files(
        path / "landing", customers=CUSTOMERS, months=3, end=LAST, with_defects=False
    )
    assert made.run(f"{FILES},risk_signals", FIRST, LAST) == ""
    assert made.run(DECEMBER, date(2025, 12, 1), LAST) == ""
    return made


def _said(home: Installation) -> dict[tuple[Any, ...], Row]:
    rows = [row for row in home.rows("daily_scores") if row["scorecard"] == "saas_8"]
    named = [{name: row[name] for name in DAILY_SCORES.schema} for row in rows]
    return {(row["forecast_date"], row["customer_id"]): row for row in expected(named, [LAST])}


def test_a_forecast_is_published_with_its_interval(home: Installation) -> None:
    said = _said(home)
    rows = home.rows("health_trend_month")
    assert len(rows) == 2 * CUSTOMERS
    for row in rows:
        assert 0 <= row["forecast_low"] <= row["forecast_30d"] <= row["forecast_high"] <= 1
        if row["scorecard"] == "saas_8":
            own = said[LAST, row["customer_id"]]
            names = ("forecast_30d", "forecast_low", "forecast_high")
            assert [row[name] for name in names] == [own[name] for name in names]
    assert len({row["forecast_30d"] for row in rows}) > CUSTOMERS


def test_what_was_forecast_is_graded_by_the_score_that_came(home: Installation) -> None:
    said = _said(home)
    came = {
        row["customer_id"]: row["overall"]
        for row in home.rows("customer_health_month")
        if row["scorecard"] == "saas_8"
    }
    due = {customer: said[MADE, customer] for customer in came}
    (graded,) = (
        row
        for row in home.rows("forecast_accuracy_month")
        if (row["scorecard"], row["customer_type"]) == ("saas_8", EVERY_TYPE)
    )
    assert graded["graded"] == CUSTOMERS
    errors = [abs(due[own]["forecast_30d"] - came[own]) for own in came]
    unchanged = [abs(due[own]["score"] - came[own]) for own in came]
    assert graded["mae"] == pytest.approx(fmean(errors), abs=1e-6)
    assert graded["mae_no_change"] == pytest.approx(fmean(unchanged), abs=1e-6)
    assert graded["beats_no_change"] == (fmean(errors) < fmean(unchanged))
    within = [due[own]["forecast_low"] <= came[own] <= due[own]["forecast_high"] for own in came]
    assert graded["within_rate"] == pytest.approx(sum(within) / CUSTOMERS)
