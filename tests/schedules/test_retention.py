"""The job that cleans Dagster's event log."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from cs_apps.home import open_instance
from cs_assets.definitions import build_definitions
from cs_resources.settings import load_settings
from cs_schedules.retention import RETENTION


def definitions(home: Path, days_later: int = 0, **settings: object) -> dg.Definitions:
    return build_definitions(
        load_settings(cs_home=home, **settings),
        clock=lambda: datetime.now(UTC) + timedelta(days=days_later),
    )


@pytest.mark.parametrize(("days_later", "is_trimmed"), [(89, False), (91, True)])
def test_the_job_cleans_runs_that_are_older_than_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days_later: int, is_trimmed: bool
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_PG_URL", raising=False)
    job = definitions(tmp_path, days_later).resolve_job_def(RETENTION)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with open_instance(load_settings(cs_home=tmp_path)) as instance:
        first = job.execute_in_process(instance=instance, run_config=quiet)
        logged = len(instance.all_logs(first.run_id))
        assert job.execute_in_process(instance=instance, run_config=quiet).success
        assert (len(instance.all_logs(first.run_id)) < logged) == is_trimmed


def test_it_runs_before_the_night_and_only_when_the_scheduler_is_on(tmp_path: Path) -> None:
    off = definitions(tmp_path).resolve_schedule_def(RETENTION)
    on = definitions(
        tmp_path, scheduler_enabled=True, sync_cron_hour=0, sync_cron_minute=15
    ).resolve_schedule_def(RETENTION)
    assert (off.cron_schedule, off.default_status) == (
        "0 1 * * *",
        dg.DefaultScheduleStatus.STOPPED,
    )
    assert (on.cron_schedule, on.default_status) == (
        "15 23 * * *",
        dg.DefaultScheduleStatus.RUNNING,
    )
    assert on.execution_timezone == "Asia/Shanghai"
