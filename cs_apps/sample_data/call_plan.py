"""What the sample dialler plans: tasks, volume per day, and the random stream of each key.

Belongs here: everything that is decided before a single call is placed.
Does not belong here: calls, texts, defects, SQL.

Every draw comes from a stream keyed by what it describes (a month, a day, a chunk of a day),
never by where a range starts or ends, so any two ranges agree on the days they share.
"""

from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

MONTH_WITHOUT_TASKS: Final = 10
"""No task starts in October: its calls belong to older tasks and it has no table."""

LONGEST_TASK_MONTHS: Final = 3
DAYS_PER_TASK_MONTH: Final = 30
WEEKDAY_WEIGHTS: Final = (1.10, 1.15, 1.10, 1.10, 1.00, 0.55, 0.35)
CHUNK_CALLS: Final = 20_000
"""Calls generated at once. Part of the plan: a chunk has a stream of its own."""


class Stream(IntEnum):
    """Independent random streams under one seed."""

    TASKS = 1
    VOLUME = 2
    CALLS = 3
    RECORDS = 4
    DEFECTS = 5
    DETAILS = 6


def stream(seed: int, kind: Stream, *key: int) -> np.random.Generator:
    """Return the generator of one key, the same wherever and whenever it is asked for."""
    return np.random.default_rng([seed, int(kind), *key])


@dataclass(frozen=True)
class CallTask:
    """An outbound campaign; its calls stand in the table of the month it was created in."""

    uuid: str
    name: str
    number: int
    scenario: int
    created_at: str
    created_on: date
    last_day: date
    weight: float
    connect_rate: float
    positive_share: float
    negative_share: float

    @property
    def month(self) -> str:
        """Table suffix, `YYYY_MM`."""
        return f"{self.created_on:%Y_%m}"

    def is_live(self, day: date) -> bool:
        """Tell whether the dialler calls for this task on `day` (from the day after creation)."""
        return self.created_on < day <= self.last_day


@dataclass(frozen=True)
class Chunk:
    """At most `CHUNK_CALLS` calls of one day: the unit of generation and of a transaction."""

    seed: int
    day: date
    index: int
    size: int
    monthly_calls: float
    tasks: tuple[CallTask, ...]

    def stream(self, kind: Stream) -> np.random.Generator:
        """Return this chunk's generator for `kind`."""
        return stream(self.seed, kind, self.day.toordinal(), self.index)


def uuid_texts(words: NDArray[np.uint64]) -> list[str]:
    """Format rows of two 64-bit words as version 4 UUIDs."""
    raw = words.astype(">u8").view(np.uint8).reshape(-1, 16)
    raw[:, 6] = (raw[:, 6] & 0x0F) | 0x40
    raw[:, 8] = (raw[:, 8] & 0x3F) | 0x80
    nibbles = np.stack([raw >> 4, raw & 0x0F], axis=2).reshape(-1, 32)
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)[nibbles]
    text = np.full((len(raw), 36), ord("-"), dtype=np.uint8)
    for source, target, length in ((0, 0, 8), (8, 9, 4), (12, 14, 4), (16, 19, 4), (20, 24, 12)):
        text[:, target : target + length] = digits[:, source : source + length]
    joined = text.tobytes().decode("ascii")
    return [joined[at : at + 36] for at in range(0, len(joined), 36)]


def random_uuids(rng: np.random.Generator, count: int) -> list[str]:
    """Draw `count` UUIDs."""
    return uuid_texts(rng.integers(0, 2**64, size=(count, 2), dtype=np.uint64))


def tasks_of_month(
    seed: int, year: int, month: int, scenarios: Sequence[str]
) -> tuple[CallTask, ...]:
    """Return the tasks created in a month: none in October, else one to three.

    The first one starts in the first days and lives longest, so that no day is without a task.
    """
    if month == MONTH_WITHOUT_TASKS:
        return ()
    number = (year * 12 + month) * 3
    rng = stream(seed, Stream.TASKS, number)
    return tuple(
        _task(rng, number + at, date(year, month, 1), at, scenarios)
        for at in range(1 + int(rng.integers(0, 3)))
    )


def _task(
    rng: np.random.Generator, number: int, first: date, at: int, scenarios: Sequence[str]
) -> CallTask:
    scenario = int(rng.integers(0, len(scenarios)))
    created_on = first + timedelta(days=int(rng.integers(0, 4) if at == 0 else rng.integers(4, 25)))
    months = LONGEST_TASK_MONTHS if at == 0 else int(rng.integers(1, LONGEST_TASK_MONTHS + 1))
    hour, minute, second = (int(rng.integers(*bounds)) for bounds in ((9, 18), (0, 60), (0, 60)))
    return CallTask(
        uuid=random_uuids(rng, 1)[0],
        name=f"{scenarios[scenario]}-{first:%Y%m}-第{at + 1}批",
        number=number,
        scenario=scenario,
        created_at=f"{created_on} {hour:02d}:{minute:02d}:{second:02d}",
        created_on=created_on,
        last_day=created_on + timedelta(days=months * DAYS_PER_TASK_MONTH + 3),
        weight=0.6 + float(rng.random()),
        connect_rate=0.55 + 0.15 * float(rng.random()),
        positive_share=0.22 + 0.18 * float(rng.random()),
        negative_share=0.12 + 0.14 * float(rng.random()),
    )


def tasks_between(
    seed: int, start: date, end: date, scenarios: Sequence[str]
) -> tuple[CallTask, ...]:
    """Return the tasks with a day of calls in the range; the oldest were created before it."""
    oldest = start.year * 12 + start.month - 1 - (LONGEST_TASK_MONTHS + 1)
    months = range(max(oldest, 12), end.year * 12 + end.month)
    return tuple(
        task
        for month in months
        for task in tasks_of_month(seed, month // 12, month % 12 + 1, scenarios)
        if task.created_on < end and task.last_day >= start
    )


def day_calls(seed: int, day: date, monthly_calls: float) -> int:
    """Draw the day's number of calls: the month's total spread by weekday, with some noise."""
    rng = stream(seed, Stream.VOLUME, day.toordinal())
    length = monthrange(day.year, day.month)[1]
    weights = [WEEKDAY_WEIGHTS[day.replace(day=at + 1).weekday()] for at in range(length)]
    expected = monthly_calls * WEEKDAY_WEIGHTS[day.weekday()] / sum(weights)
    return int(expected * (0.9 + 0.2 * rng.random()) + rng.random())


def day_chunks(
    seed: int, day: date, tasks: Sequence[CallTask], monthly_calls: float
) -> Iterator[Chunk]:
    """Cut a day's calls into chunks."""
    live = tuple(task for task in tasks if task.is_live(day))
    total = day_calls(seed, day, monthly_calls) if live else 0
    for index, done in enumerate(range(0, total, CHUNK_CALLS)):
        yield Chunk(seed, day, index, min(CHUNK_CALLS, total - done), monthly_calls, live)


def objects(values: Sequence[Any]) -> NDArray[np.object_]:
    """Return an object array, so that numpy can gather texts and NULLs by index."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
