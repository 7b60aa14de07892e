"""How fast are the calls, and in how much memory? `python -m benchmarks.calls`.

Belongs here: which pieces of work are measured, how often, and the one table of figures. Must not:
the work itself (`call_tasks`).

- snapshot query: the month's portraits by the platform's own expression and by hand-written DuckDB
  SQL (as Arrow batches), and by pandas, from the same files; the results must be equal.
- lake to mart: the same portraits staged, audited and published to a SQLite warehouse.
- stream to lake: a month of calls, read batch by batch, staged, audited and published.

Every measurement has a process of its own. Times are the least of several runs, peaks the greatest.
`cpu` counts the seconds of all processors, which other programs on the machine disturb less. The
exit code is 1 if a limit is not kept or results differ.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import call_tasks
from benchmarks.call_data import make
from benchmarks.measure import WHOLE, Lap, alone, best, markdown
from cs_resources.settings import Settings

RATIO_LIMIT = 1.1
PEAK_LIMIT = 2048
_HEADER = ("measurement", "calls", "time s", "cpu s", "peak MiB", "compared", "limit", "kept")
_PANDAS = "pandas"
_PEERS: dict[str, Callable[..., call_tasks.Outcome]] = {
    "platform (Ibis)": call_tasks.query_ours,
    "DuckDB SQL by hand": call_tasks.query_sql,
    _PANDAS: call_tasks.query_pandas,
}


@dataclass
class Report:
    """The rows of the table, and what is wrong."""

    rows: list[tuple[str, ...]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add(self, name: str, calls: int, lap: Lap | None, *more: str) -> None:
        """Add a row; `more` are the comparison, its limit, and whether that is kept."""
        figures = ("", "", "")
        if lap:
            figures = (f"{lap.seconds:.2f}", f"{lap.cpu_seconds:.2f}", f"{lap.peak:,.0f}")
        comparison = (*more, "", "", "")[:3]
        self.rows.append((name, f"{calls:,}" if calls else "", *figures, *comparison))

    def limited(self, name: str, figure: float, limit: float) -> str:
        """Return yes or NO; remember a limit that is not kept."""
        if figure <= limit:
            return "yes"
        self.faults.append(f"{name}: {figure:,.2f} is above {limit:,.2f}")
        return "NO"


def main() -> int:
    """Measure and print."""
    options = _options()
    root = Path(tempfile.mkdtemp(prefix="benchmark-", dir=options.folder))
    report = Report()
    try:
        report.add("an empty process", 0, alone(call_tasks.empty)[0][-1])
        for calls in options.calls:
            _measure(report, root / str(calls), calls, options)
            shutil.rmtree(root / str(calls))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(
        f"{platform.machine()}, {os.cpu_count()} processors; DuckDB memory limit "
        f"{options.memory_limit}; queries run {options.repeat} times, paths {options.path_repeat}\n"
    )
    print(markdown(_HEADER, report.rows))
    for fault in report.faults:
        print(f"\nnot kept: {fault}")
    return 1 if report.faults else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, nargs="+", default=[2_000_000, 10_000_000])
    parser.add_argument("--repeat", type=int, default=3, help="runs of each query")
    parser.add_argument("--path-repeat", type=int, default=1, help="runs of each path")
    parser.add_argument(
        "--memory-limit",
        default=Settings.model_fields["duckdb_memory_limit"].default,
        help="DuckDB's memory limit; default: that of an installation",
    )
    parser.add_argument(
        "--folder", type=Path, help="where to work; 10,000,000 calls need 15 GB (default: /tmp)"
    )
    parser.add_argument("--skip", nargs="*", default=[], choices=["query", _PANDAS, "mart"])
    return parser.parse_args()


def _measure(report: Report, folder: Path, calls: int, options: argparse.Namespace) -> None:
    """Make the calls, write them to the lake, ask the query, go the whole path."""
    _say(f"{calls:,} calls: making them")
    alone(make, calls, folder)
    alone(call_tasks.write_sentiment, folder, options.memory_limit)
    _path(report, "stream to lake", call_tasks.write_calls, folder, calls, options)
    if "query" not in options.skip:
        _queries(report, folder, calls, options)
    if "mart" not in options.skip:
        _path(report, "lake to mart", call_tasks.write_mart, folder, calls, options)


def _path(
    report: Report,
    name: str,
    work: Callable[..., call_tasks.Outcome],
    folder: Path,
    calls: int,
    options: argparse.Namespace,
) -> None:
    runs = []
    for number in range(options.path_repeat):
        _say(f"{calls:,} calls: {name}, run {number + 1}")
        runs.append(alone(work, folder, options.memory_limit))
    if len({fingerprint for _, fingerprint in runs}) > 1:
        report.faults.append(f"{name}: content hashes differ between runs")
    for lap in best([laps for laps, _ in runs]).values():
        more: tuple[str, ...] = ()
        if lap.name == WHOLE:
            kept = report.limited(f"{name}, {calls:,} calls, peak MiB", lap.peak, PEAK_LIMIT)
            more = ("peak", f"{PEAK_LIMIT:,} MiB", kept)
        report.add(f"{name}: {lap.name}", calls, lap, *more)


def _queries(report: Report, folder: Path, calls: int, options: argparse.Namespace) -> None:
    runs = _ask_in_turn(folder, calls, options)
    laps = {name: best([laps for laps, _ in found])[WHOLE] for name, found in runs.items() if found}
    ours, sql = list(laps.values())[:2]
    for name, lap in laps.items():
        ratio = lap.seconds / sql.seconds
        more = [f"{ratio:.2f} x SQL"]
        if lap is ours:
            kept = report.limited(f"snapshot query, {calls:,} calls, ratio", ratio, RATIO_LIMIT)
            more += [f"{RATIO_LIMIT} x SQL", kept]
        report.add(f"snapshot query: {name}", calls, lap, *more)
    results = {found[0][1] for found in runs.values() if found}
    snapshots = next(iter(results)).split()[0]
    if len(results) > 1:
        report.faults.append(f"snapshot query, {calls:,} calls: results differ: {sorted(results)}")
    equal = "yes" if len(results) == 1 else "NO"
    report.add(f"snapshot query: {snapshots} equal snapshots", calls, None, "", "equal", equal)


def _ask_in_turn(
    folder: Path, calls: int, options: argparse.Namespace
) -> dict[str, list[call_tasks.Outcome]]:
    """Ask the peers in turn, so that a busy moment of the machine does not hit only one."""
    runs: dict[str, list[call_tasks.Outcome]] = {name: [] for name in _PEERS}
    for number in range(options.repeat):
        for name, work in _PEERS.items():
            if name == _PANDAS and (_PANDAS in options.skip or number):
                continue  # slow, and far from any limit: once
            _say(f"{calls:,} calls: snapshot query, {name}, run {number + 1}")
            try:
                runs[name].append(alone(work, folder, options.memory_limit, number == 0))
            except ChildProcessError as error:
                if name != _PANDAS:
                    raise
                _say(f"{error}: is there enough memory?")
    return runs


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
