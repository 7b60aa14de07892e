"""Tables as streams of record batches.

Belongs here: reading rows from DuckDB batch by batch, streams that remember why they broke off.
Must not: knowing which rows.

A connection of DuckDB has one result: the next statement, be it only that a temporary table is
dropped, ends a stream that is still being read, without an error. So every stream has a DuckDB of
its own.
"""

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar
from uuid import uuid4
from weakref import WeakKeyDictionary

import duckdb
import ibis.expr.types as ir
import pyarrow as pa

from cs_resources.duckdb_session import DuckDBSession

_SCAN_MEMORY = "512MB"
"""Enough to read files from front to end; the process's own session takes its own on top."""

_Item = TypeVar("_Item")
_CAUSES: WeakKeyDictionary[pa.RecordBatchReader, list[Exception]] = WeakKeyDictionary()


def reader(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> pa.RecordBatchReader:
    """Return batches as a stream; what they raise is raised by whoever reads `with_cause`."""
    causes: list[Exception] = []

    def watched() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except Exception as error:
            causes.append(error)
            raise

    made = pa.RecordBatchReader.from_batches(schema, watched())
    _CAUSES[made] = causes
    return made


def ahead(items: Generator[_Item, None, None], thread: str) -> Generator[_Item, None, None]:
    """Yield what a generator yields; the next item is made in a thread while one is in use.

    The generator runs and is closed in that one thread, whose name begins with `thread`.
    """
    with ThreadPoolExecutor(1, thread) as maker:
        coming = maker.submit(next, items, None)
        try:
            while (item := coming.result()) is not None:
                coming = maker.submit(next, items, None)
                yield item
        finally:
            maker.submit(items.close).result()


@contextmanager
def with_cause(stream: object) -> Iterator[None]:
    """Raise what a stream's own batches raised, where DuckDB only tells that reading failed."""
    try:
        yield
    except duckdb.Error:
        if isinstance(stream, pa.RecordBatchReader) and (causes := _CAUSES.get(stream)):
            raise causes[0] from None
        raise


def aside(session: DuckDBSession) -> DuckDBSession:
    """Return a session for a scan, which nobody else uses."""
    folder = session.spill_folder.with_name(f"spill-{uuid4().hex}")
    return replace(session, spill_folder=folder, memory_limit=_SCAN_MEMORY)


def stream(session: DuckDBSession, table: ir.Table, batch_rows: int) -> pa.RecordBatchReader:
    """Return the rows of a table of the session, which is to be asked nothing else meanwhile."""
    backend = session.backend
    return backend.raw_sql(backend.compile(table)).to_arrow_reader(batch_rows)
