"""The last 30 days of a score: days in poor health, and how steady it was.

Belongs here: what daily scores tell besides the forecast. Must not: scores.
"""

from collections.abc import Iterable
from datetime import date, timedelta

import ibis
import ibis.expr.types as ir

from cs_assets.health.forecast import CUSTOMER
from cs_assets.health.scoring import DIGITS

DAYS = 30
FEWEST_SCORES = 7
"""Fewer scores do not tell how steady a customer is."""
POOR = ("high", "critical")
"""Risk levels of poor health: those of the grades at_risk and critical."""
_WHOLE = 10**DIGITS


def recent(daily: ir.Table, as_ofs: Iterable[date]) -> ir.Table:
    """Return `days_in_poor_health` and `stability` by CUSTOMER and `as_of`, over DAYS to as_of.

    `daily` has the current daily scores. Both are null unless all of the tenant's days are there
    and something was known of the customer on each of its own; days before it became a customer
    are none of its days. Stability is 1 - 2 x population standard deviation: scores of 0..1 have
    at most 0.5.
    """
    windows = [
        {"as_of": day, "score_date": day - timedelta(days=back)}
        for day in sorted(set(as_ofs))
        for back in range(DAYS)
    ]
    wanted = ibis.memtable(windows, schema={"as_of": "date", "score_date": "date"})
    # the literal list is what files are left out by
    rows = daily.filter(daily.score_date.isin(sorted({row["score_date"] for row in windows})))
    rows = rows.inner_join(wanted, "score_date")
    loaded = rows.group_by(["tenant_id", "scorecard", "as_of"]).agg(
        loaded=rows.score_date.nunique()
    )
    # whole millionths add up to the same in any order
    millionths = (rows.overall * _WHOLE).round().cast("int64")
    found = rows.group_by([*CUSTOMER, "as_of"]).agg(
        days=rows.count(),
        known=rows.overall.count(),
        poor=rows.risk_level.isin(POOR).sum().fill_null(0),
        total=millionths.sum().cast("int64"),
        squares=(millionths * millionths).sum().cast("int64"),
    )
    found = found.inner_join(loaded, ["tenant_id", "scorecard", "as_of"])
    is_whole = (found.loaded == DAYS) & (found.known == found.days)
    variance = found.known * found.squares - found.total * found.total
    deviation = variance.cast("float64").sqrt() / found.known.nullif(0) / _WHOLE
    return found.select(
        *CUSTOMER,
        "as_of",
        days_in_poor_health=ibis.ifelse(is_whole, found.poor, ibis.null("int64")),
        stability=ibis.ifelse(
            is_whole & (found.known >= FEWEST_SCORES),
            (1 - 2 * deviation).clip(0, 1).round(DIGITS),
            ibis.null("float64"),
        ),
    )
