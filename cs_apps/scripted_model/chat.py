"""The endpoint `/chat/completions`: what it asks of a request, and what it answers.

Belongs here: the terms on which a request is taken, in the words in which OpenAI refuses it, and
the completion. Must not: connections, the order in which behaviours come.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cs_apps.scripted_model.failures import (
    HTML_TYPE,
    JSON_TYPE,
    UNAUTHORIZED,
    invalid,
    not_found,
)
from cs_apps.scripted_model.faults import Behaviour
from cs_apps.scripted_model.judge import Judge
from cs_apps.scripted_model.reading import read, text_of
from cs_apps.scripted_model.wire import Reply

MODES = ("json_schema", "json_object", "text")


@dataclass(frozen=True)
class Terms:
    """On what terms requests are taken.

    `key`: the bearer key, `gateway_token`: the header Authorization-Gateway that does instead
    (null: none does); `modes`: types of response_format; `models`: names served (empty: any);
    `unknown_arguments`: names in the body that the endpoint refuses.
    """

    key: str = "sk-test"
    gateway_token: str | None = None
    modes: tuple[str, ...] = MODES
    models: tuple[str, ...] = ()
    unknown_arguments: tuple[str, ...] = ()

    def refuse_stranger(self, headers: Mapping[str, str]) -> Reply | None:
        """Return the refusal of a request without the right key or token."""
        has_key = headers.get("authorization") == f"Bearer {self.key}"
        token = headers.get("authorization-gateway")
        has_token = self.gateway_token is not None and token == self.gateway_token
        return None if has_key or has_token else UNAUTHORIZED

    def refuse(self, body: Any) -> Reply | None:
        """Return the refusal of a request that the endpoint does not take as it stands."""
        if not isinstance(body, dict):
            return invalid("We could not parse the JSON body of your request.", None)
        for name in self.unknown_arguments:
            if name in body:
                return invalid(f"Unrecognized request argument supplied: {name}", None)
        messages = body.get("messages")
        if not messages or not all(_is_message(message) for message in messages):
            return invalid("Invalid or missing parameter: 'messages'.", "messages")
        if not body.get("model"):
            return invalid("you must provide a model parameter", None)
        if self.models and body["model"] not in self.models:
            message = f"The model `{body['model']}` does not exist or you do not have access to it."
            return not_found(message, "model_not_found")
        return self._refuse_format(body.get("response_format") or {"type": "text"}, messages)

    def _refuse_format(self, wanted: dict[str, Any], messages: list[Any]) -> Reply | None:
        mode = wanted.get("type")
        if mode not in self.modes:
            return invalid(
                f"Invalid parameter: 'response_format' of type '{mode}' is not supported with "
                "this model.",
                "response_format",
            )
        if mode == "json_object" and "json" not in "".join(map(text_of, messages)).lower():
            return invalid(
                "'messages' must contain the word 'json' in some form, to use 'response_format' "
                "of type 'json_object'.",
                "messages",
            )
        return _refuse_schema(wanted.get("json_schema")) if mode == "json_schema" else None


def _is_message(message: Any) -> bool:
    return isinstance(message, dict) and isinstance(message.get("content"), str | list | None)


def _refuse_schema(given: Any) -> Reply | None:
    if not isinstance(given, dict) or not given.get("name") or "schema" not in given:
        name = "response_format.json_schema"
        return invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    schema = given["schema"]
    is_closed = schema.get("additionalProperties") is False
    is_whole = set(schema.get("required", ())) == set(schema.get("properties", ()))
    if given.get("strict") and not (is_closed and is_whole):
        return invalid(
            f"Invalid schema for response_format '{given['name']}': 'additionalProperties' is "
            "required to be supplied and to be false, and 'required' to include every key.",
            "response_format",
        )
    return None


def answer(body: Mapping[str, Any], judge: Judge, behaviour: Behaviour, number: int) -> Reply:
    """Answer a request that was taken; `number` becomes part of the completion's id."""
    text = behaviour.text(judge(read(body["messages"])))
    completion = behaviour.completion(_completion(body, text, number))
    raw = behaviour.body(json.dumps(completion, ensure_ascii=False).encode())
    headers = HTML_TYPE if behaviour.name == "html" else JSON_TYPE
    return Reply(200, raw, headers, behaviour.delivery)


def failed(behaviour: Behaviour) -> Reply | None:
    """Return the failure that the behaviour puts in the place of an answer."""
    if behaviour.failure is None:
        return None
    return replace(behaviour.failure(), delivery=behaviour.delivery)


def _completion(body: Mapping[str, Any], text: str, number: int) -> dict[str, Any]:
    asked = tokens("".join(map(text_of, body["messages"])))
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": f"chatcmpl-{number:08d}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": tokens(text),
            "total_tokens": asked + tokens(text),
        },
    }


def tokens(text: str) -> int:
    """Estimate the tokens of a text: two for three characters, as of Chinese text."""
    return (len(text) * 2 + 2) // 3
