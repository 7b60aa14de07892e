"""Care of the lake: a job, and the hour of the week at which it runs.

Belongs here: the op, its job and schedule, what Dagster is told. Must not: what is removed when
(see `cs_resources.lake_maintenance`).
"""

import dagster as dg

from cs_resources.lake_maintenance import Retention, maintain_all

LAKE_MAINTENANCE = "lake_maintenance"
_DESCRIPTION = (
    "Makes one file of several small ones of a partition, removes files and commits that nobody "
    "can need any more, clears away what killed processes left. Readers and writers go on."
)


def maintenance_job(retention: Retention) -> dg.JobDefinition:
    """Return the job that takes care of every lake table."""

    @dg.op(
        name="maintain_lake_tables",
        required_resource_keys={"storage", "clock"},
        description=_DESCRIPTION,
    )
    def maintain_lake_tables(context: dg.OpExecutionContext) -> None:
        resources = context.resources
        for report in maintain_all(resources.storage, retention, resources.clock()):
            figures = report.figures()
            context.log.info(f"{report.asset_name}: {figures}")
            context.log_event(dg.AssetObservation(report.asset_name.split("/"), metadata=figures))

    @dg.job(name=LAKE_MAINTENANCE, description=_DESCRIPTION)
    def job() -> None:
        maintain_lake_tables()

    return job


def maintenance_schedule(
    job: dg.JobDefinition, timezone: str, hour: int, is_enabled: bool
) -> dg.ScheduleDefinition:
    """Return the schedule of the maintenance: Sundays at an hour of the installation's zone."""
    status = dg.DefaultScheduleStatus
    return dg.ScheduleDefinition(
        name="maintain_lake",
        job=job,
        cron_schedule=f"0 {hour} * * 0",
        execution_timezone=timezone,
        default_status=status.RUNNING if is_enabled else status.STOPPED,
        description=f"Every Sunday at {hour:02d}:00 {timezone}: care of the lake.",
    )
