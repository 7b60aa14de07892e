"""The log of old runs goes; what partitions, metadata and checks rest on stays."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.dagster_run import DagsterRunStatus
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from servers import postgres_database

from cs_apps.home import open_instance
from cs_resources import dagster_retention
from cs_resources.dagster_retention import KEPT, Trimmed, trim_event_log
from cs_resources.errors import ConfigurationError
from cs_resources.settings import Settings, load_settings

KILLED = -signal.SIGKILL
PARTITIONS = dg.StaticPartitionsDefinition(list("abcd"))
ORDERS = dg.AssetKey("orders")
CHECK = dg.AssetCheckKey(ORDERS, "whole")


@dg.asset(
    partitions_def=PARTITIONS, check_specs=[dg.AssetCheckSpec("whole", asset="orders")], key=ORDERS
)
def orders(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Fail in partition c; talk much."""
    for number in range(20):
        context.log.info(f"word {number}")
    if context.partition_key == "c":
        raise ValueError("no such partition")
    yield dg.Output(None, metadata={"rows": len(context.run.run_id)})
    yield dg.AssetCheckResult(passed=context.partition_key != "b")


@pytest.fixture(params=["sqlite", "postgres"])
def settings(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """Settings of an installation whose Dagster stores in SQLite or PostgreSQL."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("DAGSTER_PG_URL", "")
    if request.param == "sqlite":
        yield load_settings(cs_home=tmp_path)
        return
    with postgres_database() as url:
        dagsters = url.set(drivername="postgresql+psycopg2")
        monkeypatch.setenv("DAGSTER_PG_URL", dagsters.render_as_string(hide_password=False))
        yield load_settings(cs_home=tmp_path)


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    with open_instance(settings) as instance:
        yield instance


def run(instance: dg.DagsterInstance, partition: str) -> str:
    result = dg.materialize(
        [orders],
        instance=instance,
        partition_key=partition,
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert result.success == (partition != "c")
    return result.run_id


def later() -> datetime:
    """An instant at which every run so far is over."""
    return datetime.now(UTC) + timedelta(days=1)


def known(instance: dg.DagsterInstance) -> Mapping[str, object]:
    """All that others read of assets, partitions, checks and runs."""
    log = instance.event_log_storage
    statuses = instance.get_status_by_partition(ORDERS, PARTITIONS.get_partition_keys(), PARTITIONS)
    cache = get_and_update_asset_status_cache_value(instance, ORDERS, PARTITIONS)
    latest = instance.get_latest_materialization_event(ORDERS)
    return {
        "statuses": statuses,
        "failed": cache and cache.deserialize_failed_partition_subsets(PARTITIONS),
        "materialized": instance.get_materialized_partitions(ORDERS),
        "latest": latest and latest.asset_materialization,
        "metadata": {
            (record.partition_key, record.storage_id): record.asset_materialization.metadata
            for record in instance.fetch_materializations(ORDERS, limit=100).records
            if record.asset_materialization
        },
        "checks": [
            (record.id, record.status, record.partition, record.run_id)
            for record in log.get_asset_check_execution_history(CHECK, limit=100)
        ],
        "check": log.get_latest_asset_check_execution_by_key([CHECK])[CHECK].status,
        "runs": [
            (record.dagster_run.run_id, record.dagster_run.status, record.start_time)
            for record in instance.get_run_records()
        ],
    }


def events(instance: dg.DagsterInstance, run_id: str) -> list[str | None]:
    """The types of a run's events; None for what the asset itself said."""
    logs = instance.all_logs(run_id)
    return [entry.dagster_event_type.value if entry.dagster_event_type else None for entry in logs]


def test_what_others_rest_on_is_kept(instance: dg.DagsterInstance) -> None:
    runs = [run(instance, key) for key in "abca"]
    before, logged = known(instance), {run_id: events(instance, run_id) for run_id in runs}
    trimmed = trim_event_log(instance, later())
    assert known(instance) == before
    expected = {key: [type_ for type_ in logged[key] if type_ in KEPT] for key in runs}
    assert {run_id: events(instance, run_id) for run_id in runs} == expected
    gone = sum(len(logged[key]) - len(expected[key]) for key in runs)
    assert trimmed == Trimmed(len(runs), gone)
    assert gone > 20 * len(runs)
    assert "STEP_FAILURE" in expected[runs[2]]


def test_runs_that_go_on_or_ended_later_keep_their_log(instance: dg.DagsterInstance) -> None:
    job = dg.Definitions(assets=[orders]).resolve_implicit_global_asset_job_def()
    going_on = instance.create_run_for_job(job, status=DagsterRunStatus.STARTED)
    instance.report_engine_event("still at it", going_on)
    old = run(instance, "a")
    boundary = datetime.now(UTC)
    young = run(instance, "b")
    kept = {run_id: events(instance, run_id) for run_id in (going_on.run_id, young)}
    assert trim_event_log(instance, boundary).runs == 1
    assert {run_id: events(instance, run_id) for run_id in kept} == kept
    assert set(events(instance, old)) <= KEPT


def test_captured_output_of_old_runs_goes_too(instance: dg.DagsterInstance) -> None:
    run_id = run(instance, "a")
    (captured,) = (Path(instance.root_directory) / "storage").rglob(f"{run_id}/compute_logs")
    assert any(captured.iterdir())
    trim_event_log(instance, later())
    assert not captured.exists()


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_files_get_smaller(instance: dg.DagsterInstance) -> None:
    log = instance.event_log_storage
    assert isinstance(log, SqliteEventLogStorage)
    path = Path(log.path_for_shard(run(instance, "a")))
    log.dispose()
    before = path.stat().st_size
    trim_event_log(instance, later())
    log.dispose()
    assert path.stat().st_size < before


def test_what_is_done_is_not_looked_at_again(instance: dg.DagsterInstance) -> None:
    run(instance, "a")
    boundary = datetime.now(UTC)
    assert trim_event_log(instance, boundary).runs == 1
    assert trim_event_log(instance, boundary) == Trimmed(0, 0)
    run(instance, "b")
    # a longer retention asks for an earlier instant, and moves nothing back
    assert trim_event_log(instance, boundary - timedelta(days=9)) == Trimmed(0, 0)
    assert trim_event_log(instance, later()).runs == 1


def test_killed_in_the_middle_and_run_again(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    runs = [run(instance, key) for key in "abc"]
    before = known(instance)
    logged = sum(len(events(instance, run_id)) for run_id in runs)
    child = multiprocessing.get_context("spawn").Process(target=trim_and_die, args=(settings,))
    child.start()
    child.join(timeout=60)
    assert child.exitcode == KILLED
    left = sum(len(events(instance, run_id)) for run_id in runs)
    assert left < logged
    assert known(instance) == before
    assert trim_event_log(instance, later()).events > 0
    assert all(set(events(instance, run_id)) <= KEPT for run_id in runs)
    assert known(instance) == before


def trim_and_die(settings: Settings) -> None:
    """Delete in batches of five, and be killed after the first."""
    dagster_retention._EVENTS, dagster_retention._RUNS = 5, 1
    with open_instance(settings) as instance:
        trim_event_log(instance, later(), lambda events: os.kill(os.getpid(), signal.SIGKILL))


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_a_log_of_another_kind_is_refused(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(instance, "a")
    with monkeypatch.context() as patch:
        patch.setattr(instance, "_event_storage", object())
        with pytest.raises(ConfigurationError, match="event log of object cannot be cleaned"):
            trim_event_log(instance, later())
    assert trim_event_log(instance, later()).runs == 1, "it was not taken for done"
