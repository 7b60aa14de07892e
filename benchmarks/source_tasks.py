"""The pieces of work from call database to lake that `benchmarks.servers` measures.

Belongs here: reading, staging, auditing and publishing call records, each piece a lap. Must not:
printing.
"""

import shutil
from datetime import date
from pathlib import Path

from benchmarks.call_data import DAYS, MONTH, storage
from benchmarks.call_tasks import Outcome, require, watched
from benchmarks.measure import Stopwatch
from benchmarks.source_data import SERVER, bare_client
from cs_assets.calls.contracts import CALL_RECORDS_RAW
from cs_assets.results import Result
from cs_resources.call_database import CallDatabase
from cs_resources.storage import Storage
from cs_resources.writing import Provenance

RAW = CALL_RECORDS_RAW
_WRITER = Provenance(run_id="benchmark", write_id="benchmark")


def client(database: str, calls: int) -> Outcome:
    """Read the month with the server's own client."""
    watch = Stopwatch()
    watch.start("bare client")
    bare_client(SERVER.set(database=database))
    return watch.stop(), ""


def read(database: str, calls: int) -> Outcome:
    """Read the month as typed batches that are dropped."""
    days = [date.fromisoformat(day) for day in DAYS]
    watch = Stopwatch()
    watch.start("read")
    stream = _source(database).records(days, RAW.schema.to_pyarrow())
    rows = sum(batch.num_rows for batch in stream)
    laps = watch.stop()
    require(rows == calls, f"{rows} rows were read")
    return laps, ""


def to_lake(database: str, calls: int, folder: Path, memory_limit: str) -> Outcome:
    """Read, stage, audit and publish the month into a lake that has none of it."""
    place = _storage(folder, memory_limit)
    shutil.rmtree(place.lake.uri(RAW), ignore_errors=True)
    days = [date.fromisoformat(day) for day in DAYS]
    place.begin("raw", [(RAW, DAYS)])
    with watched() as watch:
        watch.start("read and stage")
        stream = _source(database).records(days, RAW.schema.to_pyarrow())
        staged = place.stager.stage(Result(stream), RAW, DAYS)
        require(not staged.failures, f"the contract: {staged.failures}")
        watch.start("publish")
        place.publish("raw", staged, _WRITER)
        laps = watch.stop()
    inventory = place.inventory(RAW, DAYS)
    require(inventory.rows == calls, f"{inventory.rows} rows are in the lake")
    return laps, inventory.content_hash


def signatures(database: str, calls: int) -> Outcome:
    """Ask the source what each day of the month holds, as the sensor does."""
    days = [date.fromisoformat(day) for day in DAYS]
    watch = Stopwatch()
    watch.start("signatures")
    held = _source(database).signatures(days)
    laps = watch.stop()
    require(sum(day.records for day in held.values()) == calls, "every record is counted")
    return laps, ""


def _source(database: str) -> CallDatabase:
    return CallDatabase(url=SERVER.set(database=database), history_start=MONTH.start)


def _storage(folder: Path, memory_limit: str) -> Storage:
    place = storage(folder, memory_limit)
    return Storage(
        contracts=(RAW,),
        lake_root=place.lake_root,
        warehouse_url=place.warehouse_url,
        staging_folder=place.staging_folder,
        memory_limit=memory_limit,
    )
