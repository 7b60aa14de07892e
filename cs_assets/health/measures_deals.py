"""What customers pay: measures of deals.

Belongs here: revenue, renewals, losses and changes. Must not: when a deal runs (see `deals`); what
stands for a customer without deals (see `measures`).
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from cs_assets.health.deals import deal_terms
from cs_assets.health.measures_windows import KEY, as_date, in_window, seen

DEAL_DAYS: Final = 365
MRR_AGO_DAYS: Final = 90
_MONTHLY: Final = "decimal(38, 10)"
"""A deal's monthly amount is rounded to this, so that sums do not depend on the order."""


def deal_counts(sales: ir.Table, as_ofs: ir.Table) -> ir.Table:
    """Return a row per `KEY` with such deals in the window, from `sales_raw`.

    Columns: renewals, losses, contract_changes. Deals of one day are compared in the order of
    product, amount and stage, whatever the order of the rows.
    """
    known = sales.filter(sales.deal_stage.isin(("won", "renewed", "churned")))
    is_deal = known.deal_stage != "churned"
    order = ("deal_date", "product_type", "deal_amount", "deal_stage")
    earlier = ibis.window(group_by=["tenant_id", "customer_id", is_deal], order_by=order)
    is_first = ibis.row_number().over(earlier) == 0
    is_same = known.product_type.identical_to(known.product_type.lag().over(earlier)) & (
        known.deal_amount.identical_to(known.deal_amount.lag().over(earlier))
    )
    compared = known.mutate(is_change=is_deal & ~is_first & ~is_same)
    rows = in_window(compared, "deal_date", as_ofs, DEAL_DAYS)
    return rows.group_by(KEY).agg(
        renewals=rows.count(where=rows.deal_stage == "renewed"),
        losses=rows.count(where=rows.deal_stage == "churned"),
        contract_changes=rows.count(where=rows.is_change),
    )


def deal_values(sales: ir.Table, as_ofs: ir.Table) -> ir.Table:
    """Return a row per `KEY` with deals, from `sales_raw`.

    Columns: mrr, mrr_90d_ago, contract_value, deals_end (last end of deals, exclusive).
    Won and renewed deals have an amount and a length above 0 (other rows are quarantined).
    """
    rows = seen(deal_terms(sales), "deal_date", as_ofs)
    then = as_date(rows.as_of - ibis.interval(days=MRR_AGO_DAYS))
    monthly = (rows.deal_amount.cast("float64") / rows.months.cast("float64")).cast(_MONTHLY)
    is_churned = (rows.churn_date <= rows.as_of).fill_null(False)
    end = ibis.ifelse(is_churned, ibis.least(rows.end_date, rows.churn_date), rows.end_date)
    is_active = _is_active(rows, rows.as_of)
    sums = rows.group_by(KEY).agg(
        mrr=monthly.sum(where=is_active),
        mrr_90d_ago=monthly.sum(where=_is_active(rows, then)),
        contract_value=rows.deal_amount.sum(where=is_active),
        deals_end=end.max(),
    )
    amounts = ("mrr", "mrr_90d_ago", "contract_value")
    return sums.mutate(**{name: sums[name].cast("float64").fill_null(0) for name in amounts})


def _is_active(deals: ir.Table, day: ir.DateValue) -> ir.BooleanValue:
    """Say whether a deal ran on the day, as known on that day."""
    runs = (deals.start_date <= day) & (day < deals.end_date)
    return runs & (deals.churn_date > day).fill_null(True)
