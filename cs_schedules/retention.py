"""Cleaning Dagster's event log: the job and its hour.

Belongs here: the job, its schedule. Must not: what is deleted (`cs_resources.dagster_retention`).
"""

from datetime import timedelta

import dagster as dg

from cs_assets.calendar import Calendar
from cs_resources.dagster_retention import trim_event_log
from cs_schedules.schedules import Timetable

RETENTION = "dagster_retention"


def retention_job(days: int) -> dg.JobDefinition:
    """Return the job that deletes what runs said on their way that ended `days` days ago."""

    @dg.op(
        name="trim_event_log",
        description="Deletes the log of old runs; what assets and checks rest on is kept.",
        required_resource_keys={"clock"},
        out=dg.Out(dg.Nothing),
    )
    def trim(context: dg.OpExecutionContext) -> None:
        before = context.resources.clock() - timedelta(days=days)
        trimmed = trim_event_log(context.instance, before)
        context.log.info(
            f"{trimmed.events} events of {trimmed.runs} runs that ended before {before:%Y-%m-%d}"
        )

    @dg.job(
        name=RETENTION,
        description=f"Deletes the log of runs that ended more than {days} days ago.",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        trim()

    return job


def retention_schedule(
    job: dg.JobDefinition, calendar: Calendar, timetable: Timetable
) -> dg.ScheduleDefinition:
    """Return the schedule that cleans an hour before the nightly round begins."""
    hour, minute = timetable.sync
    status = dg.DefaultScheduleStatus
    return dg.ScheduleDefinition(
        name=RETENTION,
        job=job,
        cron_schedule=f"{minute} {(hour - 1) % 24} * * *",
        execution_timezone=calendar.timezone,
        default_status=status.RUNNING if timetable.is_enabled else status.STOPPED,
        description="Every day an hour before the nightly round.",
    )
