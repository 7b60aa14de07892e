"""Curves: from a customer's measures to the score of one piece, 0..1 or null.

Belongs here: the vocabulary of `scorecard_parts` as expressions. Must not: weights, grades.

A piece is null whenever a measure it needs is: what is known never gets another score once the
rest becomes known, and so a score stays within its interval.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import pairwise
from operator import and_

import ibis
import ibis.expr.types as ir

from cs_assets.health.scorecard import ALL_TYPES, Scorecard
from cs_assets.health.scorecard_parts import Case, Piece, Score


def piece_scores(measures: ir.Table, card: Scorecard) -> ir.Table:
    """Add the score of every piece, 0..1 and null where it cannot be computed (`piece_column`)."""
    return measures.mutate(
        **{piece_column(d, name): _score(measures, card, piece) for d, name, piece in card.pieces()}
    )


def piece_column(dimension: str, piece: str) -> str:
    """Return the column of a piece's score."""
    return f"_piece_{dimension}.{piece}"


def by_type(measures: ir.Table, values: Mapping[str, float]) -> ir.FloatingValue:
    """Return the value of each customer's type; null for a type without one."""
    if ALL_TYPES in values:
        return _literal(values[ALL_TYPES])
    cases = [(measures.customer_type == name, _literal(value)) for name, value in values.items()]
    return ibis.cases(*cases, else_=_literal(None))


def _score(measures: ir.Table, card: Scorecard, piece: Piece) -> ir.FloatingValue:
    if piece.points:
        score = _linear(_input(measures, card, piece), piece.points)
    else:
        score = _looked_up(measures[piece.curve_inputs[0]], piece.values or {})
    for case in reversed(piece.cases):
        matches = _matches(measures, case)
        # a case of which it is unknown whether it matches leaves the score unknown
        score = ibis.cases(
            (matches.isnull(), _literal(None)), (matches, _literal(case.score)), else_=score
        )
    return score


def _input(measures: ir.Table, card: Scorecard, piece: Piece) -> ir.FloatingValue:
    value = measures[piece.curve_inputs[0]].cast("float64")
    if piece.ratio:
        whole = sum(measures[name].cast("float64") for name in piece.ratio.to)
        value = value / whole.nullif(0)
    if piece.benchmark:
        value = value / by_type(measures, card.benchmarks[piece.benchmark])
    return value


def _linear(x: ir.FloatingValue, points: Sequence[tuple[float, float]]) -> ir.FloatingValue:
    """Return straight lines between points, level outside; no line leaves its ends' heights."""
    (first, start), (last, end) = points[0], points[-1]
    pieces = [(x <= first, _literal(start))]
    for (x0, y0), (x1, y1) in pairwise(points):
        line = y0 + (x - x0) * (y1 - y0) / (x1 - x0)
        pieces.append((x <= x1, ibis.greatest(ibis.least(line, max(y0, y1)), min(y0, y1))))
    return ibis.cases(*pieces, (x > last, _literal(end)), else_=_literal(None))


def _looked_up(word: ir.StringValue, values: Mapping[str, Score]) -> ir.FloatingValue:
    cases = [(word == name, _literal(score)) for name, score in values.items()]
    return ibis.cases(*cases, else_=_literal(None))


def _matches(measures: ir.Table, case: Case) -> ir.BooleanValue:
    return reduce(and_, (measures[name] == value for name, value in case.when.items()))


def _literal(score: Score) -> ir.FloatingScalar:
    return ibis.literal(score, type="float64")
