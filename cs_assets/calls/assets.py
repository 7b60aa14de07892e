"""The calls system as Dagster assets.

Belongs here: reading and cleaning; what was said stands in `said_assets`, the periods in
`mart_assets`, the audit in `audit_assets`. Must not: arithmetic (see `turns`, `clean`).
"""

from typing import Any

import dagster as dg
import ibis.expr.types as ir

from cs_assets.calendar import Calendar, Grain
from cs_assets.calls import clean as cleaning
from cs_assets.calls.audit_assets import audit_assets
from cs_assets.calls.audit_rules import AuditRules, Locale
from cs_assets.calls.contracts import (
    CALL_RECORDS_CLEAN,
    CALL_RECORDS_QUARANTINE,
    CALL_RECORDS_RAW,
    CALL_TASKS,
    CALL_TURNS_RAW,
)
from cs_assets.calls.judge import Judge
from cs_assets.calls.mart_assets import period_assets
from cs_assets.calls.said_assets import said_assets
from cs_assets.calls.turns import numbered, unreadable
from cs_assets.calls.verdict_assets import verdict_assets
from cs_assets.quarantine import QuarantineLimit, counted_by_reason
from cs_assets.results import ExpectedTotal, Result
from cs_assets.steps import counts_by_day, figures_by_day, step_days, with_days_before, zeros
from cs_assets.table_assets import lookup, same, table_asset
from cs_resources.call_database import CallDatabase
from cs_resources.failures import RETRY
from cs_resources.figures import days_figure
from cs_resources.lake import Lake
from cs_resources.staging import Stager

_FROM_SOURCE: dict[str, Any] = {
    "resources": ["call_database"],
    # one reader at a time: the call database serves the dialler first
    "pool": "call_source",
    "retry_policy": RETRY,
}


def calls_assets(
    calendar: Calendar, judge: Judge, audit: AuditRules, limit: QuarantineLimit, locale: Locale
) -> list[dg.AssetsDefinition]:
    """Return every asset of the system for a calendar, a judge, its audit, a limit, a language."""
    day = calendar.partitions(Grain.DAY)
    return [
        _call_tasks(),
        _call_records_raw(day),
        _call_turns_raw(day),
        _call_records_clean(day, limit),
        *said_assets(day, judge),
        *period_assets(calendar),
        *verdict_assets(limit),
        *audit_assets(calendar, audit, judge.rules.keywords, locale),
    ]


def _call_tasks() -> dg.AssetsDefinition:
    @table_asset(CALL_TASKS, **_FROM_SOURCE)
    def call_tasks(context: dg.AssetExecutionContext) -> Result:
        """Read the names of all tasks."""
        return Result(context.resources.call_database.tasks())

    return call_tasks


def _call_records_raw(day: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    @table_asset(CALL_RECORDS_RAW, partitions=day, **_FROM_SOURCE)
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

    return call_records_raw


def _call_turns_raw(day: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    @table_asset(CALL_TURNS_RAW, partitions=day, **_FROM_SOURCE)
    def call_turns_raw(context: dg.AssetExecutionContext) -> Result:
        """Read the dialogue turns of the days' calls and number them within each dialogue."""
        source: CallDatabase = context.resources.call_database
        stager: Stager = context.resources.storage.stager
        wanted = step_days(context)
        lake: Lake = context.resources.storage.lake
        source.require_tables(lake.distinct(CALL_RECORDS_RAW, "source_table"), wanted)
        stream = source.turns(wanted, CALL_TURNS_RAW.schema.to_pyarrow())
        turns = stager.held(stream, CALL_TURNS_RAW)
        return Result(numbered(turns), figures=figures_by_day(unreadable(turns)))

    return call_turns_raw


def _call_records_clean(
    day: dg.PartitionsDefinition[str], limit: QuarantineLimit
) -> dg.AssetsDefinition:
    @table_asset(
        CALL_RECORDS_CLEAN,
        CALL_RECORDS_QUARANTINE,
        partitions=day,
        ins={
            "call_records_raw": same(CALL_RECORDS_RAW),
            "call_turns_raw": same(CALL_TURNS_RAW),
            "call_tasks": lookup(CALL_TASKS, "task_id", "call_records_raw", ["task_id"]),
        },
    )
    def call_records_clean(
        context: dg.AssetExecutionContext,
        call_records_raw: ir.Table,
        call_turns_raw: ir.Table,
        call_tasks: ir.Table,
    ) -> tuple[Result, Result]:
        """Sort the days' records into calls, duplicates and quarantine."""
        lazy = cleaning.judge(call_records_raw, call_tasks)
        judged = context.resources.storage.stager.kept(lazy)
        accounts = figures_by_day(cleaning.account(judged))
        calls = cleaning.clean(judged, call_turns_raw)
        read = zeros(context) | counts_by_day(call_records_raw)
        bad = zeros(context) | {day: item["quarantined"] for day, item in accounts.items()}
        kept = {
            day: rows - bad[day] - accounts[day]["duplicates"] if rows else 0
            for day, rows in read.items()
        }
        return (
            Result(
                calls,
                totals=(ExpectedTotal("rows read = clean + duplicates + quarantined", kept),),
                figures=accounts,
                refused=limit.refused(accounts),
                explains=cleaning.clean(lazy, call_turns_raw),
                picture=_calls_picture(context, calls),
            ),
            Result(
                cleaning.quarantine(judged),
                totals=(ExpectedTotal("every bad row is kept", bad),),
                figures=figures_by_day(counted_by_reason(judged, "call_date")),
                explains=cleaning.quarantine(lazy),
            ),
        )

    return call_records_clean


def _calls_picture(context: dg.AssetExecutionContext, calls: ir.Table) -> object:
    own = figures_by_day(cleaning.reached(calls))
    days = with_days_before(context, CALL_RECORDS_CLEAN, own, cleaning.reached)
    connected = [figures["connected"] for figures in days.values()]
    total = [figures["calls"] for figures in days.values()]
    missed = [all_ - some for all_, some in zip(total, connected, strict=True)]
    rate = [some / all_ if all_ else None for all_, some in zip(total, connected, strict=True)]
    bars = {"connected": connected, "not connected": missed}
    return days_figure("calls per day", list(days), bars, ("connect rate", rate))
