"""The call database: which tables hold a day, which day a row stands on, what cannot be read."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cs_assets.calls.contracts import CALL_RECORDS_RAW, CALL_TURNS_RAW
from cs_assets.calls.turns import numbered
from cs_resources import call_database as module
from cs_resources.call_database import CallDatabase
from tests.calls.cases import (
    MONDAY,
    READ_AT,
    TASK,
    Row,
    at,
    call_database,
    read_records,
    read_turns,
    record,
    table_of,
    turn,
    write_source,
)

NOV_1 = date(2025, 11, 1)
SIXTY_DAYS = [NOV_1 + timedelta(n) for n in range(60)]


def ids(rows: list[Row]) -> list[str]:
    return sorted(row["id"] for row in rows)


def months(source: CallDatabase, first: date, last: date) -> list[str]:
    return [pair.records[-7:] for pair in source.tables(first, last)]


def change(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()
    return path


def test_a_table_is_named_after_the_month_of_the_task(tmp_path: Path) -> None:
    """A task of November calls in December: the call lies in November's table."""
    rows: dict[str, list[Row]] = {
        "_2025_09": [record(1, calldate="2025-12-03 09:00:00")],
        "_2025_11": [record(2, calldate="2025-12-03 00:00:00"), record(3)],
        "_2025_12": [record(4, calldate="2025-12-03 23:59:59")],
        "_2026_01": [record(5, calldate="2025-12-03 10:00:00")],
    }
    source = call_database(write_source(tmp_path / "s.db", rows))
    day = date(2025, 12, 3)
    assert months(source, day, day) == ["2025_09", "2025_11", "2025_12"]
    found = read_records(source, day)
    assert ids(found) == ["r0001", "r0002", "r0004"]
    assert {row["source_table"][-7:] for row in found} == {"2025_09", "2025_11", "2025_12"}
    assert {row["call_date"] for row in found} == {day}


def test_a_month_without_a_table_is_noted_not_an_error(tmp_path: Path) -> None:
    rows: dict[str, list[Row]] = {"_2025_08": [], "_2025_11": [record()]}
    source = call_database(write_source(tmp_path / "s.db", rows))
    assert source.months_without_table(MONDAY, MONDAY) == ["2025_09", "2025_10"]
    assert source.months_without_table(date(2025, 7, 1), date(2025, 7, 1)) == []
    assert source.months_without_table(MONDAY, date(2026, 1, 1))[-2:] == ["2025_12", "2026_01"]
    assert read_records(source, date(2025, 7, 1)) == []
    assert read_turns(source, date(2025, 7, 1)) == []


def test_the_look_back_is_a_bound(tmp_path: Path) -> None:
    rows = {"_2025_11": [record(1, calldate="2025-12-31 10:00:00")]}
    rows["_2025_11"].append(record(2, calldate="2026-01-01 10:00:00"))
    path = write_source(tmp_path / "s.db", rows)
    short, wide = call_database(path, lookback_months=1), call_database(path, lookback_months=2)
    new_year = date(2026, 1, 1)
    assert (months(short, new_year, new_year), months(wide, new_year, new_year)) == (
        [],
        ["2025_11"],
    )
    assert ids(read_records(wide, new_year)) == ["r0002"]
    assert ids(read_records(short, date(2025, 12, 31))) == ["r0001"]
    # beyond the bound a date is impossible, and the row stands with the undated ones
    assert ids(read_records(short, NOV_1)) == ["r0002"]


@pytest.mark.parametrize("suffix", ["", "all"])
def test_everything_in_one_table(tmp_path: Path, suffix: str) -> None:
    rows = [record(1), record(2, calldate="2026-08-01 10:00:00"), record(3, calldate=None)]
    path = write_source(tmp_path / "s.db", {"": rows}, {"": [turn("r0001", 3)]})
    if suffix:
        for table in ("autodialer_call_record", "autodialer_call_record_detail"):
            change(path, f"ALTER TABLE {table} RENAME TO {table}_{suffix}")
    source = call_database(path, layout="single", suffix=suffix)
    assert ids(read_records(source, MONDAY)) == ["r0001"]
    assert ids(read_records(source, date(2026, 8, 1))) == ["r0002"]
    assert ids(read_records(source, source.history_start)) == ["r0003"]
    assert [row["record_id"] for row in read_turns(source, MONDAY)] == ["r0001"]
    assert source.months_without_table(MONDAY, MONDAY) == []


