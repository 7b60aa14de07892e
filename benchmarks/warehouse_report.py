"""The warehouse's half of `benchmarks.servers`: how fast do marts get into PostgreSQL?

Belongs here: which pieces of work are measured, the table of figures. Must not: the work itself
(`warehouse_tasks`).

- lake to PostgreSQL: the month's snapshots computed, staged and audited, then published.
- COPY of a file: the server itself copies the same rows from a CSV file into the same table with
  its keys, the rows in the order in which DuckDB computes them, and again in the order of the key.

The server must be able to read the working folder, the account must be a superuser.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import call_tasks, warehouse_tasks
from benchmarks.call_data import make
from benchmarks.measure import Lap, alone, best, markdown

RATIO_LIMIT = 1.3
_CALLS_PER_SNAPSHOT = 1.05
_PUBLISH, _ORDERED = "publish", "-ordered"
_HEADER = ("measurement", "rows", "time s", "cpu s", "peak MiB", "against the file")


def measure(options: argparse.Namespace) -> list[str]:
    """Measure and print; return the limits that were not kept."""
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.folder) as name,
        warehouse_tasks.database(options.postgres) as url,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        calls = int(options.calls * _CALLS_PER_SNAPSHOT)
        alone(make, calls, folder)
        alone(call_tasks.write_sentiment, folder, options.memory_limit)
        alone(call_tasks.write_calls, folder, options.memory_limit)
        return _report(*_measured(folder, url, options))


def _measured(
    folder: Path, url: str, options: argparse.Namespace
) -> tuple[dict[str, dict[str, Lap]], str]:
    """Run the pieces in turn; return their laps, and the number of rows that all agree on."""
    runs: dict[str, list[list[Lap]]] = {}
    rows = set()
    for order in ("", _ORDERED):
        alone(warehouse_tasks.export, folder, url, options.memory_limit, order)
    for _ in range(options.repeat):
        for name, work, more in (
            ("lake to PostgreSQL", warehouse_tasks.write_mart, ()),
            ("COPY of a file", warehouse_tasks.server_copy, ("",)),
            ("COPY of an ordered file", warehouse_tasks.server_copy, (_ORDERED,)),
        ):
            laps, count = alone(work, folder, url, options.memory_limit, *more)
            print(name, *(f"{lap.name} {lap.seconds:.1f} s" for lap in laps), file=sys.stderr)
            runs.setdefault(name, []).append(laps)
            rows.add(count)
    if len(rows) > 1:
        raise RuntimeError(f"the measured work is wrong: rows differ: {sorted(rows)}")
    return {name: best(laps) for name, laps in runs.items()}, rows.pop()


def _report(measured: dict[str, dict[str, Lap]], rows: str) -> list[str]:
    least = measured["COPY of a file"][warehouse_tasks.COPY].seconds
    lines = [
        (
            f"{name}: {lap.name}",
            f"{int(rows):,}",
            f"{lap.seconds:.2f}",
            f"{lap.cpu_seconds:.2f}",
            f"{lap.peak:,.0f}",
            f"{lap.seconds / least:.2f} x",
        )
        for name, laps in measured.items()
        for lap in laps.values()
    ]
    print(markdown(_HEADER, lines))
    ratio = measured["lake to PostgreSQL"][_PUBLISH].seconds / least
    if ratio <= RATIO_LIMIT:
        return []
    return [f"publish: {ratio:.2f} x the server's COPY of a file (limit {RATIO_LIMIT} x)"]
