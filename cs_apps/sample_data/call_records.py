"""One chunk of call records, drawn column by column.

Belongs here: when a call was placed, to whom, how long, with what result and in what mood.
Does not belong here: defects (`call_defects`), texts (`call_dialogues`), SQL (`call_source`).
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cs_apps.sample_data.call_plan import (
    Chunk,
    FloatArray,
    IntArray,
    Stream,
    objects,
    random_uuids,
    uuid_texts,
)

SHARED_CUSTOMER_IDS: Final = tuple(f"C{number:04d}" for number in range(1, 31))
"""The platform customers that the samples of all systems share."""

SHARED_CALLS_PER_MONTH: Final = 4.0
SHARED_LARGEST_SHARE: Final = 0.25
POPULATION_MONTHS: Final = 9.0
"""A task draws from this many months of calls: few customers are called twice for one task."""

NEGATIVE, NEUTRAL, POSITIVE = 0, 1, 2
SPECIALS: Final = (
    "complaint",
    "churn",
    "negated_complaint",
    "negated_churn",
    "refusal",
    "lookalike",
    "personal",
    "odd",
)
NO_SPECIAL: Final = len(SPECIALS)
SPECIAL_SHARES: Final = (
    (0.120, 0.120, 0.010, 0.010, 0.030, 0.004, 0.015, 0.020),
    (0.000, 0.015, 0.012, 0.012, 0.070, 0.004, 0.015, 0.020),
    (0.000, 0.000, 0.010, 0.010, 0.000, 0.004, 0.015, 0.020),
)
"""Share of the calls of each mood that hold one special turn, in the order of `SPECIALS`."""

INTENTIONS: Final = ("A", "B", "C", "D", "E", "F", None)
INTENTION_SHARES: Final = (
    (0.00, 0.00, 0.04, 0.20, 0.62, 0.10, 0.04),
    (0.03, 0.14, 0.42, 0.28, 0.06, 0.03, 0.04),
    (0.38, 0.40, 0.14, 0.03, 0.00, 0.01, 0.04),
    (0.00, 0.00, 0.00, 0.10, 0.05, 0.75, 0.10),
    (0.00, 0.00, 0.00, 0.00, 0.00, 0.70, 0.30),
)
"""Grades by outcome: negative, neutral, positive, silent, not connected."""

SILENT, UNCONNECTED = 3, 4
CUSTOMER_HANGS_UP: Final = (0.75, 0.40, 0.25, 0.60, 0.30)
SILENT_SHARE: Final = 0.05
HOUR_WEIGHTS: Final = {9: 12, 10: 16, 11: 12, 13: 4, 14: 13, 15: 14, 16: 12, 17: 8, 18: 5, 19: 4}
WEEKEND_HOUR_WEIGHTS: Final = {10: 14, 11: 12, 14: 10, 15: 12, 16: 10, 17: 6}
CALLEE_PREFIXES: Final = ("130", "136", "138", "150", "158", "177", "180", "186", "189", "199")

RECORD_COLUMNS: Final = (
    "id",
    "task_id",
    "customer_id",
    "callee",
    "callid",
    "calldate",
    "duration",
    "bill",
    "rounds",
    "hangup_disposition",
    "intention_results",
)


@dataclass(frozen=True)
class CallDraw:
    """The hidden truth of a chunk's calls, one entry per call."""

    task: IntArray
    customer: IntArray
    second: IntArray
    connected: NDArray[np.bool_]
    turns: IntArray
    mood: IntArray
    special: IntArray
    bill: IntArray
    duration: IntArray


def pick(rng: np.random.Generator, shares: FloatArray) -> IntArray:
    """Draw one column index per row of `shares`; past the last column if they sum below 1."""
    passed = rng.random(len(shares))[:, None] >= np.cumsum(shares, axis=1)
    picked: IntArray = np.count_nonzero(passed, axis=1).astype(np.int64)
    return picked


def draw_calls(chunk: Chunk) -> CallDraw:
    """Draw a chunk, ordered by table month and then by time."""
    rng = chunk.stream(Stream.CALLS)
    count = chunk.size
    weights = np.cumsum([task.weight for task in chunk.tasks])
    task = np.searchsorted(weights, rng.random(count) * weights[-1], side="right")
    second = _seconds(rng, chunk.day, count)
    month = np.array([int(entry.month.replace("_", "")) for entry in chunk.tasks])[task]
    order = np.lexsort((second, month))
    task, second = task[order], second[order]
    customer = _customers(rng, chunk, task)
    rates = np.array([entry.connect_rate for entry in chunk.tasks])
    connected = rng.random(count) < rates[task]
    turns = np.clip(1 + rng.poisson(3.6, count), 1, 14)
    turns = np.where(connected & (rng.random(count) >= SILENT_SHARE), turns, 0)
    mood = _moods(rng, chunk, task, customer)
    special = pick(rng, np.array(SPECIAL_SHARES)[mood])
    ring = 3_000 + rng.integers(0, 22_000, count)
    talk = 2_000 + turns * (5_000 + rng.integers(0, 6_000, count)) + rng.integers(0, 3_000, count)
    bill = np.where(connected, talk, 0)
    waited = np.where(connected, ring, ring * 2)
    return CallDraw(task, customer, second, connected, turns, mood, special, bill, bill + waited)


