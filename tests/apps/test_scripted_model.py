"""The scripted model answers on its terms, goes by its script, and tells what it was asked."""

import asyncio
import contextlib
import json
import re
import signal
import socket
from collections import Counter
from typing import Any

import httpx2
import openai
import pytest
from scripted_cases import ANGRY, ask, asking, content, dialled, outcomes, raw_post

from cs_apps.scripted_model.faults import Behaviour, Direction, Shares
from cs_apps.scripted_model.log import Received
from cs_apps.scripted_model.process import started
from cs_apps.scripted_model.server import ScriptedModel
from cs_resources.errors import ConfigurationError, PlatformError

SCHEMA = {
    "type": "object",
    "properties": {"sentiment": {"type": "string"}},
    "required": ["sentiment"],
    "additionalProperties": False,
}
STRICT = {
    "type": "json_schema",
    "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
}


def test_an_answer_is_whole_and_counted(model: ScriptedModel, client: openai.OpenAI) -> None:
    before = model.answered
    reply = client.chat.completions.with_raw_response.create(model="qwen", messages=asking(ANGRY))
    completion = reply.parse()
    assert json.loads(content(completion)) == {
        "sentiment": "negative",
        "sentiment_score": 0.25,
        "complaint_risk": "high",
        "churn_risk": "medium",
        "reason": "客户说到：投诉、太贵",
    }
    assert completion.model == "qwen"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage.total_tokens > completion.usage.prompt_tokens > 0
    assert re.fullmatch(r"req_\d{8}", reply.headers["x-request-id"])
    received = model.received[0]
    assert (received.method, received.path) == ("POST", "/v1/chat/completions")
    assert received.headers["authorization"] == "Bearer sk-test"
    assert received.body["messages"] == asking(ANGRY)
    assert model.answered == before + 1


def test_connections_are_kept_and_requests_may_be_sent_ahead(model: ScriptedModel) -> None:
    with dialled(model) as end:
        end.sendall(raw_post(model, "一") + raw_post(model, "二"))
        got = b""
        while got.count(b"HTTP/1.1 200") < 2:
            got += end.recv(1 << 16)
    assert [received.body["messages"] for received in model.received] == [
        asking("一"),
        asking("二"),
    ]


def test_a_client_may_wait_to_send_its_body(model: ScriptedModel) -> None:
    head, _, body = raw_post(model, ANGRY).partition(b"\r\n\r\n")
    with dialled(model) as end:
        end.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert end.recv(100).startswith(b"HTTP/1.1 100")
        end.sendall(body)
        assert end.recv(100).startswith(b"HTTP/1.1 200")


def test_what_is_no_http_is_refused(model: ScriptedModel) -> None:
    with dialled(model) as end:
        end.sendall(b"hello\r\n\r\n")
        assert end.recv(1000).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer sk-test"}, 200),
        ({"Authorization-Gateway": "gate"}, 200),
        ({"Authorization": "Bearer sk-other", "Authorization-Gateway": "gate"}, 200),
        ({"Authorization": "Bearer sk-other"}, 401),
        ({"Authorization-Gateway": "None"}, 401),
        ({}, 401),
    ],
)
def test_keys(model: ScriptedModel, headers: dict[str, str], status: int) -> None:
    body = {"model": "qwen", "messages": asking(ANGRY)}
    with httpx2.Client(trust_env=False) as client:
        reply = client.post(f"{model.base_url}/chat/completions", json=body, headers=headers)
    assert reply.status_code == status


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"response_format": STRICT}, None),
        ({"response_format": {"type": "json_object"}}, None),
        ({"response_format": {"type": "text"}}, "response_format"),
        ({}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {**STRICT, "json_schema": {**STRICT["json_schema"], "schema": {}}}},
            "response_format",
        ),
        ({"response_format": STRICT, "extra_body": {"enable_thinking": False}}, "refused"),
        ({"response_format": {"type": "json_object"}, "messages": asking("好")[:1]}, "messages"),
        ({"messages": []}, "messages"),
        ({"model": "gpt"}, "model"),
    ],
)
def test_terms(client: openai.OpenAI, more: dict[str, Any], param: str | None) -> None:
    modes, unknown = ("json_schema", "json_object"), ("enable_thinking",)
    with ScriptedModel(modes=modes, models=("qwen",), unknown_arguments=unknown) as model:
        elsewhere = client.with_options(base_url=model.base_url)
        request = {"model": "qwen", "messages": asking(ANGRY)} | more
        if param is None:
            assert "negative" in content(elsewhere.chat.completions.create(**request))
            return
        with pytest.raises(openai.APIStatusError) as refused:
            elsewhere.chat.completions.create(**request)
        assert refused.value.status_code == (404 if param == "model" else 400)
        if param not in ("model", "refused"):
            assert refused.value.param == param


