"""SQLite as a warehouse: the embedded default, one file.

Belongs here: SQLite's transactions, types and inserts. Must not: which rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from pathlib import Path
from time import time
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from cs_resources.duckdb_session import DuckDBSession
from cs_resources.errors import ContractError
from cs_resources.sql_dialects import Dialect
from cs_resources.streams import stream

_BATCH_ROWS = 20_000


class Sqlite(Dialect):
    """SQLite in WAL mode: readers never wait, one writer at a time."""

    def create_engine(self, url: sa.URL) -> sa.Engine:
        """Return a pool whose connections wait up to a minute for the writer before them."""
        if url.database and url.database != ":memory:":
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        # parameters are rows: they hold personal data and have no place in an error message
        engine = sa.create_engine(url, connect_args={"timeout": 60}, hide_parameters=True)

        @sa.event.listens_for(engine, "connect")
        def _configure(connection: Any, record: object) -> None:
            # SQLAlchemy, not the driver, says when a transaction begins
            connection.isolation_level = None
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA foreign_keys = ON")

        @sa.event.listens_for(engine, "begin")
        def _begin(connection: sa.Connection) -> None:
            is_writer = connection.get_execution_options().get("is_writer", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")

        return engine

    @contextmanager
    def write_transaction(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        """Take the write lock at once: a later upgrade could fail with `database is locked`."""
        with engine.connect().execution_options(is_writer=True) as connection, connection.begin():
            yield connection

    @contextmanager
    def read_transaction(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        """Read what was committed when the first statement ran."""
        with engine.connect() as connection, connection.begin():
            yield connection

    def lock(self, connection: sa.Connection, asset: str) -> None:
        """Do nothing: BEGIN IMMEDIATE already excludes every other writer."""

    def settled(self, engine: sa.Engine, asset: str) -> AbstractContextManager[sa.Connection]:
        """Read: a process that lost its own connection has rolled back."""
        return self.read_transaction(engine)

    def create(self, connection: sa.Connection, tables: Iterable[sa.Table]) -> None:
        """Make tables that do not exist."""
        for table in tables:
            table.create(connection, checkfirst=True)

    def insert(self, table: sa.Table) -> sqlite.Insert:
        """Return an insert that can say what happens to a key that is there already."""
        return sqlite.insert(table)

    def among(self, column: sa.Column[Any], values: Sequence[str]) -> sa.ColumnElement[bool]:
        """Return the condition that a column is one of the texts."""
        return column.in_(values)

    def clock(self, engine: sa.Engine) -> float:
        """Return the machine's time: a file has no clock, and no users elsewhere."""
        return time()

    def load(
        self, connection: sa.Connection, table: sa.Table, session: DuckDBSession, rows: ir.Table
    ) -> Iterator[int]:
        """Insert with plain tuples, dates already in SQLite's text form."""
        schema = rows.schema()
        rows = rows.mutate(
            **{
                name: rows[name].strftime("%Y-%m-%d %H:%M:%S.%f")
                if type_.is_timestamp()
                else rows[name].cast("string")
                for name, type_ in schema.items()
                if type_.is_date() or type_.is_timestamp()
            }
        )
        names = ", ".join(f'"{name}"' for name in schema)
        marks = ", ".join("?" for _ in schema)
        statement = f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'  # noqa: S608
        for batch in stream(session, rows, _BATCH_ROWS):
            columns = [_bindable(batch.column(name), name) for name in schema]
            connection.exec_driver_sql(statement, list(zip(*columns, strict=True)))
            yield batch.num_rows


def _bindable(values: pa.Array, name: str) -> list[Any]:
    """Return a column as what SQLite can bind; raises ContractError where decimals would change."""
    column: list[Any] = values.to_pylist()
    if not pa.types.is_decimal(values.type):
        return column
    floats = [None if value is None else float(value) for value in column]
    again = [None if x is None else Decimal(f"{x:.{values.type.scale}f}") for x in floats]
    if again != column:
        raise ContractError(
            f"{name}: SQLite keeps about 15 digits of a decimal and there are more; let "
            "WAREHOUSE_URL name a PostgreSQL database"
        )
    return floats
