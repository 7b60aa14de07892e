"""The landing folder: days whose rows landed, changed or were taken away are requested.

Belongs here: when a tick asks for which days. Must not: reading files (see `landed_sources`), what
must follow (see `repairs`).
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)

from cs_assets.calendar import Calendar, Grain
from cs_assets.sources import rules
from cs_assets.sources.assets import outside_name
from cs_assets.sources.contracts import QUARANTINES, SYSTEM
from cs_resources.errors import PlatformError
from cs_resources.landed_sources import LandedSources
from cs_resources.storage import Storage
from cs_schedules.jobs import system_job_name
from cs_schedules.requests import range_request
from cs_schedules.schedules import Timetable
from cs_schedules.sensors import now_day, watched_days
from cs_schedules.timing import contiguous, day_range

LANDED_ANEW = "landed"
_INTERVAL_SECONDS = 300
CUSTOMERS = rules.CUSTOMERS.source.name
FACTS_BY_SOURCE = {own.source.name: own.fact for own in rules.ALL}


def landing_sensor(
    calendar: Calendar,
    timetable: Timetable,
    jobs: Mapping[str, UnresolvedAssetJobDefinition],
) -> dg.SensorDefinition:
    """Return the sensor that requests exactly the days that the landed files hold otherwise."""
    status = dg.DefaultSensorStatus

    @dg.sensor(
        name="landed_files",
        job=jobs[system_job_name(SYSTEM, Grain.DAY)],
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=status.RUNNING if timetable.is_enabled else status.STOPPED,
        required_resource_keys={"storage", "landed", "clock"},
        description="Looks at the landing folder (size and time of every file, then its content) "
        "and requests the days whose rows differ from what was loaded, and recent days that were "
        "never loaded.",
    )
    def look(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        last = now_day(context.resources.clock(), calendar, timetable)
        if calendar.history_end:
            last = min(last, calendar.history_end)
        if last < calendar.history_start:
            yield dg.SkipReason("no day of history is over yet")
            return
        landed: LandedSources = context.resources.landed
        sources, said = _looked_at(landed)
        for line in said:
            context.log.warning(line)
        if CUSTOMERS not in sources:
            yield dg.SkipReason("; ".join(said) or "no customers file has landed")
            return
        days = day_range(calendar.history_start, last)
        recent = set(watched_days(last, calendar, timetable))
        wanted: dict[date, list[str]] = {}
        for source in sources:
            found = days_to_load(context.resources.storage, landed, source, days, recent)
            for day, state in found.items():
                wanted.setdefault(day, []).append(f"{source}={state}")
        if not wanted:
            yield dg.SkipReason("; ".join(said) or f"{days[0]} … {days[-1]}: as loaded")
        yield from _requests(wanted, sources)

    return look


def days_to_load(
    storage: Storage,
    landed: LandedSources,
    source: str,
    days: Sequence[date],
    recent: Collection[date],
) -> dict[date, str]:
    """Map the days of a source that are to be read to their state in the landing folder.

    These are the days that were loaded from another state, those with rows that were never loaded,
    and of the `recent` ones all that were never loaded. A snapshot stands with every day: it asks
    for no old ones by itself.
    """
    keys, contract = [str(day) for day in days], FACTS_BY_SOURCE[source]
    states = landed.states(source, keys)
    content = storage.versions(contract, keys)
    made = storage.fingerprints.recorded(contract, content)
    with_rows = set(landed.days(source))
    found = {}
    for day, key in zip(days, keys, strict=True):
        state = states.get(key, "")
        if key not in content:
            is_wanted = day in with_rows or day in recent
        else:
            before = made[key].inputs.get(outside_name(source)) if key in made else state
            is_wanted = before != state
        if is_wanted:
            found[day] = state
    return found


def _looked_at(landed: LandedSources) -> tuple[list[str], list[str]]:
    """Look at every source that has landed; return those that can be read, and what to say."""
    sources, said = [], []
    for source in FACTS_BY_SOURCE:
        try:
            if landed.has_landed(source):
                landed.look(source)
                sources.append(source)
        except PlatformError as error:
            # the files are to blame, not the sensor: say so at every tick, and look again
            said.append(f"{source}: {error}")
    return sources, said


def _requests(
    wanted: Mapping[date, Sequence[str]], sources: Sequence[str]
) -> Iterator[dg.RunRequest]:
    assets = [
        contract.asset_key
        for source in sources
        for fact in (FACTS_BY_SOURCE[source],)
        for contract in (fact, QUARANTINES[fact.name])
    ]
    for first, last in contiguous(wanted):
        states = [wanted[day] for day in day_range(first, last)]
        digest = hashlib.md5(repr(states).encode(), usedforsecurity=False).hexdigest()[:12]
        key = f"landed/{digest}"
        yield range_request(str(first), str(last), key, LANDED_ANEW, assets=assets)
