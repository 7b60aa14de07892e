"""Scores and signals by day, and alerts by period, as Dagster assets.

Belongs here: names, inputs, figures. Must not: conditions (see `alerts`).
"""

import dagster as dg
import ibis.expr.types as ir

from cs_assets.calendar import PERIOD_GRAINS, Calendar, Grain
from cs_assets.health.alert_contracts import RISK_ALERT, RISK_SIGNALS
from cs_assets.health.alerts import open_alerts
from cs_assets.health.forecast_contracts import DAILY_SCORES
from cs_assets.health.made_of_days import made_of_days
from cs_assets.health.rules import HealthRules
from cs_assets.periods import period_days
from cs_assets.results import ExpectedTotal, Result
from cs_assets.steps import (
    counts_by_partition,
    nothing_loaded,
    period_figures,
    step_periods,
    zeros,
)
from cs_assets.table_assets import all_days, table_asset
from cs_resources.staging import Stager
from cs_resources.storage import Storage


def alert_assets(calendar: Calendar, rules: HealthRules) -> list[dg.AssetsDefinition]:
    """Return what is made of each day, and the alerts open in each week, month and quarter."""
    return [
        _risk_signals(calendar, rules),
        *(_risk_alerts(calendar, grain) for grain in PERIOD_GRAINS),
    ]


def _risk_signals(calendar: Calendar, rules: HealthRules) -> dg.AssetsDefinition:
    # in one step: measuring the customers is the dear part of both
    @table_asset(
        RISK_SIGNALS,
        DAILY_SCORES,
        partitions=calendar.partitions(Grain.DAY),
        ins={fact.name: all_days(fact, calendar, Grain.DAY) for fact in rules.facts},
        configuration=rules.of_days,
        fuse_selects=False,
    )
    def risk_signals_and_scores(
        context: dg.AssetExecutionContext, **facts: ir.Table
    ) -> tuple[Result, Result]:
        """Score the customers on the days, and find those for whom a rule of alerts holds."""
        stager: Stager = context.resources.storage.stager
        days = step_periods(context, Grain.DAY, *rules.facts)
        for day in days:
            calendar.require_reach(day.as_of)
        made = made_of_days(
            stager, rules.named(facts, calendar), days, calendar.history_start, rules
        )
        refused = nothing_loaded(context, days)
        every = ExpectedTotal(
            "every customer under every scorecard",
            {
                day: rows * len(rules.scorecards)
                for day, rows in (zeros(context) | made.customers).items()
            },
        )
        return (
            Result(
                made.signals,
                figures=_counted(context, made.signals),
                refused=refused,
                explains=made.explained[0],
            ),
            Result(made.scores, totals=(every,), refused=refused, explains=made.explained[1]),
        )

    return risk_signals_and_scores


def _counted(
    context: dg.AssetExecutionContext, found: ir.Table
) -> dict[str, dict[str, int | float | str]]:
    """Count signals by day, in all and by rule."""
    figures: dict[str, dict[str, int | float | str]] = {
        key: {"signals": rows}
        for key, rows in (zeros(context) | counts_by_partition(found, RISK_SIGNALS)).items()
    }
    by_rule = found.group_by(["signal_date", "rule"]).agg(rows=found.count())
    for row in by_rule.to_pyarrow().to_pylist():
        figures[RISK_SIGNALS.partition_key(row["signal_date"])][row["rule"]] = row["rows"]
    return figures


def _risk_alerts(calendar: Calendar, grain: Grain) -> dg.AssetsDefinition:
    contract = RISK_ALERT.for_grain(grain)

    @table_asset(
        contract,
        partitions=calendar.partitions(grain),
        ins={"risk_signals": all_days(RISK_SIGNALS, calendar, grain)},
    )
    def risk_alerts_of_period(context: dg.AssetExecutionContext, risk_signals: ir.Table) -> Result:
        """List the alerts that are open at the periods' as-of dates."""
        storage: Storage = context.resources.storage
        periods = step_periods(context, grain, RISK_SIGNALS)
        days = period_days(periods)
        found = storage.stager.kept(open_alerts(risk_signals, days.drop("day").distinct()))
        counts = zeros(context) | counts_by_partition(found, contract)
        return Result(
            found,
            figures=period_figures(periods, counts, "alerts"),
            refused=nothing_loaded(context, periods),
        )

    return risk_alerts_of_period
