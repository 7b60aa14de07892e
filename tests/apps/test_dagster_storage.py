"""Dagster's SQLite files whose connections stay open hold what its own class would store."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import dagster as dg
import pytest

from cs_apps import dagster_storage
from cs_apps.dagster_storage import EmbeddedEventLogStorage
from cs_apps.home import open_instance
from cs_resources.settings import Settings

ORDERS = dg.AssetKey("orders")


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(list("abcdefgh")))
def orders() -> None:
    """An asset that makes nothing."""


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", "")
    with open_instance(Settings(cs_home=tmp_path)) as instance:
        yield instance


def log_of(instance: dg.DagsterInstance) -> EmbeddedEventLogStorage:
    log = instance.event_log_storage
    assert isinstance(log, EmbeddedEventLogStorage)
    return log


def run(instance: dg.DagsterInstance, partition: str) -> str:
    return dg.materialize([orders], instance=instance, partition_key=partition).run_id


def test_dagsters_own_class_reads_what_was_stored(instance: dg.DagsterInstance) -> None:
    run_id = run(instance, "a")
    home = Path(log_of(instance)._base_dir).parents[1]
    (home / "dagster.yaml").unlink()
    with dg.DagsterInstance.from_config(str(home)) as plain:
        assert not isinstance(plain.event_log_storage, EmbeddedEventLogStorage)
        assert len(plain.all_logs(run_id)) == len(instance.all_logs(run_id)) > 0
        assert plain.get_materialized_partitions(ORDERS) == {"a"}


def test_files_beyond_the_limit_are_closed_and_opened_again(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dagster_storage, "_OPEN_FILES", 2)
    runs = [run(instance, key) for key in "abcd"]
    assert len(log_of(instance)._engines) == 2
    assert all(len(instance.all_logs(run_id)) > 0 for run_id in runs)
    assert instance.get_materialized_partitions(ORDERS) == set("abcd")


def test_a_wiped_log_is_empty_and_can_be_written_again(instance: dg.DagsterInstance) -> None:
    first = run(instance, "a")
    instance.event_log_storage.wipe()
    assert instance.all_logs(first) == []
    second = run(instance, "b")
    assert len(instance.all_logs(second)) > 0
    assert instance.get_materialized_partitions(ORDERS) == {"b"}


def test_a_table_is_not_there_until_it_is(instance: dg.DagsterInstance) -> None:
    log = log_of(instance)
    assert log.has_table("asset_check_executions")
    assert not log.has_table("rates")
    with log.index_connection() as connection:
        connection.exec_driver_sql("CREATE TABLE rates (rate REAL)")
    assert log.has_table("rates")


def test_threads_share_the_log(instance: dg.DagsterInstance) -> None:
    def report(key: str) -> None:
        instance.report_runless_asset_event(dg.AssetMaterialization(ORDERS, partition=key))
        instance.get_materialized_partitions(ORDERS)

    threads = [Thread(target=report, args=(key,)) for key in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert instance.get_materialized_partitions(ORDERS) == set("abcdefgh")


def test_a_closed_instance_holds_no_file(instance: dg.DagsterInstance) -> None:
    run(instance, "a")
    log = log_of(instance)
    log.dispose()
    assert not log._engines
    assert instance.get_materialized_partitions(ORDERS) == {"a"}


def test_a_commit_does_not_wait_for_the_disk_and_files_stay_whole(
    instance: dg.DagsterInstance,
) -> None:
    run_id = run(instance, "a")
    for shard in (run_id, "index"):
        with log_of(instance)._connect(shard) as connection:
            mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
            waits = connection.exec_driver_sql("PRAGMA synchronous").scalar()
        assert (mode, waits) == ("wal", 1)  # NORMAL
