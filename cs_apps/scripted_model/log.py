"""What arrived at the scripted server, in order: the truth that a client's ledger is held against.

Belongs here: requests as they came, how many were answered, and looking for text in them. Must not:
answering.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

_SECRETS = {"authorization", "authorization-gateway"}
_HASH = re.compile(
    r"sha256=[0-9a-f]{12}\b|\b(?:[0-9a-f]{64}|[0-9a-f]{32})\b"
)  # may look like numbers


@dataclass(frozen=True)
class Received:
    """A request as it came; `at` in seconds of the monotonic clock, header names lower-case."""

    method: str
    target: str
    headers: Mapping[str, str]
    raw: bytes
    at: float

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @cached_property
    def body(self) -> Any:
        """The body: what it means if it is JSON, else its bytes; null if there is none."""
        try:
            return json.loads(self.raw) if self.raw else None
        except ValueError:
            return self.raw

    @property
    def text(self) -> str:
        """Every text in the body, JSON within texts and lines unpacked, a line each."""
        return "\n".join(_texts(self.body))

    def told(self) -> dict[str, Any]:
        """Return the request for another process, keys left out."""
        body = self.body
        return {
            "method": self.method,
            "target": self.target,
            "headers": {name: text for name, text in self.headers.items() if name not in _SECRETS},
            "body": body.decode("utf-8", "replace") if isinstance(body, bytes) else body,
            "at": self.at,
        }


@dataclass
class Log:
    """All requests so far. `answered`: those whose reply was sent to the end; `busiest`: most at
    once. `keeps_bodies`: false to keep memory small in a long run.
    """

    keeps_bodies: bool = True
    received: list[Received] = field(default_factory=list)
    answered: int = 0
    busiest: int = 0
    _open: int = 0

    def begin(self, received: Received) -> None:
        """Note a request."""
        self.received.append(received if self.keeps_bodies else replace(received, raw=b""))
        self._open += 1
        self.busiest = max(self.busiest, self._open)

    def end(self, is_answered: bool) -> None:
        """Note that a request is over."""
        self._open -= 1
        self.answered += is_answered

    def asked(self, ending: str) -> list[Received]:
        """Return the requests whose path ends so, `/chat/completions` for example."""
        return [received for received in self.received if received.path.endswith(ending)]

    def leaks(self, patterns: Iterable[str]) -> list[str]:
        """Return what of any request, keys and hashes left out, matches a regular expression."""
        found = re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
        texts = (_HASH.sub("", text) for text in self._everything())
        return [match[0] for text in texts for match in found.finditer(text)]

    def counts(self) -> dict[str, Any]:
        """Return the figures: received, answered, busiest, and requests by method and path."""
        by_path = Counter(f"{received.method} {received.path}" for received in self.received)
        return {
            "received": len(self.received),
            "answered": self.answered,
            "busiest": self.busiest,
            "by_path": dict(by_path),
        }

    def _everything(self) -> Iterator[str]:
        for received in self.received:
            yield received.target
            yield from (text for name, text in received.headers.items() if name not in _SECRETS)
            yield received.text


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        yield value
        for line in value.splitlines():
            if line[:1] in ("{", "["):
                yield from _unpacked(line)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield str(name)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif value is not None:
        yield str(value)


def _unpacked(line: str) -> Iterator[str]:
    try:
        yield from _texts(json.loads(line))
    except ValueError:
        return
