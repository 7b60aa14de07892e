"""The customer-success report as it runs: its files against the marts that it is made of."""

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

from cs_assets.calendar import Grain
from cs_assets.health.report_checks import FILES_CHECK, problem
from cs_assets.health.report_contracts import CUSTOMER_SUCCESS_REPORT
from cs_assets.health.report_shapes import CustomerSuccessData, RiskAlerts, ScoreHistory
from cs_assets.health.report_texts import ALERTS, DATA, FILES, HISTORY
from tests.health.graph_cases import CUSTOMERS, Home

REPORT = CUSTOMER_SUCCESS_REPORT.for_grain(Grain.MONTH)
PERIODS = ("2025-11", "2025-12")
Row = dict[str, Any]


def folder(home: Home, period: str = "2025-12") -> Path:
    return home.settings.reports_root / "customer_success_report/month" / period / "default"


def file(home: Home, name: str, period: str = "2025-12") -> Any:
    return json.loads((folder(home, period) / name).read_text("utf-8"))


def of_period(home: Home, name: str, period: str = "2025-12", **values: str) -> list[Row]:
    wanted = {"period_key": period, **values}
    return [row for row in home.rows(name) if wanted.items() <= row.items()]


def contents(home: Home) -> dict[Path, bytes]:
    return {
        folder(home, p) / name: (folder(home, p) / name).read_bytes()
        for p in PERIODS
        for name in FILES
    }


def test_files_keep_their_shapes(home: Home) -> None:
    for period in PERIODS:
        data = CustomerSuccessData.model_validate(file(home, DATA, period))
        assert data.summary.total_customers == len(data.customers) == CUSTOMERS
        assert RiskAlerts.model_validate(file(home, ALERTS, period)).generated_for == period
        assert [ScoreHistory.model_validate(own) for own in file(home, HISTORY, period)]


def test_customers_are_as_health_has_them(home: Home) -> None:
    scores = of_period(home, "customer_health_month", scorecard="saas_8")
    trends = of_period(home, "health_trend_month", scorecard="saas_8")
    names = {row["customer_id"]: row["name"] for row in home.rows("customers_raw")}
    by_id = {row["customer_id"]: row for row in scores}
    change = {row["customer_id"]: row["change_30d"] for row in trends}
    said = file(home, DATA)["customers"]
    assert [own["customer_id"] for own in said] == sorted(by_id)
    for own in said:
        row = by_id[own["customer_id"]]
        assert own["health_score"] == row["overall"]
        assert (own["health_grade"], own["risk_level"]) == (row["grade"], row["risk_level"])
        assert own["score_breakdown"] == json.loads(row["dimension_scores"])
        assert own["customer_name"] == names[own["customer_id"]]
        assert own["trend"]["change_30d"] == change[own["customer_id"]]
        assert own["data_sources"] == ["sales", "support", "activity"]


def test_the_summary_adds_up(home: Home) -> None:
    rows = of_period(home, "customer_health_month", scorecard="saas_8")
    summary = file(home, DATA)["summary"]
    assert summary["avg_health_score"] == round(sum(row["overall"] for row in rows) / len(rows), 6)
    grades = Counter(row["grade"] for row in rows)
    assert {g: n for g, n in summary["distribution"].items() if n} == grades
    assert list(summary["distribution"]) == ["excellent", "good", "at_risk", "critical"]


def test_alerts_are_the_open_ones(home: Home) -> None:
    rows = of_period(home, "risk_alerts_month")
    told = file(home, ALERTS)["alerts"]
    assert {own["alert_id"] for own in told} == {row["alert_id"] for row in rows}
    assert len(told) == len(rows) > 0
    by_id = {row["alert_id"]: row for row in rows}
    for own in told:
        row = by_id[own["alert_id"]]
        assert own["message"] == row["message_zh"]
        assert own["evidence"] == json.loads(row["evidence"])
        assert (own["first_seen"], own["owner"]) == (str(row["first_seen"]), row["owner"])
    of_customers = [
        (own["customer_id"], alert["alert_id"])
        for own in file(home, DATA)["customers"]
        for alert in own["alerts"]
    ]
    assert sorted(of_customers) == sorted((row["customer_id"], row["alert_id"]) for row in rows)


def test_advice_is_in_order(home: Home) -> None:
    rows = of_period(home, "recommendations_month", scorecard="saas_8")
    rows.sort(key=lambda row: (row["customer_id"], row["kind"], row["rank"]))
    told = [
        (own["customer_id"], advice["action"], advice["text"])
        for own in file(home, DATA)["customers"]
        for advice in own["recommendations"]
    ]
    assert told == [(row["customer_id"], row["action"], row["text_zh"]) for row in rows]


def test_histories_tell_earlier_periods_and_no_later_ones(home: Home) -> None:
    scores = {
        (row["customer_id"], row["scorecard"], row["period_key"]): (row["overall"], row["grade"])
        for row in home.rows("customer_health_month")
    }
    for count, period in enumerate(PERIODS, start=1):
        told = file(home, HISTORY, period)
        assert len(told) == 2 * CUSTOMERS
        for own in told:
            assert [point["period_key"] for point in own["history"]] == list(PERIODS[:count])
            for point in own["history"]:
                key = (own["customer_id"], own["scorecard"], point["period_key"])
                assert (point["score"], point["grade"]) == scores[key]


def test_the_same_twice_has_the_same_bytes(home: Home) -> None:
    before, versions = contents(home), home.hashes()
    home.load(REPORT.name)
    assert contents(home) == before
    assert home.hashes() == versions


def test_a_damaged_file_is_found_and_made_again(home: Home) -> None:
    before, path = contents(home), folder(home) / ALERTS
    path.write_text("{}", "utf-8")
    assert problem(home.storage, REPORT, "2025-12") == "the files are not what was written"
    assert problem(home.storage, REPORT, "2025-11") == ""
    home.load(REPORT.name, date(2025, 12, 1))
    assert contents(home) == before
    assert problem(home.storage, REPORT, "2025-12") == ""
    check = next(
        event.asset_check_evaluation_data
        for event in reversed(home.events)
        if event.event_type_value == "ASSET_CHECK_EVALUATION"
        and event.asset_check_evaluation_data.check_name == FILES_CHECK
    )
    assert check.passed
    assert check.metadata["reports"].value == 1


def test_metadata_shows_where_the_files_are(home: Home) -> None:
    told = home.told(REPORT.name, "2025-12")
    assert told["files"] == str(folder(home).parent)
    assert told["customers"] == CUSTOMERS
    assert told["avg_health_score"] == file(home, DATA)["summary"]["avg_health_score"]
    assert "data:image/png" in str(told["picture"])
