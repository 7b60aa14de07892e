"""What the calls graph does when days are missing, inputs change or the source breaks."""

import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from cs_assets.calendar import PERIOD_GRAINS
from tests.calls.cases import MONDAY, TABLE, Installation, Row, record, turn, write_source

WEDNESDAY, END = date(2025, 11, 19), date(2025, 12, 7)
FACTS = (
    "call_tasks,call_records_raw,call_turns_raw,call_records_clean,"
    "call_sentiment,call_record_enriched"
)
DETAILS = "autodialer_call_record_detail_2025_11"


def days(count: int, first: date = WEDNESDAY) -> list[date]:
    return [first + timedelta(n) for n in range(count)]


@pytest.fixture
def house(tmp_path: Path) -> Installation:
    """Two calls a day, in a history from a Wednesday in mid-quarter; nothing is made yet."""
    rows = [
        record(2 * n + half, customer_id=f"c{half}", calldate=f"{day} 1{half}:00:00")
        for n, day in enumerate(days(19))
        for half in range(2)
    ]
    installation = Installation(tmp_path, WEDNESDAY, END)
    write_source(installation.source, {"_2025_11": rows}, {"_2025_11": [turn("r0000", 1)]})
    return installation


def change(house: Installation, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(house.source)) as database:
        database.execute(statement, values)
        database.commit()


def summary(house: Installation, grain: str, period_key: str) -> Row:
    rows = house.rows(f"task_summary_{grain}")
    (row,) = [row for row in rows if row["period_key"] == period_key]
    return row


def test_a_history_that_starts_in_the_middle_has_its_first_periods(house: Installation) -> None:
    assert house.run("calls", WEDNESDAY, date(2025, 11, 23)) == ""
    for grain, key in zip(PERIOD_GRAINS, ("2025-W47", "2025-11", "2025-Q4"), strict=True):
        row = summary(house, grain, key)
        assert (row["total_calls"], row["total_customers"]) == (10, 2)
        assert (row["as_of"], row["is_complete"]) == (date(2025, 11, 23), False)


def test_a_missing_day_is_named_and_a_missing_end_is_told(house: Installation) -> None:
    marts = "portrait_snapshot_week,task_summary_week"
    tuesday, thursday = MONDAY + timedelta(1), MONDAY + timedelta(3)
    nothing = house.run(marts, MONDAY)
    assert "calls/call_records_clean has no published partition 2025-11-24" in nothing
    for day in (MONDAY, thursday):
        assert house.run(FACTS, day) == ""
    gap = house.run(marts, MONDAY)
    assert "no published partition 2025-11-25, 2025-11-26." in gap
    assert "--from 2025-11-25 --to 2025-11-26" in gap
    assert not house.rows("task_summary_week")
    assert house.run(FACTS, tuesday, tuesday + timedelta(1)) == ""
    assert house.run(marts, MONDAY) == ""
    running = summary(house, "week", "2025-W48")
    assert (running["as_of"], running["is_complete"], running["total_calls"]) == (
        thursday,
        False,
        8,
    )
    assert house.run(FACTS, MONDAY + timedelta(4), MONDAY + timedelta(6)) == ""
    assert house.run(marts, MONDAY) == ""
    ended = summary(house, "week", "2025-W48")
    assert (ended["as_of"], ended["is_complete"]) == (date(2025, 11, 30), True)
    assert (ended["total_calls"], ended["total_customers"]) == (14, 2)


def test_a_period_ahead_of_the_facts_is_refused_and_the_others_stand(house: Installation) -> None:
    assert house.run(FACTS, WEDNESDAY, date(2025, 11, 23)) == ""
    problem = house.run("portrait_snapshot_week", WEDNESDAY, MONDAY)
    assert "2025-W48-1: portrait_snapshot_week: no day of the period is loaded yet" in problem
    assert "1 of 2 partitions" in problem
    assert {row["period_key"] for row in house.rows("portrait_snapshot_week")} == {"2025-W47"}


