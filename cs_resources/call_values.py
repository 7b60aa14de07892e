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
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

_TYPES = {"text": pa.string(), "integer": pa.int64(), "instant": pa.timestamp("us")}
_FITTING: Mapping[str, set[type]] = {
    "text": {str, NoneType},
    "integer": {int, NoneType},
    "instant": {str, datetime, NoneType},
}
"""Python types that Arrow may convert; it would cut 1.5 to 1 and take 1.5 or bytes for a date."""
_FIRST_INSTANT = pa.scalar(datetime.fromisoformat("0001-01-01"), _TYPES["instant"])
INSTANT = "calldate"
Values: TypeAlias = Sequence[Any] | pa.BinaryArray
"""A column: Python values of any type, or texts from the wire."""
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

    def call_dates(self, instants: pa.Array, values: Values) -> pa.Array:
        """Return each row's day from its converted calldate and the source's own value."""
        dates = instants.cast(pa.date32())
        first, last = max(self.days[0], self.low), min(self.days[-1], self.high - timedelta(days=1))
        inside = pc.and_(
            pc.greater_equal(dates, pa.scalar(first)), pc.less_equal(dates, pa.scalar(last))
        )
        if not instants.null_count and pc.all(inside).as_py():
            return dates
        keys = [midnight(day) for day in self.days]
        low, high = midnight(self.low), midnight(self.high)
        return pa.array(
            [self._place(_as_python(value), keys, low, high) for value in values], pa.date32()
        )

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

    def batch(self, values: Sequence[Values], constants: Mapping[str, object]) -> pa.RecordBatch:
        """Return the rows plus `call_date`, `unreadable` (JSON or null) and the constants.

        `values` holds the columns in the order of `kinds`; without any row it may be empty.
        """
        values = values or [()] * len(self.kinds)
        rows = len(values[0])
        unreadable: dict[int, dict[str, str]] = {}
        columns: dict[str, pa.Array] = {}
        for (name, kind), column in zip(self.kinds.items(), values, strict=True):
            found = [pa.nulls(0, _TYPES[kind]), *_readable(name, kind, column, 0, unreadable)]
            columns[name] = found[1] if len(found) == 2 else pa.concat_arrays(found)
        if self.placing:
            calldates = values[list(self.kinds).index(INSTANT)]
            columns["call_date"] = self.placing.call_dates(columns[INSTANT], calldates)
            columns["unreadable"] = _noted(unreadable, rows)
        for name, value in constants.items():
            columns[name] = pa.repeat(pa.scalar(value), rows)
        return pa.RecordBatch.from_pydict(columns)


def _noted(unreadable: Mapping[int, Mapping[str, str]], rows: int) -> pa.Array:
    if not unreadable:
        return pa.nulls(rows, pa.string())
    noted = [_json(unreadable[row]) if row in unreadable else None for row in range(rows)]
    return pa.array(noted, pa.string())


def transposed(rows: Sequence[Any]) -> list[Values]:
    """Return rows as columns."""
    return list(zip(*rows, strict=True))


def _readable(
    name: str, kind: str, values: Values, first: int, unreadable: dict[int, dict[str, str]]
) -> list[pa.Array]:
    """Convert what can be, note the rest by its row; `first` is the row of the first value.

    Halves that do not convert are halved again: what is odd is found without trying every value.
    """
    try:
        return [_convert(values, kind)]
    except _UNFIT:
        if (middle := len(values) // 2) == 0:
            return [_single(name, kind, _as_python(values[0]), first, unreadable)]
    ahead = _readable(name, kind, values[:middle], first, unreadable)
    return ahead + _readable(name, kind, values[middle:], first + middle, unreadable)


def _single(
    name: str, kind: str, value: object, row: int, unreadable: dict[int, dict[str, str]]
) -> pa.Array:
    try:
        return _convert([_as_text(value, kind)], kind)
    except _UNFIT:
        unreadable.setdefault(row, {})[name] = str(value)
        return pa.nulls(1, _TYPES[kind])


def midnight(day: date) -> str:
    """Return a day's beginning in the form that compares rightly as a DATETIME and as text.

    Without the hour, since the text `2025-11-24` sorts before `2025-11-24 00:00:00`.
    """
    return day.isoformat()


def _convert(values: Values, kind: str) -> pa.Array:
    if isinstance(values, pa.BinaryArray):
        return _parsed(values.cast(pa.string()), kind)
    types = set(map(type, values))
    if strange := types - _FITTING[kind]:
        raise pa.ArrowTypeError(f"{strange} in a column of kind {kind}")
    if kind == "instant" and str in types:
        return _parsed(pa.array(values, pa.string()), kind)
    return pa.array(values, _TYPES[kind])


def _parsed(texts: pa.Array, kind: str) -> pa.Array:
    found = texts.cast(_TYPES[kind])
    if kind == "instant" and pc.any(pc.less(found, _FIRST_INSTANT)).as_py():
        raise pa.ArrowInvalid("a year that Python does not know")
    return found


def _as_python(value: object) -> object:
    """Return the text of a value from the wire, or its bytes if they are no text."""
    if not isinstance(value, pa.BinaryScalar):
        return value
    data: bytes | None = value.as_py()
    try:
        return data if data is None else data.decode()
    except UnicodeDecodeError:
        return data


def _as_text(value: object, kind: str) -> object:
    """Read numbers in a text column (SQLite keeps what it was given) as their digits."""
    return str(value) if kind == "text" and isinstance(value, int | float | Decimal) else value


def _json(values: Mapping[str, str]) -> str:
    return json.dumps(values, ensure_ascii=False, sort_keys=True)
