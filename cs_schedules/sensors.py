"""Sensors: what is noticed between two nightly rounds.

Belongs here: days of the call database that are new or changed, quarantined rows that can be cured
(what must follow them: `repairs`). Must not: comparing rows (see `CallDatabase.signatures`).
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)

from cs_assets.calendar import Calendar, Grain, current_period
from cs_assets.calls.contracts import CALL_RECORDS_QUARANTINE, CALL_RECORDS_RAW, CALL_TURNS_RAW
from cs_assets.contracts import Contract
from cs_resources.call_database import CallDatabase, DaySignature, mixed
from cs_resources.errors import PlatformError
from cs_resources.storage import Storage
from cs_schedules.jobs import system_job_name
from cs_schedules.requests import day_requests
from cs_schedules.schedules import Timetable
from cs_schedules.timing import day_range

CHANGED, CURABLE = "source changed", "quarantine curable"
_INTERVAL_SECONDS = 300


def source_sensor(
    calendar: Calendar,
    timetable: Timetable,
    jobs: Mapping[str, UnresolvedAssetJobDefinition],
) -> dg.SensorDefinition:
    """Return the sensor that requests exactly the days that the call database holds otherwise."""
    status = dg.DefaultSensorStatus

    @dg.sensor(
        name="call_source_changes",
        job=jobs[system_job_name(CALL_RECORDS_RAW.system, Grain.DAY)],
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=status.RUNNING if timetable.is_enabled else status.STOPPED,
        required_resource_keys={"storage", "call_database", "clock"},
        description="Compares each recent day of the call database with what was loaded (a "
        "checksum over all values of records and turns) and requests the days that differ, and "
        "days with quarantined rows whose task is known by now.",
    )
    def look(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        now = context.resources.clock()
        days = watched_days(now_day(now, calendar, timetable), calendar, timetable)
        if not days:
            yield dg.SkipReason("no day of history is over yet")
            return
        storage: Storage = context.resources.storage
        database: CallDatabase = context.resources.call_database
        try:
            source = database.signatures(days)
            tasks = set(database.tasks()["task_id"])
        except PlatformError as error:
            # the source is to blame, not the sensor: say so at every tick, and look again
            yield dg.SkipReason(f"the call database cannot be read: {error}")
            return
        changed = changed_days(storage, source, days)
        curable = curable_days(storage, tasks, days) - changed.keys()
        if not changed and not curable:
            yield dg.SkipReason(f"{days[0]} … {days[-1]}: as loaded")
        digest = hashlib.md5(repr(sorted(changed.items())).encode(), usedforsecurity=False)
        yield from day_requests(changed, f"changed/{digest.hexdigest()[:12]}", CHANGED)
        known = hashlib.md5(repr(sorted(tasks)).encode(), usedforsecurity=False)
        yield from day_requests(curable, f"curable/{known.hexdigest()[:12]}", CURABLE)

    return look


def now_day(now: datetime, calendar: Calendar, timetable: Timetable) -> date:
    """Return the last day that the source must hold: yesterday, once the nightly sync is due."""
    hour, minute = timetable.sync
    due = now - timedelta(hours=hour, minutes=minute)
    today = current_period(Grain.DAY, due, calendar.timezone).start
    return today - timedelta(days=1)


def watched_days(last: date, calendar: Calendar, timetable: Timetable) -> list[date]:
    """Return the days of history that are watched for changes."""
    if calendar.history_end:
        last = min(last, calendar.history_end)
    first = last - timedelta(days=timetable.catch_up_days - 1)
    return day_range(max(first, calendar.history_start), last)


def changed_days(
    storage: Storage, source: Mapping[date, DaySignature], days: Iterable[date]
) -> dict[date, DaySignature]:
    """Return the days that the source holds otherwise than the lake, with what it holds."""
    wanted = list(days)
    published = set(storage.lake.published(CALL_RECORDS_RAW, [str(day) for day in wanted]))
    loaded = _loaded_signatures(storage, sorted(published))
    empty = DaySignature()
    return {
        day: source.get(day, empty)
        for day in wanted
        if source.get(day, empty) != loaded.get(day, empty)
    }


def curable_days(storage: Storage, tasks: set[str], days: Iterable[date]) -> set[date]:
    """Return the days with quarantined rows whose task is known by now."""
    keys = storage.lake.published(CALL_RECORDS_QUARANTINE, [str(day) for day in days])
    if not keys:
        return set()
    rows = storage.lake.read(CALL_RECORDS_QUARANTINE, sorted(keys))
    waiting = rows.filter(rows.reason == "unknown_task")
    task = waiting.record.cast("json")["task_id"].str
    found = waiting.select("call_date", task_id=task).distinct().to_pyarrow().to_pylist()
    return {row["call_date"] for row in found if row["task_id"] in tasks}


def _loaded_signatures(storage: Storage, keys: list[str]) -> dict[date, DaySignature]:
    found = {
        day: DaySignature(*held)
        for day, held in _checksums(storage, CALL_RECORDS_RAW, keys).items()
    }
    turns = _checksums(
        storage, CALL_TURNS_RAW, sorted(storage.lake.published(CALL_TURNS_RAW, keys))
    )
    for day, held in turns.items():
        found[day] = found.get(day, DaySignature()) + DaySignature(0, 0, *held)
    return found


def _checksums(storage: Storage, contract: Contract, keys: list[str]) -> dict[date, list[int]]:
    """Return of each day with rows how many there are, and the sum of their mixed checksums."""
    if not keys:
        return {}
    rows = storage.lake.read(contract, keys)
    sums = rows.group_by("call_date").agg(
        rows=rows.count(), checksum=mixed(rows.row_checksum).sum().cast("int64")
    )
    return {
        row["call_date"]: [row["rows"], row["checksum"]] for row in sums.to_pyarrow().to_pylist()
    }
