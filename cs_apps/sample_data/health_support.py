"""Support tickets of the health sample: one for each customer and month.

Belongs here: rows of `support.csv`, one block at a time. Must not: files, defects.
"""

from typing import Final

import numpy as np
import pyarrow as pa

from cs_apps.sample_data.call_plan import IntArray
from cs_apps.sample_data.call_records import pick
from cs_apps.sample_data.health_plan import (
    BLOCK_CUSTOMERS,
    Block,
    BoolArray,
    DateArray,
    Stream,
    texts,
)
from cs_apps.sample_data.health_stories import load_book
from cs_assets.sources.contracts import PRIORITIES

URGENT: Final = PRIORITIES.index("urgent")
URGENT_OPEN_DAYS: Final = (6, 16)
"""An urgent ticket that stays open was created so many days before the end."""

RATED_SHARE: Final = 0.75
TIMED_SHARE: Final = 0.9
"""Share of the solved tickets with a rating, and with the hours they took."""


def ticket_rows(block: Block) -> pa.RecordBatch:
    """Return the tickets of the block's customers in the columns of `support.csv`."""
    book, rng = load_book(), block.stream(Stream.TICKETS)
    shape = (BLOCK_CUSTOMERS, block.period.months)
    created = _created(block, rng)
    priority = _priorities(block, rng)
    hours = _hours(block, rng)
    opened_hour = rng.integers(9, 18, shape)
    resolved = created + ((opened_hour * 10 + hours) // 240).astype("timedelta64[D]")
    urgent_open = _urgent_open(block)
    is_open = (rng.random(shape) < block.by_story("unsolved")[:, None]) | urgent_open
    is_open |= resolved > block.period.last_day
    rating = np.rint(block.by_story("csat")[:, None] + rng.normal(0, 0.6, shape))
    unrated = is_open | (rng.random(shape) >= RATED_SHARE)
    untimed = is_open | (rng.random(shape) >= TIMED_SHARE)
    category = rng.integers(0, len(book.categories), shape)
    agent = rng.integers(0, book.agents, shape)
    rows = pa.record_batch(
        {
            "ticket_id": pa.array(_ids(block)),
            "customer_id": block.ids.take(
                pa.array(np.repeat(np.arange(BLOCK_CUSTOMERS), shape[1]))
            ),
            "created_date": pa.array(created.ravel()),
            "resolved_date": pa.array(resolved.ravel(), mask=is_open.ravel()),
            "priority": texts(np.where(urgent_open, URGENT, priority).ravel(), PRIORITIES),
            "category": texts(category.ravel(), book.categories),
            "satisfaction_score": pa.array(
                np.clip(rating, 1, 5).astype(np.int64).ravel(), mask=unrated.ravel()
            ),
            "agent_id": texts(agent.ravel(), [f"A{at + 1:02d}" for at in range(book.agents)]),
            "resolution_time": pa.array(hours.ravel() / 10, mask=untimed.ravel()),
        }
    )
    return rows.slice(0, block.size * shape[1])


def _created(block: Block, rng: np.random.Generator) -> DateArray:
    """Draw a day of every month for each customer, shape (customers, months)."""
    starts = block.period.month_starts
    lengths = np.diff(starts).astype(np.int64)
    into = rng.random((BLOCK_CUSTOMERS, block.period.months)) * lengths
    created: DateArray = starts[:-1] + into.astype("timedelta64[D]")
    low, high = URGENT_OPEN_DAYS
    age = rng.integers(low, high + 1, BLOCK_CUSTOMERS)
    late = block.by_story("urgent_open")
    created[late, -1] = (block.period.last_day - age)[late]
    return created


def _urgent_open(block: Block) -> BoolArray:
    """Tell which tickets are the urgent ones that stay open, shape (customers, months)."""
    found = np.zeros((BLOCK_CUSTOMERS, block.period.months), dtype=np.bool_)
    found[:, -1] = block.by_story("urgent_open")
    return found


def _priorities(block: Block, rng: np.random.Generator) -> IntArray:
    shares = np.repeat(block.by_story("priorities")[:, :-1], block.period.months, axis=0)
    return pick(rng, shares).reshape(BLOCK_CUSTOMERS, -1)


def _hours(block: Block, rng: np.random.Generator) -> IntArray:
    """Draw tenths of hours to the solution, shape (customers, months)."""
    low, high = block.by_story("hours").T[:, :, None] * 10
    drawn = low + (high - low) * rng.random((BLOCK_CUSTOMERS, block.period.months))
    hours: IntArray = np.rint(drawn).astype(np.int64)
    return hours


def _ids(block: Block) -> list[str]:
    months = [f"{start:%Y%m}" for start in block.period.month_starts[:-1].tolist()]
    return [f"T{number + 1:04d}-{month}" for number in block.numbers.tolist() for month in months]
