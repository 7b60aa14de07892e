"""The nightly round at pinned times: due, not due, catching up, nothing twice."""

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from cs_assets.calendar import PERIOD_GRAINS
from cs_assets.definitions import build_definitions
from tests.calls.cases import Installation, record, turn, write_source

FIRST, LAST = date(2025, 11, 3), date(2025, 11, 24)
ROUND = ["sync_calls", "analyse_calls", "portrait_snapshots_week", "task_summaries_month"]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Calls from 2025-11-03 on; loaded up to Saturday 2025-11-22."""
    home = tmp_path_factory.mktemp("nightly")
    records = [
        record(day, calldate=f"2025-11-{day:02} 10:00:00", id=f"r{day}", callid=f"k{day}")
        for day in range(3, 25)
    ]
    turns = [turn(f"r{day}", 1, "我要投诉") for day in range(3, 25)]
    house = Installation(home, FIRST, date(2026, 3, 31))
    write_source(house.source, {"_2025_11": records}, {"_2025_11": turns})
    assert house.run("calls", FIRST, date(2025, 11, 22)) == ""
    return house


def tick(house: Installation, name: str, local: str) -> list[tuple[str, str, str]]:
    """Run one schedule at a local time; return run key, first and last partition of each run."""
    repository = house.definitions.get_repository_def()
    now = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("Asia/Shanghai"))
    with dg.build_schedule_context(
        scheduled_execution_time=now,
        repository_def=repository,
        resources={"storage": house.storage},
    ) as context:
        data = repository.get_schedule_def(name).evaluate_tick(context)
    first, last = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
    return [(run.run_key, run.tags[first], run.tags[last]) for run in data.run_requests]


def spans(house: Installation, name: str, local: str) -> list[tuple[str, str]]:
    return [(first, last) for _, first, last in tick(house, name, local)]


def test_the_nightly_sync_reads_the_look_back(house: Installation) -> None:
    assert spans(house, "sync_calls", "2025-11-23 02:00") == [("2025-11-20", "2025-11-22")]


def test_days_off_are_caught_up(house: Installation) -> None:
    assert spans(house, "sync_calls", "2025-11-28 02:00") == [("2025-11-23", "2025-11-27")]


def test_analysis_takes_only_what_is_loaded(house: Installation) -> None:
    assert spans(house, "analyse_calls", "2025-11-25 02:30") == [("2025-11-22", "2025-11-22")]


def test_periods_that_the_read_days_touch(house: Installation) -> None:
    # Saturday 22 was read again: its week, month and quarter, and no other
    found = {
        grain: spans(house, f"portrait_snapshots_{grain}", "2025-11-25 06:00")
        for grain in PERIOD_GRAINS
    }
    assert [found[grain] for grain in PERIOD_GRAINS] == [
        [("2025-W47-1", "2025-W47-1")],
        [("2025-11", "2025-11")],
        [("2025-10", "2025-10")],
    ]


def test_a_period_behind_its_days_is_made_however_long_the_outage(house: Installation) -> None:
    # long after the look-back nothing is due: the marts hold everything that is loaded
    assert spans(house, "portrait_snapshots_week", "2025-12-10 06:00") == []


@pytest.mark.parametrize("name", ROUND)
def test_before_history_and_after_it_nothing_is_due(house: Installation, name: str) -> None:
    assert tick(house, name, "2025-11-03 02:00") == []
    assert tick(house, name, "2026-04-02 02:00") == []


@pytest.mark.parametrize("name", ROUND)
def test_a_tick_asks_with_the_same_key_again(house: Installation, name: str) -> None:
    # Dagster starts one run per key: a tick that is evaluated twice starts nothing twice
    once, again = (tick(house, name, "2025-11-24 06:30") for _ in range(2))
    assert once == again
    assert len({key for key, _, _ in once}) == len(once)


@pytest.mark.parametrize("name", ROUND)
def test_the_next_night_has_keys_of_its_own(house: Installation, name: str) -> None:
    keys = {key for key, _, _ in tick(house, name, "2025-11-24 06:30")}
    assert not keys & {key for key, _, _ in tick(house, name, "2025-11-25 06:30")}


def test_schedules_start_off_and_on_as_set(house: Installation, tmp_path: Path) -> None:
    enabled = house.settings.model_copy(
        update={"scheduler_enabled": True, "sync_cron_hour": 3, "sync_cron_minute": 15}
    )
    on = build_definitions(enabled, house.storage).get_repository_def()
    off = house.definitions.get_repository_def()
    statuses = {schedule.default_status for schedule in on.schedule_defs}
    assert statuses == {dg.DefaultScheduleStatus.RUNNING}
    assert {s.default_status for s in off.schedule_defs} == {dg.DefaultScheduleStatus.STOPPED}
    sync = on.get_schedule_def("sync_calls")
    assert (sync.cron_schedule, sync.execution_timezone) == ("15 3 * * *", "Asia/Shanghai")