def test_the_schema_of_strict_answers_is_closed(client: openai.OpenAI) -> None:
    open_schema = {name: part for name, part in SCHEMA.items() if name != "additionalProperties"}
    wanted = {"name": "answer", "schema": open_schema, "strict": True}
    with pytest.raises(openai.BadRequestError, match="additionalProperties"):
        ask(client, ANGRY, response_format={"type": "json_schema", "json_schema": wanted})


def test_models_are_listed(client: openai.OpenAI) -> None:
    with ScriptedModel(models=("qwen-plus",)) as model:
        listed = client.with_options(base_url=model.base_url).models.list()
    assert [found.id for found in listed] == ["qwen-plus"]


def test_scripts_go_by_order_text_or_function(model: ScriptedModel, client: openai.OpenAI) -> None:
    model.script = ["server_error", "ok", Behaviour("own", text=lambda verdict: "own")]
    assert outcomes(client, "a", "b", "c", "d") == [500, "{", "o", "{"]
    model.script = {"投诉": "quota", "满意": ["server_error"]}
    assert outcomes(client, "投诉", "满意", "满意", "投诉", "好") == [429, 500, "{", 429, "{"]
    model.script = lambda received: "ok" if "投诉" in received.text else "forbidden"
    assert outcomes(client, "投诉", "满意") == ["{", 403]
    model.script = None
    assert outcomes(client, "投诉") == ["{"]


@pytest.mark.parametrize("name", ["hangs", "rate_limited:soon", "rate_limited:-1", "hang:3", ""])
def test_unknown_behaviours_are_refused_at_once(model: ScriptedModel, name: str) -> None:
    for script in ([name], {"投诉": name}, name):
        with pytest.raises(ConfigurationError, match="knows no behaviour"):
            model.script = script


def test_shares_are_kept_and_repeatable() -> None:
    request = Received("POST", "/v1/chat/completions", {}, b"", 0.0)

    def drawn(seed: int) -> list[str]:
        direction = Direction(Shares({"server_error": 0.2, "wrong_enum": 0.05}, seed))
        return [direction.next(request).name for _ in range(4000)]

    names = drawn(1)
    assert names == drawn(1) != drawn(2)
    assert abs(names.count("server_error") - 800) < 80
    assert abs(names.count("wrong_enum") - 200) < 45
    with pytest.raises(ConfigurationError, match="not within"):
        Shares({"hang": 1.2})


def test_no_raw_number_arrives_unseen(model: ScriptedModel, client: openai.OpenAI) -> None:
    patterns = [r"1[3-9]\d{9}", r"\w+@\w+"]
    ask(client, "号码是[PHONE]", extra_headers={"X-Hash": "13812345678" + "a" * 53})
    client.chat.completions.create(model="q", messages=asking("好", marker="13812345678a"))
    assert model.leaks(patterns) == []
    client.chat.completions.create(model="q", messages=asking("打13912345678"), user="a@b")
    assert set(model.leaks(patterns)) == {"13912345678", "a@b"}


def test_latency_and_how_many_at_once(client: openai.OpenAI) -> None:
    with ScriptedModel(latency=0.3) as model, dialled(model) as one, dialled(model) as other:
        for end in (one, other):
            end.sendall(raw_post(model, ANGRY))
        for end in (one, other):
            assert end.recv(100).startswith(b"HTTP/1.1 200")
    assert (model.busiest, model.answered) == (2, 2)


def test_a_client_that_gave_up_is_not_answered() -> None:
    with ScriptedModel(latency=0.3) as model, dialled(model) as end:
        with dialled(model) as gone:
            gone.sendall(raw_post(model, "走了"))
        end.sendall(raw_post(model, "还在"))
        assert end.recv(100).startswith(b"HTTP/1.1 200")
    assert (len(model.received), model.answered) == (2, 1)


