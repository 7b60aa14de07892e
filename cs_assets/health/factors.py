"""Factors: what speaks for and against each customer, in words.

Belongs here: saying it. Must not: which dimensions they are (see `scoring.factors`).
"""

import ibis
import ibis.expr.types as ir

from cs_assets.health.advice_contracts import HEALTH_FACTOR
from cs_assets.health.contracts import OF_A_CUSTOMER, PREVIOUS_PERIOD
from cs_assets.health.health import Scored
from cs_assets.health.scorecard import Scorecard
from cs_assets.health.scoring import FALL, WEAKNESS, factors
from cs_assets.periods import COLUMNS

_SHOWN_DECIMALS = 2


def health_factors(now: Scored, before: Scored) -> ir.Table:
    """Return the columns of `customer_health_factor`.

    `now` has the scores at the as-of dates, `before` those at earlier days (`basis`), of the same
    scorecards in the same order.
    """
    pairs = zip(now, before, strict=True)
    return ibis.union(*(_of_card(card, rows, old) for (card, rows), (_, old) in pairs))


def _of_card(card: Scorecard, now: ir.Table, before: ir.Table) -> ir.Table:
    last = before.filter(before.basis == PREVIOUS_PERIOD)
    periods = now.select(*COLUMNS).distinct()
    found = factors(now, card, last, key=OF_A_CUSTOMER)
    titles = [
        {"dimension": name, "title_zh": part.title.zh, "title_en": part.title.en}
        for name, part in card.dimensions.items()
    ]
    schema = dict.fromkeys(("dimension", "title_zh", "title_en"), "string")
    named = found.inner_join(ibis.memtable(titles, schema=schema), "dimension")
    dated = named.inner_join(periods, ["period_type", "period_key"])
    fell = (dated.change < -FALL).fill_null(False)
    score, loss = _shown(dated.score), _shown(-dated.change)
    zh = ibis.cases(
        (dated.sign == "positive", dated.title_zh + "良好（" + score + "）"),
        (dated.score >= WEAKNESS, dated.title_zh + "较上期下降 " + loss + "（" + score + "）"),
        (fell, dated.title_zh + "偏低（" + score + "），较上期下降 " + loss),
        else_=dated.title_zh + "偏低（" + score + "）",
    )
    en = ibis.cases(
        (dated.sign == "positive", dated.title_en + " is good (" + score + ")"),
        (dated.score >= WEAKNESS, dated.title_en + " fell by " + loss + " (" + score + ")"),
        (fell, dated.title_en + " is low (" + score + ") and fell by " + loss),
        else_=dated.title_en + " is low (" + score + ")",
    )
    said = dated.mutate(scorecard=ibis.literal(card.name), text_zh=zh, text_en=en)
    return said.select(*HEALTH_FACTOR.column_names)


def _shown(value: ir.FloatingValue) -> ir.StringValue:
    return value.round(_SHOWN_DECIMALS).cast("string")
