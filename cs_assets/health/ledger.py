"""The ledger of changes since the previous period, for all scorecards.

Belongs here: putting the ledgers beside their periods. Must not: splitting changes (see
`score_change`).
"""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from cs_assets.health.contracts import OF_A_CUSTOMER, PREVIOUS_PERIOD
from cs_assets.health.score_change import change_ledger
from cs_assets.health.score_contracts import HEALTH_CHANGE
from cs_assets.health.scorecard import Scorecard
from cs_assets.periods import COLUMNS


def ledger(now: ir.Table, before: ir.Table, cards: Sequence[Scorecard]) -> ir.Table:
    """Return the columns of `health_change`.

    `now` has the measures at the as-of dates, `before` those at earlier days (`basis`).
    """
    last = before.filter(before.basis == PREVIOUS_PERIOD)
    last = last.drop("basis", "basis_date")
    periods = now.select(*COLUMNS).distinct()
    return ibis.union(*(_of_card(now, last, card, periods) for card in cards))


def _of_card(now: ir.Table, last: ir.Table, card: Scorecard, periods: ir.Table) -> ir.Table:
    found = change_ledger(last, now, card, card, key=OF_A_CUSTOMER)
    own = found.mutate(scorecard=ibis.literal(card.name))
    return own.inner_join(periods, ["period_type", "period_key"]).select(
        *HEALTH_CHANGE.column_names
    )
