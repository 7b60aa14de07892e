"""What is asked of a language model, and what is found.

Belongs here: the vocabulary between those who ask and the engine. Must not: asking.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Assignment:
    """One kind of question: its prompt's version, the schema of its answers, how they are read.

    `parse` takes the model's text and whether it may stand among other text, returns the answer as
    canonical JSON and raises ValueError with a message for the model. `correction` is sent with
    that message (`{error}`) when an answer is asked for once more.
    """

    prompt_version: str
    schema: Mapping[str, Any]
    parse: Callable[[str, bool], str]
    correction: str


@dataclass(frozen=True)
class Question:
    """One question: `id` names the row that it is about, `partition` the day that pays for it."""

    id: tuple[Any, ...]
    partition: str
    dialogue_hash: str
    messages: tuple[Mapping[str, str], ...]
    is_truncated: bool = False

    def key(self, prompt_version: str, model: str, endpoint: str) -> str:
        """Return the key of its answer: equal dialogues have one answer."""
        parts = json.dumps([prompt_version, model, endpoint, self.dialogue_hash])
        return hashlib.sha256(parts.encode()).hexdigest()

    @cached_property
    def estimated_tokens(self) -> int:
        """Tokens of its messages: three bytes, so a Chinese character, are counted as one."""
        return sum(len(message["content"].encode()) // 3 + 8 for message in self.messages)


@dataclass(frozen=True)
class Finding:
    """What was found of a question: an answer as JSON, or why there is none.

    `method` is llm (asked now) or cache (kept from before); `is_unfinished`: another run may find
    an answer. Tokens are those of the attempt that brought the answer.
    """

    question: Question
    answer: str | None = None
    method: str | None = None
    analyzed_at: datetime | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    error: str | None = None
    is_unfinished: bool = False
