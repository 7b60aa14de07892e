"""The weekly care of the lake: when it runs, and what Dagster is told."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from deltalake import DeltaTable
from storage_cases import ORDERS, day_keys, day_orders, opened, publish

from cs_assets.definitions import build_definitions, retention_of
from cs_resources.lake_maintenance import Retention, maintain_all
from cs_resources.settings import load_settings
from cs_resources.storage import Storage
from cs_schedules.maintenance import LAKE_MAINTENANCE, maintenance_job

RETENTION = Retention(files=timedelta(days=30), log=timedelta(days=100))
DAYS = day_keys(2)


@pytest.mark.parametrize("is_enabled", [False, True])
def test_it_runs_on_sundays_when_schedules_are_on(tmp_path: Path, is_enabled: bool) -> None:
    settings = load_settings(
        cs_home=tmp_path, scheduler_enabled=is_enabled, maintain_cron_hour=5, lake_retention_days=7
    )
    repository = build_definitions(settings).get_repository_def()
    schedule = repository.get_schedule_def("maintain_lake")
    assert schedule.cron_schedule == "0 5 * * 0"
    assert schedule.execution_timezone == "Asia/Shanghai"
    assert schedule.job_name == LAKE_MAINTENANCE
    assert (schedule.default_status is dg.DefaultScheduleStatus.RUNNING) is is_enabled
    assert repository.has_job(LAKE_MAINTENANCE)
    assert retention_of(settings).files == timedelta(days=7)


def test_figures_of_every_table_are_kept_with_its_asset(
    storage: Storage, instance: dg.DagsterInstance
) -> None:
    for n in range(3):
        publish(storage, ORDERS, day_orders(DAYS, n + 1), DAYS, f"run {n}")
    later = datetime.now(UTC) + timedelta(days=40)
    result = maintenance_job(RETENTION).execute_in_process(
        resources={"storage": storage, "clock": lambda: later}, instance=instance
    )
    assert result.success
    (event,) = [e for e in result.all_node_events if e.event_type_value == "ASSET_OBSERVATION"]
    observation = event.asset_observation_data.asset_observation
    assert observation.asset_key == ORDERS.asset_key
    figures = {name: value.value for name, value in observation.metadata.items()}
    assert (figures["files before"], figures["files after"], figures["files removed"]) == (2, 2, 4)
    assert figures["bytes freed"] > 0
    assert len(DeltaTable(storage.lake.uri(ORDERS)).file_uris()) == 2


def test_tables_that_do_not_exist_and_abandoned_folders(tmp_path: Path) -> None:
    dead = tmp_path / "staging" / "1-dead"
    dead.mkdir(parents=True)
    (dead / ".lock").touch()
    (dead / "shop-orders.parquet").write_bytes(b"half")
    with opened(tmp_path) as storage:
        assert list(maintain_all(storage, RETENTION, datetime.now(UTC))) == []
    assert not dead.exists()
