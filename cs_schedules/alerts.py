"""Alerts: what people are told when a run fails.

Belongs here: the sensor and its words. Must not: sending (see `cs_resources.notifier`).
"""

import dagster as dg

from cs_resources.notifier import Notice, Notifier

_LONGEST = 1_500


def failure_notice(context: dg.RunFailureSensorContext) -> Notice:
    """Return the message about a failed run: which, over what, why, where to look."""
    run = context.dagster_run
    first = run.tags.get("dagster/asset_partition_range_start") or run.tags.get("dagster/partition")
    last = run.tags.get("dagster/asset_partition_range_end") or first
    span = f" for {first} … {last}" if first else ""
    reasons = []
    for event in context.get_step_failure_events():
        data = event.step_failure_data
        if data.user_failure_data:
            reasons.append(f"{event.step_key}: {data.user_failure_data.description}")
        elif data.error:
            error = data.error
            while error.cause:
                error = error.cause
            reasons.append(f"{event.step_key}: {error.message.strip()}")
    text = "\n".join(reasons) or context.failure_event.message or "no step reported a reason"
    return Notice(
        subject=f"Run of {run.job_name} failed{span}",
        text=f"{text[:_LONGEST]}\n\nRun {run.run_id}. What was published before stays as it was.",
    )


def run_failure_sensor(notifier: Notifier, is_enabled: bool) -> dg.SensorDefinition:
    """Return the sensor that tells people about every failed run."""
    status = dg.DefaultSensorStatus

    @dg.run_failure_sensor(
        name="tell_about_failed_runs",
        description="Sends a message about every failed run: log, webhook, e-mail as configured.",
        default_status=status.RUNNING if is_enabled else status.STOPPED,
    )
    def tell(context: dg.RunFailureSensorContext) -> None:
        notice = failure_notice(context)
        context.log.error(f"{notice.subject}\n{notice.text}")
        for problem in notifier.send(notice):
            context.log.error(f"The message could not be sent: {problem}")

    return tell
