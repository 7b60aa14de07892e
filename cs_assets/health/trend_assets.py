"""Trends, forecasts and their accuracy as Dagster assets by period.

Belongs here: names, inputs, totals, figures. Must not: formulas (see `trend`, `recent`, `forecast`,
`forecast_accuracy`).
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
import ibis.expr.types as ir

from cs_assets.calendar import Calendar, Grain, period_from_partition
from cs_assets.contracts import Contract
from cs_assets.health.contracts import CUSTOMER_MEASURES_BEFORE, OF_A_CARD
from cs_assets.health.forecast import (
    current,
    forecasts,
    made_on,
    pairs,
    reach_days,
    standing,
)
from cs_assets.health.forecast_accuracy import accuracy, graded
from cs_assets.health.forecast_contracts import DAILY_SCORES, EVERY_TYPE, FORECAST_ACCURACY
from cs_assets.health.forecast_fit import fit
from cs_assets.health.health import health
from cs_assets.health.health_pictures import (
    PERIODS,
    Locale,
    forecast_words,
    forecasts_picture,
    movement_table,
)
from cs_assets.health.recent import recent
from cs_assets.health.rules import HealthRules
from cs_assets.health.score_contracts import CUSTOMER_HEALTH, HEALTH_TREND
from cs_assets.health.scoring import scores
from cs_assets.health.trend import changes, trend
from cs_assets.results import ExpectedTotal, Result
from cs_assets.steps import counts_by_partition, zeros
from cs_assets.table_assets import days, same, table_asset
from cs_resources.staging import Stager
from cs_resources.storage import Storage

_LONGEST = {Grain.WEEK: 7, Grain.MONTH: 31, Grain.QUARTER: 92}
"""Days by which as_of may lie before the end of a running period, and one more."""


def trend_asset(
    calendar: Calendar, grain: Grain, rules: HealthRules, locale: Locale
) -> dg.AssetsDefinition:
    """Return the asset of a grain's trends, with the forecasts and how good the last were."""
    contract, scored = FORECAST_ACCURACY.for_grain(grain), CUSTOMER_HEALTH.for_grain(grain)
    reach = calendar.trailing(grain, reach_days() + _LONGEST[grain] - 1)

    # in one step: the forecasts that are graded are fitted as those that are made
    @table_asset(
        HEALTH_TREND.for_grain(grain),
        contract,
        partitions=calendar.partitions(grain),
        ins={
            "customer_health": same(scored),
            "customer_measures_before": same(CUSTOMER_MEASURES_BEFORE.for_grain(grain)),
            "daily_scores": days(DAILY_SCORES, reach),
        },
        configuration=rules.of_scores,
        fuse_selects=False,
    )
    def health_trend_of_period(
        context: dg.AssetExecutionContext,
        customer_health: ir.Table,
        customer_measures_before: ir.Table,
        daily_scores: ir.Table,
    ) -> tuple[Result, Result]:
        """Say where customers come from and where they are heading, and grade what was said."""
        earlier = health(
            [(card, scores(customer_measures_before, card)) for card in rules.scorecards]
        )
        daily = current(daily_scores, rules.scorecards)
        ahead = _fitted(context.resources.storage.stager, daily, _dates(customer_health))
        return (
            _trend(context, scored, customer_health, earlier, ahead, rules, locale),
            _graded(context, contract, customer_health, ahead, locale),
        )

    return health_trend_of_period


@dataclass(frozen=True)
class _Ahead:
    """What the step's daily scores make expected, and by which fits."""

    daily: ir.Table
    as_ofs: list[date]
    fits: list[dict[str, Any]]
    expected: ir.Table


def _fitted(stager: Stager, daily: ir.Table, as_ofs: list[date]) -> _Ahead:
    fits = fit(pairs(daily, made_on(as_ofs)).to_pyarrow().to_pandas())
    expected = forecasts(standing(daily, made_on(as_ofs)), fits)
    return _Ahead(daily, as_ofs, fits, stager.kept(expected, "forecasts"))


def _trend(
    context: dg.AssetExecutionContext,
    scored: Contract,
    customer_health: ir.Table,
    earlier: ir.Table,
    ahead: _Ahead,
    rules: HealthRules,
    locale: Locale,
) -> Result:
    """Return the rows of health_trend; `earlier` has the scores of the earlier days."""
    stager: Stager = context.resources.storage.stager
    changed = stager.kept(changes(customer_health, earlier), "changes")
    lately = stager.kept(recent(ahead.daily, ahead.as_ofs), "recent")
    found = stager.kept(trend(changed, lately, ahead.expected))
    rows = counts_by_partition(customer_health, scored)
    grades = customer_health.select(*OF_A_CARD, "grade")
    return Result(
        found,
        totals=(ExpectedTotal("every score of the period", zeros(context) | rows),),
        picture=movement_table(
            _moved(found.inner_join(grades, OF_A_CARD)), rules.scorecards, locale
        ),
    )


def _graded(
    context: dg.AssetExecutionContext,
    contract: Contract,
    customer_health: ir.Table,
    ahead: _Ahead,
    locale: Locale,
) -> Result:
    """Return the rows of forecast_accuracy: what was said 30 days ago, beside what came."""
    stager: Stager = context.resources.storage.stager
    due = stager.kept(graded(ahead.expected, customer_health), "graded")
    judged = stager.kept(accuracy(due, customer_health, ahead.fits))
    counts = zeros(context) | counts_by_partition(due, contract)
    twice = ExpectedTotal(
        "every graded forecast in its type and in all",
        {key: 2 * rows for key, rows in counts.items()},
        column="graded",
    )
    return Result(
        judged,
        totals=(twice,),
        figures=_words(judged, contract, locale),
        picture=forecasts_picture([*_periods_before(context, contract), *_rows(judged)], locale),
    )


def _dates(customer_health: ir.Table) -> list[date]:
    found = customer_health.select("as_of").distinct().to_pyarrow()["as_of"].to_pylist()
    return sorted(found)


def _moved(rows: ir.Table) -> list[dict[str, Any]]:
    by = ["period_key", "scorecard", "previous_grade", "grade"]
    return _rows(rows.group_by(by).agg(rows=rows.count()))


def _words(
    judged: ir.Table, contract: Contract, locale: Locale
) -> dict[str, dict[str, int | float | str]]:
    """Say for each partition and scorecard whether the forecast beats expecting no change."""
    figures: dict[str, dict[str, int | float | str]] = {}
    for row in sorted(_rows(judged), key=lambda row: (row["tenant_id"], row["scorecard"])):
        if row["customer_type"] == EVERY_TYPE:
            own = figures.setdefault(contract.partition_key(row["period_key"]), {})
            own[f"{row['tenant_id']} {row['scorecard']}"] = forecast_words(row, locale)
    return figures


def _periods_before(context: dg.AssetExecutionContext, contract: Contract) -> list[dict[str, Any]]:
    """Return what was published of the periods before those of the step."""
    storage: Storage = context.resources.storage
    period = period_from_partition(contract.grain or Grain.DAY, min(context.partition_keys))
    keys = [(period := period.previous()).partition_key for _ in range(PERIODS)]
    published = sorted(storage.warehouse.published(contract, keys))
    rows: list[dict[str, Any]] = storage.stream(contract, published).read_all().to_pylist()
    return rows


def _rows(table: ir.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pyarrow().to_pylist()
    return rows
