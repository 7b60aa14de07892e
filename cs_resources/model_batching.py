"""The language model in batch mode: what is not known yet is left to a batch, at half the price.

Belongs here: which questions go into a batch, what is said of those that wait. Must not: sending
(see `model_submitting`), results (see `model_collecting`).
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile

from cs_resources.disk import room_in
from cs_resources.language_model import REPORT_SECONDS, LanguageModel, Progress, Session
from cs_resources.model_asking import found
from cs_resources.model_batch_api import BatchApi
from cs_resources.model_batches import Batch
from cs_resources.model_budget import Budget, BudgetUsedUpError
from cs_resources.model_client import MODES, Mode, Outcome
from cs_resources.model_drafts import MOST_BYTES, MOST_REQUESTS, Draft, line_of
from cs_resources.model_questions import Assignment, Finding, Question
from cs_resources.model_submitting import Submitter
from cs_resources.scratch import own_folder

_CHUNK = 500
_IN_VAIN = frozenset({Outcome.INVALID.value, Outcome.CLIENT_ERROR.value})
"""Asked in the same way, the model would say the same."""
_REMEMBERED = timedelta(days=30)


@dataclass(frozen=True)
class BatchModel(LanguageModel):
    """A model that is asked through batches, whose files are written below `scratch`.

    `grace`: how long a batch may take from being written down to being submitted; then its
    submitter counts as killed. `clock` has a zone.
    """

    scratch: Path = field(kw_only=True)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    grace: timedelta = timedelta(hours=1)
    most_requests: int = MOST_REQUESTS
    most_bytes: int = MOST_BYTES

    def session(self, assignment: Assignment, run_id: str) -> "BatchSession":
        """Return what asks questions of one kind for one run."""
        limits = (self.budget_tokens, self.budget_cost)
        budget = Budget(self.endpoint.model, self.prices, *limits, is_batch=True)
        return BatchSession(self, assignment, run_id, budget)

    def now(self) -> datetime:
        """Return the present instant in UTC, without a zone."""
        return self.clock().astimezone(UTC).replace(tzinfo=None)

    def mode(self) -> Mode:
        """Return the strictest way to ask for JSON that works, as far as is known."""
        place, since = (self.endpoint.name, self.endpoint.model), self.now() - _REMEMBERED
        for batch in self.store.closed_batches(self.endpoint.name, since):
            if batch.model == self.endpoint.model and (
                told := next_mode(batch, self.store.outcomes(batch.batch_id))
            ):
                return told
        remembered = self.store.mode(*place)
        return next((mode for mode in MODES if mode == remembered), MODES[0])

    def submitter(self, api: BatchApi) -> Submitter:
        """Return what brings batches to the endpoint."""
        return Submitter(self.store, api, self.pauses, self.now)


@dataclass
class BatchSession(Session):
    """Questions of one kind, put into batches by one run."""

    model: BatchModel

    def findings(
        self,
        questions: Iterable[Question],
        partitions: Sequence[str],
        report: Callable[[Progress], None] = lambda progress: None,
    ) -> Iterator[list[Finding]]:
        """Yield a finding for every question, in groups: an answer that is known, or that it waits.

        Equal questions are asked once. `report` is called now and then. Raises ConfigurationError
        where the endpoint has no Batch API.
        """
        began = reported = time.monotonic()
        store = self.model.store
        name, version = self.model.endpoint.model, self.assignment.prompt_version
        self.budget.open(store.spent(self.model.tenant_id, partitions, name, version))
        with BatchApi(self.model.endpoint) as api:
            submitter = self.model.submitter(api)
            submitter.resume(self.model.now() - self.model.grace)
            for group in _Sorting(self, submitter).groups(iter(questions)):
                for finding in group:
                    self.progress.count(finding)
                now = time.monotonic()
                self.progress.seconds = now - began
                if now - reported > REPORT_SECONDS:
                    reported = now
                    report(self.progress)
                if group:
                    yield group


class _Sorting:
    """Sorts questions into those with an answer, those that wait, and a batch to be."""

    def __init__(self, session: BatchSession, submitter: Submitter) -> None:
        self._session, self._model = session, session.model
        self._submitter, self._mode = submitter, session.model.mode()
        self._obstacle = ""
        self._noted: set[tuple[str, str]] = set()

    def groups(self, questions: Iterator[Question]) -> Iterator[list[Finding]]:
        """Yield findings as they come; those of a batch's questions once it was submitted."""
        folder = own_folder(self._model.scratch)
        with room_in(folder, "a batch of requests"), ExitStack() as files:
            draft = self._draft(files)
            while chunk := list(islice(questions, _CHUNK)):
                self._session.progress.asked += len(chunk)
                keys = [self._key(question) for question in chunk]
                known = self._known(keys, chunk)
                group = []
                for key, question in zip(keys, chunk, strict=True):
                    if key in known:
                        group.append(replace(known[key], question=question))
                    elif key in draft.items:
                        draft.wait(key, question)
                    elif refusal := self._refusal(question):
                        group.append(_waits(question, refusal))
                    else:
                        line = self._line(key, question)
                        if not draft.has_room(line):
                            yield self._submit(draft)
                            draft = self._draft(files)
                        draft.add(key, question, line, self._model.tenant_id)
                yield group
            yield self._submit(draft)

    def _known(self, keys: Sequence[str], questions: Sequence[Question]) -> dict[str, Finding]:
        """Map keys to what is found of their questions without asking."""
        store, asked = self._model.store, dict(zip(keys, questions, strict=True))
        known = {
            key: Finding(asked[key], error=error)
            for key, error in store.asked_in_vain(asked, _IN_VAIN).items()
        }
        # before the answers: a batch that is collected meanwhile has left them
        known |= self._pending(keys, questions)
        for key, answer in store.answers(asked).items():
            known[key] = found(asked[key], answer, "cache")
        return known

    def _pending(self, keys: Sequence[str], questions: Sequence[Question]) -> dict[str, Finding]:
        """Map keys to the batches that will bring their answers; these learn of the days."""
        batches = self._model.store.pending(keys)
        days: dict[str, set[str]] = {batch_id: set() for batch_id in batches.values()}
        pending = {}
        for key, question in zip(keys, questions, strict=True):
            if batch_id := batches.get(key):
                days[batch_id].add(question.partition)
                pending[key] = _waits(question, _waiting_for(batch_id))
        closed = {batch_id for batch_id, own in days.items() if not self._note(batch_id, own)}
        for key, finding in pending.items():
            if batches[key] not in closed:
                with suppress(BudgetUsedUpError):
                    self._promise(finding.question)
        return {key: finding for key, finding in pending.items() if batches[key] not in closed}

    def _note(self, batch_id: str, days: set[str]) -> bool:
        new = {day for day in days if (batch_id, day) not in self._noted}
        if new and not self._model.store.add_days(batch_id, new):
            return False
        self._noted.update((batch_id, day) for day in new)
        return True

    def _refusal(self, question: Question) -> str:
        """Return why a question cannot be asked now; else its estimated use is set aside."""
        if self._obstacle:
            return self._obstacle
        try:
            self._promise(question)
        except BudgetUsedUpError as error:
            return str(error)
        return ""

    def _submit(self, draft: Draft) -> list[Finding]:
        """Submit a batch; return what is found of the questions that wait for it."""
        if not draft.items:
            return []
        store, items = self._model.store, list(draft.items.values())
        written = store.add_batch(self._batch(draft), items)
        keys = {item.custom_id for item in store.batch_items(draft.batch_id)}
        if written:
            with draft.content(keys, own_folder(self._model.scratch)) as content:
                self._obstacle = self._submitter.submit(written, content)
        findings = []
        others = {key for key in draft.items if key not in keys}
        for key, questions in draft.waiting.items():
            said = self._obstacle or _waiting_for(draft.batch_id)
            if key in others:
                pending = self._pending([key] * len(questions), questions)
                said = pending[key].error or said if key in pending else "another run asks it"
            findings += [_waits(question, said) for question in questions]
        draft.file.close()
        return findings

    def _batch(self, draft: Draft) -> Batch:
        return Batch(
            batch_id=draft.batch_id,
            endpoint=self._model.endpoint.name,
            model=self._model.endpoint.model,
            prompt_version=self._session.assignment.prompt_version,
            mode=self._mode,
            run_id=self._session.run_id,
            partitions=draft.days,
            requests=len(draft.items),
            status="preparing",
            opened_at=self._model.now(),
        )

    def _draft(self, files: ExitStack) -> Draft:
        file = TemporaryFile(dir=own_folder(self._model.scratch))  # noqa: SIM115 - see next line
        files.enter_context(file)
        return Draft(file, self._model.most_requests, self._model.most_bytes)

    def _line(self, key: str, question: Question) -> bytes:
        schema = self._session.assignment.schema
        return line_of(
            key, self._model.endpoint.request(list(question.messages), self._mode, schema)
        )

    def _key(self, question: Question) -> str:
        endpoint, version = self._model.endpoint, self._session.assignment.prompt_version
        return question.key(version, endpoint.model, endpoint.name)

    def _promise(self, question: Question) -> None:
        completion = self._model.endpoint.max_completion_tokens
        self._session.budget.promise(question.partition, question.estimated_tokens, completion)


def next_mode(batch: Batch, outcomes: Mapping[str, int]) -> Mode | None:
    """Return how to ask for JSON after a batch: as it did if that worked, less strictly if it was
    not supported; None: it tells nothing.
    """
    if outcomes.get(Outcome.ANSWERED):
        return batch.mode
    if outcomes.get(Outcome.UNSUPPORTED):
        return MODES[min(MODES.index(batch.mode) + 1, len(MODES) - 1)]
    return None


def brought_something(batch: Batch, outcomes: Mapping[str, int]) -> bool:
    """Whether to ask again after a batch would find more than before."""
    has_answers = bool(outcomes.get(Outcome.ANSWERED) or outcomes.get(Outcome.REFUSED))
    return has_answers or next_mode(batch, outcomes) not in (None, batch.mode)


def _waiting_for(batch_id: str) -> str:
    return f"waiting for batch {batch_id}"


def _waits(question: Question, error: str) -> Finding:
    return Finding(question, error=error, is_unfinished=True)