def test_tables_and_columns_may_have_other_names(tmp_path: Path) -> None:
    path = write_source(
        tmp_path / "s.db", {"_2025_11": [record()]}, {"_2025_11": [turn("r0001", 1)]}
    )
    tables = {
        "autodialer_task": 'odd "name"; DROP TABLE x; --',
        "autodialer_call_record": "Anrufe 100%",
        "autodialer_call_record_detail": "通话明细",
    }
    for usual, name in tables.items():
        month = "" if usual.endswith("task") else "_2025_11"
        quoted = f"{name}{month}".replace('"', '""')
        change(path, f'ALTER TABLE {usual}{month} RENAME TO "{quoted}"')
    change(path, 'ALTER TABLE "Anrufe 100%_2025_11" RENAME COLUMN bill TO "talk time"')
    columns = {"autodialer_call_record.bill": "talk time"}
    source = call_database(path, names=tables | columns)
    assert [row["bill"] for row in read_records(source, MONDAY)] == [4_000]
    assert len(read_turns(source, MONDAY)) == 1
    assert source.tasks()["task_id"].tolist() == ["t1"]


ODD_DATES: list[Any] = [
    "2025-11-24 00:00:00",
    "2025-11-24 23:59:59.999999",
    "2025-11-24",
    "2025-11-24T10:00:00",
    None,
    "",
    "n/a",
    "2025-13-45 00:00:00",
    "2025-11-31 00:00:00",
    "2025-11-24 24:00:00",
    "0000-00-00 00:00:00",
    "9999-12-31 00:00:00",
    "2025-10-31 23:59:59",
    "2026-12-01 00:00:00",
    1_763_971_200_000_000,
    1.5e15,
    b"2025-11-24 10:00:00",
    "😀",
]


def by_day(source: CallDatabase, *ranges: list[date]) -> dict[str, date]:
    """The day that each record stands on, read range by range; no record is read twice."""
    read = [row for days in ranges for row in read_records(source, *days)]
    assert not [id_ for id_, times in Counter(row["id"] for row in read).items() if times > 1]
    return {row["id"]: row["call_date"] for row in read}


@pytest.mark.parametrize("odd", ODD_DATES, ids=str)
def test_a_row_stands_on_one_day_however_it_is_read(tmp_path: Path, odd: Any) -> None:
    rows = {"_2025_11": [record(1, calldate=odd), record(2)]}
    source = call_database(write_source(tmp_path / "s.db", rows))
    year = [NOV_1 + timedelta(n) for n in range(400)]
    whole = by_day(source, year)
    assert set(whole) == {"r0001", "r0002"}
    near = {whole["r0001"] + timedelta(n) for n in range(-2, 3)} | {NOV_1, MONDAY}
    assert by_day(source, *([day] for day in sorted(near & set(year)))) == whole
    if isinstance(odd, str) and odd.startswith("2025-11-24"):
        assert whole["r0001"] == MONDAY
    elif odd not in ("2025-13-45 00:00:00", "2025-11-31 00:00:00"):
        assert whole["r0001"] == NOV_1


dates_in_range = st.datetimes(at("2025-10-25"), at("2026-01-05")).map(str)
any_calldate = st.none() | dates_in_range | st.text(max_size=12) | st.integers(-(2**62), 2**62)


@settings(max_examples=25, deadline=None)
@given(st.lists(any_calldate, max_size=12), st.sets(st.integers(1, 59), max_size=5))
def test_any_cut_of_the_days_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory, calldates: list[Any], cuts: set[int]
) -> None:
    rows = [record(n, calldate=value) for n, value in enumerate(calldates)]
    path = write_source(tmp_path_factory.mktemp("cuts") / "s.db", {"_2025_11": rows})
    source = call_database(path)
    bounds = [0, *sorted(cuts), len(SIXTY_DAYS)]
    ranges = [SIXTY_DAYS[first:after] for first, after in pairwise(bounds)]
    assert by_day(source, *ranges) == by_day(source, SIXTY_DAYS)


def test_undated_rows_of_older_tables_stand_on_the_first_day_of_history(tmp_path: Path) -> None:
    rows = {"_2025_09": [record(1, calldate=None)], "_2025_11": [record(2, calldate=None)]}
    source = call_database(write_source(tmp_path / "s.db", rows), history_start=date(2025, 11, 19))
    assert by_day(source, [date(2025, 11, 19)]) == dict.fromkeys(
        ["r0001", "r0002"], date(2025, 11, 19)
    )


