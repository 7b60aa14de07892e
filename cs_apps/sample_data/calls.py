"""Sample source of the call system: a SQLite file with the outbound dialler's schema.

Belongs here: the public function and what it reports.
Does not belong here: plans, draws, defects, texts and SQL, each in its own `call_*` module.

The same arguments give the same rows in the same order. A day is the same whatever range it
is part of; only rows without a readable date, or dated by a wrong clock, lie elsewhere.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from cs_apps.sample_data.call_defects import DEFECT_KINDS, ChunkRows, plant_defects, sound
from cs_apps.sample_data.call_dialogues import detail_rows, load_bank, orphan_row
from cs_apps.sample_data.call_plan import CallTask, Chunk, IntArray, day_chunks, tasks_between
from cs_apps.sample_data.call_records import (
    RECORD_COLUMNS,
    SHARED_CUSTOMER_IDS,
    CallDraw,
    draw_calls,
    record_columns,
)
from cs_apps.sample_data.call_source import SourceWriter, replacing

__all__ = ["DEFECT_KINDS", "SHARED_CUSTOMER_IDS", "Layout", "SampleSummary", "write_call_source"]

Layout = Literal["monthly", "single"]

DEFAULT_START: Final = date(2025, 7, 1)
DEFAULT_END: Final = date(2025, 12, 31)
DEFAULT_SEED: Final = 20251231


@dataclass(frozen=True)
class SampleSummary:
    """What was written: `calls`, `details` and `turns` count rows, duplicates included."""

    path: Path
    tables: tuple[str, ...]
    tasks: int
    calls: int
    details: int
    turns: int
    defects: Mapping[str, int]


def write_call_source(
    path: Path,
    *,
    start: date = DEFAULT_START,
    end: date = DEFAULT_END,
    calls_per_month: int = 1700,
    scale: float = 1.0,
    seed: int = DEFAULT_SEED,
    layout: Layout = "monthly",
    with_details: bool = True,
    with_defects: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> SampleSummary:
    """Write the calls of `start`..`end` (both included) to a SQLite file, replacing it whole.

    About `calls_per_month * scale` calls a month; memory does not grow with their number.
    `layout="single"` puts all months into tables without suffix; without defects no row is wrong.
    `progress(done, total)` is told the days done. Raises ValueError for an empty range or a
    negative volume or seed.
    """
    if end < start:
        raise ValueError(f"end {end} lies before start {start}")
    if calls_per_month * scale <= 0 or seed < 0:
        raise ValueError("calls_per_month and scale must be positive, seed not negative")
    tasks = tasks_between(seed, start, end, load_bank().scenarios)
    suffixes = sorted({_suffix(task, layout) for task in tasks})
    days = (end - start).days + 1
    with replacing(path) as connection:
        run = _Run(SourceWriter(connection, suffixes), layout, with_details, with_defects)
        run.writer.write_tasks(tasks)
        for done in range(days):
            day = start + timedelta(days=done)
            for chunk in day_chunks(seed, day, tasks, calls_per_month * scale):
                run.write_chunk(chunk)
            if progress is not None:
                progress(done + 1, days)
        run.writer.create_indexes()
    return run.summary(path, len(tasks))


def _suffix(task: CallTask, layout: Layout) -> str:
    return "" if layout == "single" else f"_{task.month}"


@dataclass
class _Run:
    """Writes chunk after chunk and keeps count; holds no more than one chunk at a time."""

    writer: SourceWriter
    layout: Layout
    with_details: bool
    with_defects: bool
    calls: int = 0
    details: int = 0
    turns: int = 0
    defects: Counter[str] = field(default_factory=Counter)

    def write_chunk(self, chunk: Chunk) -> None:
        draw = draw_calls(chunk)
        columns = record_columns(chunk, draw)
        rows = plant_defects(chunk, draw, columns) if self.with_defects else sound(columns)
        suffixes = [_suffix(task, self.layout) for task in chunk.tasks]
        places = np.array([self.writer.suffixes.index(suffix) for suffix in suffixes])
        place = places[draw.task][rows.origin]
        with self.writer.transaction():
            values = [rows.columns[name] for name in RECORD_COLUMNS]
            for suffix, first, last in self._parts(place):
                self.writer.write_records(suffix, _slice(values, first, last))
            if self.with_details:
                self._write_details(chunk, draw, rows, place)
        self.calls += len(rows.origin)
        self.defects += rows.defects

    def _write_details(
        self, chunk: Chunk, draw: CallDraw, rows: ChunkRows, place: IntArray
    ) -> None:
        details = detail_rows(chunk, draw, rows.columns["id"], rows.columns["callid"], rows.origin)
        for suffix, first, last in self._parts(place[details.owner]):
            self.writer.write_details(suffix, _slice(details.columns, first, last))
        for call, ids in rows.orphan_details:
            suffix = _suffix(chunk.tasks[int(draw.task[call])], self.layout)
            self.writer.write_details(suffix, [orphan_row(ids)])
        self.details += len(details.owner) + len(rows.orphan_details)
        self.turns += details.turns + len(rows.orphan_details)

    def _parts(self, place: IntArray) -> Iterator[tuple[str, int, int]]:
        """Cut rows ordered by table into one slice per table."""
        for at in np.unique(place).tolist():
            first, last = np.searchsorted(place, [at, at + 1]).tolist()
            yield self.writer.suffixes[at], first, last

    def summary(self, path: Path, tasks: int) -> SampleSummary:
        skipped = () if self.with_details else ("orphan_detail",)
        defects = {kind: 0 if kind in skipped else self.defects[kind] for kind in DEFECT_KINDS}
        return SampleSummary(
            path, self.writer.tables, tasks, self.calls, self.details, self.turns, defects
        )


def _slice(columns: Sequence[list[Any]], first: int, last: int) -> Iterator[tuple[Any, ...]]:
    return zip(*(column[first:last] for column in columns), strict=True)
