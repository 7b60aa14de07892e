"""Activity of the health sample: one to three rows for each customer and day.

Belongs here: rows of `activity.csv`, one block at a time. Must not: files, defects.

The first row of a day is a login; on a day without one, an interface of the customer's goes on
calling. What follows a login is use of features, training, feedback, or a step of onboarding.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa

from cs_apps.sample_data.call_plan import FloatArray, IntArray
from cs_apps.sample_data.health_plan import BLOCK_CUSTOMERS, Block, BoolArray, Stream, texts
from cs_apps.sample_data.health_stories import load_book
from cs_assets.sources.contracts import ACTIVITY_TYPES

SLOTS: Final = 3
LOGIN, FEATURE_USE, TRAINING, FEEDBACK, ONBOARDING, API_CALL = (
    ACTIVITY_TYPES.index(name)
    for name in ("login", "feature_use", "training", "feedback", "onboarding", "api_call")
)
TIER_SHARES: Final = (0.6, 0.25)
"""Use of core and of advanced features; the rest is use of integrations."""

ONBOARDING_FIRST_DAY, ONBOARDING_EVERY_DAYS = 3, 5
DEPTH_SPREAD: Final = 0.3
DEPTHS: Final = [f"{percent / 100:.2f}" for percent in range(101)]
USERS: Final = np.array([[30, 160], [6, 40], [1, 9]])
"""Fewest and most users a day by customer type."""


@dataclass(frozen=True)
class _Days:
    """What the days of a block's customers are like, each array of shape (customers, days)."""

    block: Block
    is_login: BoolArray
    row_count: IntArray
    onboarding: IntArray
    """Step taken in the day's second row, from 0; -1: none."""

    @cached_property
    def place(self) -> IntArray:
        """Position of each row's customer and day in (customers, days)."""
        return np.repeat(np.arange(self.row_count.size), self.row_count.ravel())

    @cached_property
    def slot(self) -> IntArray:
        """Number of each row within its customer's day, from 0."""
        counts = self.row_count.ravel()
        return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def activity_rows(block: Block) -> pa.RecordBatch:
    """Return the activity of the block's customers in the columns of `activity.csv`."""
    book, rng = load_book(), block.stream(Stream.ACTIVITY)
    days = _days(block, rng)
    customer, day = np.divmod(days.place, len(block.period.days))
    draws = rng.random((6, len(customer)), dtype=np.float32)
    kind = _kinds(days, customer, draws[0])
    feature = _features(block, customer, kind, draws[1], draws[2])
    step = days.onboarding.ravel()[days.place]
    names = [name for tier in book.features.values() for name in tier]
    feature = np.where(kind == ONBOARDING, len(names) + step, feature)
    depth = _depths(block, customer, day, kind, draws[3])
    minutes = np.where(kind == FEEDBACK, 2, 5) + (draws[4] * 50).astype(np.int64)
    low, high = USERS[block.types[customer]].T
    users = np.where(kind == LOGIN, low + (draws[5] * (high - low)).astype(np.int64), 1)
    wanted = int(np.searchsorted(customer, block.size))
    rows = pa.record_batch(
        {
            "customer_id": block.ids.take(pa.array(customer)),
            "date": pa.array(block.period.days[day]),
            "activity_type": texts(kind, ACTIVITY_TYPES),
            "activity_value": pa.array(_values(kind, users, draws[4])),
            "user_count": pa.array(users),
            "session_duration": pa.array(minutes, mask=kind == API_CALL),
            "feature_name": texts(feature, [*names, *book.onboarding]),
            "usage_depth": texts(depth, DEPTHS),
        }
    )
    return rows.slice(0, wanted)


def _days(block: Block, rng: np.random.Generator) -> _Days:
    days = block.period.days
    shape = (BLOCK_CUSTOMERS, len(days))
    is_weekend = ~np.is_busday(days)
    chance = _over_period(block, "weekday")
    chance = np.where(is_weekend, chance * block.by_story("weekend")[:, None], chance)
    least = block.by_story("quiet_days")
    quiet = np.where(least > 0, least + rng.integers(0, 15, BLOCK_CUSTOMERS), 0)
    days_left = np.arange(len(days))[::-1]
    is_login = (rng.random(shape, dtype=np.float32) < chance) & (days_left >= quiet[:, None])
    second, third = block.by_story("rows").T[:, :, None]
    draw = rng.random(shape, dtype=np.float32)
    row_count = 1 + (draw < second).astype(np.int64) + (draw < third)
    onboarding = _onboarding(block, rng, len(days))
    return _Days(block, is_login, np.where(onboarding >= 0, 2, row_count), onboarding)


