"""The journal: attempts and answers go to the store in groups, and nothing goes on before they are
in.

Belongs here: gathering what several requests have to write into one transaction. Must not: tables.

A request is sent only after its attempt was committed as opened, and whatever was handed in before
is committed with it at the latest. So the request that takes an answered one's place is sent only
when that answer is kept, and both wait for one commit: a process that is killed repeats what was
under way, no more.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from cs_resources.model_answers import StoredAnswer
from cs_resources.model_ledger import ClosedAttempt, OpenedAttempt
from cs_resources.model_store import ModelStore

P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class _Group:
    opened: list[OpenedAttempt] = field(default_factory=list)
    closed: list[ClosedAttempt] = field(default_factory=list)
    answers: list[StoredAnswer] = field(default_factory=list)
    waiting: list[asyncio.Future[None]] = field(default_factory=list)


class Journal:
    """Writes to a store from one event loop, by one thread."""

    def __init__(self, store: ModelStore) -> None:
        self.store = store
        self._thread = ThreadPoolExecutor(1, "model-journal")
        self._next = _Group()
        self._writer: asyncio.Task[None] | None = None

    async def opened(self, attempt: OpenedAttempt) -> None:
        """Return once the attempt is committed as opened."""
        self._next.opened.append(attempt)
        await self._committed()

    def closed(
        self, attempt: ClosedAttempt, answer: StoredAnswer | None = None
    ) -> asyncio.Future[None]:
        """Hand in an attempt's end, and its answer if it brought one; the future: committed."""
        self._next.closed.append(attempt)
        if answer:
            self._next.answers.append(answer)
        return self._committed()

    async def ask(self, question: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what a method of the store returns."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: question(*args, **kwargs))

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown()

    def _committed(self) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._next.waiting.append(future)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        return future

    async def _write(self) -> None:
        while self._next.waiting:
            group, self._next = self._next, _Group()
            try:
                await self.ask(self.store.commit, group.opened, group.closed, group.answers)
            except Exception as error:  # noqa: BLE001 - whoever waits gets it
                _settle(group, error)
            else:
                _settle(group, None)


def _settle(group: _Group, error: Exception | None) -> None:
    for future in group.waiting:
        if future.done():
            continue  # its request was cancelled
        if error:
            future.set_exception(error)
        else:
            future.set_result(None)
