"""Landed files to marts by Dagster, as an installation does it: `cs backfill` on samples.

Belongs here: the cases with their limits, running the command. Must not: printing; what is computed
without Dagster (see `health_tasks`).
"""

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import WHOLE, Lap
from cs_apps.demo import LAST_DAY, write_health_samples
from cs_apps.sample_data.health_plan import SamplePeriod
from cs_assets.calendar import Grain
from cs_assets.definitions import CONTRACTS

_SYSTEMS = ("sources", "health")


@dataclass(frozen=True)
class Case:
    """The last `months` of `customers`, with the marts of `grains`, in `limit` seconds at most."""

    name: str
    customers: int
    months: int
    grains: tuple[Grain, ...]
    limit: int

    @property
    def selected(self) -> str:
        """The assets that the marts need, comma-separated."""
        grains = (None, Grain.DAY, *self.grains)
        return ",".join(c.name for c in CONTRACTS if c.system in _SYSTEMS and c.grain in grains)


CASES = (
    Case("30 customers, a month", 30, 1, (Grain.MONTH,), limit=30),
    Case("30 customers, six months, all grains", 30, 6, tuple(Grain), limit=60),
    Case("1,000 customers, a month", 1000, 1, (Grain.MONTH,), limit=10),
)


def backfilled(case: Case, home: Path) -> list[Lap]:
    """Write the samples into a new home, run `cs backfill` on it: a process, from start to end.

    Raises RuntimeError if the command fails.
    """
    period = SamplePeriod.ending(LAST_DAY, case.months)
    home.mkdir(parents=True)
    write_health_samples(home / "landing", period, case.customers)
    span = ["--from", str(period.start), "--to", str(period.end)]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "cs_apps", "backfill", "--select", case.selected, *span],
        cwd=home,
        env={
            **os.environ,
            "CS_HOME": str(home),
            "CS_HISTORY_START": str(period.start),
            "CS_HISTORY_END": str(period.end),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{case.name}: cs backfill ended with {done.returncode}: {done.stderr}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return [Lap(WHOLE, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)]
