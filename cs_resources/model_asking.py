"""Asking one question until there is an answer or a reason why there is none.

Belongs here: the one place where requests are tried again: how often, how long, in which form.
Must not: which questions there are (see `language_model`).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from cs_resources.model_answers import StoredAnswer
from cs_resources.model_budget import Budget, BudgetUsedUpError
from cs_resources.model_circuit import Circuit, CircuitOpenError
from cs_resources.model_client import HOPELESS, MODES, PASSING, Endpoint, Outcome, Reply, exchange
from cs_resources.model_journal import Journal
from cs_resources.model_ledger import ClosedAttempt, OpenedAttempt
from cs_resources.model_pace import Correction
from cs_resources.model_questions import Assignment, Finding, Question
from cs_resources.model_reading import Place, kept, read_answer, utc_now
from cs_resources.model_window import Limits

if TYPE_CHECKING:
    import openai

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
_SHORTEST = 0.1
_ECHO = 1000


@dataclass(frozen=True)
class Patience:
    """Seconds: for one attempt, and for all attempts of a question with the pauses between them.

    Waiting for the circuit, for one's turn under the limits, or because another question was told
    to come later does not count.
    """

    attempt: float = 20.0
    question: float = 60.0


@dataclass
class Ladder:
    """The strictest way to ask for JSON that the endpoint takes, found out once and remembered."""

    mode: str
    is_found: bool

    def lower(self, refused: str) -> bool:
        """Go on below the refused mode; say whether there is anything left to try."""
        place = MODES.index(refused) + 1
        if place < len(MODES):
            self.mode, self.is_found = MODES[max(place, MODES.index(self.mode))], False
        return place < len(MODES)


@dataclass(frozen=True)
class Asker:
    """Asks questions of one kind, for one run."""

    endpoint: Endpoint
    client: "openai.AsyncOpenAI"
    assignment: Assignment
    journal: Journal
    circuit: Circuit
    ladder: Ladder
    limits: Limits
    budget: Budget
    patience: Patience
    tenant_id: str
    run_id: str
    jitter: Callable[[], float] = random.random

    async def ask(self, question: Question) -> tuple[Finding, Awaitable[None]]:
        """Return the model's answer, or why there is none; never raises for the model's faults.

        Also returns what to wait for until the end of the last attempt is committed.
        """
        state = _Asked(question, self.patience.question)
        return await self._finding(state), state.committed

    async def _finding(self, state: "_Asked") -> Finding:
        while True:
            try:
                is_probe = await self.circuit.enter()
            except CircuitOpenError as error:
                return _nothing(state, str(error))
            try:
                mode = self.ladder.mode
                reply = await self._attempt(state, mode)
                finding = await self._judged(state, mode, reply, is_probe)
            except (CircuitOpenError, BudgetUsedUpError) as error:
                await self.circuit.leave(is_probe, None)
                return _nothing(state, str(error))
            except BaseException:
                await self.circuit.leave(is_probe, None)
                raise
            if finding:
                return finding
            await state.committed
            await asyncio.sleep(state.pause)
            state.left -= state.pause

    async def _attempt(self, state: "_Asked", mode: str) -> Reply:
        """Send the question once, between two entries of the ledger."""
        started = await self._in_turn(state.question)
        self.budget.promise(state.question.partition, *self._estimate(state.question))
        state.number += 1
        attempt = OpenedAttempt(
            attempt_id=uuid4().hex,
            answer_key=self.key(state.question),
            tenant_id=self.tenant_id,
            partition=state.question.partition,
            run_id=self.run_id,
            purpose="live",
            endpoint=self.endpoint.name,
            model=self.endpoint.model,
            prompt_version=self.assignment.prompt_version,
            structured_output=mode,
            number=state.number,
            opened_at=utc_now(),
        )
        await self.journal.opened(attempt)
        loop = asyncio.get_running_loop()
        began = loop.time()
        body = self.endpoint.request(state.messages(self.assignment), mode, self.assignment.schema)
        patience = min(self.patience.attempt, max(state.left, _SHORTEST))
        reply = await exchange(self.client, body, self.endpoint.headers, patience)
        seconds = loop.time() - began
        state.left -= seconds
        reply, answer = self._read(state, mode, reply)
        closed = self._closed(state, attempt, reply, seconds)
        state.committed = self.journal.closed(closed, answer)
        state.answer = answer
        await self._correct(state.question, started, reply)
        return reply

    async def _judged(
        self, state: "_Asked", mode: str, reply: Reply, is_probe: bool
    ) -> Finding | None:
        """Return what is found, or None when the question is to be sent again after a pause."""
        state.pause = 0.0
        outcome, error = reply.outcome, reply.error or reply.outcome
        if outcome in (Outcome.ANSWERED, Outcome.REFUSED):
            await self.circuit.leave(is_probe, True)
            await self._remember(mode, outcome)
            return _found(state)
        if outcome in HOPELESS:
            await self.circuit.give_up(error)
            await self.circuit.leave(is_probe, False, error)
            return _nothing(state, error)
        if outcome is Outcome.UNSUPPORTED and self.ladder.lower(mode):
            await self.circuit.leave(is_probe, None)
            return None
        if outcome is Outcome.INVALID and not state.objection and state.left > 0:
            state.object_to(reply)
            await self.circuit.leave(is_probe, None)
            return None
        if outcome in PASSING:
            state.pause = self._pause(state, reply)
            if outcome is Outcome.RATE_LIMITED and reply.retry_after:
                await self._hold(reply.retry_after)
            is_failure = outcome is not Outcome.RATE_LIMITED
            if state.pause < state.left:
                await self.circuit.leave(is_probe, False if is_failure else None, error)
                return None
        await self.circuit.leave(is_probe, False, error)
        # asked in the same way, the model would say the same: only what passes is left for later
        is_passing = outcome in PASSING or not reply.is_completion
        return _nothing(state, error, is_unfinished=is_passing)

    def _read(self, state: "_Asked", mode: str, reply: Reply) -> tuple[Reply, StoredAnswer | None]:
        """Hold a text to what was asked; return the reply, and the answer that is to be kept."""
        is_found = self.ladder.is_found
        reply, answer = read_answer(self.assignment, reply, mode, is_mode_found=is_found)
        if reply.outcome not in (Outcome.ANSWERED, Outcome.REFUSED):
            return reply, None
        place = Place(*self._place, self.assignment.prompt_version)
        hashed = state.question.dialogue_hash
        return reply, kept(place, self.key(state.question), hashed, reply, answer)

    def _closed(
        self, state: "_Asked", attempt: OpenedAttempt, reply: Reply, seconds: float
    ) -> ClosedAttempt:
        question = state.question
        used = (reply.prompt_tokens, reply.completion_tokens)
        price = self.budget.settle(question.partition, self._estimate(question), used)
        return ClosedAttempt(
            attempt_id=attempt.attempt_id,
            outcome=reply.outcome.value,
            http_status=reply.status,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            cost_micros=price[0] if price else None,
            currency=price[1] if price else None,
            latency_ms=round(seconds * 1000),
            request_id=reply.request_id,
            error=reply.error,
            closed_at=utc_now(),
        )

    async def _in_turn(self, question: Question) -> float:
        """Wait for one's turn, and for another one if the endpoint asks for patience meanwhile."""
        started = await self._turn(question)
        while await self.circuit.wait_for_hold():
            started = await self._turn(question)
        return started

    async def _turn(self, question: Question) -> float:
        """Wait for one's turn under the limits that all processes share; return its instant."""
        if self.limits == Limits():
            return 0.0
        store, tokens = self.journal.store, sum(self._estimate(question))

        def reserve() -> tuple[float, float]:
            now = store.clock()
            (wait,) = store.reserve(*self._place, self.limits, [tokens], now)
            return now, wait

        now, wait = await self.journal.ask(reserve)
        await asyncio.sleep(wait)
        return now + wait

    async def _correct(self, question: Question, started: float, reply: Reply) -> None:
        """Count the tokens that were used instead of the estimated ones."""
        if self.limits.tokens_per_minute is None or reply.prompt_tokens is None:
            return
        used = reply.prompt_tokens + (reply.completion_tokens or 0)
        correction = Correction(started, sum(self._estimate(question)), used)
        await self.journal.ask(self.journal.store.correct, *self._place, [correction])

    async def _hold(self, seconds: float) -> None:
        """Let every request of this run wait; where limits are shared, those of all processes."""
        seconds = min(seconds, self.patience.question)
        self.circuit.hold(seconds)
        if self.limits == Limits():
            return
        store = self.journal.store
        await self.journal.ask(lambda: store.hold(*self._place, store.clock() + seconds))

    async def _remember(self, mode: str, outcome: Outcome) -> None:
        if outcome is Outcome.ANSWERED and not self.ladder.is_found:
            self.ladder.is_found = True
            await self.journal.ask(self.journal.store.remember_mode, *self._place, mode)

    def _pause(self, state: "_Asked", reply: Reply) -> float:
        if reply.retry_after:  # 0 would be asked for again and again
            return reply.retry_after
        longest = min(_FIRST_PAUSE * 2.0 ** (state.number - 1), _LONGEST_PAUSE)
        return longest * (0.5 + self.jitter() / 2)

    def key(self, question: Question) -> str:
        """Return the key of a question's answer."""
        return question.key(self.assignment.prompt_version, self.endpoint.model, self.endpoint.name)

    def _estimate(self, question: Question) -> tuple[int, int]:
        return question.estimated_tokens, self.endpoint.max_completion_tokens

    @property
    def _place(self) -> tuple[str, str]:
        return self.endpoint.name, self.endpoint.model


