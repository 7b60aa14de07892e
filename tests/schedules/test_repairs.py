"""Stale partitions are requested exactly, in order, once, and not while anything else is on."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from tests.calls.cases import Installation, turn, write_source
from tests.schedules.test_sensors import FIRST, MORNING, calls, house_of

_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
NIGHT = datetime(2025, 11, 23, 19, 0, tzinfo=UTC)  # 03:00 in Shanghai
Requested = tuple[str | None, set[str], tuple[str, str]]


@pytest.fixture
def house(tmp_path: Path) -> Installation:
    """All is made; then the records of one day are read again and have changed."""
    house = house_of(tmp_path, calls())
    write_source(house.source, {"_2025_11": calls(duration=11_000)}, {"_2025_11": [turn("r20", 1)]})
    assert house.run("call_records_raw", FIRST, FIRST.replace(day=23)) == ""
    return house


def look(
    house: Installation, instance: dg.DagsterInstance, now: datetime = MORNING
) -> Sequence[dg.RunRequest]:
    repository = house.definitions.get_repository_def()
    with dg.build_sensor_context(
        instance=instance,
        repository_def=repository,
        resources={"storage": house.storage, "clock": lambda: now},
    ) as context:
        tick = repository.get_sensor_def("stale_partitions").evaluate_tick(context)
    return tick.run_requests or []


def run(house: Installation, instance: dg.DagsterInstance, request: dg.RunRequest) -> Requested:
    """Do what the daemon does with a request."""
    job = house.definitions.get_repository_def().get_job(str(request.job_name))
    result = job.execute_in_process(
        instance=instance,
        tags=dict(request.tags),
        asset_selection=list(request.asset_selection or ()),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert result.success
    assets = {key.path[-1] for key in request.asset_selection or ()}
    first, last = (request.tags[name] for name in _RANGE)
    return request.job_name, assets, (first, last)


def by_job(requests: Sequence[Requested]) -> list[Requested]:
    return sorted(requests, key=lambda request: str(request[0]))


def test_what_changed_is_followed_round_by_round_and_by_nothing_else(
    house: Installation, instance: dg.DagsterInstance
) -> None:
    day = ("2025-11-22", "2025-11-22")
    rounds: list[list[Requested]] = []
    while requests := look(house, instance):
        rounds.append([run(house, instance, request) for request in requests])
    clean, said, marts = rounds
    assert clean == [("calls_days", {"call_records_clean", "call_records_quarantine"}, day)]
    assert said == [("calls_days", {"call_sentiment"}, day)]
    assert by_job(marts) == by_job(
        [
            ("calls_days", {"call_record_enriched"}, day),
            *(
                (f"calls_{grain}", {f"portrait_snapshot_{grain}", f"task_summary_{grain}"}, span)
                for grain, span in (
                    ("week", ("2025-W47-1", "2025-W47-1")),
                    ("month", ("2025-11", "2025-11")),
                    ("quarter", ("2025-10", "2025-10")),
                )
            ),
        ]
    )


def test_a_repair_is_requested_once(house: Installation, instance: dg.DagsterInstance) -> None:
    (first,), (again,) = look(house, instance), look(house, instance)
    assert first.run_key == again.run_key


def test_nothing_is_requested_while_a_run_or_the_nightly_round_is_on(
    house: Installation, instance: dg.DagsterInstance
) -> None:
    assert look(house, instance, NIGHT) == []
    job = house.definitions.get_repository_def().get_job("calls_days")
    running = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert look(house, instance) == []
    instance.report_run_failed(running)
    assert len(look(house, instance)) == 1


def test_new_code_requests_nothing(house: Installation, instance: dg.DagsterInstance) -> None:
    while requests := look(house, instance):
        for request in requests:
            run(house, instance, request)
    with house.storage.warehouse.engine.begin() as connection:
        table = house.storage.warehouse.tables.fingerprints
        connection.execute(table.update().values(code="0/old"))
    assert look(house, instance) == []
