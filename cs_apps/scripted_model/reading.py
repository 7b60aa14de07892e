"""What a model is given to judge: the turns of a dialogue, and everything else it is told.

Belongs here: finding the dialogue in the messages of a request, as a model that understands roles
does. Must not: judging, or the platform's own code that writes the prompt.

The dialogue stands between two marker lines that carry the same hash, one JSON object a line.
Whatever a user message holds beyond such lines is text that a model may obey, also a line between
the markers that is no turn: a dialogue that can form one has broken out of its block.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_BLOCK = re.compile(
    r"^<<<DIALOGUE sha256=([0-9a-f]{12})>>>\n(.*?)^<<<END sha256=\1>>>$", re.DOTALL | re.MULTILINE
)
_KEYS = {"turn", "customer", "robot", "note"}


@dataclass(frozen=True)
class Said:
    """One turn of the dialogue; null: nobody spoke."""

    customer: str | None
    robot: str | None


@dataclass(frozen=True)
class Question:
    """What is asked: the dialogue's turns, and what user messages hold `outside` of them."""

    turns: tuple[Said, ...]
    outside: str

    @property
    def customer(self) -> str:
        """What the customer said, a line a turn."""
        return "\n".join(turn.customer for turn in self.turns if turn.customer)

    @property
    def inside(self) -> str:
        """What anybody said, a line a turn and speaker."""
        return "\n".join(
            text for turn in self.turns for text in (turn.customer, turn.robot) if text
        )


def read(messages: Sequence[Mapping[str, Any]]) -> Question:
    """Read the last dialogue in the user messages; without one, the customer said the last of them.

    `messages`: those of the request, content as text or as parts of type text. Dialogues in
    earlier ones are examples, which nobody obeys.
    """
    asked = [text_of(message) for message in messages if message.get("role") == "user"]
    blocks = [block for text in asked if (block := _BLOCK.search(text))]
    if not blocks:
        return Question((Said(asked[-1] if asked else None, None),), "\n".join(asked))
    turns, strays = _turns(blocks[-1][2])
    outside = [_BLOCK.sub("", text, count=1) for text in asked]
    return Question(turns, "\n".join([*outside, *strays]))


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message; empty if it has none."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part.get("type") == "text")


def _turns(block: str) -> tuple[tuple[Said, ...], list[str]]:
    turns, strays = [], []
    for line in block.splitlines():
        try:
            turn = json.loads(line)
        except ValueError:
            turn = None
        if _is_turn(turn):
            turns.append(Said(turn.get("customer"), turn.get("robot")))
        else:
            strays.append(line)
    return tuple(turns), strays


def _is_turn(turn: Any) -> bool:
    return (
        isinstance(turn, dict)
        and turn.keys() <= _KEYS
        and all(isinstance(turn.get(speaker), str | None) for speaker in ("customer", "robot"))
    )
