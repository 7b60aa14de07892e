"""Which partitions a tick asks for: pure functions of dates.

Belongs here: look-back, catching up, periods that a day touches. Must not: clocks, Dagster objects.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta

from cs_assets.calendar import Grain, Period, period_of

_DAY = timedelta(days=1)


def days_to_read(
    loaded: Collection[date],
    yesterday: date,
    history_start: date,
    look_back: int,
    catch_up: int,
) -> list[date]:
    """Return the days a nightly run reads: the look-back, and what was missed before it.

    Late rows make the last `look_back` days worth reading again. Days since the last loaded one are
    caught up for at most `catch_up` days; an installation that has never loaded anything starts
    with the look-back alone (its history is a backfill).
    """
    first = yesterday - (look_back - 1) * _DAY
    before = [day for day in loaded if day < first]
    if before:
        oldest = max(max(before) + _DAY, yesterday - (catch_up - 1) * _DAY)
        first = min(first, oldest)
    return day_range(max(first, history_start), yesterday)


def day_range(first: date, last: date) -> list[date]:
    """Return the days from first to last, both included; none if first is later."""
    return [first + offset * _DAY for offset in range((last - first).days + 1)]


def contiguous(days: Iterable[date]) -> list[tuple[date, date]]:
    """Return days as (first, last) ranges without gaps: what one run can take."""
    ranges: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if ranges and day - ranges[-1][1] == _DAY:
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges


def periods_touched(grain: Grain, days: Iterable[date]) -> list[Period]:
    """Return the periods that hold any of the days, oldest first."""
    return sorted({period_of(grain, day) for day in days}, key=lambda period: period.start)


def contiguous_periods(periods: Sequence[Period]) -> list[tuple[Period, Period]]:
    """Return periods as (first, last) ranges without gaps."""
    ranges: list[tuple[Period, Period]] = []
    for period in periods:
        if ranges and ranges[-1][1].next() == period:
            ranges[-1] = (ranges[-1][0], period)
        else:
            ranges.append((period, period))
    return ranges
