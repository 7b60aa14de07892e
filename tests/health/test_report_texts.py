"""The text of the report's files: shapes, order, strictness, sums."""

import json
import math
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cs_assets.health.report_shapes import CustomerEntry, CustomerSuccessData
from cs_assets.health.report_texts import Tally, alert_pieces, data_pieces, history_pieces
from cs_assets.health.report_writing import Entries, Owner, tenant_folder, write_reports
from cs_assets.results import Piece

GRADES = ["excellent", "good", "at_risk", "critical"]
AT = "2024-01-20T10:00:00Z"
SAMPLE = """
{
  "customers": [
    {
      "customer_id": "CUST001",
      "customer_name": "Tech Corp",
      "health_score": 0.85,
      "health_grade": "excellent",
      "risk_level": "low",
      "score_breakdown": {
        "usage": 0.90,
        "engagement": 0.85,
        "support": 0.95,
        "payment": 1.00,
        "adoption": 0.80,
        "satisfaction": 0.90,
        "lifecycle": 0.85,
        "value": 0.75
      },
      "trend": {
        "direction": "improving",
        "change_30d": 0.05,
        "forecast_30d": 0.88
      },
      "alerts": [],
      "recommendations": [],
      "data_sources": ["sales", "support", "activity"],
      "calculated_at": "2024-01-20T10:00:00Z"
    }
  ],
  "summary": {
    "total_customers": 30,
    "avg_health_score": 0.75,
    "distribution": {
      "excellent": 8,
      "good": 12,
      "at_risk": 7,
      "critical": 3
    }
  }
}
"""
"""The output of the plan that the report follows, its two `[...]` empty."""


def entry(**changes: Any) -> dict[str, Any]:
    """A customer's row, without `calculated_at`."""
    customer: dict[str, Any] = json.loads(SAMPLE)["customers"][0]
    del customer["calculated_at"]
    return customer | {"alerts": None, "recommendations": None} | changes


def text(pieces: Iterable[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def data(*rows: dict[str, Any], at: str = AT) -> str:
    return text(data_pieces(rows, at, GRADES, Tally()))


def keys(value: Any) -> Any:
    """Names of fields in their order, all the way down."""
    if isinstance(value, dict):
        return [(name, keys(own)) for name, own in value.items()]
    return [keys(own) for own in value] if isinstance(value, list) else None


def test_the_plans_sample_keeps_the_shape() -> None:
    sample = CustomerSuccessData.model_validate_json(SAMPLE)
    assert json.loads(sample.model_dump_json()) == json.loads(SAMPLE)


def test_what_is_written_has_the_samples_fields_in_its_order() -> None:
    assert keys(json.loads(data(entry()))) == keys(json.loads(SAMPLE))
    assert json.loads(data(entry()))["customers"] == json.loads(SAMPLE)["customers"]


def test_what_is_unknown_is_null() -> None:
    unknown = dict.fromkeys(["customer_name", "health_score", "health_grade", "risk_level"])
    trend = dict.fromkeys(["direction", "change_30d", "forecast_30d"])
    said = json.loads(data(entry(**unknown, trend=trend)))
    assert {name: said["customers"][0][name] for name in unknown} == unknown
    assert said["customers"][0]["trend"] == trend
    assert said["summary"]["avg_health_score"] is None
    assert sum(said["summary"]["distribution"].values()) == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1.01, -0.01, "high"])
def test_a_score_that_is_none_is_never_written(bad: Any) -> None:
    with pytest.raises(ValidationError):
        data(entry(health_score=bad))


def test_a_field_too_many_or_too_few_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        data(entry(phone="13800000000"))
    with pytest.raises(ValidationError, match="trend"):
        CustomerEntry.model_validate({k: v for k, v in entry().items() if k != "trend"})


def test_the_average_is_exact_whatever_the_order() -> None:
    rows = [entry(health_score=score) for score in (0.1, 0.2, 0.000001, 0.7)] * 25
    averages = {
        json.loads(data(*order))["summary"]["avg_health_score"] for order in (rows, rows[::-1])
    }
    assert averages == {0.25}


def test_only_calculated_at_is_provenance() -> None:
    pieces = list(data_pieces([entry(), entry()], AT, GRADES, Tally()))
    later = list(data_pieces([entry(), entry()], "2030-01-01T00:00:00Z", GRADES, Tally()))
    assert [p.text for p in pieces if not p.is_provenance] == [
        p.text for p in later if not p.is_provenance
    ]
    assert [p.text for p in pieces if p.is_provenance] == [f',"calculated_at":"{AT}"'] * 2


def test_a_name_that_looks_like_the_instant_is_content() -> None:
    odd = '","calculated_at":"x\u2028</script>'
    said = json.loads(data(entry(customer_name=odd)))
    assert said["customers"][0]["customer_name"] == odd
    pieces = data_pieces([entry(customer_name=odd)], AT, GRADES, Tally())
    assert [p.text for p in pieces if p.is_provenance] == [f',"calculated_at":"{AT}"']


def test_alerts_hold_their_evidence_as_an_object() -> None:
    alert = {
        "alert_id": "a",
        "customer_id": "c",
        "rule": "no_login",
        "severity": "medium",
        "message": "已 35 天没有登录",
        "evidence": '{"days_since_login": 35, "is_certain": true, "contract_end": null}',
        "first_seen": date(2025, 1, 1),
        "last_seen": date(2025, 1, 2),
        "owner": None,
    }
    tally = Tally()
    said = json.loads(text(alert_pieces([alert, alert], "2025-01", tally)))
    assert said["generated_for"] == "2025-01"
    assert said["alerts"][0]["evidence"] == {
        "days_since_login": 35,
        "is_certain": True,
        "contract_end": None,
    }
    assert (tally.entries, len(said["alerts"])) == (2, 2)
    with pytest.raises(ValidationError):
        text(alert_pieces([alert | {"evidence": '{"depth": NaN}'}], "2025-01", Tally()))


def test_files_without_entries_are_lists_without_entries() -> None:
    assert json.loads(text(history_pieces([], Tally()))) == []
    assert json.loads(text(alert_pieces([], "2025-01", Tally())))["alerts"] == []
    assert json.loads(data())["summary"]["total_customers"] == 0


def test_each_tenant_has_files_of_its_own(tmp_path: Path) -> None:
    rows = [entry(tenant_id=name, period_key="2025-01") for name in ("a", "a", "b/../c")]
    at = {"2025-01": datetime(2024, 1, 20, 10, tzinfo=UTC)}
    silent = Owner("silent", "2025-01")
    reports = write_reports(tmp_path, Entries(customers=rows), at, GRADES, [silent])
    assert {owner.tenant_id for owner in reports} == {"a", "b/../c", "silent"}
    folders = sorted(path.name for path in (tmp_path / "2025-01").iterdir())
    assert folders == ["a", tenant_folder("b/../c"), "silent"]
    files = [tmp_path / "2025-01" / name / "customer_success_data.json" for name in folders]
    assert [len(json.loads(f.read_text("utf-8"))["customers"]) for f in files] == [2, 1, 0]
    assert tenant_folder("..") == "%2E%2E"
