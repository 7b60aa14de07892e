"""What a step's partitions mean: its days, its periods, and counts by them.

Belongs here: small questions that every system's assets ask. Must not: publishing.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import dagster as dg
import ibis.expr.types as ir

from cs_assets.calendar import Grain, period_from_partition
from cs_assets.contracts import Contract
from cs_assets.periods import LoadedPeriod, loaded_periods

_PICTURE_DAYS = 30


def step_days(context: dg.AssetExecutionContext) -> list[date]:
    """Return the days of a step partitioned by day."""
    return [date.fromisoformat(key) for key in context.partition_keys]


def step_periods(
    context: dg.AssetExecutionContext, grain: Grain, *facts: Contract
) -> list[LoadedPeriod]:
    """Return the step's periods with the days of which every fact is loaded in the lake."""
    periods = [period_from_partition(grain, key) for key in context.partition_keys]
    days = [str(day) for period in periods for day in period.days()]
    lake = context.resources.storage.lake
    published = [set(lake.published(fact, days)) for fact in facts]
    return loaded_periods(
        periods, [date.fromisoformat(day) for day in set.intersection(*published)]
    )


def period_figures(
    periods: Sequence[LoadedPeriod], counts: Mapping[str, int], name: str
) -> dict[str, dict[str, int | str]]:
    """Return what is worth seeing of each period: as-of date, whether it is whole, a count."""
    return {
        item.period.partition_key: {
            "period": item.period.key,
            "as_of": str(item.as_of),
            "is_complete": str(item.is_complete).lower(),
            name: counts[item.period.partition_key],
        }
        for item in periods
    }


def nothing_loaded(
    context: dg.AssetExecutionContext, periods: Sequence[LoadedPeriod]
) -> dict[str, str]:
    """Map the step's partitions of which no day was loaded to the reason why they are refused."""
    loaded = {item.period.partition_key for item in periods}
    return {
        key: "no day of the period is loaded yet; materialize its days first"
        for key in context.partition_keys
        if key not in loaded
    }


def zeros(context: dg.AssetExecutionContext) -> dict[str, int]:
    """Map every partition of the step to 0: a partition without rows counts none."""
    return dict.fromkeys(context.partition_keys, 0)


def counts_by_day(table: ir.Table, day: str = "call_date") -> dict[str, int]:
    """Count a table's rows by day (ISO dates)."""
    counts = table.group_by(day).agg(rows=table.count()).to_pyarrow().to_pylist()
    return {str(row[day]): row["rows"] for row in counts}


def counts_by_partition(table: ir.Table, contract: Contract) -> dict[str, int]:
    """Count the rows of a contract's table by Dagster partition key."""
    column = contract.partition_column
    if column is None:
        raise ValueError(f"{contract.asset_name} has no partitions")
    return {contract.partition_key(day): rows for day, rows in counts_by_day(table, column).items()}


def figures_by_day(table: ir.Table, day: str = "call_date") -> dict[str, dict[str, Any]]:
    """Turn rows of figures into a mapping by day; (day, reason, rows) become named figures."""
    figures: dict[str, dict[str, Any]] = {}
    for row in table.to_pyarrow().to_pylist():
        values = {name: value for name, value in row.items() if name != day}
        if set(values) == {"reason", "rows"}:
            values = {values["reason"]: values["rows"]}
        figures.setdefault(str(row[day]), {}).update(values)
    return figures


def with_days_before(
    context: dg.AssetExecutionContext,
    contract: Contract,
    own: Mapping[str, dict[str, Any]],
    measure: Callable[[ir.Table], ir.Table],
) -> dict[date, dict[str, Any]]:
    """Return `own` figures by day, after the same `measure` of published days: 30 days in all."""
    last = date.fromisoformat(max(context.partition_keys))
    window = [last - timedelta(days=back) for back in range(_PICTURE_DAYS)]
    before = [str(day) for day in window if str(day) not in context.partition_keys]
    lake = context.resources.storage.lake
    published = sorted(lake.published(contract, before))
    figures = figures_by_day(measure(context.resources.storage.read(contract, published)))
    wanted = {**figures, **{day: own[day] for day in own if date.fromisoformat(day) in window}}
    return {date.fromisoformat(day): wanted[day] for day in sorted(wanted)}


def rows_by_period(table: ir.Table, periods: Sequence[LoadedPeriod]) -> dict[str, int]:
    """Count a fact's rows by period (Dagster partition keys)."""
    by_day = counts_by_day(table)
    return {
        item.period.partition_key: sum(by_day.get(str(day), 0) for day in item.loaded)
        for item in periods
    }
