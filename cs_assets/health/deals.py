"""Deals: when each one runs.

Belongs here: start, end and churn of deals. Must not: sums over them (see `measures_deals`).

A renewal starts where the customer's earlier deals of the product end, and where it ends depends
on where it starts: a chain, which no window expression follows. It is followed here in NumPy,
one step for the first days with deals of all customers and products at once, one for the second
days, and so on. The deals are therefore read when the expression is made, in batches, and their
terms held in memory: about 100 bytes a deal.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Days = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_CUSTOMER: Final = ("tenant_id", "customer_id")
_GROUP: Final = (*_CUSTOMER, "product_type")
_NEVER: Final = np.iinfo(np.int32).max
_ALWAYS: Final = np.iinfo(np.int32).min
_ROWS_AT_ONCE: Final = 500_000
_SCHEMA: Final = ibis.schema(
    {
        "tenant_id": "string",
        "customer_id": "string",
        "product_type": "string",
        "deal_date": "date",
        "deal_amount": "decimal(18, 2)",
        "months": "int64",
        "start_date": "date",
        "end_date": "date",
        "churn_date": "date",
    }
)


def deal_terms(sales: ir.Table) -> ir.Table:
    """Return one row per won or renewed deal of `sales_raw`, with its term.

    Columns: tenant_id, customer_id, product_type, deal_date, deal_amount, months (agreed length),
    start_date, end_date (exclusive, as if nothing churned) and churn_date: the first churn after
    deal_date that ends the deal, if any. Deals of one day do not follow each other: a renewal
    waits for the end of deals of earlier days, and a churn ends deals of earlier days.
    No column depends on rows after the deal's day but churn_date, which is to be ignored before
    it has come.
    """
    schema = _SCHEMA.to_pyarrow()
    ordered = _in_order(sales).to_pyarrow_batches(chunk_size=_ROWS_AT_ONCE)
    tables = [_terms(rows).cast(schema) for rows in _of_whole_customers(ordered)]
    return ibis.memtable(pa.concat_tables([schema.empty_table(), *tables]))


def _in_order(sales: ir.Table) -> ir.Table:
    """Deals and churns by customer, product and day: sorted rows are cheaper than lists of them."""
    rows = sales.filter(sales.deal_stage.isin(("won", "renewed", "churned")))
    return rows.select(
        *_GROUP,
        "deal_date",
        "deal_stage",
        "deal_amount",
        "renewal_date",
        months=rows.contract_length_months,
    ).order_by(*_GROUP, "deal_date")


def _of_whole_customers(batches: Iterable[Any]) -> Iterator[Any]:
    """Yield tables of ordered rows, none of which ends amid a customer."""
    rest = None
    for batch in batches:
        new = pa.Table.from_batches([batch])
        rows = pa.concat_tables([new] if rest is None else [rest, new])
        last = int(np.flatnonzero(_begins(rows, _CUSTOMER))[-1]) if len(rows) else 0
        yield rows[:last]
        rest = rows[last:]
    if rest is not None:
        yield rest


def _begins(rows: Any, columns: Iterable[str]) -> Flags:
    """Say of each row whether it differs in one of the columns from the row before."""
    begins = np.zeros(len(rows), dtype=bool)
    begins[:1] = True
    for name in columns:
        column = rows[name].combine_chunks()
        value, earlier = column[1:], column[:-1]
        differs = pc.fill_null(pc.not_equal(value, earlier), False)
        is_one_null = pc.xor(value.is_null(), earlier.is_null())
        begins[1:] |= pc.or_(differs, is_one_null).to_numpy(zero_copy_only=False)
    return begins


def _terms(rows: Any) -> Any:
    """Return the deals among ordered rows, with their terms, in the columns of _SCHEMA."""
    day = _days(rows["deal_date"])
    product, customer = (np.cumsum(_begins(rows, columns)) for columns in (_GROUP, _CUSTOMER))
    is_churn = np.asarray(pc.equal(rows["deal_stage"], "churned"))
    # no product: all of the customer's
    is_of_all = is_churn & np.asarray(rows["product_type"].is_null())
    is_deal, is_of_product = ~is_churn, is_churn & ~is_of_all
    churn = np.minimum(
        next_churn(product[is_deal], day[is_deal], product[is_of_product], day[is_of_product]),
        next_churn(customer[is_deal], day[is_deal], customer[is_of_all], day[is_of_all]),
    )
    deals = rows.filter(pa.array(is_deal))
    start, end = start_and_end(
        np.unique(product[is_deal], return_inverse=True)[1],
        day[is_deal],
        np.asarray(pc.equal(deals["deal_stage"], "renewed")),
        deals["months"].to_numpy(),
        _days(deals["renewal_date"], _ALWAYS),
        churn,
    )
    return pa.table(
        {name: deals[name] for name in (*_GROUP, "deal_date", "deal_amount", "months")}
        | {"start_date": _dates(start), "end_date": _dates(end)}
        | {"churn_date": _dates(churn, churn == _NEVER)}
    )


def next_churn(group: Days, deal_date: Days, churn_group: Days, churn_date: Days) -> Days:
    """Return the first churn of each deal's group after its day; the largest int32 if none."""
    span = 1 << 32
    keys = np.sort(churn_group * span + churn_date)
    place = np.searchsorted(keys, group * span + deal_date, side="right")
    found = np.append(keys, np.iinfo(np.int64).max)[place] - group * span
    return np.where(found < _NEVER, found, _NEVER)


