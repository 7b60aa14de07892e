"""Code server, daemon and webserver as in production: runs through the queue, and what kills them.

The tests share one plant and go on with what the one before left running.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.dagster_run import DagsterRunStatus, RunsFilter
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    MAX_RUNTIME_SECONDS_TAG,
    ROOT_RUN_ID_TAG,
)
from dagster._daemon.controller import all_daemons_live
from plant import Plant, running, wait_until
from servers import postgres_database

from cs_apps.doctor import examine
from cs_apps.finding import Health
from cs_apps.home import name_home
from cs_assets.calendar import Grain
from cs_assets.calls import contracts as facts
from cs_assets.calls.mart_contracts import CALL_RECORD_ENRICHED
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT
from cs_assets.contracts import Contract
from cs_assets.definitions import CONTRACTS, build_definitions
from cs_resources.settings import Settings, load_settings
from cs_resources.storage import Storage, storage_of
from cs_schedules.jobs import SYNC, system_job_name

pytestmark = pytest.mark.timeout(400)
READ = (
    facts.CALL_RECORDS_RAW,
    facts.CALL_TURNS_RAW,
    facts.CALL_RECORDS_CLEAN,
    facts.CALL_RECORDS_QUARANTINE,
)
JUDGED = (CALL_SENTIMENT, CALL_RECORD_ENRICHED)
SPANS = {
    "nothing": ("2025-07-01", "2025-07-02"),
    "worker": ("2025-07-03", "2025-07-04"),
    "code": ("2025-07-05", "2025-07-06"),
    "machine": ("2025-07-07", "2025-07-08"),
    "daemon": ("2025-07-09", "2025-07-10"),
}
FAILED_WITHIN_SECONDS = 60
LONGEST_RUN_SECONDS = 30
CALLS_DAYS = system_job_name("calls", Grain.DAY)
HALF_WAY = "lake: audited 3"  # tasks and records are published, turns are not


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """A running plant; ended with the module."""
    folder = tmp_path_factory.mktemp("plant")
    with postgres_database() as url:
        pg_url = url.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
        environment = {
            "DAGSTER_PG_URL": pg_url,
            "CS_HISTORY_START": SPANS["nothing"][0],
            "CS_HISTORY_END": SPANS["daemon"][1],
        }
        with running(folder, environment) as plant:
            plant.run("cs_apps", "prepare")
            plant.run("cs_apps", "sample-data", "--scale", "0.05")
            plant.configure(
                run_monitoring={
                    "poll_interval_seconds": 2,
                    # the retry needs the place that the dead run has in the pool of the source
                    "free_slots_after_run_end_seconds": 2,
                }
            )
            plant.start_daemon()  # it finds the code server once that is there
            plant.start_webserver()
            plant.start_code_server()
            yield plant


@pytest.fixture(scope="module")
def settings(plant: Plant) -> Iterator[Settings]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CS_HOME", "DAGSTER_PG_URL", "CS_HISTORY_START", "CS_HISTORY_END"):
            patch.setenv(name, plant.environment[name])
        patch.setenv("DAGSTER_HOME", "")
        settings = load_settings()
        name_home(settings)
        yield settings


@pytest.fixture(scope="module")
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        yield instance


@pytest.fixture(scope="module")
def faultless(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """A store in which all days were made at once and nothing went wrong."""
    home = tmp_path_factory.mktemp("faultless")
    own = settings.model_copy(update={"cs_home": home, "call_source_url": _url(settings)})
    storage = storage_of(own, CONTRACTS)
    with dg.DagsterInstance.ephemeral() as instance:
        result = (
            build_definitions(own, storage)
            .resolve_job_def(CALLS_DAYS)
            .execute_in_process(
                instance=instance,
                tags={
                    ASSET_PARTITION_RANGE_START_TAG: SPANS["nothing"][0],
                    ASSET_PARTITION_RANGE_END_TAG: SPANS["daemon"][1],
                },
            )
        )
    assert result.success
    return storage


def _url(settings: Settings) -> object:
    return type(settings.call_source_url)(settings.call_source.render_as_string())


def content(
    storage: Storage, days: Sequence[str], tables: Sequence[Contract] = READ
) -> dict[str, tuple[int, str]]:
    """Partitions and hash of the tables on these days."""
    found = {contract.name: storage.inventory(contract, days) for contract in tables}
    return {name: (held.partitions, held.content_hash) for name, held in found.items()}


def ends(instance: dg.DagsterInstance, run: str, seconds: float = 120) -> DagsterRunStatus:
    """Wait for the run's end; return how it ended."""

    def ended() -> DagsterRunStatus | None:
        found = instance.get_run_by_id(run)
        return found.status if found and found.is_finished else None

    status: DagsterRunStatus = wait_until(f"the end of run {run}", ended, seconds)
    return status


def retry_of(instance: dg.DagsterInstance, run: str) -> str:
    """Wait until the daemon launches a failed run again."""

    def found() -> Sequence[str]:
        return instance.get_run_ids(RunsFilter(tags={ROOT_RUN_ID_TAG: run}))

    return str(wait_until(f"a retry of run {run}", found)[0])