def _nothing_open() -> asyncio.Future[None]:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done


@dataclass
class _Asked:
    """A question on its way: seconds left, attempts made, what was wrong with the last answer."""

    question: Question
    left: float
    number: int = 0
    pause: float = 0.0
    objection: str = ""
    said: str = ""
    answer: StoredAnswer | None = None
    committed: Awaitable[None] = field(default_factory=_nothing_open)

    def object_to(self, reply: Reply) -> None:
        """Remember what was wrong with an answer."""
        self.objection = reply.error or "invalid"
        self.said = (reply.text or "")[:_ECHO]

    def messages(self, assignment: Assignment) -> list[Mapping[str, str]]:
        """Return the messages to send; after an invalid answer with what was wrong with it."""
        messages = list(self.question.messages)
        if self.said:
            messages.append({"role": "assistant", "content": self.said})
            correction = assignment.correction.replace("{error}", self.objection)
            messages.append({"role": "user", "content": correction})
        return messages


def _found(state: _Asked) -> Finding:
    answer = state.answer
    if answer is None:
        raise RuntimeError("an answered attempt has an answer")
    return found(state.question, answer, "llm")


def found(question: Question, answer: StoredAnswer, method: str) -> Finding:
    """Return the finding of a stored answer; a text that was refused has none, for good."""
    if answer.answer is None:
        return Finding(question, error=answer.error or "refused")
    return Finding(
        question,
        answer=answer.answer,
        method=method,
        analyzed_at=answer.analyzed_at,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
    )


def _nothing(state: _Asked, error: str, is_unfinished: bool = True) -> Finding:
    return Finding(state.question, error=error, is_unfinished=is_unfinished)
