"""Health scores: from measures to scores, grades and how sure they are.

Belongs here: weighing, missing data, grading, factors. Must not: curves (see `scorecard_curves`),
comparing periods measure by measure (see `score_change`).

Only arithmetic within a row: no order of rows or number of threads changes a figure.
"""

from collections.abc import Iterable, Sequence

import ibis
import ibis.expr.types as ir

from cs_assets.health.contracts import MEASURES
from cs_assets.health.scorecard import Scorecard
from cs_assets.health.scorecard_curves import by_type, piece_column, piece_scores
from cs_assets.health.scorecard_parts import Grade

DIGITS = 6
"""Decimals of every published score of 0..1."""
STRENGTH = 0.8
WEAKNESS = 0.6
FALL = 0.05
CUSTOMER_KEY = ("tenant_id", "customer_id")


def scores(measures: ir.Table, card: Scorecard) -> ir.Table:
    """Score every customer by a scorecard.

    `measures` has `customer_type` and the measures that the card reads, one row per thing to score.
    Every column that is no measure is kept; added are `overall`, `<dimension>_score`, `coverage`
    (share of weight with data), `score_low` and `score_high` (the score if all that is missing were
    0, or 1), all 0..1 with 6 decimals, and `is_certain`, `grade`, `risk_level`. A dimension without
    data is null; a customer without any has no overall score, no grade, and the interval 0..1.
    """
    weighed = _weighed(measures, card)
    overall = weighed.overall.round(DIGITS)
    is_whole = weighed.missing == 0
    # rounding must neither open an interval nor leave the score outside
    low = ibis.ifelse(is_whole, overall, ibis.least(weighed.known.round(DIGITS), overall))
    high = (weighed.known + weighed.missing).round(DIGITS)
    high = ibis.ifelse(is_whole, overall, ibis.greatest(high, overall))
    scored = weighed.mutate(
        overall=overall,
        coverage=(1 - weighed.missing).round(DIGITS).clip(0, 1),
        score_low=low.clip(0, 1),
        score_high=high.clip(0, 1),
        **{column: weighed[column].round(DIGITS) for column in card.score_columns.values()},
    )
    return scored.mutate(
        is_certain=scored.overall.notnull()
        & (_band(scored.score_low, card, "name") == _band(scored.score_high, card, "name")),
        grade=_band(scored.overall, card, "name"),
        risk_level=_band(scored.overall, card, "risk_level"),
    ).drop("known", "missing")


def contributions(scored: ir.Table, card: Scorecard) -> dict[str, ir.FloatingValue]:
    """Return by dimension what it contributes to the overall score of `scores`; null: no data.

    A dimension's score times its share of the weight with data: they sum to the overall score,
    but for the rounding of either.
    """
    weights = {
        name: _weight(scored, card, name) * scored[column].notnull().cast("int8")
        for name, column in card.score_columns.items()
    }
    whole = sum(weights.values()).nullif(0)
    return {
        name: weight * scored[card.score_columns[name]] / whole for name, weight in weights.items()
    }


def published(score: ir.FloatingValue, card: Scorecard) -> ir.FloatingValue:
    """Return a score in the scorecard's own scale, 0..1 or 0..100."""
    # 0..100 has two decimals less, and as many digits
    return score if card.scale == 1 else (score * card.scale).round(DIGITS - 2)


def factors(
    after: ir.Table,
    card: Scorecard,
    before: ir.Table | None = None,
    key: Sequence[str] = CUSTOMER_KEY,
) -> ir.Table:
    """Return what speaks for and against each customer, one row per key, dimension and sign.

    `after` and `before` are scores, one row per key. `sign` is positive for a dimension of 0.8
    or more, negative for one below 0.6 or fallen by more than 0.05; a high score that fell is both.
    `change` is null for a customer or dimension without an earlier score.
    """
    now = _by_dimension(after, card, key)
    if before is None:
        compared = now.mutate(change=ibis.null("float64"))
    else:
        own = [*key, "dimension"]
        earlier = _by_dimension(before, card, key).rename(earlier="score")
        joined = now.left_join(earlier, own)
        compared = joined.select(
            *own, "score", change=(joined.score - joined.earlier).round(DIGITS)
        )
    fell = (compared.change < -FALL).fill_null(False)
    strong = compared.filter(compared.score >= STRENGTH).mutate(sign=ibis.literal("positive"))
    weak = compared.filter((compared.score < WEAKNESS) | fell).mutate(sign=ibis.literal("negative"))
    return strong.union(weak).select(*key, "dimension", "sign", "score", "change")


def _weighed(measures: ir.Table, card: Scorecard) -> ir.Table:
    """Replace measures by unrounded scores and the weights, as written, with and without data."""
    kept = [name for name in measures.columns if name not in {m.name for m in MEASURES}]
    pieces = piece_scores(measures, card)
    weighed = pieces.mutate(
        **{_weight_column(name): _weight(pieces, card, name) for name in card.dimensions},
        **{
            card.score_columns[name]: _mean(
                (pieces[piece_column(name, piece)], ibis.literal(given.weight))
                for piece, given in dimension.pieces.items()
            )
            for name, dimension in card.dimensions.items()
        },
    )
    known, missing = ibis.literal(0.0), ibis.literal(0.0)
    for dimension, name, piece in card.pieces():
        score = weighed[piece_column(dimension, name)]
        weight = weighed[_weight_column(dimension)] * piece.weight
        known += weight * score.fill_null(0)
        missing += ibis.ifelse(score.isnull(), weight, 0)
    return weighed.select(
        *kept,
        _mean(
            (weighed[column], weighed[_weight_column(name)])
            for name, column in card.score_columns.items()
        ).name("overall"),
        *card.score_columns.values(),
        known=known,
        missing=missing,
    )


def _weight_column(dimension: str) -> str:
    return f"_weight_{dimension}"


def _weight(customers: ir.Table, card: Scorecard, dimension: str) -> ir.FloatingValue:
    return by_type(customers, {kind: own[dimension] for kind, own in card.weights.items()})


def _mean(weighted: Iterable[tuple[ir.FloatingValue, ir.FloatingValue]]) -> ir.FloatingValue:
    """Return the mean of scores by their weights, over those that exist; null if none does."""
    total, whole = ibis.literal(0.0), ibis.literal(0.0)
    for score, weight in weighted:
        total += weight * score.fill_null(0)
        whole += ibis.ifelse(score.isnull(), 0, weight)
    return total / whole.nullif(0)


def _band(score: ir.FloatingValue, card: Scorecard, field: str) -> ir.StringValue:
    falling: list[Grade] = sorted(card.grades, key=lambda grade: grade.from_, reverse=True)
    return ibis.cases(
        *((score >= grade.from_, getattr(grade, field)) for grade in falling),
        else_=ibis.null("string"),
    )


def _by_dimension(scored: ir.Table, card: Scorecard, key: Sequence[str]) -> ir.Table:
    """Return one row per customer and dimension with a score."""
    parts = [
        scored.select(*key, dimension=ibis.literal(name), score=scored[column])
        for name, column in card.score_columns.items()
    ]
    return ibis.union(*parts).filter(lambda table: table.score.notnull())
