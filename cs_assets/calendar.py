"""The one calendar: days, ISO weeks, months, quarters, their keys and their partitions.

What belongs here: everything that knows where a period begins and ends, how it is written, in
which time zone a day is meant, which partitions history has and how they map to days.

What must not: environment variables, the clock ("now" is always an argument), tables, and
anything that a single system means by a period.

A period is written in two ways. People, tables and the `cs` command use the period key; Dagster
uses the partition key, because it sorts and parses partitions by `strptime` and knows neither
`2025-W48` nor `2025-Q4`.

| grain   | period key   | partition key                               |
|---------|--------------|---------------------------------------------|
| day     | `2025-11-24` | `2025-11-24`                                |
| week    | `2025-W48`   | `2025-W48-1` (the ISO date of its Monday)   |
| month   | `2025-11`    | `2025-11`                                   |
| quarter | `2025-Q4`    | `2025-10` (its first month)                 |

Partition keys stand in Dagster's storage for ever: their formats are never to be changed.
"""

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

import dagster as dg


class Grain(StrEnum):
    """The length of a period."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"


PERIOD_GRAINS = (Grain.WEEK, Grain.MONTH, Grain.QUARTER)
_ONE_DAY = timedelta(days=1)
_REACH = timedelta(days=7305)


@dataclass(frozen=True, order=True)
class Period:
    """One day, ISO week (Monday to Sunday), month or quarter; sorts by grain, then by time.

    `start` and `end` are both inside. Raises ValueError if they do not bound one whole period.
    """

    grain: Grain
    start: date
    end: date

    def __post_init__(self) -> None:
        if (self.start, self.end) != _bounds(self.grain, self.start):
            raise ValueError(f"{self.start} to {self.end} is not one whole {self.grain}")

    def __contains__(self, day: date) -> bool:
        return self.start <= day <= self.end

    @property
    def key(self) -> str:
        """The key for people, tables and the command line, such as `2025-W48`."""
        match self.grain:
            case Grain.WEEK:
                return self.start.strftime("%G-W%V")
            case Grain.QUARTER:
                return f"{self.start.year}-Q{self.start.month // 3 + 1}"
            case _:
                return self.partition_key

    @property
    def partition_key(self) -> str:
        """The key of the Dagster partition, such as `2025-W48-1`."""
        _, fmt = _CRON_AND_FORMAT[self.grain]
        return self.start.strftime(fmt)

    def days(self) -> list[date]:
        """Return its days in order."""
        return [self.start + n * _ONE_DAY for n in range((self.end - self.start).days + 1)]

    def previous(self) -> "Period":
        """Return the period that ends the day before this one starts."""
        return period_of(self.grain, self.start - _ONE_DAY)

    def next(self) -> "Period":
        """Return the period that starts the day after this one ends."""
        return period_of(self.grain, self.end + _ONE_DAY)


def period_of(grain: Grain, day: date) -> Period:
    """Return the period that holds a day. Raises TypeError for a datetime: an instant is no day."""
    return Period(grain, *_bounds(grain, day))


def period_key(grain: Grain, day: date) -> str:
    """Return the key of the period that holds a day."""
    return period_of(grain, day).key


def parse_period(grain: Grain, key: str) -> Period:
    """Return the period of a period key. Raises ValueError, with an example, if malformed."""
    return _parse(_KEYS[grain], grain, key)


def period_range(grain: Grain, key: str) -> tuple[date, date]:
    """Return first and last day of a period key. Raises ValueError if malformed."""
    period = parse_period(grain, key)
    return period.start, period.end


def period_from_partition(grain: Grain, partition_key: str) -> Period:
    """Return the period of a Dagster partition key. Raises ValueError if malformed."""
    return _parse(_PARTITION_KEYS[grain], grain, partition_key)


def periods_between(grain: Grain, first_day: date, last_day: date) -> list[Period]:
    """Return every period that overlaps the days, in order. Raises ValueError if swapped."""
    _require_order(first_day, last_day)
    periods = [period_of(grain, first_day)]
    while last_day > periods[-1].end:
        periods.append(periods[-1].next())
    return periods


def current_period(grain: Grain, now: datetime, timezone: str) -> Period:
    """Return the running period. Raises ValueError for a naive `now` or an unknown zone."""
    if now.utcoffset() is None:
        raise ValueError(f"now must have a time zone, got {now.isoformat()}")
    return period_of(grain, now.astimezone(_zone(timezone)).date())


def parse_date_or_period(text: str) -> tuple[date, date]:
    """Return first and last day of a date or a period key; its form tells which.

    `2025-10` is always the month, `2025-W48-1` the week that Dagster names so. Raises ValueError,
    with an example of each form, if malformed.
    """
    for grain, form in _KEYS.items():
        if re.fullmatch(form.pattern, text):
            return period_range(grain, text)
        if grain is Grain.WEEK and re.fullmatch(_PARTITION_KEYS[grain].pattern, text):
            week = period_from_partition(grain, text)
            return week.start, week.end
    examples = ", ".join(f"{form.example} ({grain})" for grain, form in _KEYS.items())
    raise ValueError(f"{text!r} is neither a date nor a period: expected one of {examples}")


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """The days an installation keeps, in one time zone, and Dagster's partitions of them.

    `history_end` is the last day of history; None leaves it open. Raises ValueError for an
    unknown time zone or bounds in the wrong order.
    """

    timezone: str = "Asia/Shanghai"
    history_start: date
    history_end: date | None = None

    def __post_init__(self) -> None:
        _zone(self.timezone)
        end = self.history_end or self.history_start
        _require_order(self.history_start, end, names=("CS_HISTORY_START", "CS_HISTORY_END"))

    def partitions(self, grain: Grain) -> dg.TimeWindowPartitionsDefinition:
        """Return the periods that overlap history as partitions.

        Days exist once they are over; weeks, months and quarters once they run, to be
        materialized early. (The first one shows a period too soon if history has yet to start.)
        """
        cron, fmt = _CRON_AND_FORMAT[grain]
        last = period_of(grain, self.history_end) if self.history_end else None
        return dg.TimeWindowPartitionsDefinition(
            start=period_of(grain, self.history_start).partition_key,
            # The end is exclusive, and end_offset never reaches beyond it.
            end=last.next().partition_key if last else None,
            cron_schedule=cron,
            fmt=fmt,
            timezone=self.timezone,
            end_offset=0 if grain == Grain.DAY else 1,
        )

    def days_of_period(self) -> dg.PartitionMapping:
        """Map a period to its days, without those before or after history or not yet over."""
        return _mapping(periods_before=0)

    def with_periods_before(self, periods: int) -> dg.PartitionMapping:
        """Map a period to itself and so many periods of its grain before it, as far as they are
        in history.
        """
        return _mapping(periods)

    def trailing(self, grain: Grain, days: int) -> dg.PartitionMapping:
        """Map a period to at least the last `days` days up to and including its own last day.

        Dagster reaches back by whole periods only: the mapping takes the fewest that always
        suffice, clamped at the start of history, and the reader filters to the exact days. A
        window that ends on an earlier as-of date, in a running period, begins earlier too: ask
        for up to a period's length less one more. Raises ValueError if `days` is below 1.
        """
        if days < 1:
            raise ValueError(f"a trailing window has at least 1 day, got {days}")
        return _mapping(periods_before=_periods_covering(grain, days) - 1)

    def since_start(self, grain: Grain) -> dg.PartitionMapping:
        """Map a period to all days of history up to and including its own last day.

        An open history is looked back on for 20 years at most; `require_reach` tells when that is
        too little.
        """
        last = self.history_end or self.history_start + _REACH
        return _mapping(len(periods_between(grain, self.history_start, last)))

    def require_reach(self, day: date) -> None:
        """Raise ValueError for a day to which `since_start` does not reach from the start."""
        if self.history_end is None and day > self.history_start + _REACH:
            raise ValueError(
                f"{day} lies more than 20 years after CS_HISTORY_START ({self.history_start}): the "
                "first days would be left out. Move CS_HISTORY_START, or set CS_HISTORY_END"
            )

    def clip(self, first: date, last: date) -> list[date]:
        """Return the days from `first` to `last`, all of which must be days of history.

        Raises ValueError, naming the bound that is crossed, if some or all of them are not.
        """
        faults = []
        if first < self.history_start:
            faults.append(f"begins before CS_HISTORY_START ({self.history_start})")
        if self.history_end is not None and last > self.history_end:
            faults.append(f"ends after CS_HISTORY_END ({self.history_end})")
        if faults:
            raise ValueError(f"{first} to {last} {' and '.join(faults)}")
        return [day.start for day in periods_between(Grain.DAY, first, last)]


class _Form(NamedTuple):
    """How a key is written; `iso` makes of it the ISO 8601 date of a day in the period."""

    pattern: str
    example: str
    iso: Callable[[str], str]


# [0-9] and not \d, which takes the digits of every script.
_KEYS = {
    Grain.DAY: _Form("[0-9]{4}-[0-9]{2}-[0-9]{2}", "2025-11-24", str),
    Grain.WEEK: _Form("[0-9]{4}-W[0-9]{2}", "2025-W48", "{}-1".format),
    Grain.MONTH: _Form("[0-9]{4}-[0-9]{2}", "2025-11", "{}-01".format),
    Grain.QUARTER: _Form("[0-9]{4}-Q[1-4]", "2025-Q4", lambda k: f"{k[:4]}-{3 * int(k[6]):02}-01"),
}
_PARTITION_KEYS = _KEYS | {
    Grain.WEEK: _Form("[0-9]{4}-W[0-9]{2}-1", "2025-W48-1", str),
    Grain.QUARTER: _Form("[0-9]{4}-(01|04|07|10)", "2025-10", "{}-01".format),
}
_CRON_AND_FORMAT = {
    Grain.DAY: ("0 0 * * *", "%Y-%m-%d"),
    Grain.WEEK: ("0 0 * * 1", "%G-W%V-%u"),
    Grain.MONTH: ("0 0 1 * *", "%Y-%m"),
    Grain.QUARTER: ("0 0 1 1,4,7,10 *", "%Y-%m"),
}


def _parse(form: _Form, grain: Grain, key: str) -> Period:
    expected = f"{key!r} is not a {grain}: expected the form {form.example}"
    if not re.fullmatch(form.pattern, key):
        raise ValueError(expected)
    try:
        return period_of(grain, date.fromisoformat(form.iso(key)))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{expected} ({error})") from error


def _bounds(grain: Grain, day: date) -> tuple[date, date]:
    _require_date(day)
    if grain == Grain.DAY:
        return day, day
    if grain == Grain.WEEK:
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=6)
    months = {Grain.MONTH: 1, Grain.QUARTER: 3}[grain]
    first = day.replace(month=day.month - (day.month - 1) % months, day=1)
    return first, (first + timedelta(days=31 * months)).replace(day=1) - _ONE_DAY


def _periods_covering(grain: Grain, days: int) -> int:
    """Return the most periods that the last `days` days of a period can touch."""
    if grain in (Grain.DAY, Grain.WEEK):
        return -(-days // (1 if grain == Grain.DAY else 7))
    # 2100 has no leap day, so nowhere do days reach over more periods than in the years around it.
    ends = [period.end for period in periods_between(grain, date(2097, 1, 1), date(2104, 12, 31))]
    return max(len(periods_between(grain, end - timedelta(days - 1), end)) for end in ends)


def _mapping(periods_before: int) -> dg.PartitionMapping:
    # The one parameter without which a week that began before history cannot be loaded is beta.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.TimeWindowPartitionMapping(
            start_offset=-periods_before, allow_nonexistent_upstream_partitions=True
        )


def _require_date(day: date) -> None:
    # A datetime is a date to Python, but its day depends on a zone that it may not even carry.
    if isinstance(day, datetime):
        raise TypeError(f"expected a local date, got the instant {day!r}")


def _require_order(first: date, last: date, names: tuple[str, str] = ("first", "last")) -> None:
    _require_date(first)
    _require_date(last)
    if first > last:
        raise ValueError(f"{names[0]} ({first}) lies after {names[1]} ({last})")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # OSError: a folder, such as "Asia"
        raise ValueError(f"unknown time zone {name!r}: expected one like Asia/Shanghai") from error
