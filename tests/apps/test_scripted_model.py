"""The scripted model answers, fails and lies as it is told, and tells what it was asked."""

import json
import re
import signal
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import openai
import pytest

from cs_apps.scripted_model.faults import BEHAVIOURS, Behaviour, Direction, Shares
from cs_apps.scripted_model.judge import honest
from cs_apps.scripted_model.log import Received
from cs_apps.scripted_model.process import started
from cs_apps.scripted_model.server import ScriptedModel
from cs_apps.scripted_model.spoiled import BODIES, COMPLETIONS, TEXTS
from cs_resources.errors import ConfigurationError, PlatformError

ANGRY = "我要投诉你们，太贵了"
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
    with ScriptedModel(gateway_token="gate") as model:
        yield model


@pytest.fixture(scope="module")
def connected(running: ScriptedModel) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=running.base_url, api_key="sk-test", max_retries=0, timeout=10
    ) as client:
        yield client


@pytest.fixture
def model(running: ScriptedModel) -> Iterator[ScriptedModel]:
    terms = running.terms
    running.log.received.clear()
    yield running
    running.script, running.terms, running.judge = None, terms, honest


@pytest.fixture
def client(model: ScriptedModel, connected: openai.OpenAI) -> openai.OpenAI:
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
    port = int(model.base_url.rsplit(":", 1)[1].removesuffix("/v1"))
    return socket.create_connection(("127.0.0.1", port), timeout=10)


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


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("rate_limited", 429, "rate_limit_exceeded"),
        ("throttled", 429, "limit_requests"),
        ("quota", 429, "insufficient_quota"),
        ("payment_required", 402, "invalid_request_error"),
        ("arrears", 400, "Arrearage"),
        ("unauthorized", 401, "invalid_api_key"),
        ("forbidden", 403, "unsupported_country_region_territory"),
        ("model_not_found", 404, "model_not_found"),
        ("data_inspection_failed", 400, "data_inspection_failed"),
        ("context_length_exceeded", 400, "context_length_exceeded"),
        ("server_error", 500, None),
        ("bad_gateway", 502, None),
        ("unavailable", 503, None),
        ("gateway_timeout", 504, None),
    ],
)
def test_failures(
    model: ScriptedModel, client: openai.OpenAI, name: str, status: int, code: str
) -> None:
    model.script = [name]
    with pytest.raises(openai.APIStatusError) as failed:
        ask(client, ANGRY)
    assert (failed.value.status_code, failed.value.code) == (status, code)
    assert "retry-after" not in failed.value.response.headers
    is_page = failed.value.response.text.startswith("<html>")
    assert is_page == (name in ("bad_gateway", "gateway_timeout"))
    assert content(ask(client, ANGRY))  # the script is over


@pytest.mark.parametrize("name", ["rate_limited", "unavailable"])
def test_failures_that_say_when_to_come_again(
    model: ScriptedModel, client: openai.OpenAI, name: str
) -> None:
    model.script = [f"{name}:1.5"]
    with pytest.raises(openai.APIStatusError) as failed:
        ask(client, ANGRY)
    assert failed.value.response.headers["retry-after"] == "1.5"


def test_a_failure_may_name_a_date(model: ScriptedModel, client: openai.OpenAI) -> None:
    model.script = ["rate_limited_until:3600"]
    with pytest.raises(openai.RateLimitError) as failed:
        ask(client, ANGRY)
    named = parsedate_to_datetime(failed.value.response.headers["retry-after"])
    assert timedelta(minutes=50) < named - datetime.now(UTC) <= timedelta(hours=1)


def answer_in(text: str) -> Any:
    """The object in a text, with what JSON does not forbid."""
    return json.loads(text)


