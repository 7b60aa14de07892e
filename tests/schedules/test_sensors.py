"""What is noticed between the rounds, at pinned times."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from cs_assets.definitions import build_definitions
from cs_schedules.requests import REASON_TAG
from tests.calls.cases import TASK, Installation, Row, record, turn, write_source

FIRST, LAST = date(2025, 11, 20), date(2025, 11, 23)
MORNING = datetime(2025, 11, 24, 0, 0, tzinfo=UTC)  # 08:00 in Shanghai
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def calls(**changes: Any) -> list[Row]:
    rows = [
        record(day, id=f"r{day}", callid=f"k{day}", calldate=f"2025-11-{day} 10:00:00")
        for day in range(20, 24)
    ]
    rows[2] |= changes
    return rows


def house_of(home: Path, rows: Sequence[Row]) -> Installation:
    house = Installation(home, FIRST, date(2026, 3, 31))
    write_source(house.source, {"_2025_11": rows}, {"_2025_11": [turn("r20", 1)]})
    assert house.run("calls", FIRST, LAST) == ""
    return house


def look(house: Installation, now: datetime = MORNING) -> list[dg.RunRequest]:
    """Run the sensor once on a fresh reading of the source."""
    definitions = build_definitions(house.settings, house.storage, house.database)
    repository = definitions.get_repository_def()
    with dg.build_sensor_context(
        repository_def=repository,
        resources={
            "storage": house.storage,
            "call_database": house.database,
            "clock": lambda: now,
        },
    ) as context:
        data = repository.get_sensor_def("call_source_changes").evaluate_tick(context)
    return list(data.run_requests)


def spans(requests: Sequence[dg.RunRequest]) -> list[tuple[str, ...]]:
    return [tuple(request.tags[name] for name in _RANGE) for request in requests]


def test_an_unchanged_source_asks_for_nothing(tmp_path: Path) -> None:
    assert look(house_of(tmp_path, calls())) == []


@pytest.mark.parametrize(
    "changes", [{"duration": 11_000}, {"customer_id": "c2"}, {"calldate": "2025-11-23 09:00:00"}]
)
def test_a_changed_row_asks_for_exactly_its_days(tmp_path: Path, changes: dict[str, Any]) -> None:
    house = house_of(tmp_path, calls())
    write_source(house.source, {"_2025_11": calls(**changes)}, {"_2025_11": [turn("r20", 1)]})
    wanted = ("2025-11-22", "2025-11-23" if "calldate" in changes else "2025-11-22")
    assert spans(look(house)) == [wanted]


def test_a_late_row_is_asked_for_once(tmp_path: Path) -> None:
    house = house_of(tmp_path, calls())
    late = record(99, id="late", callid="late", calldate="2025-11-20 11:00:00")
    write_source(house.source, {"_2025_11": [*calls(), late]})
    (first,), (again,) = look(house), look(house)
    assert first.run_key == again.run_key
    assert spans([first]) == [("2025-11-20", "2025-11-20")]
    assert house.run("calls", date(2025, 11, 20)) == ""
    assert look(house) == []


def test_a_late_turn_asks_for_its_day(tmp_path: Path) -> None:
    house = house_of(tmp_path, calls())
    write_source(
        house.source, {"_2025_11": calls()}, {"_2025_11": [turn("r20", 1), turn("r22", 1)]}
    )
    assert spans(look(house)) == [("2025-11-22", "2025-11-22")]
    assert house.run("calls", date(2025, 11, 22)) == ""
    assert look(house) == []


def test_a_row_that_was_removed_is_noticed(tmp_path: Path) -> None:
    house = house_of(tmp_path, calls())
    write_source(house.source, {"_2025_11": calls()[1:]})
    assert spans(look(house)) == [("2025-11-20", "2025-11-20")]


def test_a_new_day_is_left_to_the_nightly_sync_until_that_is_due(tmp_path: Path) -> None:
    house = house_of(tmp_path, calls())
    new = record(24, id="r24", callid="k24", calldate="2025-11-24 10:00:00")
    write_source(house.source, {"_2025_11": [*calls(), new]}, {"_2025_11": [turn("r20", 1)]})
    assert look(house, datetime(2025, 11, 24, 17, 59, tzinfo=UTC)) == []  # 01:59 in Shanghai
    due = look(house, datetime(2025, 11, 24, 18, 0, tzinfo=UTC))
    assert spans(due) == [("2025-11-24", "2025-11-24")]


def test_a_quarantined_row_comes_back_when_its_task_is_known(tmp_path: Path) -> None:
    house = house_of(tmp_path, calls(task_id="t2"))
    assert [row["reason"] for row in house.rows("call_records_quarantine")] == ["unknown_task"]
    assert look(house) == []
    tasks = (TASK, ("t2", "新任务", "2025-11-23 09:00:00"))
    said = {"_2025_11": [turn("r20", 1)]}
    write_source(house.source, {"_2025_11": calls(task_id="t2")}, said, tasks)
    (cure,) = look(house)
    assert spans([cure]) == [("2025-11-22", "2025-11-22")]
    assert cure.tags[REASON_TAG] == "quarantine curable"
    assert house.run("calls", date(2025, 11, 22)) == ""
    assert house.rows("call_records_quarantine") == []
    assert look(house) == []


def test_an_unreadable_source_is_said_and_looked_at_again(tmp_path: Path) -> None:
    house = house_of(tmp_path, calls())
    house.source.unlink()
    assert look(house) == []