def _over_period(block: Block, attribute: str) -> FloatArray:
    """Return a story's curve for each customer and day, shape (customers, days)."""
    place = np.linspace(0, 1, len(block.period.days))
    curves = [getattr(story, attribute) for story in load_book().stories.values()]
    knots = np.linspace(0, 1, len(curves[0]))
    values = np.array([np.interp(place, knots, curve) for curve in curves])
    chosen: FloatArray = values[block.stories]
    return chosen


def _onboarding(block: Block, rng: np.random.Generator, days: int) -> IntArray:
    """Return the step that each customer takes on each day, -1 for none."""
    steps = np.arange(len(load_book().onboarding))
    offset = rng.integers(0, ONBOARDING_EVERY_DAYS, BLOCK_CUSTOMERS)
    at = ONBOARDING_FIRST_DAY + steps * ONBOARDING_EVERY_DAYS + offset[:, None]
    customer, step = np.nonzero(steps < block.by_story("onboarding")[:, None])
    taken = np.full((BLOCK_CUSTOMERS, days), -1)
    taken[customer, at[customer, step]] = step
    return taken


def _kinds(days: _Days, customer: IntArray, draw: FloatArray) -> IntArray:
    """Return each row's type, as position in ACTIVITY_TYPES."""
    engaged = days.block.by_story("engaged").astype(np.float32)[customer]
    after = np.where(draw >= engaged, FEATURE_USE, np.where(draw < engaged / 2, TRAINING, FEEDBACK))
    kind = np.where(
        days.is_login.ravel()[days.place], np.where(days.slot == 0, LOGIN, after), API_CALL
    )
    is_step = (days.slot == 1) & (days.onboarding.ravel()[days.place] >= 0)
    return np.where(is_step, ONBOARDING, kind)


def _features(
    block: Block, customer: IntArray, kind: IntArray, tier_draw: FloatArray, draw: FloatArray
) -> IntArray:
    """Return each row's feature, counted through all tiers; -1: none."""
    sizes = np.array([len(names) for names in load_book().features.values()])
    tier = (tier_draw >= TIER_SHARES[0]).astype(np.int64) + (tier_draw >= sum(TIER_SHARES))
    tier = np.where(kind == API_CALL, 2, tier)
    breadth = block.by_story("breadth")
    breadth[:, 2] = np.maximum(breadth[:, 2], 1)  # an interface calls on days without a login too
    in_use = breadth[customer, tier]
    tier = np.where(in_use == 0, 0, tier)
    in_use = breadth[customer, tier]
    first = np.cumsum(sizes) - sizes
    # Which of a tier's features they are differs from customer to customer.
    chosen = (block.numbers[customer] + (draw * in_use).astype(np.int64)) % sizes[tier]
    has_feature = (kind == FEATURE_USE) | (kind == API_CALL) | (kind == TRAINING)
    return np.where(has_feature, first[tier] + chosen, -1)


def _depths(
    block: Block, customer: IntArray, day: IntArray, kind: IntArray, draw: FloatArray
) -> IntArray:
    """Return the depth of use in percent; -1 for rows that use no feature."""
    usual = _over_period(block, "depth").astype(np.float32)[customer, day]
    percent = np.rint((usual + DEPTH_SPREAD * (draw - 0.5)) * 100).astype(np.int64)
    return np.where(kind == FEATURE_USE, np.clip(percent, 1, 99), -1)


def _values(kind: IntArray, users: IntArray, draw: FloatArray) -> IntArray:
    """Return how much was done: logins, actions or calls; 1 for trainings, feedback and steps."""
    many = np.where(kind == API_CALL, 20 + (draw * 400).astype(np.int64), 0)
    many = np.where(kind == FEATURE_USE, 3 + (draw * 60).astype(np.int64), many)
    many = np.where(kind == LOGIN, users + (draw * users).astype(np.int64), many)
    return np.maximum(many, 1)