SPOILED = {
    "wrong_enum": lambda text: answer_in(text)["complaint_risk"] == "severe",
    "wrong_case": lambda text: answer_in(text)["sentiment"] == "Negative",
    "extra_field": lambda text: len(answer_in(text)) == 6,
    "missing_field": lambda text: "churn_risk" not in answer_in(text),
    "null_field": lambda text: answer_in(text)["churn_risk"] is None,
    "duplicate_keys": lambda text: text.count('"complaint_risk"') == 2 and answer_in(text),
    "score_nan": lambda text: '"sentiment_score": NaN' in text,
    "score_infinite": lambda text: '"sentiment_score": Infinity' in text,
    "score_too_high": lambda text: answer_in(text)["sentiment_score"] == 1.7,
    "score_as_text": lambda text: answer_in(text)["sentiment_score"] == "0.8",
    "score_contradicting": lambda text: answer_in(text)["sentiment_score"] > 0.9,
    "long_reason": lambda text: len(answer_in(text)["reason"]) > 50,
    "lone_surrogate": lambda text: answer_in(text)["reason"].endswith("\ud83d"),
    "nul_character": lambda text: answer_in(text)["reason"].endswith("\0"),
    "truncated_answer": lambda text: text.startswith("{") and not text.endswith("}"),
    "list_answer": lambda text: isinstance(answer_in(text), list),
    "fenced": lambda text: text.startswith("```json\n{") and text.endswith("}\n```"),
    "thinking": lambda text: text.startswith("<think>") and text.endswith("}"),
    "prose": lambda text: "{" not in text,
    "empty_content": lambda text: text == "",
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_that_are_no_answer(model: ScriptedModel, client: openai.OpenAI, name: str) -> None:
    model.script = [name]
    assert SPOILED[name](content(ask(client, ANGRY)))


MALFORMED = {
    "no_choices": lambda completion: completion.choices == [],
    "null_choices": lambda completion: completion.choices is None,
    "null_content": lambda completion: completion.choices[0].message.content is None,
    "refusal": lambda completion: completion.choices[0].message.refusal,
    "finish_length": lambda completion: completion.choices[0].finish_reason == "length",
    "content_filter": lambda completion: completion.choices[0].finish_reason == "content_filter",
    "no_usage": lambda completion: completion.usage is None and content(completion),
}


@pytest.mark.parametrize("name", COMPLETIONS)
def test_completions_that_lack_something(
    model: ScriptedModel, client: openai.OpenAI, name: str
) -> None:
    model.script = [name]
    assert MALFORMED[name](ask(client, ANGRY))


@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_are_no_completion(
    model: ScriptedModel, client: openai.OpenAI, name: str
) -> None:
    model.script = [name]
    reply = client.chat.completions.with_raw_response.create(model="qwen", messages=asking(ANGRY))
    body, kind = reply.http_response.content, reply.headers["content-type"]
    assert reply.status_code == 200
    assert kind.startswith("text/html" if name == "html" else "application/json")
    if name == "json_text":
        assert json.loads(body) == "ok"
    else:
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            json.loads(body)


def test_a_hanging_request_is_received_and_never_answered(
    model: ScriptedModel, client: openai.OpenAI
) -> None:
    model.script, before = "hang", model.answered
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.5).chat.completions.create(model="q", messages=asking(ANGRY))
    assert (len(model.asked()), model.answered) == (1, before)


def test_bytes_drip(model: ScriptedModel) -> None:
    model.script = ["drip:60"]
    with dialled(model) as end:
        end.sendall(raw_post(model, ANGRY))
        assert end.recv(100) == b"H"
        end.settimeout(0.1)
        with pytest.raises(TimeoutError):
            end.recv(100)


def test_what_drips_is_an_answer(model: ScriptedModel, client: openai.OpenAI) -> None:
    model.script = ["drip:0.00001"]
    assert "negative" in content(ask(client, ANGRY))


@pytest.mark.parametrize("name", ["reset", "reset_midway", "closed", "closed_midway"])
def test_connections_end_early(model: ScriptedModel, client: openai.OpenAI, name: str) -> None:
    model.script, before = [name], model.answered
    with pytest.raises(openai.APIConnectionError):
        ask(client, ANGRY)
    assert model.answered == before
    assert content(ask(client, ANGRY))


def test_a_reset_is_one_and_a_close_is_none(model: ScriptedModel) -> None:
    model.script = ["reset", "closed", "closed_midway"]
    with dialled(model) as end:
        end.sendall(raw_post(model, ANGRY))
        with pytest.raises(ConnectionResetError):
            end.recv(100)
    for is_begun in (False, True):
        with dialled(model) as end:
            end.sendall(raw_post(model, ANGRY))
            got = b"".join(iter(lambda: end.recv(1000), b""))
            assert got.startswith(b"HTTP/1.1 200") is is_begun


@pytest.mark.parametrize("name", ["redirect", "redirect_found", "redirect:/elsewhere/v1/models"])
def test_who_follows_a_redirect_is_seen(model: ScriptedModel, name: str) -> None:
    model.script = name
    headers, body = {"Authorization": "Bearer sk-test"}, {"model": "q", "messages": asking(ANGRY)}
    url = f"{model.base_url}/chat/completions"
    with httpx2.Client(trust_env=False, headers=headers) as client:
        reply = client.post(url, json=body)
        assert reply.status_code == (302 if name == "redirect_found" else 307)
        assert model.redirected == []
        client.post(url, json=body, follow_redirects=True)
    assert len(model.redirected) == 1


def test_the_usual_client_follows_redirects(model: ScriptedModel, client: openai.OpenAI) -> None:
    model.script = ["redirect"]
    assert "negative" in content(ask(client, ANGRY))
    assert [request.body["messages"] for request in model.redirected] == [asking(ANGRY)]


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


def outcomes(client: openai.OpenAI, *said: str) -> list[Any]:
    found = []
    for text in said:
        try:
            found.append(content(ask(client, text))[:1])
        except openai.APIStatusError as error:
            found.append(error.status_code)
    return found


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


def test_every_behaviour_is_tried_here() -> None:
    tried = {*SPOILED, *MALFORMED, *BODIES, "ok", "hang", "drip", "redirect", "redirect_found"}
    tried |= {"reset", "reset_midway", "closed", "closed_midway"}
    failures = {name for name, known in BEHAVIOURS.items() if known.failure}
    assert set(BEHAVIOURS) - failures <= tried


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


def test_the_process_ends_when_told(client: openai.OpenAI) -> None:
    with started("--faults", "quota=1", "--judge", "careless:0.1:0.1") as running:
        elsewhere = client.with_options(base_url=running.base_url)
        assert outcomes(elsewhere, "投诉", "好") == [429, 429]
        running.end(signal.SIGTERM)
