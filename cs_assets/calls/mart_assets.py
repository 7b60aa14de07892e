"""The marts of periods, as Dagster assets of three grains from one definition each.

Belongs here: names, partitions, inputs, the totals that must agree. Must not: formulas (see
`portraits`).
"""

import dagster as dg
import ibis.expr.types as ir

from cs_assets.calendar import PERIOD_GRAINS, Calendar, Grain
from cs_assets.calls.contracts import CALL_RECORDS_CLEAN, CALL_TASKS
from cs_assets.calls.enriched import with_sentiment
from cs_assets.calls.mart_contracts import PORTRAIT_SNAPSHOT, TASK_SUMMARY
from cs_assets.calls.portraits import customer_totals, portrait_snapshot, task_summary
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT
from cs_assets.periods import period_days
from cs_assets.results import ExpectedTotal, Result
from cs_assets.steps import (
    nothing_loaded,
    period_figures,
    rows_by_period,
    step_periods,
    zeros,
)
from cs_assets.table_assets import days, lookup, table_asset
from cs_resources.warehouse import Warehouse


def period_assets(calendar: Calendar) -> list[dg.AssetsDefinition]:
    """Return snapshots and summaries by week, month and quarter."""
    return [
        build(calendar, grain)
        for grain in PERIOD_GRAINS
        for build in (_portrait_snapshot, _task_summary)
    ]


def _calls_of_period(calendar: Calendar) -> dict[str, dg.AssetIn]:
    mapping = calendar.days_of_period()
    return {
        "call_records_clean": days(CALL_RECORDS_CLEAN, mapping),
        "call_sentiment": days(CALL_SENTIMENT, mapping),
    }


def _portrait_snapshot(calendar: Calendar, grain: Grain) -> dg.AssetsDefinition:
    @table_asset(
        PORTRAIT_SNAPSHOT.for_grain(grain),
        partitions=calendar.partitions(grain),
        ins=_calls_of_period(calendar),
    )
    def portrait_snapshot_of_period(
        context: dg.AssetExecutionContext, call_records_clean: ir.Table, call_sentiment: ir.Table
    ) -> Result:
        """Aggregate the periods' calls by customer and task."""
        periods = step_periods(context, grain, CALL_RECORDS_CLEAN, CALL_SENTIMENT)
        calls = with_sentiment(call_records_clean, call_sentiment)
        counted = zeros(context) | rows_by_period(call_records_clean, periods)
        return Result(
            portrait_snapshot(customer_totals(calls, period_days(periods))),
            totals=(ExpectedTotal("calls are conserved", counted, column="total_calls"),),
            figures=period_figures(periods, counted, "calls"),
            refused=nothing_loaded(context, periods),
        )

    return portrait_snapshot_of_period


def _task_summary(calendar: Calendar, grain: Grain) -> dg.AssetsDefinition:
    snapshot = PORTRAIT_SNAPSHOT.for_grain(grain)

    @table_asset(
        TASK_SUMMARY.for_grain(grain),
        partitions=calendar.partitions(grain),
        ins={
            **_calls_of_period(calendar),
            "call_tasks": lookup(
                CALL_TASKS, "task_id", "call_records_clean", ["task_id", "task_name"]
            ),
        },
        deps=[dg.AssetDep(snapshot.asset_key)],
    )
    def task_summary_of_period(
        context: dg.AssetExecutionContext,
        call_records_clean: ir.Table,
        call_sentiment: ir.Table,
        call_tasks: ir.Table,
    ) -> Result:
        """Aggregate the periods' calls by task; the totals must be those of the snapshots."""
        periods = step_periods(context, grain, CALL_RECORDS_CLEAN, CALL_SENTIMENT)
        calls = with_sentiment(call_records_clean, call_sentiment)
        counted = zeros(context) | rows_by_period(call_records_clean, periods)
        warehouse: Warehouse = context.resources.storage.warehouse
        snapshots = warehouse.published(snapshot, context.partition_keys)
        customers = {key: version.rows for key, version in snapshots.items()}
        called = {key: warehouse.total(snapshot, "total_calls", key) for key in snapshots}
        again = f"as in {snapshot.name} (materialize that first)"
        return Result(
            task_summary(customer_totals(calls, period_days(periods)), call_tasks),
            totals=(
                ExpectedTotal("calls are conserved", counted, column="total_calls"),
                ExpectedTotal(f"calls {again}", called, column="total_calls"),
                ExpectedTotal(f"customers {again}", customers, column="total_customers"),
            ),
            figures=period_figures(periods, counted, "calls"),
            refused=nothing_loaded(context, periods),
        )

    return task_summary_of_period
