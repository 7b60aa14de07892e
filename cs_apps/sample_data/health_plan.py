"""What the health sample plans: the period, blocks of customers, who has which type and story.

Belongs here: everything that is decided before a single row is drawn. Must not: rows, files.

Customers come in blocks of a fixed size, each with random streams of its own, and a block is always
drawn whole: the rows of a customer are the same however many customers are written.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cs_apps.sample_data.call_plan import FloatArray, IntArray
from cs_apps.sample_data.health_stories import load_book
from cs_assets.sources.contracts import CUSTOMER_TYPES

DateArray = NDArray[np.datetime64]
BoolArray = NDArray[np.bool_]

BLOCK_CUSTOMERS: Final = 250
"""Customers drawn at once. Part of the plan: a block has streams of its own."""

TYPE_ORDER: Final = (0, 1, 1, 0, 1, 2)
"""Types of six customers in turn: of 30, 10 are enterprises, 15 mid-market, 5 startups."""

_DAY: Final = "datetime64[D]"


class Stream(IntEnum):
    """Independent random streams under one seed, apart from those of the calls."""

    CUSTOMERS = 21
    DEALS = 22
    TICKETS = 23
    ACTIVITY = 24


@dataclass(frozen=True)
class SamplePeriod:
    """Whole months, first and last day included."""

    start: date
    end: date

    @classmethod
    def ending(cls, end: date, months: int) -> "SamplePeriod":
        """Return the `months` that end with `end`; raises ValueError unless a month ends there."""
        if (end + timedelta(days=1)).day != 1:
            raise ValueError(f"{end} is not the last day of a month")
        if months < 1:
            raise ValueError("months must be at least 1")
        first = end.year * 12 + end.month - months
        if first < 12:
            raise ValueError(f"{months} months before {end} there is no calendar")
        return cls(date(first // 12, first % 12 + 1, 1), end)

    @property
    def months(self) -> int:
        """Number of months."""
        return (self.end.year - self.start.year) * 12 + self.end.month - self.start.month + 1

    @property
    def last_day(self) -> np.datetime64:
        """The end as numpy has it."""
        return np.datetime64(self.end, "D")

    @cached_property
    def days(self) -> DateArray:
        """Every day, shape (days,)."""
        return np.arange(np.datetime64(self.start, "D"), self.last_day + 1)

    @cached_property
    def month_starts(self) -> DateArray:
        """First day of every month and of the one after, shape (months + 1,)."""
        first = np.datetime64(self.start, "M")
        return (first + np.arange(self.months + 1)).astype(_DAY)


@dataclass(frozen=True)
class Block:
    """Customers `index * BLOCK_CUSTOMERS` onwards, of which the first `size` are wanted."""

    seed: int
    period: SamplePeriod
    index: int
    size: int

    def stream(self, kind: Stream) -> np.random.Generator:
        """Return this block's generator for `kind`; draw for all customers of the block."""
        return np.random.default_rng([self.seed, int(kind), self.index])

    @cached_property
    def numbers(self) -> IntArray:
        """Numbers of all customers of the block, from 0, shape (BLOCK_CUSTOMERS,)."""
        return self.index * BLOCK_CUSTOMERS + np.arange(BLOCK_CUSTOMERS)

    @cached_property
    def types(self) -> IntArray:
        """Each customer's type, as position in CUSTOMER_TYPES."""
        return np.array(TYPE_ORDER)[self.numbers % len(TYPE_ORDER)]

    @cached_property
    def stories(self) -> IntArray:
        """Each customer's story, as position in the book."""
        order = np.array(load_book().order)
        return order[self.numbers % len(order)]

    @cached_property
    def ids(self) -> pa.Array:
        """Each customer's id."""
        return pa.array([customer_id(number) for number in self.numbers.tolist()])

    def by_story(self, attribute: str) -> NDArray[Any]:
        """Return an attribute of every customer's story, shape (BLOCK_CUSTOMERS, ...)."""
        values = np.array([getattr(story, attribute) for story in load_book().stories.values()])
        return values[self.stories]

    def between(self, rng: np.random.Generator, attribute: str) -> FloatArray:
        """Draw for each customer evenly between the two values of its story's attribute."""
        low, high = self.by_story(attribute).T
        drawn: FloatArray = low + (high - low) * rng.random(BLOCK_CUSTOMERS)
        return drawn


def customer_id(number: int) -> str:
    """Return the id of a customer counted from 0, the same in the samples of all systems."""
    return f"C{number + 1:04d}"


def blocks(seed: int, period: SamplePeriod, customers: int) -> Iterator[Block]:
    """Cut the customers into blocks."""
    for index, done in enumerate(range(0, customers, BLOCK_CUSTOMERS)):
        yield Block(seed, period, index, min(BLOCK_CUSTOMERS, customers - done))


def add_months(days: DateArray, months: IntArray) -> DateArray:
    """Move days by months; a day that a month does not have becomes its last."""
    month = days.astype("datetime64[M]")
    moved = month + months
    last = (moved + 1).astype(_DAY) - 1
    target: DateArray = np.minimum(moved.astype(_DAY) + (days - month.astype(_DAY)), last)
    return target


def texts(codes: IntArray, names: Any) -> pa.Array:
    """Return `names[codes]` as text; -1 is null."""
    indices = pa.array(codes.astype(np.int32), mask=codes < 0)
    return pa.array(names, pa.string()).take(indices)


def type_names(codes: IntArray) -> pa.Array:
    """Return customer types as text."""
    return texts(codes, CUSTOMER_TYPES)
