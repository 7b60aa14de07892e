"""Defects planted in a chunk of call records, each counted by kind.

Belongs here: every way in which the sample's rows are wrong, and how many are.
Does not belong here: traps of the schema itself (months, suffixes) and odd but legal text.

Kinds take turns: the k-th defect of a day's chunk is kind (day + k), so all come about equally
often and none depends on the days before it.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np

from cs_apps.sample_data.call_plan import Chunk, Stream, random_uuids
from cs_apps.sample_data.call_records import CallDraw, clock

DEFECT_SHARE: Final = 0.01
LAST_SECOND: Final = 86_399

FIXED_VALUES: Final[dict[str, tuple[str, Any]]] = {
    "missing_customer_null": ("customer_id", None),
    "missing_customer_empty": ("customer_id", ""),
    "null_callid": ("callid", None),
    "null_calldate": ("calldate", None),
    "text_in_integer": ("duration", "abc"),
    "unknown_intention": ("intention_results", "Z"),
    "unknown_hangup": ("hangup_disposition", 9),
}
"""Defects that put one value into one column."""


@dataclass
class ChunkRows:
    """A chunk's rows as columns, ordered by table month.

    `origin` gives each row's call in the draw. An orphan detail is a call, whose table it goes
    into, with the ids (own, record, callid) of a detail row that has no record.
    """

    columns: dict[str, list[Any]]
    origin: list[int]
    orphan_details: list[tuple[int, list[str]]]
    defects: Counter[str]

    def copy_row(self, at: int, **changes: Any) -> None:
        """Insert a changed copy of a row right behind it."""
        for name, values in self.columns.items():
            values.insert(at + 1, changes.get(name, values[at]))
        self.origin.insert(at + 1, self.origin[at])


@dataclass(frozen=True)
class _Planter:
    """The rows being spoiled, with what a defect needs to know about them."""

    chunk: Chunk
    draw: CallDraw
    rows: ChunkRows
    rng: np.random.Generator

    def plant(self, kind: str, at: int) -> None:
        if kind in FIXED_VALUES:
            column, value = FIXED_VALUES[kind]
            self.rows.columns[column][at] = value
        else:
            _SPOILERS[kind](self, at)
        self.rows.defects[kind] += 1

    def value(self, column: str, at: int) -> Any:
        return self.rows.columns[column][at]


def _negative_duration(planter: _Planter, at: int) -> None:
    planter.rows.columns["duration"][at] = -planter.value("duration", at)


def _bill_exceeds_duration(planter: _Planter, at: int) -> None:
    planter.rows.columns["bill"][at] = planter.value("duration", at) + 1_000


def _unknown_task(planter: _Planter, at: int) -> None:
    planter.rows.columns["task_id"][at] = random_uuids(planter.rng, 1)[0]


def _malformed_calldate(planter: _Planter, at: int) -> None:
    wrong = ("n/a", f"{planter.chunk.day.year}-13-45 00:00:00")
    planter.rows.columns["calldate"][at] = wrong[int(planter.rng.integers(0, 2))]


def _before_task_month(planter: _Planter, at: int) -> None:
    """Date the call before the month of its table, as a host with a wrong clock does."""
    task = planter.chunk.tasks[int(planter.draw.task[planter.rows.origin[at]])]
    wrong = task.created_on.replace(day=1) - timedelta(days=int(planter.rng.integers(1, 20)))
    second = int(planter.draw.second[planter.rows.origin[at]])
    planter.rows.columns["calldate"][at] = clock(wrong, second)


def _retry_later(planter: _Planter, at: int) -> None:
    """Dial again on the same day under the same callid; the later row is the true one."""
    second = int(planter.draw.second[planter.rows.origin[at]])
    second = min(second + int(planter.rng.integers(60, 2_400)), LAST_SECOND)
    _repeat(planter, at, calldate=clock(planter.chunk.day, second))


def _retry_same_time(planter: _Planter, at: int) -> None:
    """Write the call twice within a second: only the id decides which row wins."""
    _repeat(planter, at)


def _repeat(planter: _Planter, at: int, **changes: Any) -> None:
    longer = planter.value("duration", at) + int(planter.rng.integers(1, 5)) * 1_000
    new_id = random_uuids(planter.rng, 1)[0]
    planter.rows.copy_row(at, id=new_id, duration=longer, **changes)


def _exact_duplicate(planter: _Planter, at: int) -> None:
    planter.rows.copy_row(at, id=random_uuids(planter.rng, 1)[0])


def _orphan_detail(planter: _Planter, at: int) -> None:
    ids = random_uuids(planter.rng, 3)
    planter.rows.orphan_details.append((planter.rows.origin[at], ids))


_SPOILERS: Final[dict[str, Callable[[_Planter, int], None]]] = {
    "negative_duration": _negative_duration,
    "bill_exceeds_duration": _bill_exceeds_duration,
    "unknown_task": _unknown_task,
    "malformed_calldate": _malformed_calldate,
    "before_task_month": _before_task_month,
    "duplicate_callid_later": _retry_later,
    "duplicate_callid_same_time": _retry_same_time,
    "exact_duplicate": _exact_duplicate,
    "orphan_detail": _orphan_detail,
}

DEFECT_KINDS: Final = (*FIXED_VALUES, *_SPOILERS)


def plant_defects(chunk: Chunk, draw: CallDraw, columns: dict[str, list[Any]]) -> ChunkRows:
    """Spoil about 1 % of a chunk's rows, each in one way."""
    rows = ChunkRows(columns, list(range(chunk.size)), [], Counter())
    rng = chunk.stream(Stream.DEFECTS)
    count = min(chunk.size, int(chunk.size * DEFECT_SHARE + rng.random()))
    planter = _Planter(chunk, draw, rows, rng)
    turn = chunk.day.toordinal() + chunk.index
    chosen = enumerate(rng.permutation(chunk.size)[:count].tolist())
    # From the back, so that an inserted copy moves no row that is still to be spoiled.
    for number, at in sorted(chosen, key=lambda entry: entry[1], reverse=True):
        planter.plant(DEFECT_KINDS[(turn + number) % len(DEFECT_KINDS)], at)
    return rows


def sound(columns: dict[str, list[Any]]) -> ChunkRows:
    """Return a chunk's rows as they are."""
    return ChunkRows(columns, list(range(len(columns["id"]))), [], Counter())
