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
from cs_assets.health.features import Features
from cs_assets.health.measures import Facts, measures
from cs_assets.periods import SCHEMA, LoadedPeriod

NOW = "as_of"
MEASURED_AT_ONCE = 1_500_000
"""Customers times days: what is made of more does not fit into DuckDB's memory as installed."""
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


def few_at_once(
    periods: Sequence[LoadedPeriod], customers: ir.Table, bases: Sequence[str] = BASES
) -> list[Sequence[LoadedPeriod]]:
    """Split periods into runs that are measured one after another, each of a period at least.

    `customers` has the snapshots of the as-of dates. Without periods there is one run, of none.
    """
    snapshots = customers.filter(customers.snapshot_date.isin([item.as_of for item in periods]))
    counted = snapshots.group_by("snapshot_date").agg(rows=snapshots.count())
    most = counted.rows.max().to_pyarrow().as_py() or 1
    size = max(1, MEASURED_AT_ONCE // (most * (1 + len(bases))))
    return [periods[start : start + size] for start in range(0, len(periods), size)] or [periods]


def _days(period: LoadedPeriod) -> dict[str, date]:
    return {
        NOW: period.as_of,
        THIRTY_DAYS_BEFORE: period.as_of - _THIRTY_DAYS,
        PREVIOUS_PERIOD: period.period.previous().end,
    }


def measured_periods(
    facts: Facts,
    periods: Sequence[LoadedPeriod],
    first: date,
    features: Features,
    bases: Sequence[str] = BASES,
) -> ir.Table:
    """Return measures beside every period that wants their day: `days_to_measure` and `measures`.

    `first` is the first day of history.
    """
    wanted = days_to_measure(periods, first, bases)
    as_ofs = wanted.select(as_of="basis_date").distinct()
    found = measures(facts, as_ofs, features).rename(measured_at="as_of")
    return wanted.inner_join(found, wanted.basis_date == found.measured_at)


def now(measured: ir.Table) -> ir.Table:
    """Return the measures at the periods' as-of dates, of what `measured_periods` returns."""
    return measured.filter(measured.basis == NOW).select(*CUSTOMER_MEASURES.column_names)


def before(measured: ir.Table) -> ir.Table:
    """Return the measures at the earlier days, of what `measured_periods` returns."""
    return measured.filter(measured.basis != NOW).select(*CUSTOMER_MEASURES_BEFORE.column_names)
