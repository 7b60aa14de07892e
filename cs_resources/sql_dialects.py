"""What differs between the databases that can be a warehouse.

Belongs here: the interface, and which dialect a URL asks for; each dialect has a module of its own.
Must not: which rows.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import ibis.expr.types as ir
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cs_resources.duckdb_session import DuckDBSession
from cs_resources.errors import ConfigurationError
from cs_resources.timeouts import DEFAULT, Timeouts


class Dialect(ABC):
    """One kind of database."""

    @abstractmethod
    def create_engine(self, url: sa.URL) -> sa.Engine:
        """Return a connection pool."""

    @abstractmethod
    def read_transaction(self, engine: sa.Engine) -> AbstractContextManager[sa.Connection]:
        """Begin a transaction in which every statement sees one state of the database."""

    @abstractmethod
    def write_transaction(self, engine: sa.Engine) -> AbstractContextManager[sa.Connection]:
        """Begin a transaction that will write; commit at the end, roll back on any error."""

    @abstractmethod
    def lock(self, connection: sa.Connection, asset: str) -> None:
        """Keep other writers of the asset out until the transaction ends."""

    @abstractmethod
    def settled(self, engine: sa.Engine, asset: str) -> AbstractContextManager[sa.Connection]:
        """Connect anew, once no earlier transaction of the asset's writers can commit any more."""

    @abstractmethod
    def create(self, connection: sa.Connection, tables: Iterable[sa.Table]) -> None:
        """Make tables that do not exist, ready to be written to."""

    @abstractmethod
    def insert(self, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
        """Return an insert that can say what happens to a key that is there already."""

    @abstractmethod
    def among(self, column: sa.Column[Any], values: Sequence[str]) -> sa.ColumnElement[bool]:
        """Return the condition that a column is one of at most 10,000 texts, fast to look up."""

    @abstractmethod
    def clock(self, engine: sa.Engine) -> float:
        """Return the seconds since the epoch on the clock that all who use the database share."""

    @abstractmethod
    def load(
        self, connection: sa.Connection, table: sa.Table, session: DuckDBSession, rows: ir.Table
    ) -> Iterator[int]:
        """Insert the rows, a table of the session, in batches; yield the number of rows of each."""


def dialect_of(url: sa.URL, timeouts: Timeouts = DEFAULT) -> Dialect:
    """Return the dialect of a warehouse URL, or say which ones there are."""
    # not at the top: the dialects need this module
    from cs_resources.postgres_dialect import Postgres
    from cs_resources.sqlite_dialect import Sqlite

    if url.get_backend_name() == "sqlite":
        return Sqlite()
    if url.get_backend_name() == "postgresql":
        return Postgres(timeouts)
    raise ConfigurationError(
        f"WAREHOUSE_URL: {url.get_backend_name()} is not a supported warehouse; use a URL like "
        "sqlite:////path/to/warehouse.sqlite or postgresql+psycopg://user@host/database"
    )
