"""Collecting batches: what the endpoint answered goes into cache and ledger, exactly once.

Belongs here: asking how far batches are, reading result files line by line, closing batches. Must
not: what follows in the graph (see `cs_schedules.batches`).

Results may be collected again after a collector was killed: every row has the key of its request,
and is written as it was.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice
from tempfile import TemporaryFile
from typing import IO, Any

import httpx2
from pydantic import BaseModel, ValidationError

from cs_resources.disk import room_in
from cs_resources.model_answers import StoredAnswer
from cs_resources.model_batch_api import BatchApi, BatchApiError, BatchRecord, Problem
from cs_resources.model_batches import Batch, BatchItem, Status
from cs_resources.model_batching import BatchModel
from cs_resources.model_client import Outcome, Reply, read_completion, sorted_status
from cs_resources.model_ledger import ClosedAttempt
from cs_resources.model_questions import Assignment
from cs_resources.model_reading import Place, kept, read_answer
from cs_resources.model_submitting import PORTION
from cs_resources.scratch import own_folder

_OVER = ("completed", "failed", "expired", "cancelled")
_GIVEN_UP = timedelta(days=2)
"""A batch that its endpoint does not know any more is waited for twice its window."""
_SAID = 3


class _Answered(BaseModel):
    status_code: int
    request_id: str | None = None
    body: Any = None


class _Line(BaseModel):
    custom_id: str
    response: _Answered | None = None
    error: Problem | None = None


@dataclass
class _Tally:
    """What became of a batch's requests, and lines that belong to none."""

    outcomes: Counter[str] = field(default_factory=Counter)
    stray: int = 0

    def __str__(self) -> str:
        counts = [f"{count:,} {outcome}" for outcome, count in self.outcomes.most_common()]
        if self.stray:
            counts.append(f"{self.stray:,} lines that belong to no request or are none")
        return ", ".join(counts) or "no requests"


@dataclass(frozen=True)
class Collector:
    """Collects the batches of a model, whose answers `assignment` reads."""

    model: BatchModel
    assignment: Assignment
    api: BatchApi

    def look(self, batch: Batch) -> str:
        """Ask how far a submitted batch is, and collect it if it is over; return what was found.

        Raises BatchApiError if the endpoint does not answer; then it is to be looked at again.
        """
        provider_id = batch.provider_id
        if provider_id is None:
            raise RuntimeError(f"batch {batch.batch_id} is {batch.status} and has no name there")
        try:
            record = self.api.batch(provider_id)
            seen = replace(batch, provider_status=record.status, checked_at=self.model.now())
            if record.status in _OVER:
                return self._collect(seen, record)
        except BatchApiError as error:
            if error.is_unknown_there and self._is_given_up(batch):
                return self._close(batch, "failed", _Tally(), f"gone at the endpoint: {error}")
            raise
        self.model.store.update_batch(seen, "submitted")
        return record.status

    def _collect(self, batch: Batch, record: BatchRecord) -> str:
        left = {item.custom_id: item for item in self.model.store.batch_items(batch.batch_id)}
        is_found = self.model.store.mode(batch.endpoint, batch.model) == batch.mode
        reading = _Reading(self.model, self.assignment, batch, is_found)
        folder = own_folder(self.model.scratch)
        with room_in(folder, "results of a batch"), TemporaryFile(dir=folder) as file:
            for name in filter(None, (record.output_file_id, record.error_file_id)):
                self.api.download(name, file)
                self._keep(reading.results(file, left))
        said = "; ".join(_words(problem) for problem in record.problems[:_SAID])
        why = f"batch {record.status}: {said}" if said else f"batch {record.status}"
        self._keep(reading.missing(list(left.values()), why))
        if reading.tally.outcomes[Outcome.ANSWERED] and not is_found:
            self.model.store.remember_mode(batch.endpoint, batch.model, batch.mode)
        files = replace(batch, output_file=record.output_file_id, error_file=record.error_file_id)
        if record.status == "completed":
            return self._close(files, "collected", reading.tally, "")
        return self._close(files, "failed", reading.tally, why)

    def _keep(self, results: Iterable["_Result"]) -> None:
        rest = iter(results)
        while some := list(islice(rest, PORTION)):
            self.model.store.commit(
                closed=[result.closed for result in some],
                answers=[result.answer for result in some if result.answer],
            )

    def _close(self, batch: Batch, status: Status, tally: _Tally, why: str) -> str:
        said = ": ".join(filter(None, (why, str(tally))))
        is_smooth = not why and tally.outcomes.keys() <= {Outcome.ANSWERED} and not tally.stray
        closed = replace(
            batch, status=status, error=None if is_smooth else said, closed_at=self.model.now()
        )
        if self.model.store.update_batch(closed, "submitted"):
            said = "; ".join([said, *self._tidied(closed)])
        return f"{status}: {said}"

    def _tidied(self, batch: Batch) -> Iterator[str]:
        """Leave no dialogue at the endpoint; say what could not be deleted."""
        for name in filter(None, (batch.input_file, batch.output_file, batch.error_file)):
            try:
                self.api.delete(name)
            except BatchApiError as error:
                if not error.is_unknown_there:
                    yield f"{name} could not be deleted there: {error}"

    def _is_given_up(self, batch: Batch) -> bool:
        since = batch.submitted_at
        return since is not None and self.model.now() - since > _GIVEN_UP


