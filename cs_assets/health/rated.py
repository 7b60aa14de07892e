"""Customers on a day: their scores, and everything that rules of alerts may look at.

Belongs here: putting measures, scores, their change and the owner side by side. Must not: rules.
"""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from cs_assets.health.alert_rules import SCORES
from cs_assets.health.bases import NOW
from cs_assets.health.contracts import THIRTY_DAYS_BEFORE
from cs_assets.health.forecast_contracts import DAILY_SCORES
from cs_assets.health.scorecard import Scorecard
from cs_assets.health.scoring import scores
from cs_assets.health.trend import difference

_CUSTOMER = ("tenant_id", "customer_id", "as_of")
_ISO_DATE = 10


def rated_customers(measured: ir.Table, sales: ir.Table | None, card: Scorecard) -> ir.Table:
    """Return one row per day and customer: `signal_date`, `owner`, `alert_rules.COLUMNS`.

    `measured` is what `measured_periods` returns of days, with 30 days before; without `sales`
    nobody's owner is known.
    """
    scored = scores(measured, card).select(*_CUSTOMER, "basis", *SCORES)
    before = scored.filter(scored.basis == THIRTY_DAYS_BEFORE)
    before = before.select(*_CUSTOMER, score_30d_ago="overall")
    rows = measured.filter(measured.basis == NOW).inner_join(scored, [*_CUSTOMER, "basis"])
    rows = rows.left_join(before, _CUSTOMER, rname="{name}_before")
    rows = dated(rows.mutate(change_30d=difference(rows.overall, rows.score_30d_ago)))
    if sales is None:
        return rows.mutate(owner=ibis.null("string"))
    as_ofs = measured.select("as_of").distinct()
    return rows.left_join(_owners(sales, as_ofs), _CUSTOMER, rname="{name}_owned")


def daily_scores(measured: ir.Table, cards: Sequence[Scorecard]) -> ir.Table:
    """Return the columns of `daily_scores`, of what `measured_periods` returns of days."""
    today = measured.filter(measured.basis == NOW)
    return ibis.union(*(_of_card(today, card) for card in cards))


def _of_card(measured: ir.Table, card: Scorecard) -> ir.Table:
    return (
        scores(measured, card)
        .mutate(
            score_date=lambda rows: rows.as_of,
            scorecard=ibis.literal(card.name),
            scorecard_fingerprint=ibis.literal(card.fingerprint),
        )
        .select(*DAILY_SCORES.column_names)
    )


def dated(rows: ir.Table) -> ir.Table:
    """Add what rules may name of the day itself: `signal_date`, `contract_days_left`."""
    return rows.mutate(
        signal_date=rows.as_of,
        contract_days_left=rows.contract_end.delta(rows.as_of, unit="day"),
    )


def _owners(sales: ir.Table, as_ofs: ir.Table) -> ir.Table:
    """Find the account manager of each customer's latest deal; of one day's, the last by name."""
    known = sales.filter(sales.account_manager.notnull())
    seen = known.inner_join(as_ofs, known.deal_date <= as_ofs.as_of)
    latest = (seen.deal_date.cast("string") + seen.account_manager).max()
    return seen.group_by(_CUSTOMER).agg(owner=latest.substr(_ISO_DATE))
