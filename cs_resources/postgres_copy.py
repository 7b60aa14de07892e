"""Rows into PostgreSQL by COPY.

Belongs here: the CSV that PostgreSQL reads back exactly, statements of bounded size. Must not:
transactions, which rows.

CSV made by Arrow and not binary COPY: the server's own work is ten times that of either, and the
binary writers at hand know no decimals.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import sqlalchemy as sa

from cs_resources.errors import ContractError
from cs_resources.postgres_connection import without_rows

_NULLS_AND_TEXTS_DIFFER = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
"""Texts are quoted, the empty one too; missing values are not."""


def copy_batch(connection: sa.Connection, table: sa.Table, batch: pa.RecordBatch) -> int:
    """Insert a batch with one COPY statement; return the number of rows that the server took.

    Raises ContractError naming the column where a text holds the character NUL.
    """
    _require_storable(table, batch)
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(batch, sink, _NULLS_AND_TEXTS_DIFFER)
    quoted = connection.dialect.identifier_preparer.quote
    columns = ", ".join(quoted(name) for name in batch.schema.names)
    statement = f"COPY {quoted(table.name)} ({columns}) FROM STDIN (FORMAT csv)"
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    with _told_by_sqlalchemy(connection, driver, statement), driver.cursor() as cursor:
        with cursor.copy(statement.encode()) as copy:
            copy.write(memoryview(sink.getvalue()))
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
