"""The law of a language model's pace: what may start in a minute.

Belongs here: the sliding window, in slots of a quarter of a second. Must not: the log, clocks,
waiting.

A request gets the first slot, from now on and not before any that was given out earlier, such that
the last `SPAN` slots hold no more than the limits: so no window of 60 s does, however long nothing
was asked. Nothing is spread evenly: what the window has room for starts at once.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor

WINDOW_SECONDS = 60
LATENESS_SECONDS = 1
"""So much later than it was told a request may start, and the law holds still."""
SLOTS_A_SECOND = 4
SPAN = (WINDOW_SECONDS + LATENESS_SECONDS) * SLOTS_A_SECOND + 1
_INSIDE = 0.001
"""Seconds after a slot's beginning: rounding must not put a start into the slot before."""


@dataclass(frozen=True)
class Limits:
    """What may start in any 60 s; null: any number."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    def __post_init__(self) -> None:
        for name, limit in vars(self).items():
            if limit is not None and limit < 1:
                raise ValueError(f"{name} is {limit}; give 1 or more, or nothing for no limit")

    def allow(self, requests: int, tokens: int, more: int) -> bool:
        """Say whether one request of `more` tokens may join those of a window.

        One of more tokens than the limit may start when nothing else does: alone, not never.
        """
        if self.requests_per_minute is not None and requests + 1 > self.requests_per_minute:
            return False
        if self.tokens_per_minute is None or tokens == 0:
            return True
        return tokens + more <= self.tokens_per_minute


@dataclass(frozen=True)
class Slot:
    """What starts in one slot, counted from the epoch."""

    slot: int
    requests: int
    tokens: int


def slot_of(instant: float) -> int:
    """Return the slot of an instant in epoch seconds."""
    return floor(instant * SLOTS_A_SECOND)


def slots(log: Iterable[Slot], limits: Limits, tokens: Sequence[int], first: int) -> list[int]:
    """Return the slot in which each request may start, none before `first` nor before the log's."""
    window = deque(sorted(log, key=lambda entry: entry.slot))
    requests = sum(entry.requests for entry in window)
    total = sum(entry.tokens for entry in window)
    slot = max([first, *(entry.slot for entry in window)])
    given = []
    for wanted in tokens:
        while window and (
            window[0].slot <= slot - SPAN or not limits.allow(requests, total, wanted)
        ):
            oldest = window.popleft()
            slot = max(slot, oldest.slot + SPAN)
            requests, total = requests - oldest.requests, total - oldest.tokens
        window.append(Slot(slot, 1, wanted))
        requests, total = requests + 1, total + wanted
        given.append(slot)
    return given


def wait_for(slot: int, now: float) -> float:
    """Return the seconds from now to the slot; none within it."""
    return 0.0 if slot <= slot_of(now) else slot / SLOTS_A_SECOND + _INSIDE - now
