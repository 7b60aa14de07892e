"""The SQLite file of the sample: schema of the source system, bulk inserts, atomic publication.

Belongs here: DDL, connection settings, and the way from a temporary file to its place.
Does not belong here: what the rows say.
"""

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from cs_apps.sample_data.call_dialogues import DETAIL_COLUMNS
from cs_apps.sample_data.call_plan import CallTask
from cs_apps.sample_data.call_records import RECORD_COLUMNS

TASK_TABLE: Final = "autodialer_task"
RECORD_TABLE: Final = "autodialer_call_record"
DETAIL_TABLE: Final = "autodialer_call_record_detail"

_TASK_DDL: Final = (
    "CREATE TABLE autodialer_task ("
    "uuid char(36) PRIMARY KEY, name varchar(191), created_at datetime)"
)
_RECORD_DDL: Final = (
    "id char(36), task_id char(36), customer_id varchar(64), callee varchar(20), "
    "callid char(36), calldate datetime, duration int unsigned, bill int unsigned, "
    "rounds int unsigned, hangup_disposition tinyint, intention_results varchar(8)"
)
_DETAIL_DDL: Final = (
    "id char(36), record_id char(36), callid char(36), sequence int, "
    "notify varchar(64), question text, answer_content text"
)
_SUFFIX: Final = re.compile(r"(_\d{4}_\d{2})?")


@contextmanager
def replacing(path: Path) -> Iterator[sqlite3.Connection]:
    """Build a database beside `path` and move it there when the block ends without error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        connection = sqlite3.connect(draft, isolation_level=None)
        try:
            for setting in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE"):
                connection.execute(f"PRAGMA {setting}")
            connection.execute("PRAGMA cache_size=-32768")
            yield connection
        finally:
            connection.close()
        with draft.open("rb+") as written:
            os.fsync(written.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


class SourceWriter:
    """Writes rows into the tables of the source schema, one pair of tables per suffix."""

    def __init__(self, connection: sqlite3.Connection, suffixes: Sequence[str]) -> None:
        self.connection = connection
        self.suffixes = tuple(_checked(suffix) for suffix in suffixes)
        self._insert = {
            (table, suffix): _insert_sql(table + suffix, columns)
            for suffix in self.suffixes
            for table, columns in ((RECORD_TABLE, RECORD_COLUMNS), (DETAIL_TABLE, DETAIL_COLUMNS))
        }
        connection.execute(_TASK_DDL)
        for suffix in self.suffixes:
            connection.execute(f"CREATE TABLE {RECORD_TABLE}{suffix} ({_RECORD_DDL})")
            connection.execute(f"CREATE TABLE {DETAIL_TABLE}{suffix} ({_DETAIL_DDL})")

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables written, sorted."""
        names = [base + suffix for base in (RECORD_TABLE, DETAIL_TABLE) for suffix in self.suffixes]
        return tuple(sorted([TASK_TABLE, *names]))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Group the inserts of one chunk."""
        self.connection.execute("BEGIN")
        yield
        self.connection.execute("COMMIT")

    def write_tasks(self, tasks: Iterable[CallTask]) -> None:
        """Insert the tasks."""
        rows = ((task.uuid, task.name, task.created_at) for task in tasks)
        with self.transaction():
            self.connection.executemany("INSERT INTO autodialer_task VALUES (?, ?, ?)", rows)

    def write_records(self, suffix: str, rows: Iterable[Sequence[Any]]) -> None:
        """Insert call records into the suffix's table."""
        self.connection.executemany(self._insert[RECORD_TABLE, suffix], rows)

    def write_details(self, suffix: str, rows: Iterable[Sequence[Any]]) -> None:
        """Insert detail rows into the suffix's table."""
        self.connection.executemany(self._insert[DETAIL_TABLE, suffix], rows)

    def create_indexes(self) -> None:
        """Index once all rows are in: sorting once is cheaper than keeping trees in order."""
        for suffix in self.suffixes:
            for table, column in ((RECORD_TABLE, "calldate"), (DETAIL_TABLE, "record_id")):
                name = f"{table}{suffix}"
                self.connection.execute(f"CREATE INDEX idx_{name}_{column} ON {name} ({column})")


def _checked(suffix: str) -> str:
    if not _SUFFIX.fullmatch(suffix):
        raise ValueError(f"not a table suffix: {suffix!r}")
    return suffix


def _insert_sql(table: str, columns: Sequence[str]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 (checked)
