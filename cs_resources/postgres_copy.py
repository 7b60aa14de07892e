"""Rows into PostgreSQL by COPY.

Belongs here: the CSV that PostgreSQL reads back exactly, statements of bounded size. Must not:
transactions, which rows.

CSV made by Arrow and not binary COPY: the server's own work is ten times that of either, and the
binary writers at hand know no decimals.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import sqlalchemy as sa

from cs_resources.errors import ContractError
from cs_resources.postgres_connection import without_rows
from cs_resources.streams import ahead

_NULLS_AND_TEXTS_DIFFER = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
"""Texts are quoted, the empty one too; missing values are not."""


@dataclass(frozen=True)
class Encoded:
    """Rows as the CSV of one COPY statement, and its columns."""

    columns: tuple[str, ...]
    text: pa.Buffer


def encoded(table: sa.Table, batch: pa.RecordBatch) -> Encoded:
    """Return a batch as CSV.

    Raises ContractError naming the column where a text holds the character NUL.
    """
    _require_storable(table, batch)
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(batch, sink, _NULLS_AND_TEXTS_DIFFER)
    return Encoded(tuple(batch.schema.names), sink.getvalue())


def copy_all(
    connection: sa.Connection, table: sa.Table, batches: Iterable[pa.RecordBatch]
) -> Iterator[int]:
    """Insert each batch with one COPY statement; yield the number of rows that the server took.

    While the server takes a batch, the next one is computed and encoded in a thread.
    """
    ready = (encoded(table, batch) for batch in batches)
    for rows in ahead(ready, "encode-rows"):
        yield _copy(connection, table, rows)


def _copy(connection: sa.Connection, table: sa.Table, rows: Encoded) -> int:
    quoted = connection.dialect.identifier_preparer.quote
    columns = ", ".join(map(quoted, rows.columns))
    statement = f"COPY {quoted(table.name)} ({columns}) FROM STDIN (FORMAT csv)"
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    with _told_by_sqlalchemy(connection, driver, statement), driver.cursor() as cursor:
        with cursor.copy(statement.encode()) as copy:
            copy.write(memoryview(rows.text))
        return cursor.rowcount


def _require_storable(table: sa.Table, batch: pa.RecordBatch) -> None:
    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_string(values.type) and pc.any(pc.match_substring(values, "\0")).as_py():
            raise ContractError(
                f"{table.name}.{name}: a text holds the character NUL, which PostgreSQL cannot "
                "store; take it out where the text is read"
            )


@contextmanager
def _told_by_sqlalchemy(
    connection: sa.Connection, driver: psycopg.Connection[object], statement: str
) -> Iterator[None]:
    """Raise the driver's errors as SQLAlchemy does, and give up a connection that is lost."""
    try:
        yield
    except psycopg.Error as error:
        is_lost = driver.closed
        if is_lost:
            connection.invalidate(error)
        raise sa.exc.DBAPIError.instance(
            statement,
            None,
            without_rows(error),
            psycopg.Error,
            hide_parameters=True,
            connection_invalidated=is_lost,
            dialect=connection.dialect,
        ) from error
