"""`cs demo --with-llm-server`: a model for one run, what it shows, and what it leaves behind."""

import socket
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from click.testing import Result
from typer.testing import CliRunner

from cs_apps import cli, demo, demo_model
from cs_apps.model_effect import Sides, model_effect
from cs_apps.model_texts import TEXTS, text
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT
from cs_assets.definitions import CONTRACTS, rules_of
from cs_resources.io_managers import to_pandas
from cs_resources.model_ledger import CostLine
from cs_resources.model_store import ModelStore
from cs_resources.settings import HOME_SETTINGS, Settings, load_settings
from cs_resources.storage import Storage, storage_of

DAY = date(2025, 11, 24)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, a history of one day, and a port that nobody uses."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for module in (cli, demo):
        monkeypatch.setattr(module, "FIRST_DAY", DAY)
        monkeypatch.setattr(module, "LAST_DAY", DAY)
        # a model changes nothing else
        monkeypatch.setattr(module, "SAMPLED", ("calls",))
    with socket.create_server(("127.0.0.1", 0)) as free:
        monkeypatch.setattr(demo_model, "PORT", free.getsockname()[1])
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("CS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def cs(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, arguments)


def published(result: Result) -> dict[str, list[str]]:
    """Partitions, rows and content of every table, as the demo told them."""
    assert result.exit_code == 0, result.output
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.output.splitlines()]
    names = {contract.name for contract in CONTRACTS}
    return {row[0]: row[1:4] for row in rows if row and row[0] in names}


def shown(result: Result, name: str) -> list[str]:
    """The figures of one row."""
    (row,) = [line for line in result.output.splitlines() if line.startswith(f"│ {name}")]
    return [cell.strip() for cell in row.split("│")[2:-1]]


def ledger(storage: Storage) -> CostLine:
    (line,) = ModelStore(storage.warehouse).costs(DAY, DAY)
    return line


def test_a_model_for_one_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # what else is set about a model does not count for the demo's own
    monkeypatch.setenv("LLM_BUDGET_TOKENS", "1")
    first = cs("demo", "--with-llm-server")
    made = published(first)
    assert set(made) == {contract.name for contract in CONTRACTS if contract.system == "calls"}
    settings = load_settings()
    assert not settings.has_model
    assert "LLM" not in (home / HOME_SETTINGS).read_text(encoding="utf-8")

    storage = storage_of(settings, CONTRACTS)
    calls = to_pandas(storage.stream(CALL_SENTIMENT, [str(DAY)]), CALL_SENTIMENT)
    booked = ledger(storage)
    asked = calls["method"].eq("llm").sum()
    assert booked.model == demo_model.MODEL
    assert booked.answered == asked > 0
    effect = model_effect(storage, rules_of(settings), DAY, DAY)
    assert_effect(effect.published, calls)
    assert effect.by_rules["dialogues"] == len(calls)
    assert effect.by_rules["by_rules"] == effect.by_rules["judged"] < effect.published["judged"]
    for kind, sides in effect.high.items():
        by_rules, by_model = (calls[f"{side}_{kind}_risk"].eq("high") for side in ("rules", "llm"))
        both, either = (by_rules & by_model).sum(), (by_rules | by_model).sum()
        assert sides == Sides(by_rules.sum() - both, by_model.sum() - both, both)
        assert either == calls[f"{kind}_risk"].eq("high").sum()
    assert shown(first, "有对话的通话") == [f"{len(calls):,}"] * 2
    assert shown(first, "　由模型（本次询问）") == ["", f"{asked:,}"]
    assert f"本次：{booked.attempts:,} 次请求，{asked:,} 次得到答案" in first.output

    stale = cs("stale").output
    assert "calls/call_sentiment" in stale
    assert "configuration" in stale

    monkeypatch.setenv("CS_LOCALE", "en")
    again = cs("demo", "--with-llm-server")
    assert published(again) == made
    assert "This run: 0 requests, 0 answered" in again.output
    assert shown(again, "  by the model, asked now") == ["", "0"]
    assert ledger(storage) == booked


def assert_effect(counts: dict[str, int], calls: pd.DataFrame) -> None:
    assert counts["dialogues"] == len(calls)
    assert counts["judged"] == calls["method"].notna().sum()
    assert counts["from_cache"] == calls["method"].eq("cache").sum()
    assert counts["negative"] == calls["sentiment"].eq("negative").sum()


def test_a_taken_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", demo_model.PORT)):
        result = cs("demo", "--with-llm-server")
    said = " ".join(result.output.split())
    assert result.exit_code == 1
    assert f"did not start on port {demo_model.PORT}" in said
    assert "Traceback" not in said


def test_the_planted_faults_are_ones_that_it_knows() -> None:
    with demo_model.scripted_model() as settings:
        assert settings.llm_model == demo_model.MODEL
        assert settings.llm_api_base_url == f"http://127.0.0.1:{demo_model.PORT}/v1"
    assert not load_settings().has_model


@pytest.mark.parametrize("code", TEXTS)
def test_every_text_is_there_in_both_languages(code: str) -> None:
    chinese, english = text(code, "zh"), text(code, "en")
    assert not english.isspace()
    assert any(character > "\u2e80" for character in chinese)
    assert all(character < "\u2e80" for character in english)
