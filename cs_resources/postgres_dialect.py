"""PostgreSQL as a warehouse: the database of production.

Belongs here: PostgreSQL's transactions, locks and loading. Must not: which rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ibis.expr.types as ir
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from cs_resources import postgres_connection
from cs_resources.duckdb_session import DuckDBSession
from cs_resources.postgres_copy import copy_all
from cs_resources.postgres_partitions import add_default_partition
from cs_resources.sql_dialects import Dialect
from cs_resources.streams import stream
from cs_resources.timeouts import DEFAULT, Timeouts

_BATCH_ROWS = 100_000
"""Rows of one COPY, which is to end long before the statement timeout."""
SETTLING_SECONDS = 2


@dataclass(frozen=True)
class Postgres(Dialect):
    """PostgreSQL: readers never wait, one writer at a time of each asset."""

    timeouts: Timeouts = DEFAULT

    def create_engine(self, url: sa.URL) -> sa.Engine:
        """Return a pool of connections that never wait for ever."""
        return postgres_connection.create_engine(url, self.timeouts)

    @contextmanager
    def read_transaction(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        """Read what was committed when the first statement ran."""
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        # ends with a rollback: there is nothing to commit
        with engine.connect().execution_options(**options) as connection:
            yield connection

    @contextmanager
    def write_transaction(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        """Begin at the level at which a writer that has waited sees what the one before wrote."""
        with (
            engine.connect().execution_options(isolation_level="READ COMMITTED") as connection,
            connection.begin(),
        ):
            connection.exec_driver_sql(postgres_connection.write_options(self.timeouts))
            yield connection

    def lock(self, connection: sa.Connection, asset: str) -> None:
        """Take the asset's advisory lock, which the server frees when the transaction is over."""
        key = sa.func.hashtextextended(sa.func.concat(sa.func.current_schema(), ":", asset), 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))

    @contextmanager
    def settled(self, engine: sa.Engine, asset: str) -> Iterator[sa.Connection]:
        """Wait for the asset's lock: a backend whose client is gone may still be committing."""
        engine.dispose()
        with engine.connect() as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{SETTLING_SECONDS}s'")
            self.lock(connection, asset)
            yield connection

    def create(self, connection: sa.Connection, tables: Iterable[sa.Table]) -> None:
        """Make tables that do not exist; a partitioned one takes rows from its beginning."""
        for table in tables:
            table.create(connection, checkfirst=True)
            add_default_partition(connection, table)

    def insert(self, table: sa.Table) -> postgresql.Insert:
        """Return an insert that can say what happens to a key that is there already."""
        return postgresql.insert(table)

    def among(self, column: sa.Column[Any], values: Sequence[str]) -> sa.ColumnElement[bool]:
        """Return the condition that a column is one of the texts: one array, not as many values."""
        return column == sa.any_(sa.literal(list(values), postgresql.ARRAY(sa.Text)))

    def clock(self, engine: sa.Engine) -> float:
        """Return the server's time."""
        with engine.connect() as connection:
            now = sa.extract("epoch", sa.func.clock_timestamp())
            return float(connection.scalars(sa.select(now)).one())

    def load(
        self, connection: sa.Connection, table: sa.Table, session: DuckDBSession, rows: ir.Table
    ) -> Iterator[int]:
        """Copy rows batch by batch."""
        yield from copy_all(connection, table, stream(session, rows, _BATCH_ROWS))
