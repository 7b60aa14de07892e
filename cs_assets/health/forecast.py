"""Forecasts: the score of each customer expected in 30 days, with the interval it should lie in.

Belongs here: from which changes the forecast learns, and what it says of a customer. Must not:
fitting (see `forecast_fit`), grading (see `forecast_accuracy`).

All customers under a scorecard are learnt from together: one of them has too few points. A change
over 30 days is expected from where the score stands and how it moved in the 30 days before. What
is said on a day is learnt from changes that had ended by that day, and from nothing later.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import ibis
import ibis.expr.types as ir

from cs_assets.health.scorecard import Scorecard
from cs_assets.health.scoring import DIGITS
from cs_assets.health.trend import difference

STEP_DAYS = 30
STEPS = 6
"""A forecast learns from changes that began 30, 60, … 180 days before it was made."""
SAMPLE_CUSTOMERS = 400
"""It learns from so many customers of a tenant at most: more change the coefficients little."""
LEVEL = 0.8
"""Share of the actual scores that the interval should hold."""
CUSTOMER = ("tenant_id", "customer_id", "scorecard")
LEARNERS = ("tenant_id", "scorecard", "forecast_date")
"""What shares one fit."""
COEFFICIENTS = {
    bound: tuple(f"{bound}_{part}" for part in ("base", "score", "change"))
    for bound in ("low", "middle", "high")
}
"""Columns of a fit: the quantiles of the change as base + score x score + change x change."""
FITS = ibis.schema(
    {
        "tenant_id": "string",
        "scorecard": "string",
        "forecast_date": "date",
        "pairs": "int64",
        **{name: "float64" for names in COEFFICIENTS.values() for name in names},
    }
)
_STEP = timedelta(days=STEP_DAYS)


def reach_days() -> int:
    """Return how many days up to as_of are read, so that the forecast 30 days before is graded."""
    return (STEPS + 2) * STEP_DAYS + 1


def made_on(as_ofs: Iterable[date]) -> list[date]:
    """Return the days whose forecasts periods ask for: those of as_of, and those due at as_of."""
    return sorted({day for as_of in as_ofs for day in (as_of, as_of - _STEP)})


def current(daily: ir.Table, cards: Sequence[Scorecard]) -> ir.Table:
    """Return the daily scores that were made by the scorecards in use."""
    in_use = [
        (daily.scorecard == card.name) & (daily.scorecard_fingerprint == card.fingerprint)
        for card in cards
    ]
    return daily.filter(ibis.or_(*in_use))


def pairs(daily: ir.Table, days: Iterable[date]) -> ir.Table:
    """Return what forecasts made on the days learn from: `score`, `change`, and `moved` after.

    One row per LEARNERS, customer and `start`; `daily` has the current daily scores, any days.
    """
    steps = [
        {"forecast_date": day, "start": day - step * _STEP}
        for day in sorted(set(days))
        for step in range(1, STEPS + 1)
    ]
    wanted = ibis.memtable(steps, schema={"forecast_date": "date", "start": "date"})
    learnt = _on(daily, {row["start"] + n * _STEP for row in steps for n in (-1, 0, 1)})
    sample = _sample(daily, {row["forecast_date"] for row in steps})
    learnt = learnt.semi_join(sample, CUSTOMER)
    later = learnt.select(*CUSTOMER, start=_shifted(learnt, -1), later="overall")
    rows = standing(learnt, {row["start"] for row in steps}).rename(start="forecast_date")
    rows = rows.inner_join(later, [*CUSTOMER, "start"]).inner_join(wanted, "start")
    rows = rows.semi_join(sample, [*CUSTOMER, "forecast_date"])
    rows = rows.mutate(moved=difference(rows.later, rows.score))
    return rows.filter(rows.moved.notnull()).select(
        *LEARNERS, "customer_id", "start", "score", "change", "moved"
    )


def standing(daily: ir.Table, days: Iterable[date]) -> ir.Table:
    """Return where customers stood on the days: `score`, and `change` over the 30 days before.

    One row per customer, scorecard and `forecast_date`, with `customer_type`; customers without
    both scores are left out.
    """
    days = set(days)
    then = _on(daily, days)
    before = _on(daily, {day - _STEP for day in days})
    before = before.select(*CUSTOMER, forecast_date=_shifted(before, 1), earlier="overall")
    then = then.select(*CUSTOMER, "customer_type", forecast_date="score_date", score="overall")
    rows = then.inner_join(before, [*CUSTOMER, "forecast_date"])
    rows = rows.mutate(change=difference(rows.score, rows.earlier))
    return rows.filter(rows.change.notnull()).drop("earlier")


def forecasts(stood: ir.Table, fits: Sequence[dict[str, Any]]) -> ir.Table:
    """Return `standing` with `forecast_30d`, `forecast_low` and `forecast_high`, 0..1.

    `fits` are rows of FITS; where there is none there is no forecast, and no row.
    """
    rows = stood.inner_join(ibis.memtable(fits, schema=FITS), LEARNERS)
    expected = {
        bound: _clipped(
            rows.score + rows[base] + rows[score] * rows.score + rows[change] * rows.change
        )
        for bound, (base, score, change) in COEFFICIENTS.items()
    }
    middle = expected["middle"]
    # quantiles are fitted one by one, and may cross where few customers are
    return rows.select(
        *stood.columns,
        forecast_30d=middle,
        forecast_low=ibis.least(expected["low"], middle),
        forecast_high=ibis.greatest(expected["high"], middle),
    )


def _clipped(score: ir.FloatingValue) -> ir.FloatingValue:
    return score.clip(0, 1).round(DIGITS)


def _on(daily: ir.Table, days: Iterable[date]) -> ir.Table:
    return daily.filter(daily.score_date.isin(sorted(days)))


def _shifted(daily: ir.Table, steps: int) -> ir.DateValue:
    return (daily.score_date + ibis.interval(days=steps * STEP_DAYS)).cast("date")


def _sample(daily: ir.Table, days: Iterable[date]) -> ir.Table:
    """Return the customers to learn from on each day: the first by the digest of their id."""
    rows = _on(daily, days).select(*CUSTOMER, forecast_date="score_date")
    first = ibis.window(
        group_by=LEARNERS, order_by=[rows.customer_id.hexdigest("md5"), rows.customer_id]
    )
    ranked = rows.mutate(place=ibis.row_number().over(first))
    return ranked.filter(ranked.place < SAMPLE_CUSTOMERS).drop("place")
