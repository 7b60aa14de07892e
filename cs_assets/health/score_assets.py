"""Scores and what follows from them as Dagster assets by period.

Belongs here: names, inputs, totals, figures. Must not: formulas (see `health`, `factors`,
`recommendations`, `ledger`).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
import ibis.expr.types as ir

from cs_assets.calendar import Calendar, Grain
from cs_assets.health.advice_contracts import HEALTH_FACTOR, RECOMMENDATION
from cs_assets.health.contracts import CUSTOMER_MEASURES, CUSTOMER_MEASURES_BEFORE
from cs_assets.health.factors import health_factors
from cs_assets.health.health import health
from cs_assets.health.health_pictures import grades_picture
from cs_assets.health.ledger import ledger
from cs_assets.health.recommendations import recommendations
from cs_assets.health.rules import HealthRules
from cs_assets.health.score_contracts import CUSTOMER_HEALTH, HEALTH_CHANGE
from cs_assets.health.scoring import scores
from cs_assets.results import ExpectedTotal, Result
from cs_assets.steps import counts_by_partition, zeros
from cs_assets.table_assets import same, table_asset
from cs_resources.staging import Stager


def score_assets(calendar: Calendar, grain: Grain, rules: HealthRules) -> list[dg.AssetsDefinition]:
    """Return the assets of a grain that are made of measures by scorecards."""
    return [_health(calendar, grain, rules), _change(calendar, grain, rules)]


def _health(calendar: Calendar, grain: Grain, rules: HealthRules) -> dg.AssetsDefinition:
    measured = CUSTOMER_MEASURES.for_grain(grain)

    # in one step: scores are computed once, and tables that belong together are published together
    @table_asset(
        CUSTOMER_HEALTH.for_grain(grain),
        HEALTH_FACTOR.for_grain(grain),
        RECOMMENDATION.for_grain(grain),
        partitions=calendar.partitions(grain),
        ins=_now_and_before(grain),
        configuration=f"{rules.of_scores}/{rules.recommendations.fingerprint}",
        fuse_selects=False,
    )
    def customer_health_of_period(
        context: dg.AssetExecutionContext,
        customer_measures: ir.Table,
        customer_measures_before: ir.Table,
    ) -> tuple[Result, ...]:
        """Score the customers by every scorecard, say what speaks for and against them, and what
        to do.
        """
        stager: Stager = context.resources.storage.stager
        now, before = (
            [(card, stager.kept(scores(measures, card), card.name)) for card in rules.scorecards]
            for measures in (customer_measures, customer_measures_before)
        )
        customers = zeros(context) | counts_by_partition(customer_measures, measured)
        every = ExpectedTotal(
            "every customer under every scorecard",
            {key: rows * len(rules.scorecards) for key, rows in customers.items()},
        )
        found = stager.kept(health(now))
        counts = _counts(found)
        return (
            Result(
                found,
                totals=(every,),
                figures=_grades(counts, grain, customers),
                picture=grades_picture(counts, rules.scorecards),
            ),
            Result(health_factors(now, before)),
            Result(recommendations(now, rules.recommendations)),
        )

    return customer_health_of_period


def _change(calendar: Calendar, grain: Grain, rules: HealthRules) -> dg.AssetsDefinition:
    @table_asset(
        HEALTH_CHANGE.for_grain(grain),
        partitions=calendar.partitions(grain),
        ins=_now_and_before(grain),
        configuration=rules.of_scores,
        fuse_selects=False,
    )
    def health_change_of_period(
        context: dg.AssetExecutionContext,
        customer_measures: ir.Table,
        customer_measures_before: ir.Table,
    ) -> Result:
        """Break the change since the previous period down into its causes."""
        stager: Stager = context.resources.storage.stager
        found = ledger(customer_measures, customer_measures_before, rules.scorecards)
        return Result(stager.kept(found))

    return health_change_of_period


def _now_and_before(grain: Grain) -> dict[str, dg.AssetIn]:
    return {
        "customer_measures": same(CUSTOMER_MEASURES.for_grain(grain)),
        "customer_measures_before": same(CUSTOMER_MEASURES_BEFORE.for_grain(grain)),
    }


def _counts(found: ir.Table) -> list[dict[str, Any]]:
    """Count customers by period, scorecard and grade, in each scorecard the best grade first."""
    counted = found.group_by(["period_key", "as_of", "is_complete", "scorecard", "grade"]).agg(
        rows=found.count(), best=found.overall.max()
    )
    best_first = counted.order_by(["scorecard", counted.best.desc(nulls_first=False)])
    rows: list[dict[str, Any]] = best_first.to_pyarrow().to_pylist()
    return rows


def _grades(
    counts: Iterable[Mapping[str, Any]], grain: Grain, customers: Mapping[str, int]
) -> dict[str, dict[str, int | float | str]]:
    """Name each partition's period, as `period_figures` does, and the counts."""
    figures: dict[str, dict[str, int | float | str]] = {
        key: {"customers": rows} for key, rows in customers.items()
    }
    contract = CUSTOMER_HEALTH.for_grain(grain)
    for row in counts:
        key = contract.partition_key(row["period_key"])
        figures[key] |= {
            "period": row["period_key"],
            "as_of": str(row["as_of"]),
            "is_complete": str(row["is_complete"]).lower(),
        }
        figures[key][f"{row['scorecard']}: {row['grade'] or 'unknown'}"] = row["rows"]
    return figures
