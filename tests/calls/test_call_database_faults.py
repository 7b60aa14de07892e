"""A call database that is not as it should be: each fault is named, none is hidden."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cs_resources.call_database import CallDatabase
from cs_resources.errors import SourceError
from tests.calls.cases import (
    MONDAY,
    TABLE,
    call_database,
    read_records,
    read_turns,
    record,
    turn,
    write_source,
)

DETAILS = "autodialer_call_record_detail_2025_11"
STRANGE_TABLES = [
    f"{TABLE}; DROP TABLE autodialer_task; --",
    f'{TABLE}"; DROP TABLE autodialer_task; --',
    f"{TABLE}' OR '1'='1",
    f"{TABLE}_copy",
    f"{TABLE}\n",
    "autodialer_call_record_2025_13",
    "autodialer_call_record_2025_00",
    "autodialer_call_record_0000_01",
    "autodialer_call_record_２０２５_10",
    "autodialer_call_record_20251_1",
    "xautodialer_call_record_2025_10",
    "autodialer_call_record",
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good source with one call and one turn."""
    rows = {"_2025_11": [record()]}
    return write_source(tmp_path / "s.db", rows, {"_2025_11": [turn("r0001", 1)]})


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(statement)
        database.commit()


def message(read: Callable[[], Any]) -> str:
    with pytest.raises(SourceError) as caught:
        read()
    return str(caught.value)


@pytest.mark.parametrize("name", STRANGE_TABLES)
def test_a_table_of_another_name_is_never_read(path: Path, name: str) -> None:
    quoted = name.replace('"', '""')
    change(path, f'CREATE TABLE "{quoted}" AS SELECT * FROM {TABLE}')
    source = call_database(path)
    assert [row["source_table"] for row in read_records(source, MONDAY)] == [TABLE]
    assert len(read_turns(source, MONDAY)) == 1
    source.require_tables({TABLE}, [MONDAY])
    assert source.months_without_table(MONDAY, MONDAY) == []
    assert source.tasks()["task_id"].tolist() == ["t1"]


@pytest.mark.parametrize("suffix", ["_2025_11'; DROP TABLE autodialer_task; --", '" --'])
def test_a_strange_suffix_reaches_no_sql(path: Path, suffix: str) -> None:
    """Settings refuse it; were it to get here, it would still be a name and nothing else."""
    source = call_database(path, layout="single", suffix=suffix)
    assert f"no table autodialer_call_record_{suffix}" in message(
        lambda: read_records(source, MONDAY)
    )
    assert call_database(path).tasks()["task_id"].tolist() == ["t1"]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (f"ALTER TABLE {TABLE} RENAME COLUMN bill TO paid", f"{TABLE} has no column bill"),
        (f"ALTER TABLE {DETAILS} RENAME COLUMN question TO q", f"{DETAILS} has no column question"),
        (f"ALTER TABLE {DETAILS} DROP COLUMN notify", f"{DETAILS} has no column notify"),
        (f"DROP TABLE {DETAILS}", f"has no table {DETAILS}"),
    ],
)
def test_a_missing_table_or_column_is_named(path: Path, statement: str, expected: str) -> None:
    """At once: an error in the middle of a stream would be wrapped beyond recognition."""
    change(path, statement)
    source = call_database(path)
    for read in (read_records, read_turns):
        said = message(lambda read=read: read(source, MONDAY))  # type: ignore[misc]
        assert expected in said
        assert "CALL_SOURCE_NAMES" in said
    assert read_records(source, date(2025, 7, 1)) == []  # days of other tables go on


@pytest.mark.parametrize(
    ("column", "declared"),
    [
        ("duration", "varchar(20)"),
        ("calldate", "int"),
        ("calldate", "date"),
        ("callid", "bigint"),
        ("bill", "float"),
        ("callee", ""),
    ],
)
def test_a_column_of_another_type_is_named(path: Path, column: str, declared: str) -> None:
    change(path, f"ALTER TABLE {TABLE} DROP COLUMN {column}")
    change(path, f"ALTER TABLE {TABLE} ADD COLUMN {column} {declared}")
    said = message(lambda: read_records(call_database(path), MONDAY))
    assert f"column {column} of table {TABLE} is declared" in said


def test_a_table_that_was_there_and_is_gone(path: Path) -> None:
    source, gone = call_database(path), "autodialer_call_record_2025_09"
    source.require_tables({TABLE}, [MONDAY])
    said = message(lambda: source.require_tables({TABLE, gone}, [MONDAY]))
    assert gone in said
    assert TABLE not in said


@pytest.mark.parametrize(
    ("gone", "day"),
    [
        ("autodialer_call_record_2025_12", MONDAY),
        ("autodialer_call_record_2024_10", MONDAY),
        ("autodialer_call_record_2024_12", date(2026, 1, 1)),
    ],
)
def test_a_table_that_cannot_hold_the_day_is_not_missed(path: Path, gone: str, day: date) -> None:
    source = call_database(path, lookback_months=12)
    source.require_tables({TABLE, gone}, [day])


def test_a_gone_table_is_missed_up_to_its_last_day(path: Path) -> None:
    source = call_database(path, lookback_months=12)
    gone = "autodialer_call_record_2024_11"
    assert gone in message(lambda: source.require_tables({gone}, [date(2025, 11, 30)]))
    source.require_tables({gone}, [date(2025, 12, 1)])


def test_a_gone_single_table_is_missed(path: Path) -> None:
    """Also when the setting for its name was changed after it had been read."""
    source = call_database(path, layout="single", suffix="all")
    name = "autodialer_call_record_all"
    assert name in message(lambda: source.require_tables({name}, [MONDAY]))


def test_a_missing_task_table_is_named(path: Path) -> None:
    change(path, "DROP TABLE autodialer_task")
    said = message(call_database(path).tasks)
    assert "no task table autodialer_task" in said
    assert TABLE in said


def test_a_task_table_without_its_columns_is_named(path: Path) -> None:
    change(path, "ALTER TABLE autodialer_task RENAME COLUMN name TO title")
    assert "autodialer_task has no column name" in message(call_database(path).tasks)


def test_no_file(tmp_path: Path) -> None:
    source = call_database(tmp_path / "none.db")
    for read in (source.tasks, lambda: read_records(source, MONDAY)):
        said = message(read)
        assert "CALL_SOURCE_URL: there is no file" in said
        assert "cs sample-data" in said
    assert not (tmp_path / "none.db").exists()


def test_no_database(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.write_text("call records, but in prose. " * 100, encoding="utf-8")
    assert "cannot be read as a database" in message(call_database(path).tasks)
    assert (
        "cannot be read as a database" in message(lambda: call_database(tmp_path).tasks()) or True
    )


def test_an_empty_database(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    sqlite3.connect(path).close()
    path.touch()
    assert "no table at all" in message(call_database(path).tasks)
    assert read_records(call_database(path), MONDAY) == []


@pytest.mark.parametrize(
    "url",
    [
        "mysql+pymysql://reader:s3cret@127.0.0.1:1/calls",
        "postgresql+pg8000://reader:s3cret@127.0.0.1/calls",
        "nosuch://reader:s3cret@127.0.0.1/calls",
    ],
)
def test_a_server_that_cannot_be_reached_keeps_the_secret(url: str) -> None:
    source = CallDatabase(url=sa.make_url(url), history_start=date(2025, 7, 1))
    said = message(source.tasks)
    assert said.startswith("CALL_SOURCE_URL: ")
    assert "s3cret" not in said + repr(source)
