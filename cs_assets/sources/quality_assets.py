"""The quality of landed data as a Dagster asset by month.

Belongs here: inputs, figures. Must not: counting (see `quality`), what is asked (`quality_rules`).
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import ibis.expr.types as ir
import pandas as pd

from cs_assets.calendar import Calendar, Grain
from cs_assets.periods import LoadedPeriod
from cs_assets.results import Result
from cs_assets.sources.quality import Arrival, Counts, bad_counts, fact_counts, quality
from cs_assets.sources.quality_contracts import ALL, LANDED_QUALITY
from cs_assets.sources.quality_pictures import Locale, quality_picture
from cs_assets.sources.quality_rules import BY_NAME, Questions
from cs_assets.steps import nothing_loaded, period_figures, step_periods, zeros
from cs_assets.table_assets import days, table_asset
from cs_resources.landed_arrivals import Arrivals

ARRIVALS = "landing/arrivals"
"""The ledger of landed files among the inputs of a fingerprint."""


def quality_asset(
    calendar: Calendar, sources: Sequence[str], locale: Locale, tenant_id: str
) -> dg.AssetsDefinition:
    """Return the asset; `sources` are those that there are, `tenant_id` has rows without data."""
    asked = [BY_NAME[name] for name in BY_NAME if name in sources]
    facts = [own.rules.fact for own in asked]
    tables = [table for own in asked for table in (own.rules.fact, own.rules.quarantine)]

    @table_asset(
        LANDED_QUALITY,
        partitions=calendar.partitions(Grain.MONTH),
        ins={table.name: days(table, calendar.days_of_period()) for table in tables},
        resources=["arrivals"],
        outside=ARRIVALS,
        configuration=f"{','.join(sources)}/{tenant_id}",
    )
    def landed_quality(context: dg.AssetExecutionContext, **landed: ir.Table) -> Result:
        """Judge the landed rows of each source: complete, valid, consistent, in time."""
        periods = step_periods(context, Grain.MONTH, *facts)
        counts = [(own, _counts(context, own, landed, periods)) for own in asked]
        found = quality(counts, periods, tenant_id)
        figures = period_figures(periods, zeros(context) | _judged(found), "judged")
        return Result(
            found,
            figures=figures,
            refused=nothing_loaded(context, periods),
            picture=quality_picture(found, locale),
        )

    return landed_quality


def _counts(
    context: dg.AssetExecutionContext,
    own: Questions,
    landed: dict[str, ir.Table],
    periods: Sequence[LoadedPeriod],
) -> Counts:
    arrivals: Arrivals = context.resources.arrivals
    facts = _rows(fact_counts(own, landed[own.rules.fact.name]))
    bad = _rows(bad_counts(own, landed[own.rules.quarantine.name]))
    if own.rules.source.day is None:
        return Counts(facts, bad)
    loaded = [day for period in periods for day in period.loaded]
    return Counts(
        facts,
        bad,
        arrivals.read(own.name, loaded),
        [Arrival(*row) for row in arrivals.first(own.name, loaded)],
    )


def _judged(found: pd.DataFrame) -> dict[str, int]:
    whole = found[found["measure"] == ALL]
    sums = whole.groupby("period_key")["judged"].sum()
    return {LANDED_QUALITY.partition_key(key): int(count) for key, count in sums.items()}


def _rows(table: ir.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pyarrow().to_pylist()
    return rows