@dataclass(frozen=True)
class _Result:
    """What goes into ledger and cache of one request."""

    closed: ClosedAttempt
    answer: StoredAnswer | None


@dataclass
class _Reading:
    """Holds the lines of result files to what was asked."""

    model: BatchModel
    assignment: Assignment
    batch: Batch
    is_mode_found: bool
    tally: _Tally = field(default_factory=_Tally)

    def results(self, file: IO[bytes], left: dict[str, BatchItem]) -> Iterator[_Result]:
        """Yield what the lines say of the requests `left`, which are taken out of it."""
        for text in file:
            if not text.strip():
                continue
            line = _line(text)
            item = left.pop(line.custom_id, None) if line else None
            if line and item:
                yield self._result(item, _reply(line))
            else:
                self.tally.stray += 1

    def missing(self, items: Iterable[BatchItem], why: str) -> Iterator[_Result]:
        """Yield what is said of requests that no line is about."""
        for item in items:
            yield self._result(item, Reply(Outcome.NOT_DONE, error=f"no result; {why}"))

    def _result(self, item: BatchItem, reply: Reply) -> _Result:
        batch, outcomes = self.batch, self.tally.outcomes
        is_found = self.is_mode_found or bool(outcomes[Outcome.ANSWERED])
        reply, answer = read_answer(self.assignment, reply, batch.mode, is_mode_found=is_found)
        outcomes[reply.outcome] += 1
        used = (reply.prompt_tokens, reply.completion_tokens)
        price = self.model.prices.cost_micros(batch.model, *used, batch=True)
        closed = ClosedAttempt(
            attempt_id=item.attempt_id,
            outcome=reply.outcome.value,
            http_status=reply.status,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            cost_micros=price[0] if price else None,
            currency=price[1] if price else None,
            latency_ms=None,
            request_id=reply.request_id,
            error=reply.error,
            closed_at=self.model.now(),
        )
        if reply.outcome not in (Outcome.ANSWERED, Outcome.REFUSED):
            return _Result(closed, None)
        place = Place(batch.endpoint, batch.model, batch.prompt_version)
        return _Result(closed, kept(place, item.custom_id, item.dialogue_hash, reply, answer))


def _line(text: bytes) -> _Line | None:
    try:
        return _Line.model_validate_json(text)
    except ValidationError:
        return None


def _reply(line: _Line) -> Reply:
    """Return a line's response as if it had come by itself."""
    if line.response is None:
        said = _words(line.error) if line.error else "neither a response nor an error"
        code = (line.error.code or "") if line.error else ""
        # an endpoint's words for a request whose turn never came: batch_expired, batch_cancelled
        is_done = not code.startswith("batch_")
        return Reply(Outcome.SERVER_ERROR if is_done else Outcome.NOT_DONE, error=said)
    headers = {"x-request-id": line.response.request_id} if line.response.request_id else {}
    body = line.response.body
    response = httpx2.Response(line.response.status_code, headers=headers, json=body)
    return read_completion(response) if response.is_success else sorted_status(response, body)


def _words(problem: Problem) -> str:
    place = f"line {problem.line}" if problem.line is not None else None
    return ": ".join(filter(None, (place, problem.code, problem.message))) or "no reason given"
