"""The health system as it runs: from landed samples to scores, causes, advice and alerts."""

import csv
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from cs_apps.stale import recipes_of
from cs_assets.calendar import Grain
from cs_assets.definitions import CONTRACTS, build_definitions
from cs_assets.health import bases
from cs_assets.health.marts import FACTS, MARTS
from cs_assets.health.score_contracts import CUSTOMER_HEALTH
from cs_resources.staleness import stale_partitions
from tests.health.graph_cases import CUSTOMERS, FILES, LAST, MONTHS, SCORES, Home

Row = dict[str, Any]


def test_every_customer_has_a_score_in_its_bounds(home: Home) -> None:
    rows = home.rows("customer_health_month")
    assert len(rows) == 2 * CUSTOMERS * 2
    assert all(row["score_low"] <= row["overall"] <= row["score_high"] for row in rows)
    assert {row["as_of"] for row in rows} == {date(2025, 11, 30), LAST}
    # nothing of a year can be known after two months
    assert all(row["coverage"] < 1 for row in rows)
    assert {row["scorecard"] for row in rows} == {"saas_8", "service_4"}
    # the dimensions of the other scorecard are not this one's
    assert all((row["usage_score"] is None) == (row["scorecard"] == "service_4") for row in rows)


def test_the_figures_of_scores_name_their_period(home: Home) -> None:
    contract = CUSTOMER_HEALTH.for_grain(Grain.MONTH)
    told = home.told(contract.name, contract.partition_key("2025-12"))
    assert (told["period"], told["as_of"], told["is_complete"]) == ("2025-12", str(LAST), "true")
    assert told["customers"] == CUSTOMERS
    grades = [rows for name, rows in told.items() if name.startswith("saas_8: ")]
    assert sum(int(str(rows)) for rows in grades) == CUSTOMERS


def test_the_ledger_sums_to_the_published_change(home: Home) -> None:
    change = {_card(row): row["change"] for row in home.rows("health_trend_month")}
    sums = dict.fromkeys(change, 0.0)
    for row in home.rows("health_change_month"):
        sums[_card(row)] += row["delta"]
    december = {key for key in change if key[-1] == "2025-12"}
    assert {key for key in change if change[key] is not None} == december
    assert any(change[key] for key in december)
    for key in december:
        assert sums[key] == pytest.approx(change[key], abs=1e-9)


def test_trends_compare_published_scores(home: Home) -> None:
    scores = {_card(row): row["overall"] for row in home.rows("customer_health_month")}
    for row in home.rows("health_trend_month"):
        *own, period = _card(row)
        assert row["overall"] == scores[_card(row)]
        if period == "2025-12":
            assert row["previous_score"] == scores[*own, "2025-11"]


def test_the_last_30_days_are_those_of_daily_scores(home: Home) -> None:
    daily = {
        (row["customer_id"], row["scorecard"], row["score_date"]): row
        for row in home.rows("daily_scores")
    }
    for row in home.rows("health_trend_month"):
        own, as_of = (row["customer_id"], row["scorecard"]), row["as_of"]
        assert row["overall"] == daily[*own, as_of]["overall"]
        days = [daily[*own, as_of - timedelta(days=back)] for back in range(30)]
        poor = sum(day["risk_level"] in ("high", "critical") for day in days)
        assert row["days_in_poor_health"] == poor
        assert 0 <= row["stability"] <= 1
        # five customers for two months are too little
        assert row["forecast_30d"] is None
    assert {row["graded"] for row in home.rows("forecast_accuracy_month")} == {0}
    assert len(home.rows("forecast_accuracy_month")) == 2 * 2 * 4


def test_advice_is_at_most_five_actions_by_what_they_win(home: Home) -> None:
    wins: dict[tuple[str, ...], list[float]] = {}
    for row in sorted(home.rows("recommendations_month"), key=lambda row: row["rank"]):
        if row["kind"] == "action":
            wins.setdefault(_card(row), []).append(row["score_to_win"])
    assert wins
    assert all(len(own) <= 5 and own == sorted(own, reverse=True) for own in wins.values())


def test_alerts_are_the_runs_of_signals_that_reach_the_end(home: Home) -> None:
    days: dict[tuple[str, str], set[date]] = {}
    for row in home.rows("risk_signals"):
        days.setdefault((row["customer_id"], row["rule"]), set()).add(row["signal_date"])
    alerts = {
        (row["customer_id"], row["rule"]): row
        for row in home.rows("risk_alerts_month")
        if row["period_key"] == "2025-12"
    }
    assert alerts
    assert set(alerts) == {key for key, held in days.items() if LAST in held}
    for key, row in alerts.items():
        run = {date.fromordinal(n) for n in range(row["first_seen"].toordinal(), LAST.toordinal())}
        assert run <= days[key]
        assert date.fromordinal(row["first_seen"].toordinal() - 1) not in days[key]