def test_corrected_input_corrects_the_result(house: Installation) -> None:
    """A changed, a deleted and a late row of one day; no other day moves, nothing is appended."""
    assert house.run("calls", WEDNESDAY, date(2025, 11, 30)) == ""
    before = house.hashes()
    change(house, f"UPDATE {TABLE} SET duration = 30000 WHERE id = 'r0010'")
    change(house, f"DELETE FROM {TABLE} WHERE id = 'r0011'")
    late = record(99, customer_id="late", calldate=f"{MONDAY} 23:00:00", duration=20_000)
    marks = ", ".join("?" * len(late))
    change(house, f"INSERT INTO {TABLE} VALUES ({marks})", *late.values())
    assert house.run(FACTS, MONDAY) == ""
    # a summary made before its snapshot would contradict it
    problem = house.run("task_summary_week", MONDAY)
    assert "as in portrait_snapshot_week (materialize that first)" in problem
    assert house.run("calls", MONDAY) == ""
    moved = {key for key, value in house.hashes().items() if before.get(key) != value}
    assert {partition for _, partition in moved} == {
        "2025-11-24",
        "2025-W48-1",
        "2025-11",
        "2025-10",
    }
    on_monday = [row for row in house.rows("call_records_clean") if row["call_date"] == MONDAY]
    assert {(row["id"], row["total_ms"]) for row in on_monday} == {
        ("r0010", 30_000),
        ("r0099", 20_000),
    }
    row = summary(house, "week", "2025-W48")
    assert (row["total_calls"], row["total_customers"]) == (14, 3)
    assert row["avg_duration"] == (12 * 10 + 30 + 20) / 14


def test_a_call_after_as_of_moves_nothing(house: Installation) -> None:
    made = f"{FACTS},portrait_snapshot_week,task_summary_week"
    assert house.run(made, MONDAY, date(2025, 11, 26)) == ""
    before = house.hashes()
    change(house, f"UPDATE {TABLE} SET duration = 999000 WHERE calldate > '2025-11-27'")
    assert house.run(made, MONDAY, date(2025, 11, 26)) == ""
    assert house.hashes() == before


def test_a_row_of_an_unknown_task_comes_back_when_the_task_is_known(house: Installation) -> None:
    change(house, f"UPDATE {TABLE} SET task_id = 't2' WHERE id = 'r0010'")
    assert house.run(FACTS, MONDAY) == ""
    (bad,) = house.rows("call_records_quarantine")
    assert (bad["record_id"], bad["reason"], bad["is_retryable"]) == ("r0010", "unknown_task", True)
    change(house, "INSERT INTO autodialer_task VALUES ('t2', '新任务', '2025-11-05 09:00:00')")
    assert house.run("call_tasks,call_records_clean", MONDAY) == ""
    assert not house.rows("call_records_quarantine")
    assert len(house.rows("call_records_clean")) == 2


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (f"DROP TABLE {TABLE}", f"no longer has the table {TABLE}"),
        (f"DROP TABLE {DETAILS}", f"no table {DETAILS}"),
        (f"ALTER TABLE {TABLE} RENAME COLUMN bill TO paid", f"{TABLE} has no column bill"),
    ],
)
def test_a_broken_source_is_named_and_publishes_nothing(
    house: Installation, statement: str, named: str
) -> None:
    assert house.run(FACTS, MONDAY) == ""
    before = house.hashes()
    change(house, statement)
    assert named in house.run(FACTS, MONDAY)
    assert house.hashes() == before


def test_one_poisoned_row_stops_nothing(house: Installation) -> None:
    change(house, f"UPDATE {TABLE} SET duration = 'abc', callee = x'ff00' WHERE id = 'r0010'")
    change(
        house,
        f"INSERT INTO {DETAILS} VALUES ('d', 'r0011', 'k', 'abc', ?, '😀', NULL)",
        "asrmessage_notify",
    )
    assert house.run(FACTS, MONDAY) == ""
    (bad,) = house.rows("call_records_quarantine")
    assert (bad["reason"], bad["record_id"]) == ("unreadable_value", "r0010")
    (turn_,) = house.rows("call_turns_raw")
    assert (turn_["record_id"], turn_["sequence"], turn_["question"]) == ("r0011", 1, "😀")


def test_a_day_without_calls_is_published_empty(house: Installation) -> None:
    change(house, f"DELETE FROM {TABLE} WHERE calldate LIKE '{MONDAY}%'")
    assert house.run(FACTS, MONDAY, MONDAY + timedelta(6)) == ""
    assert ("calls/call_records_clean", str(MONDAY)) in house.hashes()
    assert house.run("portrait_snapshot_week", MONDAY) == ""
    rows = house.rows("portrait_snapshot_week")
    assert (sum(row["total_calls"] for row in rows), rows[0]["is_complete"]) == (12, True)
