"""Connections to the call database: opened with time limits, failures told apart and named.

Belongs here: the engine, the row checksum that every dialect can compute, which errors a rerun may
cure. Must not: knowing tables.
"""

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import sqlalchemy.ext.compiler
from pymysql.constants import CR, ER
from pymysql.err import InterfaceError, MySQLError

from cs_resources.errors import SourceError, SourceUnavailableError

_CONNECTION_KILLED = 1927  # MariaDB's own
_PASSING = {
    CR.CR_CONNECTION_ERROR,
    CR.CR_CONN_HOST_ERROR,
    CR.CR_SERVER_GONE_ERROR,
    CR.CR_SERVER_LOST,
    CR.CR_SERVER_LOST_EXTENDED,
    ER.CON_COUNT_ERROR,
    ER.TOO_MANY_USER_CONNECTIONS,
    ER.USER_LIMIT_REACHED,
    ER.SERVER_SHUTDOWN,
    ER.NORMAL_SHUTDOWN,
    ER.NET_READ_ERROR,
    ER.NET_READ_INTERRUPTED,
    ER.NET_ERROR_ON_WRITE,
    ER.NET_WRITE_INTERRUPTED,
    ER.LOCK_WAIT_TIMEOUT,
    ER.LOCK_DEADLOCK,
    ER.QUERY_INTERRUPTED,
    ER.TABLE_DEF_CHANGED,
    _CONNECTION_KILLED,
    ER.STATEMENT_TIMEOUT,
    ER.QUERY_TIMEOUT,
}
"""The server's and PyMySQL's error numbers that a later attempt may not meet again."""
_CHECKSUM = "row_checksum"
_SEPARATOR, _MISSING = b"\x1f", b"\x00"


@dataclass(frozen=True)
class CallConnection:
    """How the call database is reached; time limits in seconds, for MySQL and MariaDB."""

    url: sa.URL
    connect_timeout: int
    read_timeout: int

    @cached_property
    def engine(self) -> sa.Engine:
        """The engine; raises SourceError when there is nothing to connect to.

        Nothing is pooled: a connection that died unnoticed would use up its time limit before the
        next one is tried, and a SQLite file that was replaced is to be opened anew.
        """
        if self.is_server:
            return sa.create_engine(
                self.url,
                poolclass=sa.NullPool,
                isolation_level="REPEATABLE READ",
                connect_args={
                    "charset": "utf8mb4",
                    "connect_timeout": self.connect_timeout,
                    "read_timeout": self.read_timeout,
                    "write_timeout": self.read_timeout,
                },
            )
        database = self.url.database
        if self.url.get_backend_name() != "sqlite":
            raise SourceError(
                f"CALL_SOURCE_URL: {self.url.drivername} cannot be read; give a URL that begins "
                "with mysql+pymysql:// or sqlite:///."
            )
        if database and not Path(database).is_file():
            raise SourceError(
                f"CALL_SOURCE_URL: there is no file {database}. Give the URL of your call "
                "database, or make the sample with `cs sample-data`."
            )
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        sa.event.listen(engine, "connect", _add_checksum)
        return engine

    @property
    def is_server(self) -> bool:
        """Whether it is a MySQL or MariaDB server."""
        return self.url.drivername in ("mysql+pymysql", "mariadb+pymysql")

    @contextmanager
    def opened(self) -> Iterator[sa.Connection]:
        """Open a connection; raises SourceError, or SourceUnavailableError where a rerun may help.

        When the work with it fails the connection is thrown away, whatever has yet to come.
        """
        try:
            with self.engine.connect() as connection:
                try:
                    yield connection
                except BaseException:
                    connection.invalidate()
                    raise
        except (sa.exc.DBAPIError, MySQLError) as error:
            # the message holds the cause, which alone would be shown to the operator
            raise self._named(error) from None

    def _named(self, error: Exception) -> SourceError:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        url = self.url.render_as_string()
        if _may_pass(cause):
            return SourceUnavailableError(
                f"CALL_SOURCE_URL: {url} did not answer to the end: {cause}. Nothing was "
                "published. Try again; if it goes on, look at the server and the network, then at "
                "CALL_SOURCE_CONNECT_TIMEOUT_SECONDS and CALL_SOURCE_READ_TIMEOUT_SECONDS."
            )
        return SourceError(
            f"CALL_SOURCE_URL: {url} cannot be read as a database: {cause}. Correct the URL, or "
            "the rights of its account."
        )


def row_checksum(columns: Sequence[sa.ColumnElement[Any]]) -> sa.ColumnElement[int]:
    """Return the CRC-32 of a row's values as text: the same on every kind of call database."""
    return _RowChecksum(*columns)


class _RowChecksum(sa.sql.functions.GenericFunction[int]):
    """CRC-32 of values as text, NULL apart from every text; computed by the database."""

    type = sa.BigInteger()
    name = _CHECKSUM
    inherit_cache = True


@sa.ext.compiler.compiles(_RowChecksum, "mysql", "mariadb")
def _on_server(element: Any, compiler: Any, **options: Any) -> str:
    values = ", ".join(
        # as bytes: columns of different collations cannot be joined
        f"COALESCE(CONVERT({compiler.process(column, **options)} USING binary), 0x{_MISSING.hex()})"
        for column in element.clauses
    )
    return f"CRC32(CONCAT_WS(0x{_SEPARATOR.hex()}, {values}))"


def _add_checksum(connection: sqlite3.Connection, _: object) -> None:
    connection.create_function(_CHECKSUM, -1, _checksum, deterministic=True)


def _checksum(*values: object) -> int:
    return zlib.crc32(_SEPARATOR.join(map(_bytes, values)))


def _bytes(value: object) -> bytes:
    if value is None:
        return _MISSING
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


def _may_pass(cause: BaseException | None) -> bool:
    if isinstance(cause, sqlite3.OperationalError):
        return "locked" in str(cause) or "busy" in str(cause)
    if isinstance(cause, InterfaceError):
        return True  # the connection was closed meanwhile
    return isinstance(cause, MySQLError) and bool(cause.args) and cause.args[0] in _PASSING