def writer(instance: dg.DagsterInstance, settings: Settings, contract: Contract) -> str:
    """The run that published the newest commit of a table."""
    commit = storage_of(settings, CONTRACTS).lake.open(contract, []).base.history(1)[0]
    return str(commit["run_id"])


def test_a_launched_run_goes_through_queue_and_daemon(
    plant: Plant, settings: Settings, instance: dg.DagsterInstance, faultless: Storage
) -> None:
    plant.web_answers()
    wait_until("every part of the daemon", lambda: all_daemons_live(instance))
    plant.run("dagster._daemon", "liveness-check")
    days = SPANS["nothing"]
    run = plant.launch(CALLS_DAYS, *days)
    assert ends(instance, run) is DagsterRunStatus.SUCCESS
    types = {entry.dagster_event_type for entry in instance.all_logs(run)}
    assert {dg.DagsterEventType.RUN_ENQUEUED, dg.DagsterEventType.RUN_STARTING} <= types
    for contract in (*READ, *JUDGED):
        assert set(instance.get_materialized_partitions(contract.asset_key)) >= set(days)
    made = content(storage_of(settings, CONTRACTS), days, (*READ, *JUDGED))
    assert made == content(faultless, days, (*READ, *JUDGED))
    found = {finding.part: finding for finding in examine()}
    assert found["dagster"].health is Health.OK
    assert found["daemon"].health is Health.OK, found["daemon"]


def test_a_killed_run_worker_is_noticed_and_its_run_made_again(
    plant: Plant, settings: Settings, instance: dg.DagsterInstance, faultless: Storage
) -> None:
    days = SPANS["worker"]
    plant.hold(HALF_WAY)
    run = plant.launch(SYNC, *days)
    os.kill(plant.held(), signal.SIGKILL)
    assert ends(instance, run, FAILED_WITHIN_SECONDS) is DagsterRunStatus.FAILURE
    assert ends(instance, retry_of(instance, run)) is DagsterRunStatus.SUCCESS
    assert content(storage_of(settings, CONTRACTS), days) == content(faultless, days)


def test_a_worker_that_outlives_its_code_server_publishes_nothing_after_the_retry(
    plant: Plant, settings: Settings, instance: dg.DagsterInstance, faultless: Storage
) -> None:
    days, longest = SPANS["code"], str(LONGEST_RUN_SECONDS)
    plant.hold(HALF_WAY)
    run = plant.launch(SYNC, *days, **{MAX_RUNTIME_SECONDS_TAG: longest})
    survivor = plant.held()
    plant.kill("code")
    plant.start_code_server("next code")
    assert ends(instance, run, LONGEST_RUN_SECONDS + 60) is DagsterRunStatus.FAILURE
    retry = retry_of(instance, run)
    assert ends(instance, retry) is DagsterRunStatus.SUCCESS
    published = content(storage_of(settings, CONTRACTS), days)
    assert published == content(faultless, days)
    os.kill(survivor, 0)
    plant.let_go()
    wait_until("the survivor's end", lambda: has_ended(survivor))
    assert "StaleWriterError" in problems(instance, run)
    assert content(storage_of(settings, CONTRACTS), days) == published
    assert writer(instance, settings, facts.CALL_TURNS_RAW) == retry


def test_a_run_that_went_down_with_its_code_server_is_made_again(
    plant: Plant, settings: Settings, instance: dg.DagsterInstance, faultless: Storage
) -> None:
    days = SPANS["machine"]
    plant.hold(HALF_WAY)
    run = plant.launch(SYNC, *days)
    worker = plant.held()
    assert plant.run("cs_apps", "lost-runs") == "", "it lives"
    plant.kill("next code")
    os.kill(worker, signal.SIGKILL)
    wait_until("the worker's end", lambda: has_ended(worker))
    plant.start_code_server("last code")
    assert run in plant.run("cs_apps", "lost-runs")
    assert ends(instance, run) is DagsterRunStatus.FAILURE
    assert ends(instance, retry_of(instance, run)) is DagsterRunStatus.SUCCESS
    assert content(storage_of(settings, CONTRACTS), days) == content(faultless, days)


def test_a_queued_run_outlives_the_daemon(
    plant: Plant, settings: Settings, instance: dg.DagsterInstance, faultless: Storage
) -> None:
    days = SPANS["daemon"]
    plant.kill("daemon")
    run = plant.launch(SYNC, *days)
    queued = instance.get_run_by_id(run)
    assert queued
    assert queued.status is DagsterRunStatus.QUEUED
    plant.start_daemon("next daemon")
    assert ends(instance, run) is DagsterRunStatus.SUCCESS
    assert content(storage_of(settings, CONTRACTS), days) == content(faultless, days)


def has_ended(pid: int) -> bool:
    """Whether an orphan has ended; nobody may have read its exit code."""
    with suppress(FileNotFoundError):
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    return True


def problems(instance: dg.DagsterInstance, run: str) -> str:
    """What the failed steps of a run say."""
    failures = instance.all_logs(run, of_type=dg.DagsterEventType.STEP_FAILURE)
    return "\n".join(str(entry.dagster_event) for entry in failures)
