"""The pace of language models: no window of a minute holds more than the limits, and no less."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_cases import Stores, model_stores, opened_stores, store

from cs_resources.model_pace import Correction
from cs_resources.model_store import ModelStore
from cs_resources.model_window import (
    LATENESS_SECONDS,
    SPAN,
    WINDOW_SECONDS,
    Limits,
    Slot,
    slot_of,
    slots,
    wait_for,
)

__all__ = ["model_stores", "opened_stores", "store"]
URL, MODEL = "https://model.example/v1", "qwen-plus"
T0 = 1_764_000_000.0
Start = tuple[float, int]
"""When a request starts, and its tokens."""
PERIOD = 61.25
"""Seconds after which a full window has room again: a good 2 % more than 60."""


def log_of(starts: Iterable[Start]) -> list[Slot]:
    return [Slot(slot_of(at), 1, tokens) for at, tokens in starts]


def broken(starts: Sequence[Start], limits: Limits, lateness: float = 0) -> list[Start]:
    """The starts at which a window of 60 s ends that holds more than the limits.

    With `lateness`, every second start comes so much later than it was told.
    """
    real = sorted((at + lateness * (n % 2), tokens) for n, (at, tokens) in enumerate(starts))
    bad = []
    for at, last in real:
        inside = [tokens for t, tokens in real if at - WINDOW_SECONDS < t <= at]
        if limits.requests_per_minute and len(inside) > limits.requests_per_minute:
            bad.append((at, last))
        too_many = limits.tokens_per_minute and sum(inside) > limits.tokens_per_minute
        if too_many and sum(tokens > 0 for tokens in inside) > 1:
            bad.append((at, last))
    return bad


ASKED = st.lists(
    st.tuples(st.floats(0, 90, allow_subnormal=False), st.lists(st.integers(0, 120), max_size=6)),
    max_size=12,
)
LIMITS = st.builds(
    Limits, st.one_of(st.none(), st.integers(1, 8)), st.one_of(st.none(), st.integers(1, 200))
)


@given(asked=ASKED, limits=LIMITS, lateness=st.sampled_from([0, LATENESS_SECONDS - 0.01]))
def test_no_window_holds_more_than_the_limits(
    asked: list[tuple[float, list[int]]], limits: Limits, lateness: float
) -> None:
    now, starts = T0, list[Start]()
    for pause, tokens in asked:
        now += pause
        told = slots(log_of(starts), limits, tokens, slot_of(now))
        starts += [(now + wait_for(s, now), n) for s, n in zip(told, tokens, strict=True)]
    assert broken(starts, limits, lateness) == []
    assert all(earlier <= later for (earlier, _), (later, _) in pairwise(starts))


@given(asked=ASKED, limits=LIMITS)
def test_nobody_waits_while_there_is_room(
    asked: list[tuple[float, list[int]]], limits: Limits
) -> None:
    """One slot earlier, every request that waits would break the law or overtake another."""
    now, log = T0, list[Slot]()
    for pause, tokens in asked:
        now += pause
        for wanted in tokens:
            (slot,) = slots(log, limits, [wanted], slot_of(now))
            earliest = max([slot_of(now), *(entry.slot for entry in log)])
            if slot > earliest:
                window = [entry for entry in log if entry.slot > slot - 1 - SPAN]
                used = sum(entry.tokens for entry in window)
                assert not limits.allow(len(window), used, wanted)
            log.append(Slot(slot, 1, wanted))


@given(asked=ASKED, limits=LIMITS)
def test_it_does_not_matter_how_requests_are_grouped(
    asked: list[tuple[float, list[int]]], limits: Limits
) -> None:
    tokens = [wanted for _, group in asked for wanted in group]
    one_by_one = list[Slot]()
    for wanted in tokens:
        one_by_one += [Slot(*slots(one_by_one, limits, [wanted], 0), 1, wanted)]
    assert slots([], limits, tokens, 0) == [entry.slot for entry in one_by_one]


def test_what_the_window_has_room_for_starts_at_once() -> None:
    waits = [wait_for(slot, 0) for slot in slots([], Limits(600), [1] * 1500, 0)]
    expected = [0.0] * 600 + [PERIOD] * 600 + [2 * PERIOD] * 300
    assert waits == pytest.approx(expected, abs=0.01)


def test_nobody_overtakes_who_was_told_a_later_start() -> None:
    assert slots([Slot(100, 1, 1)], Limits(5), [1], 50) == [100]


def test_a_request_of_more_tokens_than_the_limit_starts_alone() -> None:
    assert slots([], Limits(None, 100), [60, 500, 0, 40, 60], 0) == [
        0,
        SPAN,
        2 * SPAN,
        2 * SPAN,
        2 * SPAN,
    ]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_lets_nothing_start_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match=f"tokens_per_minute is {limit}; give 1 or more"):
        Limits(10, limit)


def test_a_store_gives_out_what_the_law_allows(store: ModelStore) -> None:
    limits = Limits(3, 100)
    assert store.reserve(URL, MODEL, limits, [], T0) == []
    assert store.reserve(URL, MODEL, limits, [60, 40], T0) == [0, 0]
    (third,) = store.reserve(URL, MODEL, limits, [1], T0 + 10)
    assert third == pytest.approx(PERIOD - 10, abs=0.01)
    assert store.reserve(URL, MODEL, limits, [99, 50], T0 + 10) == pytest.approx(
        [PERIOD - 10, 2 * PERIOD - 10], abs=0.01
    )
    assert store.reserve(URL, "another model", limits, [1], T0 + 10) == [0]
    assert store.reserve(URL, MODEL, limits, [100], T0 + 1000) == [0]


def test_without_limits_nobody_waits(store: ModelStore) -> None:
    assert store.reserve(URL, MODEL, Limits(), [10**9] * 3, T0) == [0, 0, 0]


@pytest.mark.parametrize("limits", [Limits(), Limits(5)])
def test_nobody_starts_while_all_are_held(store: ModelStore, limits: Limits) -> None:
    store.hold(URL, MODEL, T0 + 20)
    store.hold(URL, MODEL, T0 + 7)
    for wait in store.reserve(URL, MODEL, limits, [1, 1], T0):
        assert 20 <= wait < 20.3
    assert store.reserve(URL, "another model", limits, [1], T0) == [0]
    assert store.reserve(URL, MODEL, Limits(5), [1], T0 + 20.3) == [0]


def test_tokens_that_were_not_used_make_room(store: ModelStore) -> None:
    limits = Limits(None, 100)
    assert store.reserve(URL, MODEL, limits, [50, 50], T0) == [0, 0]
    store.correct(URL, MODEL, [Correction(T0, 50, 20), Correction(T0, 50, 50)])
    assert store.reserve(URL, MODEL, limits, [30], T0 + 1) == [0]


def test_more_tokens_than_estimated_take_room(store: ModelStore) -> None:
    limits = Limits(None, 100)
    assert store.reserve(URL, MODEL, limits, [10], T0) == [0]
    store.correct(URL, MODEL, [Correction(T0, 10, 95)])
    (wait,) = store.reserve(URL, MODEL, limits, [10], T0 + 1)
    assert wait == pytest.approx(PERIOD - 1, abs=0.01)


def test_a_correction_of_a_start_that_has_left_the_window_changes_nothing(
    store: ModelStore,
) -> None:
    limits = Limits(None, 100)
    store.reserve(URL, MODEL, limits, [100], T0)
    store.reserve(URL, MODEL, limits, [100], T0 + 70)
    store.correct(URL, MODEL, [Correction(T0, 100, 0)])
    assert store.reserve(URL, MODEL, limits, [1], T0 + 71) != [0]


@pytest.mark.parametrize("limits", [Limits(60), Limits(None, 3000), Limits(50, 2600)])
def test_two_processes_at_once_keep_the_law_together(model_stores: Stores, limits: Limits) -> None:
    """Four writers with clocks that differ by up to half a second ask for 400 requests."""

    def ask(writer: int) -> list[Start]:
        starts = list[Start]()
        for turn in range(25):
            now = T0 + turn * 7 + writer / 8
            tokens = [10 + writer * 20] * 4
            waits = model_stores[writer % 2].reserve(URL, MODEL, limits, tokens, now)
            starts += [(now + wait, n) for wait, n in zip(waits, tokens, strict=True)]
        return starts

    with ThreadPoolExecutor(4) as threads:
        starts = [start for found in threads.map(ask, range(4)) for start in found]
    assert len(starts) == 400
    assert broken(starts, limits) == []


def test_the_log_does_not_grow(store: ModelStore) -> None:
    for minute in range(10):
        store.reserve(URL, MODEL, Limits(1000), [1] * 10, T0 + minute * 60)
    table = store.warehouse.tables.models.starts
    with store.warehouse.engine.connect() as connection:
        assert len(connection.execute(table.select()).all()) <= 2


def test_the_clock_tells_epoch_seconds(store: ModelStore) -> None:
    assert store.clock() > T0
