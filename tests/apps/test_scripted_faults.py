"""Every fault that the scripted model can make, as a client sees it."""

import json
import re
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from scripted_cases import ANGRY, ask, asking, content, dialled, raw_post

from cs_apps.scripted_model.faults import BEHAVIOURS
from cs_apps.scripted_model.server import ScriptedModel
from cs_apps.scripted_model.spoiled import BODIES, COMPLETIONS, TEXTS

FAILED = {
    "rate_limited": (429, "rate_limit_exceeded"),
    "throttled": (429, "limit_requests"),
    "quota": (429, "insufficient_quota"),
    "payment_required": (402, "invalid_request_error"),
    "arrears": (400, "Arrearage"),
    "unauthorized": (401, "invalid_api_key"),
    "forbidden": (403, "unsupported_country_region_territory"),
    "model_not_found": (404, "model_not_found"),
    "data_inspection_failed": (400, "data_inspection_failed"),
    "context_length_exceeded": (400, "context_length_exceeded"),
    "server_error": (500, None),
    "bad_gateway": (502, None),
    "unavailable": (503, None),
    "gateway_timeout": (504, None),
}


@pytest.mark.parametrize("name", FAILED)
def test_failures(model: ScriptedModel, client: openai.OpenAI, name: str) -> None:
    model.script = [name]
    with pytest.raises(openai.APIStatusError) as failed:
        ask(client, ANGRY)
    assert (failed.value.status_code, failed.value.code) == FAILED[name]
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
    headers = failed.value.response.headers
    sent, again = (parsedate_to_datetime(headers[name]) for name in ("date", "retry-after"))
    assert timedelta(minutes=59) < again - sent <= timedelta(hours=1)


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


def test_every_behaviour_is_tried_here() -> None:
    tried = {*FAILED, *SPOILED, *MALFORMED, *BODIES, "ok", "hang", "drip"}
    tried |= {"reset", "reset_midway", "closed", "closed_midway", "redirect", "redirect_found"}
    assert set(BEHAVIOURS) == tried


def test_every_behaviour_is_told() -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "try-with-a-scripted-model.md"
    told = set(re.findall(r"`([a-z_]+)(?::[^`]+)?`", page.read_text(encoding="utf-8")))
    assert set(BEHAVIOURS) - told == {"ok"}
