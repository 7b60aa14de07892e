"""Rows out of the warehouse as a stream.

Belongs here: one snapshot per stream, batches of bounded size. Must not: which rows.
"""

from collections.abc import Callable, Iterator

import pyarrow as pa
import sqlalchemy as sa

from cs_assets.contracts import Contract
from cs_resources.sql_dialects import Dialect
from cs_resources.streams import reader

_READ_ROWS = 50_000


def stream_rows(
    dialect: Dialect,
    engine: sa.Engine,
    query: Callable[[sa.Connection], sa.Executable],
    contract: Contract,
) -> pa.RecordBatchReader:
    """Return the rows of a query as record batches in the contract's schema.

    `query` is asked for when the first batch is, in the transaction that reads: what was
    published may have been replaced since the stream was made.
    """
    schema = pa.schema([field.with_nullable(True) for field in contract.schema.to_pyarrow()])
    return reader(schema, _batches(dialect, engine, query, schema))


def _batches(
    dialect: Dialect,
    engine: sa.Engine,
    query: Callable[[sa.Connection], sa.Executable],
    schema: pa.Schema,
) -> Iterator[pa.RecordBatch]:
    options = {"yield_per": _READ_ROWS}
    with dialect.read_transaction(engine) as connection:
        for rows in connection.execute(query(connection), execution_options=options).partitions():
            columns = zip(*rows, strict=True)
            arrays = [
                pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)
            ]
            yield pa.record_batch(arrays, schema=schema)
