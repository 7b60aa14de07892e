"""The days at which a period's customers are measured: its as-of date, and two earlier days.

Belongs here: which days, and putting their measures beside the period. Must not: formulas.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import ibis
import ibis.expr.types as ir

from cs_assets.health.contracts import (
    BASES,
    CUSTOMER_MEASURES,
    CUSTOMER_MEASURES_BEFORE,
    PREVIOUS_PERIOD,
    THIRTY_DAYS_BEFORE,
)
from cs_assets.periods import SCHEMA, LoadedPeriod

NOW = "as_of"
_THIRTY_DAYS = timedelta(days=30)


def days_to_measure(
    periods: Iterable[LoadedPeriod], first: date, bases: Sequence[str] = BASES
) -> ir.Table:
    """One row per period and day at which it is measured: `basis`, `basis_date`, period columns.

    `basis` is `as_of` or one of `bases`; days before the `first` day of history are left out.
    """
    rows = [
        {"basis": basis, "basis_date": day, **period.columns}
        for period in periods
        for basis, day in _days(period).items()
        if day >= first and basis in (NOW, *bases)
    ]
    return ibis.memtable(rows, schema={"basis": "string", "basis_date": "date", **SCHEMA})


def _days(period: LoadedPeriod) -> dict[str, date]:
    return {
        NOW: period.as_of,
        THIRTY_DAYS_BEFORE: period.as_of - _THIRTY_DAYS,
        PREVIOUS_PERIOD: period.period.previous().end,
    }


def by_period(measured: ir.Table, wanted: ir.Table) -> ir.Table:
    """Put measures (one row per `as_of` and customer) beside every period that wants their day."""
    found = measured.rename(measured_at="as_of")
    return wanted.inner_join(found, wanted.basis_date == found.measured_at)


def now(measured: ir.Table) -> ir.Table:
    """Return the measures at the periods' as-of dates, of what `by_period` returns."""
    return measured.filter(measured.basis == NOW).select(*CUSTOMER_MEASURES.column_names)


def before(measured: ir.Table) -> ir.Table:
    """Return the measures at the earlier days, of what `by_period` returns."""
    return measured.filter(measured.basis != NOW).select(*CUSTOMER_MEASURES_BEFORE.column_names)
