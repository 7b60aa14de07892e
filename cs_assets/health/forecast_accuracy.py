"""How good forecasts were: what was expected 30 days ago against what came.

Belongs here: grading. Must not: forecasting (see `forecast`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import ibis
import ibis.expr.types as ir

from cs_assets.health.forecast import FITS, LEARNERS, LEVEL, STEP_DAYS
from cs_assets.health.forecast_contracts import EVERY_TYPE, FORECAST_ACCURACY
from cs_assets.health.scoring import DIGITS
from cs_assets.periods import COLUMNS
from cs_assets.sources.contracts import CUSTOMER_TYPES

_OF_A_CARD = ("tenant_id", "scorecard", "as_of")
_GRADED = (*_OF_A_CARD, "customer_type")
_WHOLE = 10**DIGITS


def graded(expected: ir.Table, now: ir.Table) -> ir.Table:
    """Put each forecast that came due beside the score that came: `error`, `no_change`, `within`.

    `expected` has the rows of `forecast.forecasts`, `now` those of `customer_health`. Errors are
    absolute, in whole millionths of the score. Of a customer without a score now nothing is graded.
    """
    due = expected.mutate(
        as_of=(expected.forecast_date + ibis.interval(days=STEP_DAYS)).cast("date")
    )
    actual = now.select(*_OF_A_CARD, "customer_id", "period_key", actual="overall")
    rows = due.inner_join(actual, [*_OF_A_CARD, "customer_id"])
    return rows.filter(rows.actual.notnull()).mutate(
        error=_millionths(rows.forecast_30d - rows.actual),
        no_change=_millionths(rows.score - rows.actual),
        within=(rows.forecast_low <= rows.actual) & (rows.actual <= rows.forecast_high),
    )


def accuracy(rows: ir.Table, now: ir.Table, fits: Sequence[Mapping[str, Any]]) -> ir.Table:
    """Return the columns of `forecast_accuracy`: each scorecard, every type alone and together.

    `rows` is what `graded` returns, `fits` what the forecasts were made by. Where nothing could be
    graded the row says so.
    """
    every = rows.mutate(customer_type=ibis.literal(EVERY_TYPE))
    errors = rows.union(every)
    errors = errors.group_by(_GRADED).agg(
        graded=errors.count(),
        error=errors.error.sum().cast("int64"),
        no_change=errors.no_change.sum().cast("int64"),
        inside=errors.within.sum(),
    )
    types = [{"customer_type": name} for name in (EVERY_TYPE, *CUSTOMER_TYPES)]
    cards = now.select("tenant_id", "scorecard", *COLUMNS).distinct()
    asked = cards.cross_join(ibis.memtable(types, schema={"customer_type": "string"}))
    found = asked.left_join(errors, _GRADED, rname="{name}_graded")
    found = found.mutate(forecast_date=(found.as_of - ibis.interval(days=STEP_DAYS)).cast("date"))
    found = found.left_join(_learnt(fits), LEARNERS, rname="{name}_fit")
    return found.mutate(
        fitted_pairs=found.pairs.fill_null(0),
        graded=found.graded.fill_null(0),
        mae=found.error / (found.graded * _WHOLE),
        mae_no_change=found.no_change / (found.graded * _WHOLE),
        skill=1 - found.error / found.no_change.nullif(0),
        interval_level=ibis.literal(LEVEL),
        within_rate=found.inside / found.graded,
        beats_no_change=found.error < found.no_change,
    ).select(*FORECAST_ACCURACY.column_names)


def _learnt(fits: Sequence[Mapping[str, Any]]) -> ir.Table:
    return ibis.memtable(list(fits), schema=FITS).select(*LEARNERS, "pairs")


def _millionths(difference: ir.FloatingValue) -> ir.IntegerValue:
    return (difference * _WHOLE).round().cast("int64").abs()