def start_and_end(
    group: Days,
    deal_date: Days,
    is_renewal: Flags,
    months: Days,
    renewal_date: Days,
    churn_date: Days,
) -> tuple[Days, Days]:
    """Return start and end (exclusive) of deals, in days since 1970.

    Deals lie together by group, in order of deal_date; a missing renewal_date is the smallest
    int32. `churn_date` comes from `next_churn`.
    """
    start, end = deal_date.copy(), deal_date.copy()
    groups = int(group[-1]) + 1 if len(group) else 0
    latest = np.full(groups, _ALWAYS, dtype=np.int64)
    churned = np.full(groups, _NEVER, dtype=np.int64)
    for rows in _steps(group, deal_date):
        of, day = group[rows], deal_date[rows]
        ended = np.where(churned[of] <= day, churned[of], _NEVER)
        latest[of] = np.minimum(latest[of], ended)
        start[rows] = np.where(is_renewal[rows], np.maximum(day, latest[of]), day)
        agreed = renewal_date[rows]
        by_length = plus_months(start[rows], months[rows])
        end[rows] = np.where(agreed > start[rows], agreed, by_length)
        np.maximum.at(latest, of, end[rows])
        churned[of] = churn_date[rows]
    return start, end


def plus_months(days: Days, months: Days) -> Days:
    """Return days (since 1970) plus whole months, the day clipped to the month's last."""
    date = days.astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    target = month + months.astype("timedelta64[M]")
    first = target.astype("datetime64[D]")
    last = (target + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
    moved = np.minimum(first + (date - month.astype("datetime64[D]")), last)
    return np.asarray(moved.astype(np.int64))


def _steps(group: Days, deal_date: Days) -> list[npt.NDArray[np.intp]]:
    """Return the deals of each group's first day, of each group's second day, and so on."""
    if not len(group):
        return []
    is_first = np.append(True, group[1:] != group[:-1])
    is_new_day = is_first | np.append(True, deal_date[1:] != deal_date[:-1])
    days = np.cumsum(is_new_day)
    step = days - days[is_first][group]
    order = np.argsort(step, kind="stable")
    return np.split(order, np.cumsum(np.bincount(step))[:-1])


def _days(dates: Any, missing: int | None = None) -> Days:
    days = dates.cast(pa.int32())
    filled = days if missing is None else days.fill_null(missing)
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.int64)


def _dates(days: Days, is_missing: Flags | None = None) -> Any:
    return pa.array(days, pa.int32(), mask=is_missing).cast(pa.date32())
