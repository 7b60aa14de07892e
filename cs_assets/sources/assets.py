"""The landed facts as Dagster assets: each with its quarantine, made in one step, by day.

Belongs here: which files and customers a step reads, figures, totals. Must not: judging rows (see
`judging`, `rules`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg
import ibis.expr.types as ir

from cs_assets.calendar import Calendar, Grain
from cs_assets.contracts import Contract
from cs_assets.quarantine import QuarantineLimit, counted_by_reason
from cs_assets.results import ExpectedTotal, Result
from cs_assets.sources import judging, rules
from cs_assets.sources.contracts import CUSTOMERS_RAW
from cs_assets.sources.judging import SourceRules
from cs_assets.sources.quality_assets import quality_asset
from cs_assets.sources.quality_pictures import Locale
from cs_assets.steps import figures_by_day, step_days, zeros
from cs_assets.table_assets import same, table_asset
from cs_resources.landed_sources import LandedRows, LandedSources


def outside_name(source: str) -> str:
    """Name a landed source among the inputs of a fingerprint."""
    return f"landing/{source}"


def source_of(table: Contract) -> str:
    """Return the landed source of a fact or of its quarantine."""
    return next(own.source.name for own in rules.ALL if table in (own.fact, own.quarantine))


def source_assets(
    calendar: Calendar,
    limit: QuarantineLimit,
    sources: Sequence[str],
    locale: Locale,
    tenant_id: str,
) -> list[dg.AssetsDefinition]:
    """Return the landed facts, their quarantines, and how good those of `sources` are."""
    others = (own for own in rules.ALL if own is not rules.CUSTOMERS)
    return [
        _customers(calendar, limit),
        *(_of_customers(own, calendar, limit) for own in others),
        quality_asset(calendar, sources, locale, tenant_id),
    ]


def _customers(calendar: Calendar, limit: QuarantineLimit) -> dg.AssetsDefinition:
    own = rules.CUSTOMERS

    @table_asset(
        own.fact,
        own.quarantine,
        partitions=calendar.partitions(Grain.DAY),
        resources=["landed"],
        outside=outside_name(own.source.name),
    )
    def customers_raw(context: dg.AssetExecutionContext) -> tuple[Result, Result]:
        """Read the customer snapshot of each day and sort its rows."""
        return _sorted_out(context, own, limit)

    return customers_raw


def _of_customers(
    own: SourceRules, calendar: Calendar, limit: QuarantineLimit
) -> dg.AssetsDefinition:
    @table_asset(
        own.fact,
        own.quarantine,
        partitions=calendar.partitions(Grain.DAY),
        ins={"customers_raw": same(CUSTOMERS_RAW)},
        resources=["landed"],
        outside=outside_name(own.source.name),
    )
    def landed_fact(
        context: dg.AssetExecutionContext, customers_raw: ir.Table
    ) -> tuple[Result, Result]:
        """Read the days' rows from every landed file that holds some, and sort them."""
        _tell_of_rows_outside(context, own, calendar)
        return _sorted_out(context, own, limit, customers_raw)

    return landed_fact


def _tell_of_rows_outside(
    context: dg.AssetExecutionContext, own: SourceRules, calendar: Calendar
) -> None:
    """Warn of rows that no partition holds: they count nowhere, but they do not vanish unsaid."""
    landed: LandedSources = context.resources.landed
    first, last = calendar.history_start, calendar.history_end
    if rows := landed.outside(own.source.name, first, last):
        context.log.warning(
            f"{own.source.name}: {rows} landed rows are dated outside of history ({first} to "
            f"{last or 'now'}) and count nowhere; move CS_HISTORY_START or CS_HISTORY_END if they "
            "should"
        )


def _sorted_out(
    context: dg.AssetExecutionContext,
    own: SourceRules,
    limit: QuarantineLimit,
    customers: ir.Table | None = None,
) -> tuple[Result, Result]:
    """Give every landed row of the step's days its fate."""
    landed: LandedSources = context.resources.landed
    rows = landed.rows(own.source.name, step_days(context))
    used = _without_repeats(own, rows)
    lazy = judging.judge(used, rows.table, customers)
    judged = context.resources.storage.stager.kept(lazy)
    accounts = figures_by_day(judging.account(judged, own), own.day)
    reasons = figures_by_day(counted_by_reason(judged, own.day), own.day)
    read = zeros(context) | {str(day): count for day, count in rows.read.items()}
    bad = zeros(context) | {day: counts["quarantined"] for day, counts in accounts.items()}
    repeats = zeros(context) | {day: counts["duplicates"] for day, counts in accounts.items()}
    kept = {day: count - bad[day] - repeats[day] for day, count in read.items()}
    return (
        Result(
            judging.fact(judged, own),
            totals=(ExpectedTotal("rows read = loaded + duplicates + quarantined", kept),),
            figures=_figures(rows, accounts),
            refused=limit.refused(accounts),
            explains=judging.fact(lazy, own),
        ),
        Result(
            judging.quarantine(judged, own),
            totals=(ExpectedTotal("every bad row is kept", bad),),
            figures=reasons,
            explains=judging.quarantine(lazy, own),
        ),
    )


def _without_repeats(own: SourceRules, rows: LandedRows) -> SourceRules:
    """Spare the search for rows that several files hold where no two files share a day."""
    is_shared = any(count > 1 for count in rows.files.values())
    if own.repeats is judging.most_in_one_file and not is_shared:
        return replace(own, repeats=judging.never)
    return own


def _figures(
    rows: LandedRows, accounts: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, int | float | str]]:
    files = {str(day): count for day, count in rows.files.items()}
    return {day: {**counts, "files": files[day]} for day, counts in accounts.items()}
