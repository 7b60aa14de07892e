"""Batches, as in OpenAI's Batch API: many requests in a file, answered later in a file.

Belongs here: what batches there are, what becomes of them, result and error files. Must not:
judging, faults of single requests (the endpoint answers each line as it would a request).
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

from cs_apps.scripted_model.failures import invalid, json_reply, not_found
from cs_apps.scripted_model.files import INVALID_URL, Files, Json, listed
from cs_apps.scripted_model.wire import Reply

MAX_CUSTOM_ID = 64
_ENDPOINT = "/v1/chat/completions"
_WINDOW = "24h"
_OPEN = ("validating", "in_progress")
_OVER = {
    "expired": "This request could not be executed before the completion window expired.",
    "cancelled": "This request was not executed: the batch was cancelled.",
}


@dataclass(frozen=True)
class BatchPlan:
    """What becomes of a batch: it is in progress for so many polls, and ends as `end`.

    `end`: completed; failed (nothing was done); expired or cancelled (the first `done_share` of the
    lines were done). Results come in the reverse order of the requests.
    """

    polls: int = 1
    end: Literal["completed", "failed", "expired", "cancelled"] = "completed"
    done_share: float = 0.5


@dataclass
class _Batch:
    record: Json
    lines: list[Json]
    plan: BatchPlan
    polls: int = 0


@dataclass
class Batches:
    """The batches of a server; `answer` gives the reply to the body of one line."""

    answer: Callable[[Json], Reply]
    plan: BatchPlan = field(default_factory=BatchPlan)
    files: Files = field(default_factory=Files)
    _batches: dict[str, _Batch] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def reply(self, method: str, body: Any, place: list[str], query: str) -> Reply:
        """Answer a request with this `body`; `place`: the path's segments after `/batches`."""
        match method, *place:
            case ("POST",):
                return self._submit(body)
            case ("GET",):
                return listed([batch.record for batch in self._batches.values()][::-1], query)
            case (_, str(number), *_) if number not in self._batches:
                return not_found(f"No batch found with id '{number}'.")
            case ("GET", str(number)):
                return json_reply(self._polled(self._batches[number]))
            case ("POST", str(number), "cancel"):
                record = self._batches[number].record
                return json_reply(_turned(record, "cancelling", if_in=_OPEN))
        return INVALID_URL

    def _submit(self, asked: Any) -> Reply:
        if not isinstance(asked, dict):
            return invalid("We could not parse the JSON body of your request.", None)
        content = self.files.content(asked.get("input_file_id"))
        if content is None:
            return invalid("Invalid 'input_file_id'.", "input_file_id")
        if (asked.get("endpoint"), asked.get("completion_window")) != (_ENDPOINT, _WINDOW):
            return invalid(f"Only {_ENDPOINT} within {_WINDOW} is served.", "endpoint")
        lines, errors = _checked(content)
        record: Json = {
            "id": f"batch_{next(self._numbers):08d}",
            "object": "batch",
            "endpoint": _ENDPOINT,
            "input_file_id": asked["input_file_id"],
            "completion_window": _WINDOW,
            "metadata": asked.get("metadata"),
            "created_at": int(time.time()),
            "status": "validating",
            "errors": {"object": "list", "data": errors} if errors else None,
            "output_file_id": None,
            "error_file_id": None,
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
        }
        self._batches[record["id"]] = _Batch(record, lines, self.plan)
        return json_reply(record)

    def _polled(self, batch: _Batch) -> Json:
        batch.polls += 1
        status, plan = batch.record["status"], batch.plan
        is_due = status in _OPEN and batch.polls > plan.polls
        if status == "cancelling":
            self._finish(batch, "cancelled")
        elif (status in _OPEN and batch.record["errors"]) or (is_due and plan.end == "failed"):
            _turned(batch.record, "failed")
        elif is_due:
            self._finish(batch, plan.end)
        else:
            _turned(batch.record, "in_progress", if_in=_OPEN)
        return batch.record

    def _finish(self, batch: _Batch, end: str) -> None:
        lines = batch.lines
        done = int(len(lines) * batch.plan.done_share) if end in _OVER else len(lines)
        results = [_result(line, self.answer(line["body"])) for line in lines[:done]]
        results += [_undone(line, f"batch_{end}", _OVER[end]) for line in lines[done:]]
        counts = batch.record["request_counts"]
        for is_good, name, counted in (
            (True, "output_file_id", "completed"),
            (False, "error_file_id", "failed"),
        ):
            chosen = [line for line in reversed(results) if _is_good(line) is is_good]
            counts[counted] = len(chosen)
            if chosen:
                text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in chosen)
                file = f"{batch.record['id']}_{counted}.jsonl"
                batch.record[name] = self.files.store(file, text.encode(), "batch_output")["id"]
        _turned(batch.record, end)


def _turned(record: Json, status: str, if_in: tuple[str, ...] = ()) -> Json:
    if not if_in or record["status"] in if_in:
        record |= {"status": status, f"{status}_at": int(time.time())}
    return record


def _is_good(line: Json) -> bool:
    return bool(line["response"] and line["response"]["status_code"] == 200)


def _result(line: Json, reply: Reply) -> Json:
    """One line of a result file; an answer that would not have arrived whole is a failed one."""
    is_whole = reply.delivery.ends_at is None and not reply.delivery.is_hung
    try:
        body = json.loads(reply.body)
    except ValueError:
        is_whole = False
    if not is_whole:
        return _undone(line, "server_error", "The request could not be executed.")
    number = f"batch_req_{line['custom_id']}"
    response = {"status_code": reply.status, "request_id": number, "body": body}
    return {"id": number, "custom_id": line["custom_id"], "response": response, "error": None}


def _undone(line: Json, code: str, message: str) -> Json:
    number, error = f"batch_req_{line['custom_id']}", {"code": code, "message": message}
    return {"id": number, "custom_id": line["custom_id"], "response": None, "error": error}


def _checked(content: bytes) -> tuple[list[Json], list[Json]]:
    """Return the requests of an input file, and what is wrong with its lines."""
    lines: list[Json] = []
    errors: list[Json] = []
    seen: set[str] = set()
    for at, text in enumerate(content.splitlines(), 1):
        code, message, line = _parsed(text, seen)
        if line is None:
            errors.append(_error(code, message, at))
        else:
            seen.add(line["custom_id"])
            lines.append(line)
    if not content.strip():
        errors.append(_error("empty_file", "The batch input file is empty."))
    if len({line["body"].get("model") for line in lines}) > 1:
        message = "All requests of a batch must ask the same model."
        errors.append(_error("mismatched_model", message))
    return lines, errors


def _error(code: str, message: str, line: int | None = None) -> Json:
    return {"code": code, "message": message, "line": line, "param": None}


def _parsed(text: bytes, seen: set[str]) -> tuple[str, str, Json | None]:
    """Return what is wrong with a line (code, message), and the line if nothing is."""
    try:
        line = json.loads(text)
        name, url, body = line["custom_id"], line["url"], line["body"]
    except (ValueError, KeyError, TypeError):
        return "invalid_json_line", "This line is not parseable as valid JSON.", None
    if not isinstance(name, str) or not 0 < len(name) <= MAX_CUSTOM_ID:
        return "invalid_custom_id", f"custom_id: 1 to {MAX_CUSTOM_ID} characters.", None
    if name in seen:
        return "duplicate_custom_id", f"The custom_id {name} stands in several lines.", None
    if url != _ENDPOINT or line.get("method") != "POST" or not isinstance(body, dict):
        return "invalid_url", f"Every line must be a POST to {_ENDPOINT} with a body.", None
    return "", "", line
