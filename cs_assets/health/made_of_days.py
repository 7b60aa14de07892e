"""Signals and scores of days, a few days at once, so that memory holds what they are made of.

Belongs here: in which parts days are computed. Must not: formulas (see `rated`, `alerts`), Dagster.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import ibis
import ibis.expr.types as ir

from cs_assets.health.alerts import signals
from cs_assets.health.bases import NOW, few_at_once, measured_periods
from cs_assets.health.contracts import THIRTY_DAYS_BEFORE
from cs_assets.health.measures import Facts
from cs_assets.health.rated import daily_scores, rated_customers
from cs_assets.health.rules import HealthRules
from cs_assets.periods import LoadedPeriod
from cs_assets.steps import counts_by_day
from cs_resources.duckdb_session import selects_fused
from cs_resources.staging import Stager

_BASES = (THIRTY_DAYS_BEFORE,)


@dataclass(frozen=True)
class MadeOfDays:
    """Rows of `risk_signals` and `daily_scores`; `customers` counts who was scored by day.

    `explained` are the signals and scores of the first days: what explains them explains all.
    """

    signals: ir.Table
    scores: ir.Table
    customers: dict[str, int]
    explained: tuple[ir.Table, ir.Table]


def made_of_days(
    stager: Stager, facts: Facts, days: Sequence[LoadedPeriod], first: date, rules: HealthRules
) -> MadeOfDays:
    """Compute everything that is made of days; `first` is the first day of history."""
    parts: list[tuple[ir.Table, ir.Table]] = []
    customers: dict[str, int] = {}
    for some in few_at_once(days, facts.customers, _BASES):
        is_explained = not parts  # to explain is to hold the measures
        of_days = measured_periods(facts, some, first, rules.features, _BASES)
        with selects_fused(True):  # the facts have many rows
            measured = stager.kept(of_days, "measured", is_explained)
        customers |= counts_by_day(measured.filter(measured.basis == NOW), "as_of")
        rated = rated_customers(measured, facts.sales, rules.alert_card)
        found, scored = signals(rated, rules.alerts), daily_scores(measured, rules.scorecards)
        parts.append(
            (
                stager.kept(found, "signals", is_explained),
                stager.kept(scored, "scores", is_explained),
            )
        )
    every_signal, every_score = (ibis.union(*tables) for tables in zip(*parts, strict=True))
    return MadeOfDays(every_signal, every_score, customers, explained=parts[0])
