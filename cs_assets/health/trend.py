"""Trends: a customer's score against that of the previous period and of 30 days before.

Belongs here: differences of scores and what they are called, beside the last 30 days and the
forecast. Must not: scores (see `scoring`), how those are made (see `recent`, `forecast`).
"""

import ibis
import ibis.expr.types as ir

from cs_assets.health.contracts import OF_A_CARD, PREVIOUS_PERIOD, THIRTY_DAYS_BEFORE
from cs_assets.health.score_contracts import DIRECTIONS, HEALTH_TREND

STABLE = 0.03
"""A change over 30 days of exactly this much, up or down, is still stable."""
_DECIMALS = 6
_OF_A_DAY = ("tenant_id", "customer_id", "scorecard", "as_of")


def changes(now: ir.Table, before: ir.Table) -> ir.Table:
    """Add to `now` what moved since the earlier days: the columns of `health_trend` but OUTLOOK.

    `now` has the scores at the as-of dates, `before` those at the earlier days (`basis`). What
    was unknown then, or is now, makes the change unknown.
    """
    old = _at(before, THIRTY_DAYS_BEFORE, score_30d_ago="overall")
    last = _at(before, PREVIOUS_PERIOD, previous_score="overall", previous_grade="grade")
    rows = now.left_join(old, OF_A_CARD, rname="{name}_old")
    rows = rows.left_join(last, OF_A_CARD, rname="{name}_last")
    change_30d = difference(rows.overall, rows.score_30d_ago)
    improving, stable, declining = DIRECTIONS
    return rows.mutate(
        change=difference(rows.overall, rows.previous_score),
        change_30d=change_30d,
        change_rate=change_30d / rows.score_30d_ago.nullif(0),
        direction=ibis.cases(
            (change_30d.isnull(), ibis.null("string")),
            (change_30d > STABLE, improving),
            (change_30d < -STABLE, declining),
            else_=stable,
        ),
    )


def trend(changed: ir.Table, recent: ir.Table, forecasts: ir.Table) -> ir.Table:
    """Return the columns of `health_trend`.

    `changed` is what `changes` returns, `recent` and `forecasts` what `recent.recent` and
    `forecast.forecasts` return for the as-of dates.
    """
    rows = changed.left_join(recent, _OF_A_DAY, rname="{name}_recent")
    expected = forecasts.rename(as_of="forecast_date")
    rows = rows.left_join(expected, _OF_A_DAY, rname="{name}_expected")
    return rows.select(*HEALTH_TREND.column_names)


def difference(score: ir.FloatingValue, earlier: ir.FloatingValue) -> ir.FloatingValue:
    """Subtract scores: they have six decimals, and so has this, whatever binary fractions make."""
    return (score - earlier).round(_DECIMALS)


def _at(before: ir.Table, basis: str, **columns: str) -> ir.Table:
    rows = before.filter(before.basis == basis)
    return rows.select(*OF_A_CARD, **{new: rows[old] for new, old in columns.items()})
