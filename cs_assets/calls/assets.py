"""The calls system as Dagster assets.

Belongs here: names, partitions, inputs, figures. Must not: arithmetic (see `turns`, `clean`,
`enriched`, `portraits`).
"""

import dagster as dg
import ibis.expr.types as ir

from cs_assets.calendar import PERIOD_GRAINS, Calendar, Grain
from cs_assets.calls import clean as cleaning
from cs_assets.calls.contracts import (
    CALL_RECORDS_CLEAN,
    CALL_RECORDS_QUARANTINE,
    CALL_RECORDS_RAW,
    CALL_TASKS,
    CALL_TURNS_RAW,
)
from cs_assets.calls.enriched import enriched
from cs_assets.calls.mart_contracts import CALL_RECORD_ENRICHED, PORTRAIT_SNAPSHOT, TASK_SUMMARY
from cs_assets.calls.portraits import customer_totals, portrait_snapshot, task_summary
from cs_assets.calls.turns import numbered
from cs_assets.periods import period_days
from cs_assets.results import ExpectedTotal, Result
from cs_assets.steps import (
    counts_by_day,
    figures_by_day,
    nothing_loaded,
    rows_by_period,
    step_days,
    step_periods,
    zeros,
)
from cs_assets.table_assets import days, same, table_asset
from cs_resources.call_database import CallDatabase
from cs_resources.lake import Lake
from cs_resources.staging import Stager
from cs_resources.warehouse import Warehouse

_SOURCE_POOL = "call_source"


def calls_assets(calendar: Calendar) -> list[dg.AssetsDefinition]:
    """Return every asset of the system for a calendar."""
    marts = [
        build(calendar, grain)
        for grain in PERIOD_GRAINS
        for build in (_portrait_snapshot, _task_summary)
    ]
    return [_call_tasks(), *_facts(calendar.partitions(Grain.DAY)), *marts]


def _call_tasks() -> dg.AssetsDefinition:
    @table_asset(CALL_TASKS, resources=["call_database"], pool=_SOURCE_POOL)
    def call_tasks(context: dg.AssetExecutionContext) -> Result:
        """Read the names of all tasks."""
        return Result(context.resources.call_database.tasks())

    return call_tasks


