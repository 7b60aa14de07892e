"""The pieces of work that `benchmarks.servers` measures; each is run in a process of its own.

Belongs here: the path from the lake to PostgreSQL, and the server's own COPY of the same rows.
Must not: printing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from benchmarks.call_data import CALLS, DAYS, MONTH, SENTIMENT, SNAPSHOT, month, storage
from benchmarks.call_tasks import Outcome
from benchmarks.measure import Stopwatch
from cs_assets.calls.enriched import with_sentiment
from cs_assets.calls.portraits import customer_totals, portrait_snapshot
from cs_assets.periods import period_days
from cs_assets.results import Result
from cs_resources.staging import Staged
from cs_resources.storage import Storage
from cs_resources.writing import Provenance

KEY = MONTH.partition_key
COPY = "COPY"


@contextmanager
def database(server: str) -> Iterator[str]:
    """A database of the benchmark's own; its URL."""
    name = f"cs_bench_{uuid4().hex[:8]}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield sa.make_url(server).set(database=name).render_as_string(hide_password=False)
        finally:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


def write_mart(folder: Path, url: str, memory_limit: str) -> Outcome:
    """Go all the way from the lake to the snapshots of the month in an empty warehouse."""
    place = _opened(folder, url, memory_limit)
    place.begin("mart", [(SNAPSHOT, [KEY])])
    watch = Stopwatch()
    watch.start("stage and audit")
    staged = _staged(place)
    watch.start("publish")
    place.publish("mart", staged, Provenance(run_id="benchmark", write_id="benchmark"))
    laps = watch.stop()
    place.warehouse.engine.dispose()
    return laps, str(place.inventory(SNAPSHOT, [KEY]).rows)


def export(folder: Path, url: str, memory_limit: str, order: str) -> None:
    """Write the same rows to a CSV file that the server can read; not measured."""
    place = _opened(folder, url, memory_limit)
    rows = place.stager.open(_staged(place), place.session)
    if order:
        rows = rows.order_by(_key(place))
    path = csv(folder, order)
    query = str(place.session.backend.compile(rows))
    place.session.backend.raw_sql(f"COPY ({query}) TO '{path}' (FORMAT csv, HEADER false)")
    path.chmod(0o644)


def server_copy(folder: Path, url: str, memory_limit: str, order: str) -> Outcome:
    """Let the server copy the file into the empty table, with its keys, and commit."""
    place = _opened(folder, url, memory_limit)
    name = SNAPSHOT.table_name
    columns = ", ".join(SNAPSHOT.column_names)
    watch = Stopwatch()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        watch.start(COPY)
        path = csv(folder, order)
        copied = connection.exec_driver_sql(f"COPY {name} ({columns}) FROM '{path}' (FORMAT csv)")
        rows = copied.rowcount
        connection.commit()
        laps = watch.stop()
    engine.dispose()
    place.warehouse.engine.dispose()
    return laps, str(rows)


def csv(folder: Path, order: str) -> Path:
    """Return the file of the rows in an order."""
    return folder / f"snapshots{order}.csv"


def _opened(folder: Path, url: str, memory_limit: str) -> Storage:
    """Open the installation on an empty PostgreSQL warehouse."""
    place = replace(storage(folder, memory_limit), warehouse_url=sa.make_url(url))
    engine = place.warehouse.engine
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in place.warehouse.tables.all:
            connection.exec_driver_sql(f'TRUNCATE "{table.name}"')
        connection.exec_driver_sql("CHECKPOINT")
    return place


def _staged(place: Storage) -> Staged:
    calls = with_sentiment(place.lake.read(CALLS, DAYS), place.lake.read(SENTIMENT, DAYS))
    snapshot = portrait_snapshot(customer_totals(calls, period_days(month())))
    staged = place.stager.stage(Result(snapshot), SNAPSHOT, [KEY])
    if staged.failures:
        raise RuntimeError(f"the measured work is wrong: {staged.failures}")
    return staged


def _key(place: Storage) -> list[str]:
    return [column.name for column in place.warehouse.table(SNAPSHOT).primary_key]
