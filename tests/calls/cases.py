"""Small call databases, tables and runs that the tests of the calls system are built from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import sqlalchemy as sa

from cs_apps.backfill import plan, run_waves, select_contracts
from cs_apps.sample_data.call_records import RECORD_COLUMNS
from cs_apps.sample_data.call_source import SourceWriter, replacing
from cs_assets.calls.contracts import CALL_RECORDS_RAW, CALL_TASKS, CALL_TURNS_RAW
from cs_assets.contracts import UNPARTITIONED, Contract
from cs_assets.definitions import CONTRACTS, build_definitions
from cs_resources.call_database import CallDatabase
from cs_resources.call_schema import TURN
from cs_resources.storage import storage_of
from tests.calls.server_cases import READ_AT, TASK, Row
from tests.served import SERVED

__all__ = ["READ_AT", "TASK", "Row"]

MONDAY = date(2025, 11, 24)
NOON = datetime.fromisoformat("2025-11-24 12:00:00")
TABLE = "autodialer_call_record_2025_11"


def at(text: str) -> datetime:
    """A local instant."""
    return datetime.fromisoformat(text)


def record(number: int = 1, **changes: Any) -> Row:
    """A good source row: connected, 10 s long, 4 s of talk, on Monday 2025-11-24."""
    row = {
        "id": f"r{number:04}",
        "task_id": "t1",
        "customer_id": "c1",
        "callee": "13800001234",
        "callid": f"k{number:04}",
        "calldate": "2025-11-24 10:00:00",
        "duration": 10_000,
        "bill": 4_000,
        "rounds": 2,
        "hangup_disposition": 1,
        "intention_results": "A",
    }
    return row | changes


def turn(record_id: str | None, sequence: Any, question: str | None = "喂", **changes: Any) -> Row:
    """A detail row that is a dialogue turn."""
    row = {
        "id": f"d-{record_id}-{sequence}",
        "record_id": record_id,
        "callid": "k",
        "sequence": sequence,
        "notify": TURN,
        "question": question,
        "answer_content": "您好",
    }
    return row | changes


def write_source(
    path: Path,
    records: Mapping[str, Sequence[Row]],
    turns: Mapping[str, Sequence[Row]] | None = None,
    tasks: Iterable[tuple[Any, ...]] = (TASK,),
) -> Path:
    """Write a call database: rows by table suffix (`_2025_11`, or empty in the single layout)."""
    turns = turns or {}
    with replacing(path) as connection:
        writer = SourceWriter(connection, sorted({*records, *turns}))
        connection.executemany("INSERT INTO autodialer_task VALUES (?, ?, ?)", tasks)
        for suffix, rows in records.items():
            writer.write_records(suffix, [[row[name] for name in RECORD_COLUMNS] for row in rows])
        for suffix, rows in turns.items():
            writer.write_details(suffix, [list(row.values()) for row in rows])
    return path


def call_database(path: Path, **options: Any) -> CallDatabase:
    """A call database over a SQLite file, with a clock that stands still."""
    usual = {"history_start": date(2025, 7, 1), "clock": lambda: READ_AT}
    return CallDatabase(url=sa.URL.create("sqlite", database=str(path)), **(usual | options))


def call_database_of_home(path: Path, **options: Any) -> CallDatabase:
    """A call database over a SQLite file, or over its copy on a server, if tests run on servers."""
    usual = {"clock": lambda: READ_AT}
    return SERVED.database(path, **(usual | options)) or call_database(path, **options)


def read_records(source: CallDatabase, *days: date) -> list[Row]:
    """The records of days, as one read."""
    return source.records(days, CALL_RECORDS_RAW.schema.to_pyarrow()).read_all().to_pylist()


def read_turns(source: CallDatabase, *days: date) -> list[Row]:
    """The turns of the days' calls, as one read."""
    return source.turns(days, CALL_TURNS_RAW.schema.to_pyarrow()).read_all().to_pylist()


def table_of(contract: Contract, rows: Sequence[Row]) -> ir.Table:
    """A table of a contract in memory."""
    schema = pa.schema([field.with_nullable(True) for field in contract.schema.to_pyarrow()])
    return ibis.memtable(pa.Table.from_pylist(list(rows), schema=schema))


