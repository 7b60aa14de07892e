"""A model that fails, in every way, and the ledger of it."""

from pathlib import Path

import pytest
from engine_cases import ask, ledger, model_at, numbered, questions, require_ledger_of

from cs_apps.scripted_model.server import ScriptedModel
from cs_resources.language_model import LanguageModel
from cs_resources.model_asking import Patience

ANGRY = "你们乱扣费，我要投诉"


@pytest.mark.parametrize(
    "fault",
    [
        "rate_limited",
        "rate_limited:0",
        "rate_limited_until:0",
        "throttled",
        "server_error",
        "bad_gateway",
        "unavailable:0",
        "gateway_timeout",
        "reset",
        "reset_midway",
        "closed",
        "closed_midway",
    ],
)
def test_what_passes_is_tried_again(
    server: ScriptedModel, model: LanguageModel, fault: str
) -> None:
    server.script = [fault]
    (found,) = ask(model, questions(ANGRY))
    assert found.method == "llm"
    rows = require_ledger_of(server, model)
    assert [row.outcome == "answered" for row in rows] == [False, True]


@pytest.mark.parametrize("fault", ["hang", "drip:5"])
def test_a_server_that_keeps_one_waiting_is_left_in_time(
    server: ScriptedModel, tmp_path: Path, fault: str
) -> None:
    with model_at(server.base_url, tmp_path, patience=Patience(0.3, 5)) as model:
        server.script = [fault]
        (found,) = ask(model, questions(ANGRY))
        assert found.method == "llm"
        assert [row.outcome for row in require_ledger_of(server, model)] == ["timeout", "answered"]


def test_the_deadline_holds_over_all_attempts(server: ScriptedModel, tmp_path: Path) -> None:
    with model_at(server.base_url, tmp_path, patience=Patience(0.2, 0.5), failures=99) as model:
        server.script = "hang"
        (found,) = ask(model, questions(ANGRY))
        assert (found.answer, found.is_unfinished) == (None, True)
        rows = require_ledger_of(server, model)
        assert {row.outcome for row in rows} == {"timeout"}
        assert len(rows) < 4


def test_a_server_that_asks_for_patience_beyond_the_deadline_is_not_waited_for(
    server: ScriptedModel, model: LanguageModel
) -> None:
    server.script = ["rate_limited:3600"]
    (found,) = ask(model, questions(ANGRY))
    assert found.is_unfinished
    assert "429" in str(found.error)
    require_ledger_of(server, model)


@pytest.mark.parametrize(
    "fault",
    [
        "html",
        "truncated_envelope",
        "empty_body",
        "no_choices",
        "null_choices",
        "null_content",
        "empty_content",
        "refusal",
        "content_filter",
        "finish_length",
        "wrong_enum",
        "wrong_case",
        "extra_field",
        "missing_field",
        "duplicate_keys",
        "score_nan",
        "score_infinite",
        "score_too_high",
        "score_as_text",
        "score_contradicting",
        "list_answer",
    ],
)
def test_an_invalid_answer_is_asked_for_once_more_and_never_kept(
    server: ScriptedModel, model: LanguageModel, fault: str
) -> None:
    ask(model, questions("你好"))  # the endpoint takes json_schema: known from here on
    server.script = [fault, fault]
    (found,) = ask(model, questions(ANGRY))
    assert (found.answer, found.method) == (None, None)
    assert found.error
    rows = require_ledger_of(server, model)
    assert [row.outcome for row in rows] == ["answered", "invalid", "invalid"]
    assert ask(model, questions(ANGRY))[0].method == "llm"


@pytest.mark.parametrize(("fault", "is_left"), [("html", True), ("wrong_enum", False)])
def test_what_is_not_the_models_is_left_for_another_run(
    server: ScriptedModel, model: LanguageModel, fault: str, is_left: bool
) -> None:
    ask(model, questions("你好"))
    server.script = [fault, fault]
    assert ask(model, questions(ANGRY))[0].is_unfinished is is_left


def test_the_second_question_says_what_was_wrong(
    server: ScriptedModel, model: LanguageModel
) -> None:
    ask(model, questions("你好"))
    server.script = ["wrong_enum"]
    (found,) = ask(model, questions(ANGRY))
    assert found.method == "llm"
    *_, said, objection = server.asked()[-1].body["messages"]
    assert "severe" in said["content"]
    assert "complaint_risk" in objection["content"]


def test_a_text_that_the_endpoint_refuses_is_never_sent_again(
    server: ScriptedModel, model: LanguageModel
) -> None:
    server.script = ["data_inspection_failed"]
    for _ in range(2):
        (found,) = ask(model, questions(ANGRY))
        assert (found.answer, found.is_unfinished) == (None, False)
    assert [row.outcome for row in require_ledger_of(server, model)] == ["refused"]


@pytest.mark.parametrize(
    "fault",
    ["unauthorized", "forbidden", "quota", "payment_required", "arrears", "model_not_found"],
)
def test_a_hopeless_endpoint_is_asked_once(
    server: ScriptedModel, model: LanguageModel, fault: str
) -> None:
    server.script = fault
    found = ask(model, numbered(50))
    assert all(finding.is_unfinished and finding.error for finding in found)
    assert len(require_ledger_of(server, model)) == 1


def test_a_key_that_is_withdrawn_ends_the_run(server: ScriptedModel, tmp_path: Path) -> None:
    with model_at(server.base_url, tmp_path, concurrency=4) as model:
        server.script = ["ok"] * 10 + ["unauthorized"] * 1000
        found = ask(model, numbered(100))
        assert sum(finding.method == "llm" for finding in found) == 10
        assert len(require_ledger_of(server, model)) <= 10 + 5


def test_a_redirect_is_not_followed(server: ScriptedModel, model: LanguageModel) -> None:
    server.script = "redirect"
    (found,) = ask(model, questions(ANGRY))
    assert found.is_unfinished
    assert server.redirected == []
    assert [row.outcome for row in ledger(model)] == ["redirect"]


def test_nobody_there(tmp_path: Path) -> None:
    with model_at("http://127.0.0.1:1/v1", tmp_path) as model:
        found = ask(model, numbered(1000))
        assert len(found) == 1000
        assert all(finding.is_unfinished for finding in found)
        # five open the circuit, each of the two pauses ends with one more
        assert [row.outcome for row in ledger(model)] == ["connection"] * 7


def test_after_an_outage_only_what_is_missing_is_asked(
    server: ScriptedModel, tmp_path: Path
) -> None:
    with model_at(server.base_url, tmp_path, concurrency=4, failures=3) as model:
        server.script = ["ok"] * 20 + ["server_error"] * 1000
        first = ask(model, numbered(60))
        done = [finding for finding in first if finding.method == "llm"]
        assert len(done) == 20
        before = len(server.asked())
        server.script = None
        second = ask(model, numbered(60))
        assert [finding.method for finding in second].count("cache") == 20
        assert len(server.asked()) - before == 40
        require_ledger_of(server, model)


def test_a_short_outage_is_waited_for(server: ScriptedModel, tmp_path: Path) -> None:
    with model_at(server.base_url, tmp_path, concurrency=4, failures=3) as model:
        server.script = ["ok"] * 20 + ["server_error"] * 4
        assert all(finding.method == "llm" for finding in ask(model, numbered(60)))
        require_ledger_of(server, model)