def test_turns_are_numbered_within_their_dialogue(tmp_path: Path) -> None:
    details = [
        turn("r0001", 7, "third"),
        turn("r0001", 2, "first"),
        turn("r0001", 4, "event", notify="playback_result"),
        turn("r0001", 5, "second"),
        turn("r0002", None, "no number"),
        turn("r0002", "abc", "no number either"),
        turn("r0002", 0, "0"),
        turn("r0002", 0, None),
        turn("r0003", 1, "of another day"),
    ]
    rows = [record(1), record(2), record(3, calldate="2025-11-25 10:00:00")]
    source = call_database(
        write_source(tmp_path / "s.db", {"_2025_11": rows}, {"_2025_11": details})
    )
    found = numbered(table_of(CALL_TURNS_RAW, read_turns(source, MONDAY))).to_pyarrow().to_pylist()
    order = sorted((row["record_id"], row["sequence"], row["question"]) for row in found)
    assert order == [
        ("r0001", 1, "first"),
        ("r0001", 2, "second"),
        ("r0001", 3, "third"),
        ("r0002", 1, "0"),
        ("r0002", 2, None),
        ("r0002", 3, "no number"),
        ("r0002", 4, "no number either"),
    ]


def test_turns_without_a_record_stand_with_the_undated(tmp_path: Path) -> None:
    details = [turn("nobody", 1), turn(None, 1), turn(None, 1, "again"), turn("r0001", 1)]
    rows = {"_2025_11": [record(1, calldate=None), record(2)]}
    source = call_database(write_source(tmp_path / "s.db", rows, {"_2025_11": details}))
    assert read_turns(source, MONDAY) == []
    found = numbered(table_of(CALL_TURNS_RAW, read_turns(source, NOV_1))).to_pyarrow().to_pylist()
    assert {row["call_date"] for row in found} == {NOV_1}
    keys = Counter((row["record_id"], row["sequence"]) for row in found)
    assert keys == {("nobody", 1): 1, (None, 1): 1, (None, 2): 1, ("r0001", 1): 1}
    assert len(read_turns(source, *SIXTY_DAYS)) == 4


def test_values_that_do_not_fit_are_kept_beside(tmp_path: Path) -> None:
    """Nothing is cut, guessed or dropped; what can be read of the row is."""
    odd: Row = {
        "duration": "abc",
        "bill": 1.5,
        "rounds": 2**63 - 1,
        "callee": 138,
        "callid": b"\xff",
    }
    rows = {"_2025_11": [record(1, **odd, customer_id="𠮷😀", intention_results=None), record(2)]}
    source = call_database(write_source(tmp_path / "s.db", rows))
    first, second = sorted(read_records(source, MONDAY), key=lambda row: str(row["id"]))
    unreadable = json.loads(first["unreadable"])
    assert unreadable == {"duration": "abc", "bill": "1.5", "callid": str(b"\xff")}
    assert first["duration"] is first["bill"] is first["callid"] is None
    assert (first["rounds"], first["callee"], first["customer_id"]) == (2**63 - 1, "138", "𠮷😀")
    assert second["unreadable"] is None
    assert second["extracted_at"] == READ_AT.replace(tzinfo=None)


def test_tasks_are_read_with_what_can_be_read(tmp_path: Path) -> None:
    tasks = [TASK, ("t2", None, None), ("t3", "😀", "n/a")]
    source = call_database(write_source(tmp_path / "s.db", {"_2025_11": []}, tasks=tasks))
    found = source.tasks().astype(object).where(source.tasks().notna(), None)
    rows = found[["tenant_id", "task_id", "task_name"]].values.tolist()
    assert rows == [["default", "t1", "续费回访"], ["default", "t2", None], ["default", "t3", "😀"]]
    assert found["created_at"].isna().tolist() == [False, True, True]


def test_rows_come_in_bounded_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH_ROWS", 7)
    rows = {"_2025_11": [record(n) for n in range(30)], "_2025_09": [record(n) for n in range(5)]}
    path = write_source(tmp_path / "s.db", rows, {"_2025_11": [turn("r0003", n) for n in range(9)]})
    source, schema = call_database(path), CALL_RECORDS_RAW.schema.to_pyarrow()
    sizes = [batch.num_rows for batch in source.records([MONDAY], schema)]
    assert (max(sizes), sum(sizes)) == (7, 35)
    turns = source.turns([MONDAY], CALL_TURNS_RAW.schema.to_pyarrow())
    assert [batch.num_rows for batch in turns] == [7, 2]
    before = path.read_bytes()
    assert isinstance(source.records([MONDAY], schema).read_next_batch(), pa.RecordBatch)
    assert path.read_bytes() == before
