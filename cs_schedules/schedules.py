"""Schedules: what runs at which hour of the installation's time zone.

Belongs here: the nightly round: sync, analyse, snapshots, summaries, audit, health. Must not:
which days a tick takes (see `timing`).
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import dagster as dg

from cs_assets.calendar import PERIOD_GRAINS, Calendar, Grain, current_period
from cs_assets.calls.audit_contracts import CALL_RISK_RATE
from cs_assets.calls.contracts import CALL_RECORDS_CLEAN, CALL_RECORDS_RAW
from cs_assets.calls.mart_contracts import PORTRAIT_SNAPSHOT, TASK_SUMMARY
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT
from cs_assets.contracts import Contract
from cs_assets.health.alert_contracts import RISK_SIGNALS
from cs_assets.health.contracts import CUSTOMER_MEASURES
from cs_assets.sources.contracts import CUSTOMERS_RAW
from cs_assets.sources.quality_contracts import LANDED_QUALITY
from cs_resources.storage import Storage
from cs_schedules.jobs import (
    ANALYSE,
    AUDIT,
    FRESH,
    SYNC,
    snapshots_job_name,
    summaries_job_name,
    system_job_name,
)
from cs_schedules.requests import day_requests, period_requests
from cs_schedules.timing import day_range, days_to_read, periods_touched


@dataclass(frozen=True)
class Timetable:
    """Hours and minutes of the nightly round, and how far back it looks."""

    is_enabled: bool
    sync: tuple[int, int]
    analyse: tuple[int, int]
    snapshots: tuple[int, int]
    summaries: tuple[int, int]
    look_back_days: int
    catch_up_days: int

    @property
    def due(self) -> timedelta:
        """How long after midnight the whole round is over: an hour after its last part began."""
        hour, minute = max(self.sync, self.analyse, self.snapshots, self.summaries)
        return timedelta(hours=hour + 1, minutes=minute)


def schedules(calendar: Calendar, timetable: Timetable) -> list[dg.ScheduleDefinition]:
    """Return the nightly round."""
    made = [
        _daily("sync_calls", SYNC, calendar, timetable, timetable.sync, _sync),
        _daily("analyse_calls", ANALYSE, calendar, timetable, timetable.analyse, _analyse),
    ]
    health = CUSTOMER_MEASURES.system
    find = system_job_name(health, Grain.DAY)
    made.append(_daily("find_signals", find, calendar, timetable, timetable.analyse, _signals))
    for grain in PERIOD_GRAINS:
        for name, mart, fact, at in (
            (snapshots_job_name(grain), PORTRAIT_SNAPSHOT, CALL_RECORDS_CLEAN, timetable.snapshots),
            (summaries_job_name(grain), TASK_SUMMARY, CALL_RECORDS_CLEAN, timetable.summaries),
            (system_job_name(health, grain), CUSTOMER_MEASURES, CUSTOMERS_RAW, timetable.summaries),
        ):
            decide = _periods(mart.for_grain(grain), grain, fact)
            made.append(_daily(name, name, calendar, timetable, at, decide))
    judge = system_job_name(LANDED_QUALITY.system, Grain.MONTH)
    decide = _periods(LANDED_QUALITY, Grain.MONTH, CUSTOMERS_RAW)
    made.append(_daily(judge, judge, calendar, timetable, timetable.summaries, decide))
    decide = _periods(CALL_RISK_RATE, Grain.MONTH, CALL_RECORDS_CLEAN)
    made.append(_daily(AUDIT, AUDIT, calendar, timetable, timetable.summaries, decide))
    return [*made, _freshness(calendar, timetable)]


@dataclass(frozen=True)
class Tick:
    """One evaluation: the day that has just ended, and what is loaded."""

    name: str
    yesterday: date
    calendar: Calendar
    timetable: Timetable
    storage: Storage

    def loaded(self, contract: Contract, days: Iterable[date]) -> set[date]:
        """Return those of the days that are published."""
        found = self.storage.lake.published(contract, [str(day) for day in days])
        return {date.fromisoformat(day) for day in found}

    def recent(self) -> list[date]:
        """Return the days of history that the round may still touch."""
        reach = self.timetable.catch_up_days + self.timetable.look_back_days
        first = max(self.calendar.history_start, self.yesterday - timedelta(days=reach))
        return day_range(first, self.yesterday)

    def days_read(self, loaded: Collection[date]) -> list[date]:
        """Return the days that this round reads again or for the first time."""
        return days_to_read(
            loaded,
            self.yesterday,
            self.calendar.history_start,
            self.timetable.look_back_days,
            self.timetable.catch_up_days,
        )


Decision = Callable[[Tick], Iterator[dg.RunRequest | dg.SkipReason]]


def _sync(tick: Tick) -> Iterator[dg.RunRequest | dg.SkipReason]:
    days = tick.days_read(tick.loaded(CALL_RECORDS_RAW, tick.recent()))
    yield from day_requests(days, f"{tick.name}/{tick.yesterday}", "nightly")


def _signals(tick: Tick) -> Iterator[dg.RunRequest | dg.SkipReason]:
    recent = tick.recent()
    loaded, found = tick.loaded(CUSTOMERS_RAW, recent), tick.loaded(RISK_SIGNALS, recent)
    days = {*tick.days_read(loaded), *(loaded - found)} & loaded
    if not days:
        yield dg.SkipReason(f"no landed customers are loaded up to {tick.yesterday}")
        return
    yield from day_requests(days, f"{tick.name}/{tick.yesterday}", "nightly")


def _analyse(tick: Tick) -> Iterator[dg.RunRequest | dg.SkipReason]:
    recent = tick.recent()
    clean = tick.loaded(CALL_RECORDS_CLEAN, recent)
    analysed = tick.loaded(CALL_SENTIMENT, recent)
    days = [day for day in recent if day in clean and day not in analysed]
    days += [day for day in tick.days_read(clean) if day in clean]
    # what a model left undone is asked again, and nothing else
    left = tick.storage.unfinished(CALL_SENTIMENT, [str(day) for day in analysed])
    days += [date.fromisoformat(day) for day in left]
    if not days:
        yield dg.SkipReason(f"no calls are loaded up to {tick.yesterday}: sync them first")
    yield from day_requests(days, f"{tick.name}/{tick.yesterday}", "nightly")


def _periods(mart: Contract, grain: Grain, fact: Contract) -> Decision:
    def decide(tick: Tick) -> Iterator[dg.RunRequest | dg.SkipReason]:
        loaded = tick.loaded(fact, tick.recent())
        if not loaded:
            yield dg.SkipReason(f"no {fact.name} is loaded up to {tick.yesterday}: load it first")
        read_again = loaded & set(tick.days_read([]))
        touched = periods_touched(grain, loaded)
        counted = tick.storage.warehouse.latest_as_of(mart, [p.partition_key for p in touched])
        due = [
            period
            for period in touched
            if any(day in period for day in read_again)
            or counted.get(period.partition_key, date.min) < max(d for d in loaded if d in period)
        ]
        yield from period_requests(due, f"{tick.name}/{tick.yesterday}", "nightly")

    return decide


def _freshness(calendar: Calendar, timetable: Timetable) -> dg.ScheduleDefinition:
    hour, minute = divmod(int(timetable.due.total_seconds()) // 60, 60)
    status = dg.DefaultScheduleStatus
    return dg.ScheduleDefinition(
        name="check_freshness",
        job_name=FRESH,
        cron_schedule=f"{minute} {hour % 24} * * *",
        execution_timezone=calendar.timezone,
        default_status=status.RUNNING if timetable.is_enabled else status.STOPPED,
        description="When the nightly round should be over: is everything there that is due?",
    )


def _daily(
    name: str,
    job_name: str,
    calendar: Calendar,
    timetable: Timetable,
    at: tuple[int, int],
    decide: Decision,
) -> dg.ScheduleDefinition:
    hour, minute = at
    running = dg.DefaultScheduleStatus.RUNNING

    @dg.schedule(
        name=name,
        job_name=job_name,
        cron_schedule=f"{minute} {hour} * * *",
        execution_timezone=calendar.timezone,
        default_status=running if timetable.is_enabled else dg.DefaultScheduleStatus.STOPPED,
        required_resource_keys={"storage"},
        description=f"Every day at {hour:02d}:{minute:02d} {calendar.timezone}.",
    )
    def run(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        now = context.scheduled_execution_time
        today = current_period(Grain.DAY, now, calendar.timezone).start
        yesterday = today - timedelta(days=1)
        if calendar.history_end and yesterday > calendar.history_end:
            yield dg.SkipReason(f"history ended on {calendar.history_end} (CS_HISTORY_END)")
            return
        if yesterday < calendar.history_start:
            yield dg.SkipReason(f"history begins on {calendar.history_start} (CS_HISTORY_START)")
            return
        storage = context.resources.storage
        yield from decide(Tick(name, yesterday, calendar, timetable, storage))

    return run
