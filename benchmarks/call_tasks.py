"""The pieces of work that `benchmarks.calls` measures; each is run in a process of its own.

Belongs here: the queries and paths, and proof that their results are right. Must not: printing.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import ibis.expr.types as ir
from deltalake import DeltaTable

from benchmarks.call_data import (
    CALLS,
    DAYS,
    MONTH,
    SENTIMENT,
    SNAPSHOT,
    month,
    source,
    storage,
    stream,
)
from benchmarks.measure import Lap, Stopwatch
from benchmarks.snapshot_peers import snapshot_frame, snapshot_sql
from cs_assets.audit import audit_query
from cs_assets.calls.enriched import with_sentiment
from cs_assets.calls.portraits import customer_totals, portrait_snapshot
from cs_assets.contracts import Contract
from cs_assets.periods import period_days
from cs_assets.results import ExpectedTotal, Result
from cs_assets.steps import rows_by_period
from cs_resources.storage import Storage
from cs_resources.writing import Provenance

Outcome = tuple[list[Lap], str]
"""The laps, and a fingerprint of the result (empty if it was not to be proven)."""

_QUERY = "query"
_BATCH_ROWS = 100_000
_WRITER = Provenance(run_id="benchmark", write_id="benchmark")


def empty() -> Outcome:
    """Do nothing: what the process holds before any work."""
    watch = Stopwatch()
    watch.start(_QUERY)
    return watch.stop(), ""


def query_ours(folder: Path, memory_limit: str, proven: bool) -> Outcome:
    """Compute the snapshot with the platform's expression, building and compiling it included."""
    place = storage(folder, memory_limit)
    backend = place.session.backend
    backend.create_view("first", _snapshot(place))  # the first compilation loads modules
    return _timed(place, lambda: backend.create_view("snapshot", _snapshot(place)), proven)


def query_sql(folder: Path, memory_limit: str, proven: bool) -> Outcome:
    """Compute the snapshot with plain SQL, looking up the lake's files included."""
    place = storage(folder, memory_limit)
    connection = place.session.backend.con

    def define() -> None:
        query = snapshot_sql(_files(place, CALLS), _files(place, SENTIMENT), MONTH)
        connection.execute(f"CREATE VIEW snapshot AS {query}")

    return _timed(place, define, proven)


def _snapshot(place: Storage) -> ir.Table:
    calls = with_sentiment(place.lake.read(CALLS, DAYS), place.lake.read(SENTIMENT, DAYS))
    return portrait_snapshot(customer_totals(calls, period_days(month())))


def _timed(place: Storage, define: Callable[[], object], proven: bool) -> Outcome:
    """Define the view `snapshot` and compute it, dropping its rows as they come in batches."""
    watch = Stopwatch()
    watch.start(_QUERY)
    define()
    result = place.session.backend.con.execute("SELECT * FROM snapshot")
    for _ in result.to_arrow_reader(_BATCH_ROWS):
        pass
    laps = watch.stop()
    return laps, _fingerprint(place) if proven else ""


def query_pandas(folder: Path, memory_limit: str, proven: bool) -> Outcome:
    """Compute the snapshot with pandas."""
    place = storage(folder, memory_limit)
    calls, sentiment = _files(place, CALLS), _files(place, SENTIMENT)
    watch = Stopwatch()
    watch.start(_QUERY)
    snapshot = snapshot_frame(calls, sentiment, MONTH)
    laps = watch.stop()
    place.session.backend.con.register("snapshot", snapshot)
    return laps, _fingerprint(place) if proven else ""


def write_sentiment(folder: Path, memory_limit: str) -> None:
    """Write what was said in the made calls into the lake; not measured."""
    place = storage(folder, memory_limit)
    place.begin("sentiment", [(SENTIMENT, DAYS)])
    staged = place.stager.stage(Result(stream(source(folder, SENTIMENT))), SENTIMENT, DAYS)
    require(not staged.failures, f"the contract: {staged.failures}")
    place.publish("sentiment", staged, _WRITER)


def write_calls(folder: Path, memory_limit: str) -> Outcome:
    """Write the made calls, a stream, into a lake that has none."""
    place = storage(folder, memory_limit)
    shutil.rmtree(place.lake.uri(CALLS), ignore_errors=True)
    made = source(folder, CALLS)
    place.begin("calls", [(CALLS, DAYS)])
    with watched() as watch:
        watch.start("read the stream alone")
        calls = sum(batch.num_rows for batch in stream(made))
        watch.laps, alone = [], watch.stop()[:1]
        watch.start("stage")
        staged = place.stager.stage(Result(stream(made)), CALLS, DAYS)
        require(not staged.failures, f"the contract: {staged.failures}")
        watch.start("publish")
        place.publish("calls", staged, _WRITER)
        laps = watch.stop()
    inventory = place.inventory(CALLS, DAYS)
    require(inventory.partitions == len(DAYS) and inventory.rows == calls, "calls in the lake")
    return [*alone, *laps], inventory.content_hash


def write_mart(folder: Path, memory_limit: str) -> Outcome:
    """Go all the way from the lake to the snapshots of the month in an empty warehouse."""
    for file in folder.glob("warehouse.sqlite*"):
        file.unlink()
    place = storage(folder, memory_limit)
    key = MONTH.partition_key
    place.begin("mart", [(SNAPSHOT, [key])])
    with watched() as watch:
        watch.start("stage")
        expected = rows_by_period(place.lake.read(CALLS, DAYS), month())
        total = ExpectedTotal("calls are conserved", expected, column="total_calls")
        result = Result(_snapshot(place), totals=(total,))
        staged = place.stager.stage(result, SNAPSHOT, [key])
        require(not staged.failures, f"the contract: {staged.failures}")
        watch.start("publish")
        place.publish("mart", staged, _WRITER)
        laps = watch.stop()
    counted = place.warehouse.total(SNAPSHOT, "total_calls", key)
    require(counted == expected[key], "calls in the warehouse")
    return laps, place.inventory(SNAPSHOT, [key]).content_hash


@contextmanager
def watched() -> Iterator[Stopwatch]:
    """Begin the lap `audit` when a staged file is written and its audit is asked for."""
    watch = Stopwatch()

    def audited(*arguments: Any) -> Any:
        watch.start("audit")
        return audit_query(*arguments)

    with mock.patch("cs_resources.staging.audit_query", audited):
        yield watch


def _files(place: Storage, contract: Contract) -> list[str]:
    return sorted(DeltaTable(str(place.lake.uri(contract))).file_uris())


def _fingerprint(place: Storage) -> str:
    """Return the number of rows and the sum of their hashes, typed as the contract says."""
    backend = place.session.backend
    casts = ", ".join(
        f"CAST({name} AS {backend.compiler.type_mapper.to_string(type_)})"
        for name, type_ in SNAPSHOT.schema.items()
    )
    rows, hashes = backend.con.execute(
        f"SELECT count(*), sum(hash({casts}))::VARCHAR FROM snapshot"
    ).fetchall()[0]
    return f"{rows:,} {hashes}"


def require(holds: bool, what: str) -> None:
    """Raise RuntimeError if what was measured is not what was meant."""
    if not holds:
        raise RuntimeError(f"the measured work is wrong: {what}")
