"""Answers that are no answers, though the status says 200.

Belongs here: what can be wrong with the text of a verdict, the message around it, and the body.
Must not: replies with another status, or when any of it is sent.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from math import inf, nan
from typing import Any

from cs_apps.scripted_model.judge import Verdict

Json = dict[str, Any]
_CONTRADICTION = {"positive": 0.05, "neutral": 0.99, "negative": 0.95}


def as_json(verdict: Verdict) -> str:
    """Return the verdict as it should be written."""
    return json.dumps(asdict(verdict), ensure_ascii=False)


def _with(**fields: Any) -> Callable[[Verdict], str]:
    return lambda verdict: json.dumps(asdict(verdict) | fields, ensure_ascii=False)


def _without(name: str) -> Callable[[Verdict], str]:
    return lambda verdict: json.dumps(
        {field: value for field, value in asdict(verdict).items() if field != name}
    )


def _contradicting(verdict: Verdict) -> str:
    return _with(sentiment_score=_CONTRADICTION[verdict.sentiment])(verdict)


TEXTS: dict[str, Callable[[Verdict], str]] = {
    "wrong_enum": _with(complaint_risk="severe"),
    "wrong_case": _with(sentiment="Negative"),
    "extra_field": _with(confidence=0.9),
    "missing_field": _without("churn_risk"),
    "null_field": _with(churn_risk=None),
    "duplicate_keys": lambda verdict: as_json(verdict)[:-1] + ', "complaint_risk": "low"}',
    "score_nan": _with(sentiment_score=nan),
    "score_infinite": _with(sentiment_score=inf),
    "score_too_high": _with(sentiment_score=1.7),
    "score_as_text": _with(sentiment_score="0.8"),
    "score_contradicting": _contradicting,
    "long_reason": _with(reason="客户反复说到同一件事，" * 10),
    "lone_surrogate": lambda verdict: as_json(verdict)[:-2] + '\\ud83d"}',
    "nul_character": lambda verdict: as_json(verdict)[:-2] + '\\u0000"}',
    "truncated_answer": lambda verdict: as_json(verdict)[:-20],
    "list_answer": lambda verdict: f"[{as_json(verdict)}]",
    "fenced": lambda verdict: f"```json\n{as_json(verdict)}\n```",
    "thinking": lambda verdict: f"<think>\n客户的语气……\n</think>\n\n{as_json(verdict)}",
    "prose": lambda verdict: f"The customer sounds {verdict.sentiment}.",
    "empty_content": lambda verdict: "",
}
"""By name: the text that the model writes instead of its verdict."""


def _message(finish_reason: str = "stop", **fields: Any) -> Callable[[Json], Json]:
    def spoil(completion: Json) -> Json:
        choice = completion["choices"][0]
        message = choice["message"] | fields
        return completion | {
            "choices": [choice | {"message": message, "finish_reason": finish_reason}]
        }

    return spoil


def _cut_off(completion: Json) -> Json:
    text = completion["choices"][0]["message"]["content"]
    return _message("length", content=text[: len(text) // 2])(completion)


COMPLETIONS: dict[str, Callable[[Json], Json]] = {
    "no_choices": lambda completion: completion | {"choices": []},
    "null_choices": lambda completion: completion | {"choices": None},
    "null_content": _message(content=None),
    "refusal": _message(content=None, refusal="I'm sorry, I can't help with that."),
    "finish_length": _cut_off,
    "content_filter": _message("content_filter", content=""),
    "no_usage": lambda completion: {
        name: value for name, value in completion.items() if name != "usage"
    },
}
"""By name: what becomes of the completion around the text."""

BODIES: dict[str, Callable[[bytes], bytes]] = {
    "html": lambda body: b"<html><body>Welcome to the gateway. Please log in.</body></html>",
    "truncated_envelope": lambda body: body[: len(body) // 2],
    "empty_body": lambda body: b"",
    "json_text": lambda body: b'"ok"',
}
"""By name: what is sent instead of the completion; `html` says so in its content type."""
