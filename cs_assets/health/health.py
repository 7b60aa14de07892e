"""Health: the scores of all scorecards as one table.

Belongs here: putting scorecards' scores into common columns. Must not: scores (see `scoring`).
"""

from collections.abc import Sequence
from typing import TypeAlias

import ibis
import ibis.expr.types as ir

from cs_assets.health.score_contracts import CUSTOMER_HEALTH, DIMENSIONS
from cs_assets.health.scorecard import Scorecard
from cs_assets.health.scoring import published

Scored: TypeAlias = Sequence[tuple[Scorecard, ir.Table]]
"""Scorecards, each with its scores (`scoring.scores`), in periods."""


def health(scored: Scored) -> ir.Table:
    """Return one row per score, in the columns of `customer_health`; `basis` is kept."""
    return ibis.union(*(_of_card(card, rows) for card, rows in scored))


def _of_card(card: Scorecard, rows: ir.Table) -> ir.Table:
    own = card.score_columns
    dimensions = ibis.struct({name: rows[column] for name, column in own.items()})
    return rows.mutate(
        scorecard=ibis.literal(card.name),
        scorecard_fingerprint=ibis.literal(card.fingerprint),
        published_score=published(rows.overall, card),
        dimension_scores=dimensions.cast("json").cast("string"),
        **{f"{name}_score": ibis.null("float64") for name in DIMENSIONS if name not in own},
    ).select(*CUSTOMER_HEALTH.column_names, *(n for n in rows.columns if n.startswith("basis")))