def _facts(day: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    @table_asset(CALL_RECORDS_RAW, partitions=day, resources=["call_database"], pool=_SOURCE_POOL)
    def call_records_raw(context: dg.AssetExecutionContext) -> Result:
        """Read the days' call records from every monthly table that can hold them."""
        source: CallDatabase = context.resources.call_database
        wanted = step_days(context)
        lake: Lake = context.resources.storage.lake
        source.require_tables(lake.distinct(CALL_RECORDS_RAW, "source_table"), wanted)
        absent = ", ".join(source.months_without_table(wanted[0], wanted[-1])) or "none"
        return Result(
            source.records(wanted, CALL_RECORDS_RAW.schema.to_pyarrow()),
            figures={key: {"months_without_table": absent} for key in context.partition_keys},
        )

    @table_asset(CALL_TURNS_RAW, partitions=day, resources=["call_database"], pool=_SOURCE_POOL)
    def call_turns_raw(context: dg.AssetExecutionContext) -> Result:
        """Read the dialogue turns of the days' calls and number them within each dialogue."""
        source: CallDatabase = context.resources.call_database
        stager: Stager = context.resources.storage.stager
        stream = source.turns(step_days(context), CALL_TURNS_RAW.schema.to_pyarrow())
        return Result(numbered(stager.held(stream, CALL_TURNS_RAW)))

    @table_asset(
        CALL_RECORDS_CLEAN,
        CALL_RECORDS_QUARANTINE,
        partitions=day,
        ins={
            "call_records_raw": same(CALL_RECORDS_RAW),
            "call_turns_raw": same(CALL_TURNS_RAW),
            "call_tasks": same(CALL_TASKS),
        },
    )
    def call_records_clean(
        context: dg.AssetExecutionContext,
        call_records_raw: ir.Table,
        call_turns_raw: ir.Table,
        call_tasks: ir.Table,
    ) -> tuple[Result, Result]:
        """Sort the days' records into calls, duplicates and quarantine."""
        judged = cleaning.judge(call_records_raw, call_tasks).cache()
        accounts = figures_by_day(cleaning.account(judged))
        read = zeros(context) | counts_by_day(call_records_raw)
        bad = zeros(context) | {day: item["quarantined"] for day, item in accounts.items()}
        kept = {
            day: rows - bad[day] - accounts[day]["duplicates"] if rows else 0
            for day, rows in read.items()
        }
        return (
            Result(
                cleaning.clean(judged, call_turns_raw),
                totals=(ExpectedTotal("rows read = clean + duplicates + quarantined", kept),),
                figures=accounts,
            ),
            Result(
                cleaning.quarantine(judged),
                totals=(ExpectedTotal("every bad row is kept", bad),),
                figures=figures_by_day(cleaning.reasons(judged)),
            ),
        )

    @table_asset(
        CALL_RECORD_ENRICHED,
        partitions=day,
        ins={"call_records_clean": same(CALL_RECORDS_CLEAN)},
    )
    def call_record_enriched(
        context: dg.AssetExecutionContext, call_records_clean: ir.Table
    ) -> Result:
        """Publish the days' calls with their sentiment to the warehouse."""
        rows = zeros(context) | counts_by_day(call_records_clean)
        return Result(
            enriched(call_records_clean), totals=(ExpectedTotal("every call is there", rows),)
        )

    return [call_records_raw, call_turns_raw, call_records_clean, call_record_enriched]


def _portrait_snapshot(calendar: Calendar, grain: Grain) -> dg.AssetsDefinition:
    @table_asset(
        PORTRAIT_SNAPSHOT.for_grain(grain),
        partitions=calendar.partitions(grain),
        ins={"call_records_clean": days(CALL_RECORDS_CLEAN, calendar.days_of_period())},
    )
    def portrait_snapshot_of_period(
        context: dg.AssetExecutionContext, call_records_clean: ir.Table
    ) -> Result:
        """Aggregate the periods' calls by customer and task."""
        periods = step_periods(context, grain, CALL_RECORDS_CLEAN)
        totals = customer_totals(call_records_clean, period_days(periods))
        calls = zeros(context) | rows_by_period(call_records_clean, periods)
        return Result(
            portrait_snapshot(totals),
            totals=(ExpectedTotal("calls are conserved", calls, column="total_calls"),),
            refused=nothing_loaded(context, periods),
        )

    return portrait_snapshot_of_period


def _task_summary(calendar: Calendar, grain: Grain) -> dg.AssetsDefinition:
    snapshot = PORTRAIT_SNAPSHOT.for_grain(grain)

    @table_asset(
        TASK_SUMMARY.for_grain(grain),
        partitions=calendar.partitions(grain),
        ins={
            "call_records_clean": days(CALL_RECORDS_CLEAN, calendar.days_of_period()),
            "call_tasks": same(CALL_TASKS),
        },
        deps=[dg.AssetDep(snapshot.asset_key)],
    )
    def task_summary_of_period(
        context: dg.AssetExecutionContext, call_records_clean: ir.Table, call_tasks: ir.Table
    ) -> Result:
        """Aggregate the periods' calls by task; the totals must be those of the snapshots."""
        periods = step_periods(context, grain, CALL_RECORDS_CLEAN)
        totals = customer_totals(call_records_clean, period_days(periods))
        calls = zeros(context) | rows_by_period(call_records_clean, periods)
        warehouse: Warehouse = context.resources.storage.warehouse
        snapshots = warehouse.published(snapshot, context.partition_keys)
        customers = {key: version.rows for key, version in snapshots.items()}
        counted = {key: warehouse.total(snapshot, "total_calls", key) for key in snapshots}
        again = f"as in {snapshot.name} (materialize that first)"
        return Result(
            task_summary(totals, call_tasks),
            totals=(
                ExpectedTotal("calls are conserved", calls, column="total_calls"),
                ExpectedTotal(f"calls {again}", counted, column="total_calls"),
                ExpectedTotal(f"customers {again}", customers, column="total_customers"),
            ),
            refused=nothing_loaded(context, periods),
        )

    return task_summary_of_period
