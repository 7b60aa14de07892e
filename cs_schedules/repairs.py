"""Repairs: partitions whose inputs were published anew are requested, exactly and in order.

Belongs here: when a repair may be requested. Must not: comparing fingerprints (see `staleness`).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

from cs_assets.calendar import Calendar
from cs_assets.contracts import Contract
from cs_assets.recipes import Recipe
from cs_resources.staleness import Repair, because_of_inputs, next_round, stale_partitions
from cs_schedules.jobs import system_job_name
from cs_schedules.requests import range_request
from cs_schedules.schedules import Timetable

STALE = "inputs published anew"
_INTERVAL_SECONDS = 300


def repair_sensor(
    calendar: Calendar,
    timetable: Timetable,
    recipes: Sequence[Recipe],
    jobs: Mapping[str, UnresolvedAssetJobDefinition],
) -> dg.SensorDefinition:
    """Return the sensor that requests stale partitions, inputs before those who read them."""
    status = dg.DefaultSensorStatus
    partitioned = [c for recipe in recipes for c in recipe.contracts if c.grain]

    @dg.sensor(
        name="stale_partitions",
        jobs=[jobs[name] for name in sorted({_job_name(c) for c in partitioned})],
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=status.RUNNING if timetable.is_enabled else status.STOPPED,
        required_resource_keys={"storage", "clock"},
        description="Requests the partitions whose inputs were published anew, and no others, "
        "while no run and no nightly round is on. After new code or rules it requests nothing: "
        "`cs stale` tells what they concern.",
    )
    def look(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        if is_in_round(context.resources.clock(), calendar, timetable):
            yield dg.SkipReason("the nightly round is on")
            return
        running = dg.RunsFilter(statuses=list(IN_PROGRESS_RUN_STATUSES))
        if count := context.instance.get_runs_count(running):
            yield dg.SkipReason(f"{count} runs are in progress")
            return
        stale = because_of_inputs(stale_partitions(context.resources.storage, recipes, calendar))
        if not stale:
            yield dg.SkipReason("nothing is stale")
        for repair in next_round(stale, calendar):
            yield from _requests(repair)

    return look


def is_in_round(now: datetime, calendar: Calendar, timetable: Timetable) -> bool:
    """Tell whether the nightly round is on: from its sync until it is due."""
    local = now.astimezone(ZoneInfo(calendar.timezone))
    since = timedelta(hours=local.hour, minutes=local.minute)
    hour, minute = timetable.sync
    return timedelta(hours=hour, minutes=minute) <= since < timetable.due


def _job_name(contract: Contract) -> str:
    if contract.grain is None:
        raise ValueError(f"unpartitioned tables have no inputs: {contract.asset_name}")
    return system_job_name(contract.system, contract.grain)


def _requests(repair: Repair) -> Iterator[dg.RunRequest]:
    """Request a run per system. Equal ones are requested once: a failed one is for a person."""
    if repair.grain is None:
        raise ValueError(f"unpartitioned tables have no inputs: {repair.assets}")
    first, last = repair.partitions[0], repair.partitions[-1]
    by_system = groupby(sorted(repair.assets), key=lambda asset: asset.path[0])
    for system, own in by_system:
        assets = list(own)
        names = [asset.to_user_string() for asset in assets]
        digest = hashlib.md5(repr((names, repair.expected)).encode(), usedforsecurity=False)
        key = f"stale/{digest.hexdigest()[:12]}"
        yield range_request(first, last, key, STALE, system_job_name(system, repair.grain), assets)
