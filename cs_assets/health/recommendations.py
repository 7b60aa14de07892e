"""Recommendations: what to do for whom, and in which order.

Belongs here: matching actions to scores. Must not: the actions (see `recommendation_rules`).
"""

import ibis
import ibis.expr.types as ir

from cs_assets.health.advice_contracts import ACTION, RECOMMENDATION, STANDING
from cs_assets.health.contracts import OF_A_CARD
from cs_assets.health.health import Scored
from cs_assets.health.recommendation_rules import RecommendationRules, Texts
from cs_assets.health.scorecard import Scorecard
from cs_assets.health.scorecard_curves import by_type
from cs_assets.health.scoring import DIGITS
from cs_assets.periods import COLUMNS

_PERIOD = tuple(name for name in COLUMNS if name not in OF_A_CARD)
_TEXTS = {"action": "string", "text_zh": "string", "text_en": "string"}


def recommendations(now: Scored, rules: RecommendationRules) -> ir.Table:
    """Return the columns of `customer_recommendation` for scores at the as-of dates."""
    parts = []
    for card, rows in now:
        scored = rows.mutate(scorecard=ibis.literal(card.name))
        parts += [_actions(scored, card, rules), _standing(scored, rules)]
    return ibis.union(*parts)


def _actions(scored: ir.Table, card: Scorecard, rules: RecommendationRules) -> ir.Table:
    weak = ibis.union(*(_of_dimension(scored, card, name, rules) for name in card.dimensions))
    found = weak.filter(weak.action.notnull() & (weak.score_to_win > 0))
    own = ibis.window(
        group_by=OF_A_CARD, order_by=[found.score_to_win.desc(), found.dimension.asc()]
    )
    ranked = found.mutate(rank=ibis.row_number().over(own) + 1)
    texts = [{"action": action.id, **_texts(action.text)} for action in rules.actions]
    said = ranked.inner_join(ibis.memtable(texts, schema=_TEXTS), "action")
    first = said.filter(said["rank"] <= rules.at_most)
    return first.mutate(kind=ibis.literal(ACTION)).select(*RECOMMENDATION.column_names)


def _of_dimension(
    scored: ir.Table, card: Scorecard, name: str, rules: RecommendationRules
) -> ir.Table:
    score = scored[card.score_columns[name]]
    weight = by_type(scored, {type_: own[name] for type_, own in card.weights.items()})
    fitting = [
        ((score < action.below) & scored.customer_type.isin(action.customer_types), action.id)
        for action in rules.actions
        if action.dimension == name
    ]
    nothing = ibis.null("string")
    return scored.mutate(
        dimension=ibis.literal(name),
        score=score,
        score_to_win=(weight * (1 - score)).round(DIGITS),
        action=ibis.cases(*fitting, else_=nothing) if fitting else nothing,
    ).select(*OF_A_CARD, *_PERIOD, "dimension", "score", "score_to_win", "action")


def _standing(scored: ir.Table, rules: RecommendationRules) -> ir.Table:
    rows = [
        {"grade": grade, "rank": rank, "action": action.id, **_texts(action.text)}
        for grade, actions in rules.standing.items()
        for rank, action in enumerate(actions, start=1)
    ]
    actions = ibis.memtable(rows, schema={"grade": "string", "rank": "int64", **_TEXTS})
    return (
        scored.inner_join(actions, "grade")
        .mutate(
            kind=ibis.literal(STANDING),
            dimension=ibis.null("string"),
            score=ibis.null("float64"),
            score_to_win=ibis.null("float64"),
        )
        .select(*RECOMMENDATION.column_names)
    )


def _texts(texts: Texts) -> dict[str, str]:
    return {"text_zh": texts.zh, "text_en": texts.en}
