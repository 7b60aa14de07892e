"""Redaction: personal identifiers leave the text before the text leaves the machine.

Belongs here: finding and replacing them. Must not: sending, storing, names and addresses.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cs_assets.calls.plain_text import plain

_RUN = re.compile(r"[0-9零〇一二三四五六七八九幺两](?:[ \-.]*[0-9零〇一二三四五六七八九幺两]){6,}")


@dataclass(frozen=True)
class Turn:
    """One turn of a dialogue: what the customer said, what the robot answered; None: nothing."""

    customer: str | None
    robot: str | None


def redact(text: str) -> tuple[str, Mapping[str, int]]:
    """Return text without identifiers, and how many of each kind were there."""
    text = plain(text)
    text, n = _RUN.subn("[NUMBER]", text)
    return text, {"NUMBER": n} if n else {}


def redact_dialogue(turns: Sequence[Turn]) -> tuple[list[Turn], Mapping[str, int]]:
    """Return the turns without identifiers, and how many of each kind were there."""
    counts: Counter[str] = Counter()

    def one(text: str | None) -> str | None:
        if text is None:
            return None
        text, found = redact(text)
        counts.update(found)
        return text

    return [Turn(one(turn.customer), one(turn.robot)) for turn in turns], dict(counts)
