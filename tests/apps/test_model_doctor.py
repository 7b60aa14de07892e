"""`cs doctor` on the language model: what is wrong is named with its remedy, and what it cost."""

from pathlib import Path
from typing import Any

import pytest

from cs_apps.finding import Finding, Health
from cs_apps.model_doctor import look_at_model
from cs_apps.scripted_model.server import ScriptedModel
from cs_resources.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def looked(model: ScriptedModel, **more: Any) -> dict[str, Finding]:
    named = {
        "llm_api_base_url": model.base_url,
        "llm_model": "qwen-turbo",
        "llm_api_key": "sk-test",
        **more,
    }
    found = list(look_at_model(load_settings(**named)))
    assert all("sk-" not in f"{finding.seen} {finding.remedy}" for finding in found)
    return {finding.part: finding for finding in found}


def test_without_a_model_nothing_is_asked() -> None:
    (finding,) = look_at_model(load_settings())
    assert (finding.health, finding.seen) == (Health.OK, "none is configured: rules judge alone")


def test_a_good_endpoint_is_asked_once(model: ScriptedModel) -> None:
    found = looked(model)
    assert {part: finding.health for part, finding in found.items()} == {
        "model price": Health.OK,
        "prompt": Health.OK,
        "language model": Health.OK,
    }
    seen = found["language model"].seen
    assert "takes the key and answers as json_schema; asked with 1 request, 1," in seen
    assert seen.endswith(" CNY")
    assert len(model.asked()) == 1


@pytest.mark.parametrize(("modes", "found"), [(("json_object", "text"), 2), (("text",), 3)])
def test_the_form_that_it_takes_is_found(
    model: ScriptedModel, modes: tuple[str, ...], found: int
) -> None:
    with ScriptedModel(modes=modes) as other:
        seen = looked(other)["language model"].seen
    assert f"answers as {modes[0]}; asked with {found} requests" in seen


def test_a_model_that_ignores_the_form_is_asked_for_text(model: ScriptedModel) -> None:
    model.script = "fenced"
    found = looked(model)["language model"]
    assert (found.health, len(model.asked())) == (Health.OK, 3)
    assert "answers as text; asked with 3 requests" in found.seen


def test_a_gateway_token_is_sent_in_place_of_the_key(model: ScriptedModel) -> None:
    good = looked(model, llm_gateway_token="gate", llm_api_key="")["language model"]
    assert "takes the gateway token" in good.seen
    bad = looked(model, llm_gateway_token="wrong")["language model"]
    assert (bad.health, bad.remedy) == (Health.BROKEN, "correct LLM_GATEWAY_TOKEN")


@pytest.mark.parametrize(
    ("key", "remedy"),
    [("bad", "correct LLM_API_KEY: the endpoint does not take it"), ("", "set LLM_API_KEY, or")],
)
def test_a_wrong_key_is_named(model: ScriptedModel, key: str, remedy: str) -> None:
    found = looked(model, llm_api_key=key)["language model"]
    assert found.health is Health.BROKEN
    assert found.remedy.startswith(remedy)
    assert "HTTP 401" in found.seen
    assert "tokens" not in found.seen


@pytest.mark.parametrize(
    ("fault", "health", "remedy"),
    [
        ("quota", Health.BROKEN, "top it up"),
        ("model_not_found", Health.BROKEN, "LLM_API_BASE_URL"),
        ("redirect", Health.BROKEN, "redirects are not followed"),
        ("reset", Health.BROKEN, "see that this machine reaches LLM_API_BASE_URL"),
        ("hang", Health.BROKEN, "LLM_ATTEMPT_TIMEOUT_SECONDS"),
        ("server_error", Health.BROKEN, "the endpoint is unwell"),
        ("rate_limited", Health.WARNING, "LLM_REQUESTS_PER_MINUTE"),
        ("data_inspection_failed", Health.BROKEN, "ask its provider"),
        ("html", Health.BROKEN, "LLM_EXTRA_BODY"),
        ("finish_length", Health.BROKEN, "LLM_MAX_COMPLETION_TOKENS"),
        ("wrong_enum", Health.BROKEN, "name another LLM_MODEL"),
    ],
)
def test_every_fault_has_its_remedy(
    model: ScriptedModel, fault: str, health: Health, remedy: str
) -> None:
    model.script = fault
    found = looked(model, llm_attempt_timeout_seconds=0.3 if fault == "hang" else 10)
    assert found["language model"].health is health
    assert remedy in found["language model"].remedy
    assert len(model.asked()) == 1


def test_a_model_without_a_price_is_told(model: ScriptedModel) -> None:
    found = looked(model, llm_model="unheard-of")
    assert found["model price"].health is Health.WARNING
    assert "CNY" not in found["language model"].seen
    found = looked(model, llm_model="unheard-of", llm_budget_cost=1.0)
    assert found["model price"].health is Health.BROKEN
    assert "LLM_BUDGET_TOKENS" in found["model price"].remedy


def test_a_wrong_prompt_is_named_and_nothing_is_asked(model: ScriptedModel, tmp_path: Path) -> None:
    path = tmp_path / "prompt.yaml"
    path.write_text("version: '1'\n", encoding="utf-8")
    found = looked(model, llm_prompt_file=path)
    assert found["prompt"].health is Health.BROKEN
    assert str(path) in found["prompt"].seen
    assert "language model" not in found
    assert model.asked() == []
