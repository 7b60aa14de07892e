"""How fast are the database servers' ends of the pipe? `python -m benchmarks.servers`.

Belongs here: which pieces are measured, how often, and the table of figures. Must not: the work
itself (`source_tasks`, `warehouse_tasks`).

- source: a month of call records from MariaDB into the lake, read, staged, audited and published,
  against the server's own client that reads the same rows to nowhere.
- warehouse: as many snapshots from the lake into PostgreSQL, against the server's own COPY.

Every measurement has a process of its own and runs in turn with the others. Times are the least of
several runs, peaks the greatest. The exit code is 1 if a limit is not kept.
"""

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

from benchmarks import source_data, source_tasks, warehouse_report
from benchmarks.calls import Report
from benchmarks.measure import WHOLE, alone, best, markdown
from cs_resources.settings import Settings

CLIENT_LIMIT = 2.5
PEAK_LIMIT = 700
_HEADER = ("measurement", "calls", "time s", "cpu s", "peak MiB", "compared", "limit", "kept")


def main() -> int:
    """Measure and print."""
    options = _options()
    report = Report()
    print(f"{platform.machine()}, {os.cpu_count()} processors; run {options.repeat} times\n")
    if "source" not in options.skip:
        with tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.folder) as folder:
            _source(report, Path(folder), options)
        print(markdown(_HEADER, report.rows))
    if "warehouse" not in options.skip:
        report.faults += warehouse_report.measure(options)
    for fault in report.faults:
        print(f"\nnot kept: {fault}")
    return 1 if report.faults else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=2_000_000)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each piece")
    parser.add_argument(
        "--memory-limit",
        default=Settings.model_fields["duckdb_memory_limit"].default,
        help="DuckDB's memory limit; default: that of an installation",
    )
    parser.add_argument("--skip", nargs="*", choices=("source", "warehouse"), default=())
    parser.add_argument(
        "--postgres", default="postgresql+psycopg://root@127.0.0.1/postgres", help="its superuser"
    )
    parser.add_argument("--folder", type=Path, help="where to work (default: /tmp)")
    return parser.parse_args()


def _source(report: Report, folder: Path, options: argparse.Namespace) -> None:
    calls, rows = options.calls, folder / "records.tsv"
    _say(f"{calls:,} records: making them")
    alone(source_data.make, calls, rows)
    with source_data.filled(rows) as url:
        database = str(url.database)
        pieces = {
            "bare client": (source_tasks.client, (database, calls)),
            "read alone": (source_tasks.read, (database, calls)),
            "source to lake": (
                source_tasks.to_lake,
                (database, calls, folder, options.memory_limit),
            ),
            "signatures": (source_tasks.signatures, (database, calls)),
        }
        runs: dict[str, list[source_tasks.Outcome]] = {name: [] for name in pieces}
        for number in range(options.repeat):
            for name, (work, arguments) in pieces.items():
                _say(f"{name}, run {number + 1}")
                runs[name].append(alone(work, *arguments))
    client = best([laps for laps, _ in runs["bare client"]])[WHOLE].seconds
    for name, found in runs.items():
        for lap in best([laps for laps, _ in found]).values():
            if lap.name != WHOLE:
                report.add(f"{name}: {lap.name}", calls, lap)
                continue
            ratio = lap.seconds / client
            more: list[str] = [f"{ratio:.2f} x client"]
            if name == "source to lake":
                kept = report.limited(f"{name}, ratio", ratio, CLIENT_LIMIT)
                more += [f"{CLIENT_LIMIT} x client", kept]
                peak = report.limited(f"{name}, peak MiB", lap.peak, PEAK_LIMIT)
                report.add(f"{name}: peak", calls, lap, "peak", f"{PEAK_LIMIT} MiB", peak)
            report.add(f"{name}: whole", calls, lap, *more)
    if len({fingerprint for _, fingerprint in runs["source to lake"]}) > 1:
        report.faults.append("source to lake: content hashes differ between runs")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