def raw(number: int = 1, **changes: Any) -> Row:
    """A good row of call_records_raw."""
    read = {
        "tenant_id": "default",
        "call_date": MONDAY,
        "calldate": NOON,
        "unreadable": None,
        "source_table": TABLE,
        "row_checksum": number,
        "extracted_at": at("2025-12-01"),
    }
    return record(number) | read | changes


def tasks_table(*task_ids: str) -> ir.Table:
    """A table call_tasks with these tasks."""
    return table_of(
        CALL_TASKS,
        [
            {"tenant_id": "default", "task_id": task_id, "task_name": f"任务 {task_id}"}
            for task_id in task_ids
        ],
    )


def call(number: int = 1, called_at: str = "2025-11-24 10:00:00", **changes: Any) -> Row:
    """A row of call_records_clean: connected, 10 s long, 4 s of talk."""
    instant = at(called_at)
    row = {
        "tenant_id": "default",
        "call_date": instant.date(),
        "callid": f"k{number:04}",
        "id": f"r{number:04}",
        "source_table": TABLE,
        "customer_id": "c1",
        "task_id": "t1",
        "called_at": instant,
        "talk_ms": 4_000,
        "total_ms": 10_000,
        "rounds": 2,
        "intention_level": "A",
        "hangup_by": "robot",
        "dialogue_turns": 2,
    }
    row |= changes
    return row | {"is_connected": row["talk_ms"] > 0}


Hashes = dict[tuple[str, str], str]


class Installation:
    """The real definitions over a home of their own; runs go to an instance in memory."""

    def __init__(
        self,
        home: Path,
        first: date,
        last: date,
        threads: int | None = None,
        database: CallDatabase | None = None,
        **settings: Any,
    ) -> None:
        self.settings = SERVED.settings(
            home, cs_history_start=first, cs_history_end=last, **settings
        )
        self.storage = replace(storage_of(self.settings, CONTRACTS), threads=threads)
        self.source = self.settings.sample_call_source
        self.database = database or call_database_of_home(self.source, history_start=first)
        self.definitions = build_definitions(self.settings, self.storage, self.database)
        self.events: list[dg.DagsterEvent] = []

    def changed(self, **settings: Any) -> "Installation":
        """The same installation with other settings."""
        own = self.settings
        end = own.cs_history_end or own.cs_history_start
        return Installation(own.cs_home, own.cs_history_start, end, **settings)

    def run(self, select: str, first: date, last: date | None = None) -> str:
        """Make the assets for the days, as `cs backfill` does; return the problems."""
        chosen = select_contracts(select, CONTRACTS)
        graph = self.definitions.resolve_asset_graph()
        waves = plan(chosen, graph, self.settings.calendar, first, last or first)
        with dg.DagsterInstance.ephemeral() as instance:
            results = list(run_waves(self.definitions, instance, waves, self.events.append))
        return "\n".join(problem for result in results for problem in result.problems)

    def hashes(self) -> Hashes:
        """The content hash of every published partition."""
        found: Hashes = {}
        for contract in CONTRACTS:
            keys = (
                self.settings.calendar.partitions(contract.grain).get_partition_keys()
                if contract.grain
                else [UNPARTITIONED]
            )
            published = self.storage.store(contract).published(contract, keys)
            for key, version in published.items():
                found[contract.asset_name, key] = str(getattr(version, "content_hash", version))
        return found

    def rows(self, name: str) -> list[Row]:
        """Every published row of an asset."""
        contract = next(contract for contract in CONTRACTS if contract.name == name)
        keys = [key for asset, key in self.hashes() if asset == contract.asset_name]
        table = self.storage.store(contract).read(contract, keys)
        arrow = table.read_all() if isinstance(table, pa.RecordBatchReader) else table.to_pyarrow()
        return arrow.to_pylist()

    def told(self, name: str, key: str | None = None) -> dict[str, object]:
        """The metadata of the last materialization of an asset, or of one of its partitions."""
        done = [
            event.step_materialization_data.materialization
            for event in self.events
            if event.is_step_materialization
        ]
        own = [
            made
            for made in done
            if made.asset_key.path[-1] == name and key in (None, made.partition)
        ]
        return {label: value.value for label, value in own[-1].metadata.items()}
