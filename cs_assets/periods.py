"""Periods as a table, so that facts of any number of periods are aggregated in one query.

Belongs here: which days a period counts, as of when, and the columns every mart of periods carries.
Must not: reading anything, the clock.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import ibis
import ibis.expr.types as ir

from cs_assets.calendar import Period

SCHEMA = {
    "period_type": "string",
    "period_key": "string",
    "period_start": "date",
    "period_end": "date",
    "as_of": "date",
    "is_complete": "boolean",
}
COLUMNS = tuple(SCHEMA)


@dataclass(frozen=True)
class LoadedPeriod:
    """A period and the days of it whose facts were loaded; `as_of` is the last of them."""

    period: Period
    loaded: tuple[date, ...]

    @property
    def as_of(self) -> date:
        """Last day counted."""
        return self.loaded[-1]

    @property
    def is_complete(self) -> bool:
        """True when every day of the period was loaded."""
        return len(self.loaded) == len(self.period.days())

    @property
    def columns(self) -> dict[str, object]:
        """The values of COLUMNS."""
        period = self.period
        kept = (period.grain.value, period.key, period.start, period.end)
        return dict(zip(COLUMNS, (*kept, self.as_of, self.is_complete), strict=True))


def loaded_periods(periods: Iterable[Period], loaded: Sequence[date]) -> list[LoadedPeriod]:
    """Return the periods of which at least one day was loaded."""
    days = sorted(loaded)
    found = (
        LoadedPeriod(period, tuple(day for day in days if day in period)) for period in periods
    )
    return [period for period in found if period.loaded]


def period_days(periods: Sequence[LoadedPeriod]) -> ir.Table:
    """One row per period and loaded day: `day` and the period columns.

    Joined to facts by day; periods of one grain do not overlap, so no fact counts twice.
    """
    rows = [{"day": day, **item.columns} for item in periods for day in item.loaded]
    return ibis.memtable(rows, schema={"day": "date", **SCHEMA})
