"""Reading what a model said: an answer, or why it is none.

Belongs here: holding a reply to what was asked, the answer as it is kept. Must not: sending (see
`model_client`), trying again (see `model_asking`).
"""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cs_resources.model_answers import StoredAnswer
from cs_resources.model_client import Outcome, Reply
from cs_resources.model_questions import Assignment


@dataclass(frozen=True)
class Place:
    """Where a question was asked: the endpoint's name, the model, the prompt's version."""

    endpoint: str
    model: str
    prompt_version: str


def read_answer(
    assignment: Assignment, reply: Reply, mode: str, *, is_mode_found: bool
) -> tuple[Reply, str | None]:
    """Hold the text of a reply to what was asked; return the reply as it counts, and the answer.

    An endpoint of which it is not yet known whether `mode` works, and which answers with anything
    but JSON, does not support it.
    """
    if reply.outcome is not Outcome.ANSWERED:
        return reply, None
    text = reply.text or ""
    try:
        return reply, assignment.parse(text, mode == "text")
    except ValueError as error:
        is_ignored = mode != "text" and not is_mode_found and not _is_json(text)
        outcome = Outcome.UNSUPPORTED if is_ignored else Outcome.INVALID
        return replace(reply, outcome=outcome, error=str(error)), None


def kept(
    place: Place, key: str, dialogue_hash: str, reply: Reply, answer: str | None
) -> StoredAnswer:
    """Return a final answer as it is kept; without one, the text was refused for good."""
    return StoredAnswer(
        key=key,
        prompt_version=place.prompt_version,
        model=place.model,
        endpoint=place.endpoint,
        dialogue_hash=dialogue_hash,
        outcome="refused" if answer is None else "answered",
        answer=answer,
        error=reply.error,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        analyzed_at=utc_now(),
    )


def utc_now() -> datetime:
    """Return the present instant in UTC, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