def test_a_judge_that_fails_is_no_secret(client: openai.OpenAI) -> None:
    def broken(question: object) -> Any:
        raise ZeroDivisionError("of the test")

    def use() -> None:
        with ScriptedModel(judge=broken) as model, pytest.raises(openai.APIConnectionError):
            ask(client.with_options(base_url=model.base_url), ANGRY)

    with pytest.raises(ExceptionGroup, match="failed to answer") as failed:
        use()
    assert failed.group_contains(ZeroDivisionError)


def test_a_process_of_its_own_is_steered_from_outside(client: openai.OpenAI) -> None:
    with started("--keep-bodies", "--faults", "server_error", "--key", "sk-own") as running:
        elsewhere = client.with_options(base_url=running.base_url, api_key=running.key)
        assert outcomes(elsewhere, "投诉", "投诉") == [500, "{"]
        running.play({"投诉": "quota"})
        assert outcomes(elsewhere, "投诉", "好") == [429, "{"]
        counts = {"received": 4, "answered": 4, "busiest": 1}
        assert running.counts() == counts | {"by_path": {"POST /v1/chat/completions": 4}}
        told = running.requests()
        assert [request["body"]["messages"] for request in told[2:]] == [
            asking("投诉"),
            asking("好"),
        ]
        assert "sk-own" not in json.dumps(told)
        with httpx2.Client(trust_env=False) as bare:
            url = f"{running.base_url.removesuffix('/v1')}/__script__"
            assert bare.post(url, json=["hangs"]).status_code == 400
    with socket.socket() as end:  # it ended with the context
        assert end.connect_ex(("127.0.0.1", int(running.base_url.split(":")[2][:-3]))) != 0


def test_the_process_refuses_what_it_does_not_know() -> None:
    with pytest.raises(PlatformError, match="ended with code 2"), started("--judge", "wise"):
        pass


def test_a_port_that_is_taken_is_refused(model: ScriptedModel) -> None:
    port = int(model.base_url.rsplit(":", 1)[1].removesuffix("/v1"))
    with pytest.raises(ConfigurationError, match="Name another one"), ScriptedModel(port=port):
        pass


def test_the_process_ends_when_told(client: openai.OpenAI) -> None:
    with started("--faults", "quota=1", "--judge", "careless:0.1:0.1") as running:
        elsewhere = client.with_options(base_url=running.base_url)
        assert outcomes(elsewhere, "投诉", "好") == [429, 429]
        running.end(signal.SIGTERM)


def test_the_end_of_the_server_ends_hanging_requests() -> None:
    for is_waited_for in (False, True) * 5:
        with ScriptedModel(script="hang") as model:
            end = dialled(model)
            end.sendall(raw_post(model, ANGRY))
            while is_waited_for and not model.received:
                assert model.answered == 0  # goes through the server's loop
        with end, contextlib.suppress(ConnectionResetError):
            assert end.recv(100) == b""


def test_many_at_once_get_what_the_script_holds() -> None:
    shares = {"server_error": 0.2, "reset": 0.2}

    async def one(client: openai.AsyncOpenAI, turn: asyncio.Semaphore) -> str:
        async with turn:
            try:
                await client.chat.completions.create(model="q", messages=asking(ANGRY))
            except openai.APIConnectionError:
                return "reset"
            except openai.InternalServerError:
                return "server_error"
            return "ok"

    async def all_of_them(url: str) -> list[str]:
        turn = asyncio.Semaphore(16)
        async with openai.AsyncOpenAI(base_url=url, api_key="sk-test", max_retries=0) as client:
            return await asyncio.gather(*(one(client, turn) for _ in range(100)))

    with ScriptedModel(script=Shares(shares), latency=0.01) as model:
        got = Counter(asyncio.run(all_of_them(model.base_url)))
        request = Received("POST", "/v1/chat/completions", {}, b"", 0.0)
        direction = Direction(Shares(shares))
        assert got == Counter(direction.next(request).name for _ in range(100))
        assert len(model.asked()) == 100
        assert model.answered == got["ok"] + got["server_error"]
        assert 1 < model.busiest <= 16
