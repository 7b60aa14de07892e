"""Call databases on MariaDB: the same tables and rows as in a SQLite file."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pymysql
import sqlalchemy as sa

from cs_resources.call_database import CallDatabase

Row = dict[str, Any]
READ_AT = datetime(2025, 12, 1, 2, 0, tzinfo=UTC)
TASK = ("t1", "续费回访", "2025-11-03 09:00:00")
RECORDS, DETAILS = "autodialer_call_record", "autodialer_call_record_detail"
_TASKS = "uuid char(36) PRIMARY KEY, name varchar(191), created_at datetime"
_RECORDS = (
    "id char(36), task_id char(36), customer_id varchar(64), callee varchar(20), callid char(36), "
    "calldate datetime, duration int unsigned, bill int unsigned, rounds int unsigned, "
    "hangup_disposition tinyint, intention_results varchar(8), KEY (calldate)"
)
_DETAILS = (
    "id char(36), record_id char(36), callid char(36), sequence int, notify varchar(64), "
    "question text, answer_content text, KEY (record_id)"
)
_LAX = "SET sql_mode = 'ALLOW_INVALID_DATES'"


def call_server(url: sa.URL, **options: Any) -> CallDatabase:
    """A call database on a server, with a clock that stands still."""
    usual = {"history_start": date(2025, 7, 1), "clock": lambda: READ_AT}
    return CallDatabase(url=url, **(usual | options))


def write_server(
    url: sa.URL,
    records: Mapping[str, Sequence[Row]],
    turns: Mapping[str, Sequence[Row]] | None = None,
    tasks: Sequence[tuple[Any, ...]] = (TASK,),
    record_columns: str = _RECORDS,
    engine: str = "InnoDB",
) -> None:
    """Make a call database anew: rows by table suffix, as in `write_source`."""
    turns = turns or {}
    with closing(connection(url)) as database, database.cursor() as cursor:
        for statement in ("DROP DATABASE", "CREATE DATABASE", "USE"):
            options = " CHARACTER SET utf8mb4" if statement.startswith("CREATE") else ""
            cursor.execute(f"{statement} `{url.database}`{options}")
        cursor.execute(f"CREATE TABLE autodialer_task ({_TASKS})")
        insert(cursor, "autodialer_task", [list(task) for task in tasks])
        for suffix in sorted({*records, *turns}):
            cursor.execute(f"CREATE TABLE {RECORDS}{suffix} ({record_columns}) ENGINE={engine}")
            cursor.execute(f"CREATE TABLE {DETAILS}{suffix} ({_DETAILS}) ENGINE={engine}")
            insert(
                cursor, RECORDS + suffix, [list(row.values()) for row in records.get(suffix, [])]
            )
            insert(cursor, DETAILS + suffix, [list(row.values()) for row in turns.get(suffix, [])])


def connection(url: sa.URL) -> "pymysql.connections.Connection[pymysql.cursors.Cursor]":
    """A connection that takes impossible dates."""
    return pymysql.connect(
        host=url.host or "",
        port=url.port or 3306,
        user=url.username,
        password=url.password or "",
        database=url.database,
        charset="utf8mb4",
        init_command=_LAX,
        autocommit=True,
    )


def insert(cursor: pymysql.cursors.Cursor, table: str, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows, a thousand at a time."""
    for first in range(0, len(rows), 1000):
        part = rows[first : first + 1000]
        marks = f"({', '.join(['%s'] * len(part[0]))})"
        values = [value for row in part for value in row]
        cursor.execute(f"INSERT INTO `{table}` VALUES {', '.join([marks] * len(part))}", values)


def copy_source(path: Path, url: sa.URL) -> None:
    """Copy the tables of a SQLite call database to a server."""
    with closing(sqlite3.connect(path)) as file:
        names = [
            name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        suffixes = [name.removeprefix(DETAILS) for name in names if name.startswith(DETAILS)]
        write_server(url, dict.fromkeys(suffixes, ()), tasks=[])
        with closing(connection(url)) as database, database.cursor() as cursor:
            for name in names:
                rows = file.execute(f"SELECT * FROM {name}").fetchall()
                if rows:
                    insert(cursor, name, rows)
