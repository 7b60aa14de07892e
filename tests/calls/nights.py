"""Dagster's daemon in small: schedules and sensors at simulated times, runs in this process."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

import dagster as dg

from cs_assets.calendar import PERIOD_GRAINS
from tests.calls.cases import Installation

ZONE = ZoneInfo("Asia/Shanghai")
ROUND = (
    ("sync_calls", "02:00"),
    ("analyse_calls", "02:30"),
    *((f"portrait_snapshots_{grain}", "06:00") for grain in PERIOD_GRAINS),
    *((f"task_summaries_{grain}", "06:30") for grain in PERIOD_GRAINS),
    ("calls_audit_month", "06:30"),
)
SENSORS = ("call_source_changes", "stale_partitions")
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_MOST_ROUNDS = 10
_NOTHING: Mapping[str, Callable[[], None]] = MappingProxyType({})


class Nights:
    """Evaluates what is due and runs it; as the daemon does, it starts nothing twice by key."""

    def __init__(self, house: Installation, instance: dg.DagsterInstance) -> None:
        self._house, self._instance = house, instance
        self._started: set[str] = set()
        self.failures: list[str] = []

    def night_after(self, day: date, before: Mapping[str, Callable[[], None]] = _NOTHING) -> None:
        """Do the round of the night after a day, and what the sensors ask for in the morning.

        `before` maps schedules to what happens right before they are evaluated.
        """
        morning = day + timedelta(days=1)
        for name, time in ROUND:
            before.get(name, _nothing)()
            try:
                requests = self._scheduled(name, self._local(morning, time))
            except dg.DagsterError as error:  # the daemon notes it, and goes on
                self.failures.append(f"{name}: {error}")
            else:
                self._do(requests)
        for _ in range(_MOST_ROUNDS):
            found = [
                self._do(self._sensed(name, self._local(morning, "09:00"))) for name in SENSORS
            ]
            if not any(found):
                return
        raise AssertionError(f"the sensors still ask for runs after {_MOST_ROUNDS} rounds")

    def _do(self, requests: list[tuple[str, dg.RunRequest]]) -> int:
        """Run what was not started before; return how many runs that were."""
        new = [(job, request) for job, request in requests if self._is_new(request)]
        for job_name, request in new:
            job = self._house.definitions.get_repository_def().get_job(job_name)
            result = job.execute_in_process(
                instance=self._instance,
                tags=dict(request.tags),
                asset_selection=list(request.asset_selection) if request.asset_selection else None,
                run_config=_QUIET,
                raise_on_error=False,
            )
            if not result.success:
                self.failures.append(f"{job_name} {dict(request.tags)}")
        return len(new)

    def _is_new(self, request: dg.RunRequest) -> bool:
        key = str(request.run_key)
        is_new = key not in self._started
        self._started.add(key)
        return is_new

    def _scheduled(self, name: str, now: datetime) -> list[tuple[str, dg.RunRequest]]:
        repository = self._house.definitions.get_repository_def()
        schedule = repository.get_schedule_def(name)
        with dg.build_schedule_context(
            instance=self._instance,
            scheduled_execution_time=now,
            repository_def=repository,
            resources={"storage": self._house.storage},
        ) as context:
            requests = schedule.evaluate_tick(context).run_requests or ()
        return [(schedule.job_name, request) for request in requests]

    def _sensed(self, name: str, now: datetime) -> list[tuple[str, dg.RunRequest]]:
        repository = self._house.definitions.get_repository_def()
        sensor = repository.get_sensor_def(name)
        with dg.build_sensor_context(
            instance=self._instance,
            repository_def=repository,
            resources={
                "storage": self._house.storage,
                "call_database": self._house.database,
                "clock": lambda: now,
            },
        ) as context:
            requests = sensor.evaluate_tick(context).run_requests or ()
        return [(request.job_name or sensor.job_name, request) for request in requests]

    def _local(self, day: date, time: str) -> datetime:
        return datetime.fromisoformat(f"{day} {time}").replace(tzinfo=ZONE)


def _nothing() -> None:
    """Happens before most schedules."""


def days(first: date, last: date) -> Iterator[date]:
    """Every day from first to last."""
    while first <= last:
        yield first
        first += timedelta(days=1)
