"""The engine against a scripted server: answers, forms, limits, budgets, the ledger."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from engine_cases import (
    MODEL,
    PROMPT,
    ask,
    ledger,
    model_at,
    numbered,
    questions,
    require_ledger_of,
)

from cs_apps.scripted_model.server import ScriptedModel
from cs_resources.errors import ConfigurationError
from cs_resources.language_model import LanguageModel
from cs_resources.model_store import ModelStore
from cs_resources.model_window import Limits

ANGRY = "你们乱扣费，我要投诉"


def test_an_answer_is_found_kept_and_paid_for_once(
    server: ScriptedModel, model: LanguageModel
) -> None:
    first, again = ask(model, questions(ANGRY)), ask(model, questions(ANGRY))
    assert json.loads(str(first[0].answer))["complaint_risk"] == "high"
    assert [first[0].method, again[0].method] == ["llm", "cache"]
    assert replace(again[0], method="llm") == first[0]
    (row,) = require_ledger_of(server, model)
    assert (row.outcome, row.http_status, row.model) == ("answered", 200, MODEL)
    assert row.prompt_tokens == first[0].prompt_tokens
    assert row.cost_micros > 0


def test_equal_dialogues_are_asked_about_once(server: ScriptedModel, model: LanguageModel) -> None:
    found = ask(model, questions(*[ANGRY] * 5))
    assert sorted(str(finding.method) for finding in found) == ["cache"] * 4 + ["llm"]
    assert len({finding.answer for finding in found}) == 1
    require_ledger_of(server, model)


@pytest.mark.parametrize(
    ("modes", "used"), [(("json_object", "text"), "json_object"), (("text",), "text")]
)
def test_the_strictest_form_is_found_out_once(
    tmp_path: Path, modes: tuple[str, ...], used: str
) -> None:
    with (
        ScriptedModel(modes=modes) as server,
        model_at(server.base_url, tmp_path, concurrency=8) as model,
    ):
        assert all(finding.method == "llm" for finding in ask(model, numbered(20)))
        assert ask(model, questions(ANGRY))[0].method == "llm"
        outcomes = [row.outcome for row in require_ledger_of(server, model)]
        assert outcomes.count("unsupported") == 2 - modes.count("json_object")
        assert [row.structured_output for row in ledger(model)[2:]] == [used] * len(outcomes[2:])


def test_an_endpoint_that_ignores_the_form_is_asked_for_text(
    server: ScriptedModel, model: LanguageModel
) -> None:
    server.script = "fenced"
    assert all(finding.method == "llm" for finding in ask(model, numbered(5)))
    outcomes = [row.outcome for row in require_ledger_of(server, model)]
    assert outcomes == ["unsupported"] * 2 + ["answered"] * 5


def test_a_gateway_gets_its_token_and_no_key(server: ScriptedModel, tmp_path: Path) -> None:
    with model_at(server.base_url, tmp_path, gateway_token="gate", api_key="secret") as model:
        assert ask(model, questions(ANGRY))[0].method == "llm"
        (received,) = server.asked()
        assert received.headers["authorization-gateway"] == "gate"
        assert "authorization" not in received.headers


def test_the_body_takes_what_a_deployment_adds(server: ScriptedModel, tmp_path: Path) -> None:
    extra = {"enable_thinking": False}
    with model_at(server.base_url, tmp_path, extra_body=extra) as model:
        ask(model, questions(ANGRY))
        assert server.asked()[0].body["enable_thinking"] is False


def test_no_more_requests_at_once_than_allowed(tmp_path: Path) -> None:
    with (
        ScriptedModel(latency=0.02) as server,
        model_at(server.base_url, tmp_path, concurrency=7) as model,
    ):
        ask(model, numbered(100))
        assert server.busiest == 7


def test_a_budget_in_tokens_is_kept_over_all_runs(server: ScriptedModel, tmp_path: Path) -> None:
    with model_at(server.base_url, tmp_path, budget_tokens=20_000, concurrency=4) as model:
        for _ in range(3):
            found = ask(model, numbered(50))
        spent = sum(row.prompt_tokens + row.completion_tokens for row in ledger(model))
        assert 10_000 < spent <= 20_000
        refused = [finding for finding in found if finding.error]
        assert all("20,000 tokens" in str(finding.error) for finding in refused)
        assert all(finding.is_unfinished for finding in refused)
        assert len(refused) + len(require_ledger_of(server, model)) == 50


def test_a_budget_in_money_needs_a_price(tmp_path: Path) -> None:
    with model_at("http://127.0.0.1:1/v1", tmp_path, budget_cost=0.01) as model:
        unknown = replace(model, endpoint=replace(model.endpoint, model="nobody-knows"))
        with pytest.raises(ConfigurationError, match="nobody-knows"):
            ask(unknown, questions(ANGRY))


def test_limits_are_counted_with_real_tokens(server: ScriptedModel, tmp_path: Path) -> None:
    limits = Limits(requests_per_minute=1000, tokens_per_minute=1_000_000)
    with model_at(server.base_url, tmp_path, limits=limits) as model:
        ask(model, numbered(5))
        starts = model.store.warehouse.tables.models.starts
        with model.store.warehouse.engine.connect() as connection:
            counted = connection.execute(starts.select()).all()
        rows = require_ledger_of(server, model)
        assert sum(row.requests for row in counted) == 5
        assert sum(row.tokens for row in counted) == sum(
            row.prompt_tokens + row.completion_tokens for row in rows
        )


def test_usage_that_is_not_told_is_not_invented(
    server: ScriptedModel, model: LanguageModel
) -> None:
    server.script = "no_usage"
    (found,) = ask(model, questions(ANGRY))
    assert found.method == "llm"
    (row,) = require_ledger_of(server, model)
    assert (row.prompt_tokens, row.cost_micros, found.prompt_tokens) == (None, None, None)


class _FullStore(ModelStore):
    def commit(self, *rows: object) -> None:
        raise OSError("no space left")


def test_a_store_that_fails_ends_the_run_before_anything_is_sent(
    server: ScriptedModel, model: LanguageModel
) -> None:
    broken = replace(model, store=_FullStore(model.store.warehouse))
    with pytest.raises(OSError, match="no space left"):
        ask(broken, numbered(10))
    assert server.asked() == []


def test_the_prompt_version_is_part_of_the_key(model: LanguageModel) -> None:
    (question,) = questions(ANGRY)
    keys = {
        question.key(PROMPT.version, MODEL, "here"),
        question.key("2", MODEL, "here"),
        question.key(PROMPT.version, "other", "here"),
        question.key(PROMPT.version, MODEL, "there"),
    }
    assert len(keys) == 4
