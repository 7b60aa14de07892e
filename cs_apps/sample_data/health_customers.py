"""Customers and their deals in the health sample.

Belongs here: rows of `customers.csv` and `sales.csv`, a block at a time. Must not: files, defects.
"""

from typing import Final

import numpy as np
import pyarrow as pa

from cs_apps.sample_data.call_plan import FloatArray, IntArray
from cs_apps.sample_data.health_plan import (
    BLOCK_CUSTOMERS,
    Block,
    DateArray,
    Stream,
    add_months,
    texts,
    type_names,
)
from cs_apps.sample_data.health_stories import load_book
from cs_assets.sources.contracts import CUSTOMER_TYPES, DEAL_STAGES

MONTHLY_REVENUE: Final = np.array([20_000, 5_000, 1_000])
"""Usual revenue a month by customer type, in the currency's unit."""

LONGEST_DAYS_INTO_MONTH: Final = 20
TURN_CUSTOMERS: Final = 10
"""Customers of one story take turns at what it leaves open, so many apart."""

NAME_STEP: Final = 158_207
"""Has no factor with the number of names in common: no name comes twice before all have come."""


def customer_rows(block: Block) -> pa.RecordBatch:
    """Return the block's customers in the columns of `customers.csv`."""
    book, rng = load_book(), block.stream(Stream.CUSTOMERS)
    remaining = _remaining_months(block)
    until_end = block.period.months + remaining
    years = -(-(until_end + 1) // 12) + rng.integers(0, 4, BLOCK_CUSTOMERS)
    start = np.repeat(block.period.month_starts[:1], BLOCK_CUSTOMERS)
    contract_date = add_months(start, until_end - years * 12)
    contract_date += rng.integers(0, LONGEST_DAYS_INTO_MONTH + 1, BLOCK_CUSTOMERS)
    nps = np.rint(block.between(rng, "nps")).astype(np.int64)
    sizes = [size for name in CUSTOMER_TYPES for size in book.sizes[name]]
    size = block.types * 2 + rng.integers(0, 2, BLOCK_CUSTOMERS)
    stories = list(book.stories.values())
    turn = block.numbers // TURN_CUSTOMERS
    payment = [
        stories[story].payment[at % len(stories[story].payment)]
        for story, at in zip(block.stories.tolist(), turn.tolist(), strict=True)
    ]
    names, industries = _names(block)
    rows = pa.record_batch(
        {
            "customer_id": block.ids,
            "name": names,
            "industry": industries,
            "company_size": texts(size, sizes),
            "customer_type": type_names(block.types),
            "contract_date": pa.array(contract_date),
            "contract_length_months": pa.array(years * 12),
            "payment_status": pa.array(payment),
            "nps_score": pa.array(nps),
        }
    )
    return rows.slice(0, block.size)


def deal_rows(block: Block) -> pa.RecordBatch:
    """Return the deals of the block's customers in the columns of `sales.csv`."""
    book, rng = load_book(), block.stream(Stream.DEALS)
    stories = list(book.stories.values())
    places = max(len(story.deals) for story in stories)
    managers = rng.integers(0, len(book.names.managers), BLOCK_CUSTOMERS)
    draws = rng.random((BLOCK_CUSTOMERS, places, 2))
    revenue = MONTHLY_REVENUE[block.types] * block.between(rng, "value")
    planned = [
        (customer, number, deal)
        for customer, story in enumerate(block.stories[: block.size].tolist())
        for number, deal in enumerate(stories[story].deals)
        if draws[customer, number, 1] < deal[4]
    ]
    customer = np.array([customer for customer, *_ in planned])
    draw = draws[customer, np.array([number for _, number, _ in planned]), 0]
    low, high = np.array([deal[2] for *_, deal in planned]).T
    dates = _placed(block, low + (high - low) * draw)
    months = block.period.months + _remaining_months(block)[customer] - _month(block, dates)
    share = np.array([deal[3] for *_, deal in planned])
    stage = [deal[0] for *_, deal in planned]
    signed = np.isin(stage, ["won", "renewed"])
    ends = add_months(dates, months)
    return pa.record_batch(
        {
            "customer_id": block.ids.take(pa.array(customer)),
            "deal_date": pa.array(dates),
            "deal_amount": pa.array(_amounts(revenue[customer] * share * months)),
            "deal_stage": texts(np.array([DEAL_STAGES.index(name) for name in stage]), DEAL_STAGES),
            "account_manager": texts(managers[customer], book.names.managers),
            "product_type": pa.array([book.products[deal[1]] for *_, deal in planned]),
            "contract_length": pa.array(months),
            "renewal_date": pa.array(ends, mask=~signed),
        }
    )


def _remaining_months(block: Block) -> IntArray:
    """Return the months that each customer's contract and deals run on after the period."""
    low, high = block.by_story("remaining").T
    months: IntArray = low + block.numbers // TURN_CUSTOMERS * 5 % (high - low + 1)
    return months


def _placed(block: Block, share: FloatArray) -> DateArray:
    days = block.period.days
    return days[np.minimum((share * len(days)).astype(np.int64), len(days) - 1)]


def _month(block: Block, dates: DateArray) -> IntArray:
    """Return the month of the period that each date lies in, from 0."""
    first = np.datetime64(block.period.start, "M")
    return (dates.astype("datetime64[M]") - first).astype(np.int64)


def _amounts(exact: FloatArray) -> IntArray:
    """Round amounts to hundreds, as price lists do; at least one hundred."""
    return np.maximum(np.rint(exact / 100).astype(np.int64), 1) * 100


def _names(block: Block) -> tuple[pa.Array, pa.Array]:
    """Make up company names, with the industry that each name tells."""
    parts = load_book().names
    radices = (2, len(parts.sectors), len(parts.second), len(parts.first), len(parts.cities))
    rest = block.numbers * NAME_STEP % int(np.prod(radices))
    digits = []
    for radix in radices:
        digits.append((rest % radix).tolist())
        rest = rest // radix
    names, industries = [], []
    types = [CUSTOMER_TYPES[at] for at in block.types.tolist()]
    for kind, form, sector, second, first, city in zip(types, *digits, strict=True):
        industry, business = parts.sectors[sector]
        brand = parts.cities[city] + parts.first[first] + parts.second[second]
        names.append(brand + business + parts.forms[kind][form])
        industries.append(industry)
    return pa.array(names), pa.array(industries)
