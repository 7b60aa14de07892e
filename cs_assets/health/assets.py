"""The health system as Dagster assets by period.

Belongs here: measures, and putting the system together. Must not: formulas (see `measures`,
`scoring`, `trend`, `score_change`, `alerts`).
"""

import dagster as dg
import ibis
import ibis.expr.types as ir

from cs_assets.calendar import PERIOD_GRAINS, Calendar, Grain
from cs_assets.health.alert_assets import alert_assets
from cs_assets.health.bases import before, few_at_once, measured_periods, now
from cs_assets.health.contracts import CUSTOMER_MEASURES, CUSTOMER_MEASURES_BEFORE
from cs_assets.health.health_pictures import Locale
from cs_assets.health.report_assets import report_asset
from cs_assets.health.rules import HealthRules
from cs_assets.health.score_assets import score_assets
from cs_assets.health.trend_assets import trend_asset
from cs_assets.results import Result
from cs_assets.steps import (
    counts_by_partition,
    nothing_loaded,
    period_figures,
    step_periods,
    zeros,
)
from cs_assets.table_assets import all_days, table_asset
from cs_resources.staging import Stager


def health_assets(
    calendar: Calendar, rules: HealthRules, locale: Locale, tenant_id: str
) -> list[dg.AssetsDefinition]:
    """Return every asset of the system; `locale` is that of words in pictures and reports."""
    of_report = rules.of_report(locale, tenant_id)
    return [
        *(_customer_measures(calendar, grain, rules) for grain in PERIOD_GRAINS),
        *(asset for grain in PERIOD_GRAINS for asset in score_assets(calendar, grain, rules)),
        *alert_assets(calendar, rules),
        *(trend_asset(calendar, grain, rules, locale) for grain in PERIOD_GRAINS),
        *(report_asset(calendar, grain, rules.facts, of_report) for grain in PERIOD_GRAINS),
    ]


def _customer_measures(calendar: Calendar, grain: Grain, rules: HealthRules) -> dg.AssetsDefinition:
    contract = CUSTOMER_MEASURES.for_grain(grain)

    @table_asset(
        contract,
        CUSTOMER_MEASURES_BEFORE.for_grain(grain),
        partitions=calendar.partitions(grain),
        ins={fact.name: all_days(fact, calendar, grain) for fact in rules.facts},
        configuration=rules.of_measures,
    )
    def customer_measures_of_period(
        context: dg.AssetExecutionContext, **facts: ir.Table
    ) -> tuple[Result, Result]:
        """Measure the customers as of the periods' last loaded days, and at two earlier days."""
        stager: Stager = context.resources.storage.stager
        periods = step_periods(context, grain, *rules.facts)
        for period in periods:
            calendar.require_reach(period.as_of)
        named, first = rules.named(facts, calendar), calendar.history_start
        parts = [
            stager.kept(measured_periods(named, some, first, rules.features), "measured")
            for some in few_at_once(periods, named.customers)
        ]
        found = ibis.union(*parts)
        present, refused = now(found), nothing_loaded(context, periods)
        customers = zeros(context) | counts_by_partition(present, contract)
        return (
            Result(
                present,
                figures=period_figures(periods, customers, "customers"),
                refused=refused,
            ),
            Result(before(found), refused=refused),
        )

    return customer_measures_of_period
