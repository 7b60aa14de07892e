"""What people are told about a failed run."""

from datetime import date
from pathlib import Path
from typing import ClassVar

import dagster as dg

from cs_resources.notifier import Notice, Notifier
from cs_schedules.alerts import failure_notice, run_failure_sensor
from tests.calls.cases import Installation

DAY = "2025-11-24"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class Recorder(Notifier):
    """Keeps what it is given, and says that it could not be sent."""

    sent: ClassVar[list[Notice]] = []

    def send(self, notice: Notice) -> list[str]:
        self.sent.append(notice)
        return ["webhook at example: TimeoutError"]


def failed(tmp_path: Path, instance: dg.DagsterInstance) -> "dg.RunFailureSensorContext":
    house = Installation(tmp_path, date(2025, 11, 24), date(2025, 11, 30))
    tags = {"dagster/asset_partition_range_start": DAY, "dagster/asset_partition_range_end": DAY}
    result = (
        house.definitions.get_repository_def()
        .get_job("calls_sync")
        .execute_in_process(instance=instance, tags=tags, run_config=QUIET, raise_on_error=False)
    )
    (event,) = (e for e in result.all_events if e.event_type_value == "PIPELINE_FAILURE")
    context = dg.build_run_status_sensor_context("alerts", event, instance, result.dagster_run)
    return context.for_run_failure()


def test_the_message_names_run_days_and_reason(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    notice = failure_notice(failed(tmp_path, instance))
    assert notice.subject == f"Run of calls_sync failed for {DAY} … {DAY}"
    assert "call_records_raw: CALL_SOURCE_URL: there is no file" in notice.text


def test_a_channel_that_fails_does_not_fail_the_sensor(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    recorder = Recorder()
    run_failure_sensor(recorder, is_enabled=True)(failed(tmp_path, instance))
    assert [notice.subject for notice in recorder.sent] == [
        f"Run of calls_sync failed for {DAY} … {DAY}"
    ]


def test_it_starts_as_the_schedules_do() -> None:
    status = dg.DefaultSensorStatus
    assert run_failure_sensor(Notifier(), True).default_status is status.RUNNING
    assert run_failure_sensor(Notifier(), False).default_status is status.STOPPED
