"""One read of the call database: a consistent snapshot, its rows counted against the server's.

Belongs here: transactions, unbuffered queries, the count that must agree before a stream ends. Must
not: knowing what rows mean.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pymysql.cursors import SSCursor

from cs_resources import call_wire
from cs_resources.call_connection import CallConnection
from cs_resources.call_values import Values, transposed
from cs_resources.errors import SourceUnavailableError

_SNAPSHOT = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
_ENGINES = sa.text(
    "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = DATABASE()"
)


@dataclass(frozen=True)
class SnapshotRead:
    """Reads queries within one transaction; `unfixed` names the tables that it does not freeze."""

    connection: sa.Connection
    batch_rows: int
    is_server: bool
    unfixed: frozenset[str] = frozenset()

    def pieces(self, query: sa.Select[Any], tables: Sequence[str]) -> Iterator[Sequence[Values]]:
        """Yield the columns of a query's rows piece by piece, however many there are.

        Raises SourceUnavailableError before the end if the rows are not as many as the server
        counts: then nothing of the stream is published.
        """
        if not self.is_server:
            for rows in self.connection.execute(query).partitions(self.batch_rows):
                yield transposed(rows)
            return
        counts = [lambda: int(self.connection.scalar(_FOUND) or 0)]
        if self.unfixed & set(tables):
            counted = self._count(query)
            counts += [lambda: counted, lambda: self._count(query)]
        yield from self._counted(query, counts)

    def _counted(
        self, query: sa.Select[Any], counts: Sequence[Callable[[], int]]
    ) -> Iterator[Sequence[Values]]:
        rows = 0
        with self._sent(query) as cursor:
            for columns in call_wire.batches(cursor):
                rows += len(columns[0])
                yield columns
        for count in counts:
            if (expected := count()) != rows:
                raise SourceUnavailableError(
                    f"{rows} rows were read, but the call database counts {expected}: it changed "
                    "meanwhile, or rows were lost on the way. Nothing was published. Try again."
                )

    @contextmanager
    def _sent(self, query: sa.Select[Any]) -> Iterator[SSCursor]:
        """Send the query; the server streams its rows, which are not held anywhere."""
        compiled = query.compile(dialect=self.connection.dialect)
        cursor = SSCursor(self.connection.connection.dbapi_connection)  # type: ignore[arg-type]
        cursor.execute(str(compiled), dict(compiled.params))
        yield cursor
        cursor.close()

    def _count(self, query: sa.Select[Any]) -> int:
        count = query.with_only_columns(sa.func.count(), maintain_column_froms=True)
        return int(self.connection.scalar(count) or 0)


_FOUND = sa.select(sa.func.found_rows())


@contextmanager
def snapshot(source: CallConnection, batch_rows: int) -> Iterator[SnapshotRead]:
    """Open a read of the database as it is at one moment, so far as its tables' engines can."""
    with source.opened() as connection:
        if not source.is_server:
            options = {"stream_results": True, "yield_per": batch_rows}
            yield SnapshotRead(connection.execution_options(**options), batch_rows, False)
            return
        engines = connection.execute(_ENGINES).all()
        unfixed = frozenset(name for name, engine in engines if engine != "InnoDB")
        connection.exec_driver_sql(_SNAPSHOT)
        yield SnapshotRead(connection, batch_rows, True, unfixed)
