"""A batch being written: its requests in a file, what waits for them in memory.

Belongs here: the lines of a batch's file, how many fit into one. Must not: sending it.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from uuid import uuid4

from cs_resources.model_batch_api import CHAT_URL
from cs_resources.model_batches import BatchItem
from cs_resources.model_questions import Question

MOST_REQUESTS, MOST_BYTES = 50_000, 100_000_000
"""What a batch may hold; the strictest of the known endpoints take this much."""


@dataclass
class Draft:
    """A batch of requests to be; `waiting` holds by key the questions that it will answer."""

    file: IO[bytes]
    most_requests: int = MOST_REQUESTS
    most_bytes: int = MOST_BYTES
    batch_id: str = field(default_factory=lambda: uuid4().hex)
    items: dict[str, BatchItem] = field(default_factory=dict)
    waiting: dict[str, list[Question]] = field(default_factory=dict)

    @property
    def days(self) -> tuple[str, ...]:
        """Days of the questions that wait for it."""
        waiting = (question for questions in self.waiting.values() for question in questions)
        return tuple(sorted({question.partition for question in waiting}))

    def has_room(self, line: bytes) -> bool:
        """Whether one more request fits in; an empty one takes any."""
        fits = self.file.tell() + len(line) <= self.most_bytes
        return not self.items or (fits and len(self.items) < self.most_requests)

    def add(self, key: str, question: Question, line: bytes, tenant_id: str) -> None:
        """Put a request in."""
        self.file.write(line)
        self.items[key] = BatchItem(
            batch_id=self.batch_id,
            custom_id=key,
            attempt_id=uuid4().hex,
            tenant_id=tenant_id,
            partition=question.partition,
            dialogue_hash=question.dialogue_hash,
        )
        self.wait(key, question)

    def wait(self, key: str, question: Question) -> None:
        """Let a question wait for a request that is in; its text is let go."""
        self.waiting.setdefault(key, []).append(replace(question, messages=()))

    @contextmanager
    def content(self, keys: Collection[str], folder: Path) -> Iterator[IO[bytes]]:
        """Show the file with the requests of these keys alone."""
        if len(keys) == len(self.items):
            yield self.file
            return
        self.file.seek(0)
        with TemporaryFile(dir=folder) as chosen:
            for line in self.file:
                if json.loads(line)["custom_id"] in keys:
                    chosen.write(line)
            yield chosen


def line_of(key: str, body: Mapping[str, Any]) -> bytes:
    """Return a request as a line of a batch's file."""
    line = {"custom_id": key, "method": "POST", "url": CHAT_URL, "body": body}
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"
