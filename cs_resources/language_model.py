"""The language model as a resource: many questions in, findings out as they come.

Belongs here: running questions side by side in bounded memory, looking answers up first. Must not:
one question's way (see `model_asking`), what is asked.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cs_resources.model_asking import Asker, Ladder, Patience, found
from cs_resources.model_budget import Account, Budget
from cs_resources.model_circuit import PAUSES, Circuit
from cs_resources.model_client import MODES, Endpoint
from cs_resources.model_journal import Journal
from cs_resources.model_prices import Prices
from cs_resources.model_questions import Assignment, Finding, Question
from cs_resources.model_store import ModelStore
from cs_resources.model_window import Limits

_CHUNK = 128
_WAITING = 2000
"""Findings that may wait for their reader."""
REPORT_SECONDS = 10.0
"""Time between two reports of progress."""


@dataclass
class Progress:
    """How far a run has come."""

    asked: int = 0
    from_cache: int = 0
    answered: int = 0
    without_answer: int = 0
    seconds: float = 0.0

    @property
    def done(self) -> int:
        """Questions that have a finding."""
        return self.from_cache + self.answered + self.without_answer

    def __str__(self) -> str:
        """Say it in one line of a log."""
        rate = self.done / self.seconds if self.seconds else 0.0
        return (
            f"{self.done:,} of {self.asked:,} read so far are done ({rate:.0f}/s): "
            f"{self.answered:,} answered, {self.from_cache:,} known before, "
            f"{self.without_answer:,} without an answer"
        )

    def count(self, finding: Finding) -> None:
        """Count a finding."""
        if finding.method is None:
            self.without_answer += 1
        elif finding.method == "cache":
            self.from_cache += 1
        else:
            self.answered += 1


@dataclass(frozen=True)
class LanguageModel:
    """A model at an endpoint, with the limits under which it may be asked."""

    endpoint: Endpoint
    store: ModelStore
    tenant_id: str
    prices: Prices
    limits: Limits
    patience: Patience = field(default_factory=Patience)
    failures: int = 5
    pauses: tuple[float, ...] = PAUSES
    budget_tokens: int | None = None
    budget_cost: float | None = None

    def session(self, assignment: Assignment, run_id: str) -> "Session":
        """Return what asks questions of one kind for one run."""
        budget = Budget(self.endpoint.model, self.prices, self.budget_tokens, self.budget_cost)
        return Session(self, assignment, run_id, budget)


@dataclass
class Session:
    """Questions of one kind, asked for one run."""

    model: LanguageModel
    assignment: Assignment
    run_id: str
    budget: Budget
    progress: Progress = field(default_factory=Progress)

    @property
    def accounts(self) -> dict[str, Account]:
        """What each partition has used."""
        return self.budget.accounts

    def findings(
        self,
        questions: Iterable[Question],
        partitions: Sequence[str],
        report: Callable[[Progress], None] = lambda progress: None,
    ) -> Iterator[list[Finding]]:
        """Yield a finding for every question, in batches, in the order in which they come.

        Answers that are known are not asked for again, equal questions are asked once. At most
        `Endpoint.concurrency` requests are under way. `report` is called now and then.
        """
        loop = asyncio.new_event_loop()
        engine = _Engine(self, iter(questions), report)
        task = loop.create_task(engine.run(partitions))
        try:
            while batch := loop.run_until_complete(engine.next_batch(task)):
                yield batch
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        finally:
            task.cancel()
            loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()


class _Engine:
    def __init__(
        self,
        session: Session,
        questions: Iterator[Question],
        report: Callable[[Progress], None],
    ) -> None:
        self._session, self._questions, self._report = session, questions, report
        self._slots = asyncio.Semaphore(session.model.endpoint.concurrency)
        self._findings: asyncio.Queue[Finding] = asyncio.Queue(_WAITING)
        self._under_way: dict[str, list[Question]] = {}

    async def next_batch(self, task: "asyncio.Task[None]") -> list[Finding]:
        """Return findings that have come; empty when there are no more."""
        getting = asyncio.ensure_future(self._findings.get())
        await asyncio.wait({getting, task}, return_when=asyncio.FIRST_COMPLETED)
        batch = []
        if getting.done():
            batch.append(getting.result())
        else:
            getting.cancel()
            await task  # raises what went wrong
        while not self._findings.empty():
            batch.append(self._findings.get_nowait())
        return batch

    async def run(self, partitions: Sequence[str]) -> None:
        """Find something of every question."""
        model, began = self._session.model, time.monotonic()
        async with self._asker(partitions) as asker, asyncio.TaskGroup() as tasks:
            reporter = tasks.create_task(self._report_now_and_then(began))
            ahead = tasks.create_task(self._look_up(asker))
            while chunk := await ahead:
                ahead = tasks.create_task(self._look_up(asker))
                for question, finding in chunk:
                    if finding:
                        await self._emit(finding)
                        continue
                    key = asker.key(question)
                    if key in self._under_way:
                        self._under_way[key].append(question)
                        continue
                    await self._slots.acquire()
                    self._under_way[key] = [question]
                    tasks.create_task(self._ask(asker, key, question))
            for _ in range(model.endpoint.concurrency):
                await self._slots.acquire()
            reporter.cancel()
        self._session.progress.seconds = time.monotonic() - began

    async def _ask(self, asker: Asker, key: str, question: Question) -> None:
        try:
            finding, committed = await asker.ask(question)
        finally:
            self._slots.release()
        await committed
        await self._emit(finding)
        _, *same = self._under_way.pop(key)
        for other in same:
            method = "cache" if finding.method else None
            await self._emit(_about(finding, other, method))

    async def _look_up(self, asker: Asker) -> list[tuple[Question, Finding | None]]:
        """Read the next questions, with what is known of each."""
        chunk: list[Question] = []
        while len(chunk) < _CHUNK and (question := next(self._questions, None)):
            chunk.append(question)
            await asyncio.sleep(0)  # let answers be read meanwhile
        self._session.progress.asked += len(chunk)
        if not chunk:
            return []
        keys = [asker.key(question) for question in chunk]
        known = await asker.journal.ask(self._session.model.store.answers, set(keys))
        return [
            (question, found(question, known[key], "cache") if key in known else None)
            for question, key in zip(chunk, keys, strict=True)
        ]

    async def _emit(self, finding: Finding) -> None:
        self._session.progress.count(finding)
        await self._findings.put(finding)

    async def _report_now_and_then(self, began: float) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            self._session.progress.seconds = time.monotonic() - began
            self._report(self._session.progress)

    @asynccontextmanager
    async def _asker(self, partitions: Sequence[str]) -> AsyncIterator[Asker]:
        session, model = self._session, self._session.model
        endpoint, assignment = model.endpoint, session.assignment
        journal = Journal(model.store)
        try:
            spent = await journal.ask(
                model.store.spent,
                model.tenant_id,
                partitions,
                endpoint.model,
                assignment.prompt_version,
            )
            session.budget.open(spent)
            mode = await journal.ask(model.store.mode, endpoint.name, endpoint.model)
            async with endpoint.client() as client:
                yield Asker(
                    endpoint=endpoint,
                    client=client,
                    assignment=assignment,
                    journal=journal,
                    circuit=Circuit(model.failures, model.pauses),
                    ladder=Ladder(mode or MODES[0], mode is not None),
                    limits=model.limits,
                    budget=session.budget,
                    patience=model.patience,
                    tenant_id=model.tenant_id,
                    run_id=session.run_id,
                )
        finally:
            journal.close()


def _about(finding: Finding, question: Question, method: str | None) -> Finding:
    return Finding(
        question,
        finding.answer,
        method,
        finding.analyzed_at,
        finding.prompt_tokens,
        finding.completion_tokens,
        finding.error,
        finding.is_unfinished,
    )
