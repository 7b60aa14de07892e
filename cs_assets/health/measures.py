"""Measures: what is known of each customer as of a date, the one table every scorecard reads.

Belongs here: who is measured, and what stands where a customer has no facts. Must not: the sums of
each kind of fact (see `measures_activity`, `measures_support`, `measures_deals`), reading, scores.

Null means that a measure cannot be known: its source is absent, its window begins before the
source's history, or nothing was rated. A source without rows for a customer counts 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import ibis
import ibis.expr.types as ir

from cs_assets.health.contracts import EVIDENCE, MEASURES
from cs_assets.health.features import Features
from cs_assets.health.measures_activity import (
    ADOPTION_DAYS,
    RECENT_DAYS,
    adoption,
    last_login,
    onboarding,
    recent_use,
)
from cs_assets.health.measures_deals import DEAL_DAYS, MRR_AGO_DAYS, deal_counts, deal_values
from cs_assets.health.measures_support import TICKET_DAYS, sla_sources, ticket_measures
from cs_assets.health.measures_windows import KEY, as_date

SOURCES: Final = ("sales", "support", "activity")
DAYS_PER_MONTH: Final = 30.4375
_COLUMNS: Final = (*KEY, "customer_type", *(column.name for column in (*MEASURES, *EVIDENCE)))
_TYPES: Final = {column.name: column.dtype for column in (*MEASURES, *EVIDENCE)}


@dataclass(frozen=True)
class Facts:
    """Lazy tables of landed facts, of all days up to the as-of dates; later rows never count.

    None: the source is absent. `history` has the first loaded day of each source that is present,
    by the names in SOURCES. Raises ValueError if one lacks it.
    """

    customers: ir.Table
    sales: ir.Table | None
    support: ir.Table | None
    activity: ir.Table | None
    history: Mapping[str, date]

    def __post_init__(self) -> None:
        """Refuse a source whose history is not known."""
        for source in SOURCES:
            if getattr(self, source) is not None and source not in self.history:
                raise ValueError(f"{source}: history lacks the source's first loaded day")


def measures(facts: Facts, as_ofs: ir.Table, features: Features) -> ir.Table:
    """Return one row per tenant_id, customer_id and as_of.

    `as_ofs` has distinct dates in its one column `as_of`. Customers are those of the snapshot of
    that day whose contract has begun, or of whose contract nothing is known. Columns: the key,
    customer_type, MEASURES, EVIDENCE.
    """
    dates = as_ofs.select(as_of=as_ofs.as_of.cast("date"))
    table = _customers(facts.customers, dates)
    if facts.activity is not None:
        table = _with_activity(table, facts.activity, dates, features, facts.history["activity"])
    if facts.support is not None:
        table = _with_support(table, facts.support, dates, facts.history["support"])
    if facts.sales is not None:
        table = _with_deals(table, facts.sales, dates, facts.history["sales"])
    table = _with_contract(table)
    return table.select(
        *(name for name in _COLUMNS if name not in _TYPES),
        **{
            name: table[name].cast(dtype) if name in table.columns else ibis.null(dtype)
            for name, dtype in _TYPES.items()
        },
    ).select(*_COLUMNS)


def _customers(customers: ir.Table, as_ofs: ir.Table) -> ir.Table:
    rows = customers.inner_join(as_ofs, customers.snapshot_date == as_ofs.as_of)
    has_begun = (rows.contract_date <= rows.as_of).fill_null(True)
    return rows.filter(has_begun).select(
        *KEY,
        "customer_type",
        "contract_date",
        "contract_length_months",
        "payment_status",
        nps=rows.nps_score,
    )


def _with_activity(
    table: ir.Table, activity: ir.Table, as_ofs: ir.Table, features: Features, first: date
) -> ir.Table:
    for family in (
        recent_use(activity, as_ofs),
        adoption(activity, as_ofs, features),
        onboarding(activity, as_ofs),
        last_login(activity, as_ofs),
    ):
        table = _joined(table, family)
    is_unknown = (table.contract_date < first).fill_null(True)
    steps = table.onboarding_steps.fill_null(ibis.ifelse(is_unknown, ibis.null("int64"), 0))
    recent = _Window(table, first, RECENT_DAYS)
    adopted = _Window(table, first, ADOPTION_DAYS)
    return table.mutate(
        login_days=recent.count("login_days"),
        engaged_events=recent.count("engaged_events"),
        depth=recent.known(ibis.ifelse(table.uses.fill_null(0) == 0, 0.0, table.depth)),
        onboarding_steps=steps,
        days_since_login=table.as_of.delta(table.last_login, unit="day"),
        **{
            f"{tier}_rate": adopted.count(f"{tier}_used") / ibis.literal(len(names))
            for tier, names in features.tiers.items()
            if names
        },
    )


def _with_support(table: ir.Table, support: ir.Table, as_ofs: ir.Table, first: date) -> ir.Table:
    tickets = ticket_measures(support, as_ofs)
    has_sla = sla_sources(tickets).mutate(has_sla=True)
    table = _joined(_joined(table, tickets), has_sla, ("tenant_id", "as_of"))
    window = _Window(table, first, TICKET_DAYS)
    breaches = ibis.ifelse(table.has_sla, window.count("sla_breaches"), ibis.null("int64"))
    return table.mutate(
        tickets=window.count("tickets"),
        urgent_tickets=window.count("urgent_tickets"),
        open_tickets=_Window(table, first, 1).count("open_tickets"),
        sla_breaches=breaches,
    )


def _with_deals(table: ir.Table, sales: ir.Table, as_ofs: ir.Table, first: date) -> ir.Table:
    table = _joined(_joined(table, deal_counts(sales, as_ofs)), deal_values(sales, as_ofs))
    year = _Window(table, first, DEAL_DAYS)
    today = _Window(table, first, 1)
    return table.mutate(
        **{name: year.count(name) for name in ("renewals", "losses", "contract_changes")},
        **{name: today.count(name) for name in ("mrr", "contract_value")},
        # as_of - 90 is itself a day that must have been loaded
        mrr_90d_ago=_Window(table, first, MRR_AGO_DAYS + 1).count("mrr_90d_ago"),
    )


def _with_contract(table: ir.Table) -> ir.Table:
    """Add tenure, remaining months and the contract's end; without deals it ends as agreed."""
    agreed = as_date(table.contract_date + table.contract_length_months.as_interval("M"))
    end = ibis.greatest(agreed, table.deals_end) if "deals_end" in table.columns else agreed
    end = end.fill_null(agreed)
    left = end.delta(table.as_of, unit="day")
    return table.mutate(
        contract_end=end,
        tenure_months=table.as_of.delta(table.contract_date, unit="day") / DAYS_PER_MONTH,
        # not greatest(): of what is unknown it would make 0
        remaining_months=ibis.ifelse(left < 0, 0, left) / DAYS_PER_MONTH,
    )


@dataclass(frozen=True)
class _Window:
    """The last `days` days before as_of, of a source whose history begins on `first`."""

    table: ir.Table
    first: date
    days: int

    def count(self, name: str) -> ir.NumericValue:
        """A sum of the window: 0 for a customer without rows."""
        return self.known(self.table[name].fill_null(0))

    def known(self, value: ir.Value) -> ir.Value:
        """A value of the window, null if the window begins before history."""
        is_whole = self.table.as_of >= self.first + timedelta(days=self.days - 1)
        return ibis.ifelse(is_whole, value, ibis.null(value.type()))


def _joined(table: ir.Table, family: ir.Table, key: tuple[str, ...] = KEY) -> ir.Table:
    """Add the columns of a family, at most one row per key."""
    joined = table.left_join(family, list(key))
    added = [name for name in family.columns if name not in key]
    return joined.select(
        **{name: table[name] for name in table.columns}, **{name: family[name] for name in added}
    )
