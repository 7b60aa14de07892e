"""How fast is customers' health, and in how much memory? `python -m benchmarks.health`.

Belongs here: which pieces of work are measured, how often, and the table of figures. Must not: the
work itself (`health_tasks`, `health_runs`).

- measure query: the measures of all customers at one day, and at the three days of a month's step,
  by the platform's own expression and by hand-written DuckDB SQL; the results must be equal.
- lake to scores: the month's measures computed, staged, audited and published to a SQLite
  warehouse; then both packaged scorecards; then scores and signals of a week's days, to the lake.
  Reported apart: computing, staging, audit, publishing.
- landed files to marts: what `cs backfill` runs, Dagster's own work included (`--skip runs`).

Every measurement has a process of its own. Times are the least of several runs, peaks the greatest.
`growth` is the seconds per row of a size against those of the size before. The exit code is 1 if a
limit is not kept or results differ.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import health_runs, health_tasks
from benchmarks.calls import Report
from benchmarks.health_data import make
from benchmarks.measure import WHOLE, Lap, alone, best, markdown
from cs_resources.settings import Settings

RATIO_LIMIT = 1.2
GROWTH_LIMIT = 1.3
PEAK_LIMIT = 8192
SMALL, LARGE = (100_000, 10_000_000), (1_000_000, 100_000_000)
_HEADER = ("measurement", "customers", "time s", "cpu s", "peak MiB", "compared", "limit", "kept")
_PEERS: dict[str, Callable[..., health_tasks.Outcome]] = {
    "platform (Ibis)": health_tasks.query_ours,
    "DuckDB SQL by hand": health_tasks.query_sql,
}
_DAYS = {"1 day": 1, "3 days": 3}
_WEEK = "a week's days"
_PATHS: dict[str, Callable[..., health_tasks.Outcome]] = {
    "measures": health_tasks.write_measures,
    "scores": health_tasks.write_scores,
    _WEEK: health_tasks.write_days,
}
Seconds = dict[str, tuple[int, float]]
"""Rows of activity and seconds of each measurement of the size before."""


def main() -> int:
    """Measure and print."""
    options = _options()
    report = Report()
    root = Path(tempfile.mkdtemp(prefix="benchmark-", dir=options.folder))
    seconds: Seconds = {}
    try:
        for customers, activity in _sizes(options):
            _measure(report, root / str(customers), customers, activity, options, seconds)
            shutil.rmtree(root / str(customers))
        if "runs" not in options.skip:
            _runs(report, root, options)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(
        f"{platform.machine()}, {os.cpu_count()} processors; DuckDB memory limit "
        f"{options.memory_limit}; queries run {options.repeat} times, paths once\n"
    )
    print(markdown(_HEADER, report.rows))
    for fault in report.faults:
        print(f"\nnot kept: {fault}")
    return 1 if report.faults else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--customers", type=int, nargs="+", default=[SMALL[0]])
    parser.add_argument("--activity", type=int, nargs="+", default=[SMALL[1]], help="rows")
    parser.add_argument(
        "--largest",
        action="store_true",
        help=f"{SMALL[0]:,} customers, then {LARGE[0]:,} with {LARGE[1]:,} rows of activity (needs "
        "20 GB of disk)",
    )
    parser.add_argument("--repeat", type=int, default=3, help="runs of each query and of Dagster")
    parser.add_argument(
        "--memory-limit",
        default=Settings.model_fields["duckdb_memory_limit"].default,
        help="DuckDB's memory limit; default: that of an installation",
    )
    parser.add_argument("--folder", type=Path, help="where to work (default: /tmp)")
    parser.add_argument("--skip", nargs="*", default=[], choices=["query", "paths", "runs"])
    options = parser.parse_args()
    if len(options.customers) != len(options.activity):
        parser.error("--customers and --activity: as many numbers of one as of the other")
    return options


def _sizes(options: argparse.Namespace) -> list[tuple[int, int]]:
    if options.largest:
        return [SMALL, LARGE]
    return list(zip(options.customers, options.activity, strict=True))


def _measure(
    report: Report,
    folder: Path,
    customers: int,
    activity: int,
    options: argparse.Namespace,
    seconds: Seconds,
) -> None:
    """Make the facts, ask the query, go the path."""
    size = f"{customers:,} customers, {activity:,} rows of activity"
    _say(f"{size}: making them")
    alone(make, customers, activity, folder, options.memory_limit)
    wholes: dict[str, Lap] = {}
    if "query" not in options.skip:
        for name, days in _DAYS.items():
            _say(f"{size}: measure query, {name}")
            query = f"measure query, {name}"
            wholes |= _query(report, folder, customers, query, days, options)
    for name, work in _PATHS.items() if "paths" not in options.skip else ():
        _say(f"{size}: {name}")
        laps, _ = alone(work, folder, options.memory_limit)
        for lap in laps:
            wholes |= {name: lap} if lap.name == WHOLE else {}
            report.add(f"{name}: {lap.name}", customers, lap)
    peak = max((lap.peak for lap in wholes.values()), default=0.0)
    kept = report.limited(f"{size}, peak MiB", peak, PEAK_LIMIT)
    report.add("peak of all", customers, None, f"{peak:,.0f} MiB", f"{PEAK_LIMIT:,} MiB", kept)
    _growth(report, customers, activity, wholes, seconds)


def _growth(
    report: Report, customers: int, activity: int, wholes: dict[str, Lap], seconds: Seconds
) -> None:
    """Compare the seconds per row with those of the size before."""
    for name, lap in wholes.items():
        if name in seconds:
            rows, before = seconds[name]
            growth = lap.seconds / activity / (before / rows)
            compared = f"{growth:.2f} x a row's time"
            limits: tuple[str, ...] = ()
            if name != _WEEK:  # the more customers, the fewer days share one reading of the facts
                kept = report.limited(f"{name}, growth of seconds per row", growth, GROWTH_LIMIT)
                limits = (f"{GROWTH_LIMIT} x", kept)
            report.add(f"growth: {name}", customers, None, compared, *limits)
        seconds[name] = activity, lap.seconds


def _query(
    report: Report, folder: Path, customers: int, name: str, days: int, options: argparse.Namespace
) -> dict[str, Lap]:
    """Ask the peers in turn, so that a busy moment of the machine does not hit only one."""
    runs: dict[str, list[health_tasks.Outcome]] = {peer: [] for peer in _PEERS}
    for number in range(options.repeat):
        for peer, work in _PEERS.items():
            runs[peer].append(alone(work, folder, options.memory_limit, days, number == 0))
    laps = {peer: best([laps for laps, _ in found])[WHOLE] for peer, found in runs.items()}
    ours, sql = laps.values()
    ratio = ours.seconds / sql.seconds
    kept = report.limited(f"{name}, {customers:,} customers, ratio", ratio, RATIO_LIMIT)
    for peer, lap in laps.items():
        more = (f"{ratio:.2f} x SQL", f"{RATIO_LIMIT} x SQL", kept) if lap is ours else ()
        report.add(f"{name}: {peer}", customers, lap, *more)
    results = {found[0][1] for found in runs.values()}
    if len(results) > 1:
        report.faults.append(f"{name}, {customers:,} customers: results differ: {sorted(results)}")
    rows, equal = next(iter(results)).split()[0], "yes" if len(results) == 1 else "NO"
    report.add(f"{name}: {rows} equal rows", customers, None, "", "equal", equal)
    return {name: ours}


def _runs(report: Report, root: Path, options: argparse.Namespace) -> None:
    """Make samples and backfill them as `cs backfill` does."""
    for case in health_runs.CASES:
        runs = []
        for number in range(options.repeat):
            _say(f"{case.name}, run {number + 1}")
            home = root / f"home-{number}"
            runs.append(alone(health_runs.backfilled, case, home))
            shutil.rmtree(home)
        for lap in best(runs).values():
            more: tuple[str, ...] = ()
            if lap.name == WHOLE:
                kept = report.limited(f"{case.name}, seconds", lap.seconds, case.limit)
                more = ("time", f"{case.limit} s", kept)
            report.add(f"{case.name}: {lap.name}", case.customers, lap, *more)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