def _seconds(rng: np.random.Generator, day: date, count: int) -> IntArray:
    profile = WEEKEND_HOUR_WEIGHTS if day.weekday() >= 5 else HOUR_WEIGHTS
    cumulated = np.cumsum(list(profile.values()))
    at = np.searchsorted(cumulated, rng.random(count) * cumulated[-1], side="right")
    seconds: IntArray = np.array(list(profile))[at] * 3_600 + rng.integers(0, 3_600, count)
    return seconds


def _customers(rng: np.random.Generator, chunk: Chunk, task: IntArray) -> IntArray:
    """Draw customer codes: below 30 a shared customer, else one of the task's population.

    The populations of neighbouring tasks overlap by half: some customers are in two tasks.
    """
    shared_calls = SHARED_CALLS_PER_MONTH * len(SHARED_CUSTOMER_IDS)
    share = min(SHARED_LARGEST_SHARE, shared_calls / chunk.monthly_calls)
    population = max(2, int(chunk.monthly_calls * POPULATION_MONTHS))
    numbers = np.array([entry.number for entry in chunk.tasks], dtype=np.int64)
    outbound = numbers[task] * (population // 2) + rng.integers(0, population, len(task))
    shared = rng.integers(0, len(SHARED_CUSTOMER_IDS), len(task))
    is_shared = rng.random(len(task)) < share
    return np.where(is_shared, shared, outbound + len(SHARED_CUSTOMER_IDS))


def _moods(rng: np.random.Generator, chunk: Chunk, task: IntArray, customer: IntArray) -> IntArray:
    """Draw moods by task; shared customers ending in 1, 2, 3 are unhappy, in 8, 9, 0 happy."""
    negative = np.array([entry.negative_share for entry in chunk.tasks])[task]
    positive = np.array([entry.positive_share for entry in chunk.tasks])[task]
    shared = customer < len(SHARED_CUSTOMER_IDS)
    unhappy, happy = shared & (customer % 10 < 3), shared & (customer % 10 >= 7)
    negative = np.where(unhappy, 0.55, np.where(happy, 0.03, negative))
    positive = np.where(unhappy, 0.08, np.where(happy, 0.60, positive))
    return pick(rng, np.stack([negative, 1 - negative - positive], axis=1))


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit words (splitmix64): a customer's id without a list of customers."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _customer_words(seed: int, customer: IntArray) -> NDArray[np.uint64]:
    salt = np.array([[seed, ~seed]], dtype=np.int64).astype(np.uint64)
    spread = customer.astype(np.uint64)[:, None] * np.uint64(0x9E3779B97F4A7C15)
    return _mix(_mix(spread + salt))


def record_columns(chunk: Chunk, draw: CallDraw) -> dict[str, list[Any]]:
    """Return the chunk's correct rows as columns of `autodialer_call_record`."""
    rng = chunk.stream(Stream.RECORDS)
    words = _customer_words(chunk.seed, draw.customer)
    customers = uuid_texts(words)
    for at in np.flatnonzero(draw.customer < len(SHARED_CUSTOMER_IDS)).tolist():
        customers[at] = SHARED_CUSTOMER_IDS[draw.customer[at]]
    outcome = np.where(draw.connected, np.where(draw.turns == 0, SILENT, draw.mood), UNCONNECTED)
    grade = pick(rng, np.array(INTENTION_SHARES)[outcome, :-1])
    refused = (draw.special == SPECIALS.index("refusal")) & (draw.turns > 1)
    grade = np.where(refused, INTENTIONS.index("E"), grade)
    hung_up = rng.random(chunk.size) < np.array(CUSTOMER_HANGS_UP)[outcome]
    overheard = (rng.random(chunk.size) < 0.2) & (draw.turns > 0)
    columns: tuple[list[Any], ...] = (
        random_uuids(rng, chunk.size),
        objects([task.uuid for task in chunk.tasks])[draw.task].tolist(),
        customers,
        _callees(words),
        random_uuids(rng, chunk.size),
        [clock(chunk.day, second) for second in draw.second.tolist()],
        draw.duration.tolist(),
        draw.bill.tolist(),
        (draw.turns + overheard).tolist(),
        (1 + hung_up).tolist(),
        objects(INTENTIONS)[grade].tolist(),
    )
    return dict(zip(RECORD_COLUMNS, columns, strict=True))


def _callees(words: NDArray[np.uint64]) -> list[str]:
    """Make up phone numbers: a block of zeros in the middle marks them as invented."""
    prefix = (words[:, 0] % np.uint64(len(CALLEE_PREFIXES))).tolist()
    ending = (words[:, 1] % np.uint64(10_000)).tolist()
    return [
        f"{CALLEE_PREFIXES[first]}0000{last:04d}"
        for first, last in zip(prefix, ending, strict=True)
    ]


def clock(day: date, second: int) -> str:
    """Format a second of a day as the source's datetime text."""
    return f"{day} {second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