@pytest.mark.parametrize(
    ("asset", "column", "upstream"),
    [
        ("risk_signals", "message_en", "activity_raw"),
        ("daily_scores", "overall", "support_raw"),
        ("customer_measures_month", "renewals", "sales_raw"),
        ("customer_health_month", "overall", "customer_measures_month"),
        ("health_factors_month", "change", "customer_measures_before_month"),
        ("recommendations_month", "rank", "customer_measures_month"),
        ("health_change_month", "delta", "customer_measures_before_month"),
        ("health_trend_month", "forecast_30d", "daily_scores"),
        ("forecast_accuracy_month", "mae", "customer_health_month"),
        ("risk_alerts_month", "first_seen", "risk_signals"),
    ],
)
def test_lineage_leads_through_what_a_step_keeps(
    home: Home, asset: str, column: str, upstream: str
) -> None:
    lineage = home.told(asset)["dagster/column_lineage"]
    assert isinstance(lineage, dg.TableColumnLineage)
    assert upstream in {dep.asset_key.path[-1] for dep in lineage.deps_by_column[column]}


def test_making_a_month_alone_gives_the_same(home: Home) -> None:
    before = home.hashes()
    home.load(MONTHS, date(2025, 12, 1))
    assert home.hashes() == before


def test_however_few_are_measured_at_once_the_rows_are_the_same(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = home.hashes()
    monkeypatch.setattr(bases, "MEASURED_AT_ONCE", 3 * 2 * CUSTOMERS)
    home.load("risk_signals", date(2025, 12, 1), date(2025, 12, 10))
    home.load("customer_measures_month")
    assert home.hashes() == before
    # what is shown of the first three days holds for all
    for asset, column in (("risk_signals", "message_en"), ("daily_scores", "overall")):
        told = home.told(asset, "2025-12-10")
        lineage = told["dagster/column_lineage"]
        assert isinstance(lineage, dg.TableColumnLineage)
        above = {dep.asset_key.path[-1] for dep in lineage.deps_by_column[column]}
        assert {"activity_raw", "support_raw", "sales_raw"} <= above


def test_what_lands_later_moves_no_earlier_period(home: Home, tmp_path: Path) -> None:
    house = Home(tmp_path / "copy", copy_of=home)
    before = house.hashes()
    _append(house.landing / "activity.csv", {"date": "2025-12-20", "activity_type": "login"})
    house.load(FILES)
    stale = _stale(house)
    assert {key[:7] for keys in stale.values() for key in keys} == {"2025-12"}
    assert {name for name in stale if name.startswith("customer_measures")} == {
        "customer_measures_month",
        "customer_measures_before_month",
    }
    house.load(f"risk_signals,{MONTHS}")
    changed = {key for key, value in house.hashes().items() if before[key] != value}
    assert ("health/customer_measures_month", "2025-12") in changed
    assert ("health/customer_success_report_month", "2025-12") in changed
    assert {key[:7] for asset, key in changed if asset.startswith("health/")} == {"2025-12"}
    assert _stale(house) == {}


def test_another_scorecard_makes_scores_stale_and_no_measures(home: Home) -> None:
    folder = home.landing.parent / "scorecards"
    folder.mkdir()
    packaged = Path(__file__).parents[2] / "cs_assets/health/scorecards/service_4.yaml"
    text = packaged.read_text(encoding="utf-8")
    (folder / "own.yaml").write_text(text.replace("name: service_4", "name: own"), "utf-8")
    settings = home.settings.model_copy(update={"health_scorecards": folder})
    changed = build_definitions(settings, home.storage, home.database)
    stale = stale_partitions(home.storage, recipes_of(changed, home.storage), settings.calendar)
    names = {contract.name for item in stale for contract in item.recipe.contracts}
    assert names == {
        f"{name}_month"
        for name in (
            *("customer_health", "health_factors", "recommendations", "health_change"),
            *("health_trend", "forecast_accuracy"),
        )
    } | {"daily_scores", "risk_signals"}


def test_absent_sources_leave_scores_honest(tmp_path: Path) -> None:
    house = Home(tmp_path, health_sources=("support",))
    house.load(f"customers_raw,support_raw,{SCORES}")
    (measures, *_) = house.rows("customer_measures_month")
    assert (measures["login_days"], measures["mrr"]) == (None, None)
    assert measures["open_tickets"] is not None
    for row in house.rows("customer_health_month"):
        assert row["coverage"] < 0.6
        assert row["usage_score"] is None
        assert not row["is_certain"]


def test_every_table_is_made_by_an_asset_that_is_described(home: Home) -> None:
    graph = home.definitions.resolve_asset_graph()
    for contract in (*FACTS, *MARTS):
        node = graph.get(contract.asset_key)
        assert node.description
        assert node.owners
        assert node.kinds
        assert node.group_name == "health"
    assert {contract.name for contract in CONTRACTS} >= {c.name for c in (*FACTS, *MARTS)}


def _card(row: Row) -> tuple[str, ...]:
    return row["customer_id"], row["scorecard"], row["period_key"]


def _stale(house: Home) -> dict[str, list[str]]:
    recipes = recipes_of(house.definitions, house.storage)
    found = stale_partitions(house.storage, recipes, house.settings.calendar)
    return {
        contract.name: sorted(item.reasons) for item in found for contract in item.recipe.contracts
    }


def _append(path: Path, values: Row) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    row = {"customer_id": "C0001"} | values
    with path.open("a", encoding="utf-8", newline="") as file:
        csv.DictWriter(file, header, restval="").writerow(row)
