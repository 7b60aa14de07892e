"""Each check passes on good tables and fails on a planted defect, as Dagster runs it."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from cs_assets.calls.contracts import CALL_RECORDS_CLEAN
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT
from cs_assets.definitions import build_definitions
from tests.calls.cases import Installation, Row, record, turn, write_source

FIRST, LAST = date(2025, 10, 20), date(2025, 11, 24)
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def rows_of(per_day: int, changed: dict[date, int]) -> list[Row]:
    days = [FIRST + timedelta(n) for n in range((LAST - FIRST).days + 1)]
    return [
        record(
            n,
            id=f"{day}-{n}",
            callid=f"{day}-{n}",
            calldate=f"{day} 10:{n % 60:02}:00",
            customer_id=f"c{n}",
        )
        for day in days
        for n in range(changed.get(day, per_day))
    ]


def house_of(home: Path, rows: list[Row], last: date = LAST) -> Installation:
    house = Installation(home, FIRST, date(2026, 3, 31))
    write_source(house.source, {"_2025_10": rows}, {"_2025_10": [turn(rows[0]["id"], 1)]})
    assert house.run("calls", FIRST, last) == ""
    return house


def evaluations(
    house: Installation,
    instance: dg.DagsterInstance,
    job: str,
    now: datetime = datetime(2025, 11, 25, 0, 0, tzinfo=UTC),
    tags: dict[str, str] | None = None,
) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    definitions = build_definitions(house.settings, house.storage, clock=lambda: now)
    result = (
        definitions.get_repository_def()
        .get_job(job)
        .execute_in_process(instance=instance, run_config=QUIET, tags=tags, raise_on_error=False)
    )
    return {
        (evaluation.asset_key.path[-1], evaluation.check_name): evaluation
        for evaluation in result.get_asset_check_evaluations()
    }


def test_freshness_fails_when_the_day_that_is_due_is_missing(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    house = house_of(tmp_path, rows_of(2, {}), LAST - timedelta(1))
    at_four, at_eight = (datetime(2025, 11, 24, hour, tzinfo=UTC) for hour in (20, 24 - 1))
    early = evaluations(house, instance, "freshness_of_all_tables", at_four)
    assert all(found.passed for found in early.values())
    assert len(early) == 2 * len(house.storage.contracts)
    late = evaluations(house, instance, "freshness_of_all_tables", at_eight + timedelta(hours=1))
    missing = {asset for (asset, _), found in late.items() if not found.passed}
    assert {"call_records_raw", "call_sentiment", "call_record_enriched"} <= missing
    assert "portrait_snapshot_quarter" not in missing


@pytest.mark.parametrize(("rows", "passed"), [(30, True), (3, False), (200, False)])
def test_volume_warns_on_a_day_of_unusual_size(
    tmp_path: Path, instance: dg.DagsterInstance, rows: int, passed: bool
) -> None:
    house = house_of(tmp_path, rows_of(30, {LAST: rows}))
    tags = {"dagster/asset_partition_range_start": str(LAST)}
    tags |= {"dagster/asset_partition_range_end": str(LAST)}
    found = evaluations(house, instance, "calls_sync", tags=tags)
    volume = found["call_records_clean", "volume"]
    assert volume.passed is passed
    assert volume.severity == dg.AssetCheckSeverity.WARN
    assert f"{LAST}: {rows} rows" in str(volume.description)
    # a warning stops nothing
    assert house.storage.lake.published(CALL_RECORDS_CLEAN, [str(LAST)])


def test_a_flood_of_bad_rows_is_refused_and_named(tmp_path: Path) -> None:
    rows = rows_of(40, {})
    house = house_of(tmp_path, rows)
    before = house.hashes()
    bad = [
        row | {"customer_id": None} if row["id"].startswith(f"{LAST}-1") else row for row in rows
    ]
    write_source(house.source, {"_2025_10": bad})
    problem = house.run("call_records_raw,call_records_clean,call_turns_raw,call_tasks", LAST)
    assert "11 of 40 rows (27.5%) would go to quarantine, the limit is 4.0%" in problem
    clean = (CALL_RECORDS_CLEAN.asset_name, str(LAST))
    assert house.hashes()[clean] == before[clean]


def test_one_poison_row_of_a_quiet_day_is_no_flood(tmp_path: Path) -> None:
    rows = rows_of(3, {})
    bad = [row | {"customer_id": None} if row["id"] == f"{LAST}-1" else row for row in rows]
    house = house_of(tmp_path, bad)
    assert [row["reason"] for row in house.rows("call_records_quarantine")] == ["no_customer"]


def test_a_call_is_judged_by_what_the_customer_said(tmp_path: Path) -> None:
    rows = rows_of(6, {})[-6:]
    said = ["我要投诉，太差了", "不投诉", "不用了，谢谢", "很满意，谢谢你", None, "😀"]
    turns = [turn(row["id"], 1, text) for row, text in zip(rows, said, strict=True)]
    robot = turn(rows[1]["id"], 2, "嗯", answer_content="您要投诉吗？要取消吗？")
    house = Installation(tmp_path, FIRST, date(2026, 3, 31))
    write_source(house.source, {"_2025_11": rows}, {"_2025_11": [*turns, robot]})
    assert house.run("calls", FIRST, LAST) == ""
    found = {row["callid"]: row for row in house.rows("call_sentiment")}
    names = ("sentiment", "complaint_risk", "churn_risk", "method")
    assert [tuple(found[row["callid"]][name] for name in names) for row in rows] == [
        ("negative", "high", None, "rules"),
        ("neutral", None, None, "rules"),
        (None, None, "medium", "rules"),
        ("positive", None, None, "rules"),
        (None, None, None, None),
        (None, None, None, None),
    ]
    (snapshot,) = (r for r in house.rows("portrait_snapshot_month") if r["customer_id"] == "c4")
    assert (snapshot["analysed_calls"], snapshot["avg_sentiment_score"]) == (0, None)
    (summary,) = house.rows("task_summary_month")
    assert (summary["satisfied_rate"], summary["high_complaint_rate"]) == (1 / 3, 1 / 6)
    assert house.storage.by_key[CALL_SENTIMENT.asset_key] is CALL_SENTIMENT
