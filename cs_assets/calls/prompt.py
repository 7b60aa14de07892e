"""The prompt: what a language model is told of a dialogue, and how the dialogue is shut in.

Belongs here: reading and validating `prompt.yaml`, cutting, escaping, the messages. Must not:
finding personal data (see `redaction`), asking a model, reading its answer (see `answers`).

The dialogue is data of a stranger. It stands in the last message alone, one JSON document per
line between two markers that carry its hash; no text in it can leave its string, its line or the
block.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from cs_assets.calls.answers import ANSWER_SCHEMA, Answer
from cs_assets.calls.redaction import Turn, redact_dialogue
from cs_assets.yaml_files import load_yaml
from cs_resources.errors import ConfigurationError

__all__ = ["DEFAULT", "Prompt", "PromptError", "Rendered", "Turn"]

DEFAULT: Final = Path(__file__).with_name("prompt.yaml")
_SEEN: Final = 12
# `<` and `>` could form a marker, the others end a line for some readers
_ESCAPES: Final = {ord(char): f"\\u{ord(char):04x}" for char in "<>\x85\u2028\u2029"}

Message = Mapping[str, str]
Text = Annotated[str, Field(min_length=1)]


class PromptError(ConfigurationError, ValueError):
    """The prompt file does not say what it should; the message names place and remedy."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ExampleTurn(_Part):
    """A turn of a worked example."""

    customer: Text | None
    robot: Text | None


class Example(_Part):
    """A worked example: a dialogue and the answer to it."""

    dialogue: Annotated[tuple[ExampleTurn, ...], Field(min_length=1, strict=False)]
    answer: Answer


class PromptFile(_Part):
    """The prompt file, as written."""

    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.]{0,15}$")]
    system: Text
    closing: Text
    omitted: Text
    correction: Text
    examples: Annotated[tuple[Example, ...], Field(strict=False)]

    @field_validator("correction")
    @classmethod
    def _says_what_was_wrong(cls, correction: str) -> str:
        if "{error}" not in correction:
            raise ValueError("does not hold {error}, where the broken rule is told")
        return correction

    @field_validator("system")
    @classmethod
    def _names_what_is_wanted(cls, system: str) -> str:
        words = ["JSON", *Answer.model_fields]
        if absent := [word for word in words if word not in system]:
            raise ValueError(f"does not say {', '.join(absent)}; the model must be told of it")
        return system


@dataclass(frozen=True)
class Rendered:
    """A dialogue as it is sent."""

    messages: tuple[Message, ...]
    dialogue_hash: str
    """SHA-256, hex, of the dialogue's lines as sent: redacted and cut."""
    is_truncated: bool
    redacted: Mapping[str, int]
    """Kind of identifier -> how many were taken out of the whole dialogue."""


@dataclass(frozen=True)
class Prompt:
    """The prompt, ready to render."""

    file: PromptFile

    @classmethod
    def load(cls, path: Path | None = None) -> "Prompt":
        """Read a prompt file; raises PromptError naming file, place and remedy."""
        return cls(load_yaml(path or DEFAULT, PromptFile, PromptError, DEFAULT))

    @cached_property
    def version(self) -> str:
        """The declared version and a hash of all that is sent besides the dialogue."""
        sent = json.dumps(
            [list(_messages(self.file, [])), self.file.omitted, self.file.correction, ANSWER_SCHEMA]
        )
        return f"{self.file.version}-{hashlib.sha256(sent.encode()).hexdigest()[:12]}"

    def render(self, turns: Sequence[Turn], limit: int) -> Rendered:
        """Return the messages for a dialogue, at most its last `limit` characters.

        Whole turns are left out from the front; a turn that is longer than `limit` by itself
        keeps its end. Turns in which nothing was said are left out, the others keep their number.
        The same dialogue gives the same messages, byte for byte.
        """
        if limit < 1:
            raise ValueError(f"a dialogue of {limit} characters says nothing; keep at least 1")
        clean, redacted = redact_dialogue(turns)
        kept, is_truncated = _end(list(_spoken(clean)), limit)
        lines = [_line(turn=number, **vars(turn)) for number, turn in kept]
        if is_truncated:
            lines.insert(0, _line(turn=0, customer=None, robot=None, note=self.file.omitted))
        messages = tuple(_messages(self.file, lines))
        return Rendered(messages, _digest(lines), is_truncated, redacted)


def _messages(file: PromptFile, lines: Sequence[str]) -> Iterator[Message]:
    yield {"role": "system", "content": file.system.strip()}
    for example in file.examples:
        shown = [
            _line(turn=number, **turn.model_dump())
            for number, turn in enumerate(example.dialogue, start=1)
        ]
        answer = json.dumps(example.answer.model_dump(), ensure_ascii=False)
        yield {"role": "user", "content": _block(shown, file.closing)}
        yield {"role": "assistant", "content": answer}
    yield {"role": "user", "content": _block(lines, file.closing)}


def _block(lines: Sequence[str], closing: str) -> str:
    seen = _digest(lines)[:_SEEN]
    begin, end = f"<<<DIALOGUE sha256={seen}>>>", f"<<<END sha256={seen}>>>"
    return "\n".join([begin, *lines, end, closing.strip()])


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _line(**values: object) -> str:
    return json.dumps(values, ensure_ascii=False).translate(_ESCAPES)


def _spoken(turns: Iterable[Turn]) -> Iterator[tuple[int, Turn]]:
    for number, turn in enumerate(turns, start=1):
        customer, robot = (turn.customer or "").strip(), (turn.robot or "").strip()
        if customer or robot:
            yield number, Turn(customer or None, robot or None)


def _end(turns: Sequence[tuple[int, Turn]], limit: int) -> tuple[list[tuple[int, Turn]], bool]:
    """Return the last turns that fit, and whether something was left out."""
    kept: list[tuple[int, Turn]] = []
    room = limit
    for number, turn in reversed(turns):
        length = len(turn.customer or "") + len(turn.robot or "")
        if length > room:
            if room and length > limit:
                kept.append((number, _tail(turn, room)))
            return kept[::-1], True
        kept.append((number, turn))
        room -= length
    return kept[::-1], False


def _tail(turn: Turn, room: int) -> Turn:
    """Return the last `room` characters of a turn; the robot speaks last in it."""
    robot = turn.robot[-room:] if turn.robot else turn.robot
    left = room - len(robot or "")
    customer = turn.customer[-left:] if turn.customer and left else None
    return Turn(customer, robot)
