"""A scripted model, its usual client, and dialogues to ask it about: what its tests share."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from cs_apps.scripted_model.judge import honest
from cs_apps.scripted_model.server import ScriptedModel

ANGRY = "我要投诉你们，太贵了"


def asking(*said: str | None, marker: str = "0123456789ab") -> list[dict[str, str]]:
    """Messages with a dialogue in which the customer says these texts."""
    lines = [
        json.dumps({"turn": at, "customer": text, "robot": None}, ensure_ascii=False)
        for at, text in enumerate(said, 1)
    ]
    block = "\n".join(
        [f"<<<DIALOGUE sha256={marker}>>>", *lines, f"<<<END sha256={marker}>>>", "JSON only."]
    )
    return [{"role": "system", "content": "Judge."}, {"role": "user", "content": block}]


@pytest.fixture(scope="module")
def running() -> Iterator[ScriptedModel]:
    """One server for a module."""
    with ScriptedModel(gateway_token="gate") as model:
        yield model


@pytest.fixture(scope="module")
def connected(running: ScriptedModel) -> Iterator[openai.OpenAI]:
    """One client for a module; making one takes its time."""
    with openai.OpenAI(
        base_url=running.base_url, api_key="sk-test", max_retries=0, timeout=10
    ) as client:
        yield client


@pytest.fixture
def model(running: ScriptedModel) -> Iterator[ScriptedModel]:
    """The server, honest and with nothing received."""
    terms = running.terms
    running.log.received.clear()
    yield running
    running.script, running.terms, running.judge = None, terms, honest


@pytest.fixture
def client(model: ScriptedModel, connected: openai.OpenAI) -> openai.OpenAI:
    """The client of the server, without retries."""
    return connected


def ask(client: openai.OpenAI, *said: str, **more: Any) -> Any:
    return client.chat.completions.create(model="qwen", messages=asking(*said), **more)


def content(completion: Any) -> str:
    return str(completion.choices[0].message.content)


def raw_post(model: ScriptedModel, *said: str) -> bytes:
    """A whole request, as bytes."""
    body = json.dumps({"model": "qwen", "messages": asking(*said)}).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-test\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def dialled(model: ScriptedModel) -> socket.socket:
    """A connection of one's own."""
    port = int(model.base_url.rsplit(":", 1)[1].removesuffix("/v1"))
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def outcomes(client: openai.OpenAI, *said: str) -> list[Any]:
    """The status of each failure, or how the answer begins."""
    found = []
    for text in said:
        try:
            found.append(content(ask(client, text))[:1])
        except openai.APIStatusError as error:
            found.append(error.status_code)
    return found
