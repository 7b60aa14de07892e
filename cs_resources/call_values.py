"""Driver values of the call database as typed record batches.

Belongs here: turning what a driver returns (text, numbers, datetimes, NULL) into Arrow columns,
keeping what does not fit. Must not: queries, judging rows.
"""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import NoneType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_TYPES = {"text": pa.string(), "integer": pa.int64(), "instant": pa.timestamp("us")}
_FITTING: Mapping[str, set[type]] = {
    "text": {str, NoneType},
    "integer": {int, NoneType},
    "instant": {str, datetime, NoneType},
}
"""Python types that Arrow may convert; it would cut 1.5 to 1 and take 1.5 or bytes for a date."""
INSTANT = "calldate"
_UNFIT = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError)


@dataclass(frozen=True)
class Placing:
    """How rows get their day: `days` are read (consecutive); a calldate from `low` (inclusive) to
    `high` (exclusive) is a day's own, any other row goes to `undated`.
    """

    days: Sequence[date]
    low: date
    high: date
    undated: date

    def call_dates(self, instants: pa.Array, values: Sequence[Any]) -> pa.Array:
        """Return each row's day from its converted calldate and the driver's own value."""
        dates = instants.cast(pa.date32())
        first, last = max(self.days[0], self.low), min(self.days[-1], self.high - timedelta(days=1))
        inside = pc.and_(
            pc.greater_equal(dates, pa.scalar(first)), pc.less_equal(dates, pa.scalar(last))
        )
        if not instants.null_count and pc.all(inside).as_py():
            return dates
        keys = [midnight(day) for day in self.days]
        low, high = midnight(self.low), midnight(self.high)
        return pa.array([self._place(value, keys, low, high) for value in values], pa.date32())

    def place(self, value: object) -> date:
        """Return the day of one of the driver's values."""
        keys = [midnight(day) for day in self.days]
        return self._place(value, keys, midnight(self.low), midnight(self.high))

    def _place(self, value: object, keys: Sequence[str], low: str, high: str) -> date:
        """Compare as the database does (as text), so that any run places a row on the same day."""
        text = f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else value
        if not isinstance(text, str) or not low <= text < high:
            return self.undated
        return self.days[bisect_right(keys, text) - 1]


@dataclass(frozen=True)
class RowReader:
    """Makes batches of rows whose columns are of the given kinds (`text`, `integer`, `instant`)."""

    kinds: Mapping[str, str]
    placing: Placing | None = None

    def batch(self, rows: Sequence[Any], constants: Mapping[str, object]) -> pa.RecordBatch:
        """Return the rows plus `call_date`, `unreadable` (JSON or null) and the constants."""
        values = list(zip(*rows, strict=True)) or [()] * len(self.kinds)
        unreadable: dict[int, dict[str, str]] = {}
        columns: dict[str, pa.Array] = {}
        for (name, kind), column in zip(self.kinds.items(), values, strict=True):
            columns[name] = self._column(name, kind, column, unreadable)
        if self.placing:
            calldates = values[list(self.kinds).index(INSTANT)]
            columns["call_date"] = self.placing.call_dates(columns[INSTANT], calldates)
            columns["unreadable"] = pa.array(
                [_json(unreadable[row]) if row in unreadable else None for row in range(len(rows))],
                pa.string(),
            )
        for name, value in constants.items():
            columns[name] = pa.repeat(pa.scalar(value), len(rows))
        return pa.RecordBatch.from_pydict(columns)

    def _column(
        self, name: str, kind: str, values: Sequence[Any], unreadable: dict[int, dict[str, str]]
    ) -> pa.Array:
        try:
            return _convert(values, kind)
        except _UNFIT:
            readable: list[Any] = []
            for row, value in enumerate(values):
                try:
                    readable.append(_convert([_as_text(value, kind)], kind)[0])
                except _UNFIT:
                    unreadable.setdefault(row, {})[name] = str(value)
                    readable.append(None)
            return pa.array(readable, _TYPES[kind])


def midnight(day: date) -> str:
    """Return a day's beginning in the form that compares rightly as a DATETIME and as text.

    Without the hour, since the text `2025-11-24` sorts before `2025-11-24 00:00:00`.
    """
    return day.isoformat()


def _convert(values: Sequence[Any], kind: str) -> pa.Array:
    types = set(map(type, values))
    if strange := types - _FITTING[kind]:
        raise pa.ArrowTypeError(f"{strange} in a column of kind {kind}")
    if kind == "instant" and str in types:
        return pa.array(values, pa.string()).cast(_TYPES[kind])
    return pa.array(values, _TYPES[kind])


def _as_text(value: object, kind: str) -> object:
    """Read numbers in a text column (SQLite keeps what it was given) as their digits."""
    return str(value) if kind == "text" and isinstance(value, int | float | Decimal) else value


def _json(values: Mapping[str, str]) -> str:
    return json.dumps(values, ensure_ascii=False, sort_keys=True)
