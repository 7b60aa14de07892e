"""`cs costs`: sums over the ledger, and what is said where no price is known."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cs_apps.cli import app
from cs_apps.costs import Costs, by_day, total
from cs_assets.definitions import CONTRACTS
from cs_resources.model_ledger import ClosedAttempt, CostLine, OpenedAttempt
from cs_resources.model_store import ModelStore
from cs_resources.settings import Settings, load_settings
from cs_resources.storage import storage_of

DAY = date(2025, 11, 24)
PRICED = CostLine("t", DAY, "qwen-turbo", "live", "CNY", 3, 2, 0, 1_000, 100, 1_234_567)
FAILED = replace(PRICED, currency=None, attempts=2, answered=0, unknown=1, cost_micros=None)
IN_DOLLARS = replace(PRICED, currency="USD", cost_micros=500_000)
INSTANT = datetime(2025, 11, 25, 2, 30, tzinfo=UTC).replace(tzinfo=None)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("CS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CS_HISTORY_END", "2025-12-31")
    monkeypatch.chdir(tmp_path)


def test_requests_without_tokens_cost_nothing_and_are_counted() -> None:
    sums = total([PRICED, replace(FAILED, prompt_tokens=0, completion_tokens=0)])
    assert sums == Costs(5, 2, 1, 1_000, 100, {"CNY": 1_234_567})
    assert sums.money == "1.2346 CNY"


def test_tokens_without_a_price_are_in_no_sum_of_money() -> None:
    assert total([PRICED, FAILED]).money == "1.2346 CNY + ?"
    assert total([FAILED]) == Costs(2, 0, 1, 1_000, 100, {}, 1_100)
    assert total([FAILED]).money == "?"


def test_currencies_are_never_added_up() -> None:
    assert total([PRICED, IN_DOLLARS, PRICED]).money == "2.4691 CNY + 0.5000 USD"


def test_what_came_since_is_the_difference() -> None:
    assert total([PRICED, IN_DOLLARS]) - total([PRICED]) == total([IN_DOLLARS, PRICED]) - Costs(
        3, 2, 0, 1_000, 100, {"CNY": 1_234_567}
    )
    assert (total([PRICED, FAILED]) - total([PRICED])) == replace(
        total([FAILED]), cost_micros={"CNY": 0}
    )


def test_days_models_and_purposes_stand_apart_in_order() -> None:
    later = replace(PRICED, call_date=date(2025, 11, 25))
    batch = replace(PRICED, purpose="batch")
    other = replace(PRICED, model="qwen-plus", tenant_id="u")
    grouped = by_day([later, PRICED, FAILED, other, batch])
    assert list(grouped) == [
        (DAY, "qwen-plus", "live"),
        (DAY, "qwen-turbo", "batch"),
        (DAY, "qwen-turbo", "live"),
        (date(2025, 11, 25), "qwen-turbo", "live"),
    ]
    assert grouped[DAY, "qwen-turbo", "live"].requests == 5


def attempts(cost: int | None) -> tuple[OpenedAttempt, ClosedAttempt]:
    name = f"{cost}"
    opened = OpenedAttempt(
        name, "k", "t", str(DAY), "r", "live", "http://e/v1", "m", "1-a", "text", 1, INSTANT
    )
    currency = None if cost is None else "CNY"
    closed = ClosedAttempt(name, "answered", 200, 1_500, 80, cost, currency, 9, None, None, INSTANT)
    return opened, closed


def test_the_command_lists_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = CliRunner().invoke(app, ["costs", "--from", "2025-11", "--to", "2025-11"])
    assert nothing.exit_code == 0, nothing.output
    assert "No model was asked about calls of 2025-11-01 … 2025-11-30." in nothing.output
    store = ModelStore(storage_of(load_settings(), CONTRACTS).warehouse)
    opened, closed = zip(attempts(2_500_000), attempts(None), strict=True)
    store.commit(opened=opened, closed=closed)
    result = CliRunner().invoke(app, ["costs", "--from", "2025-W48", "--to", "2025-W48"])
    assert result.exit_code == 0, result.output
    rows = [line.split("│")[1:-1] for line in result.output.splitlines() if "2.5000" in line]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["2025-11-24", "m", "live", "2", "2", "0", "3,000", "160", "2.5000 CNY + ?"],
        ["all", "", "", "2", "2", "0", "3,000", "160", "2.5000 CNY + ?"],
    ]
    assert "1,580 tokens of models without a known price" in result.output


def test_a_day_before_and_after_are_not_listed() -> None:
    store = ModelStore(storage_of(load_settings(), CONTRACTS).warehouse)
    opened, closed = attempts(1)
    store.commit(opened=[opened], closed=[closed])
    for day in ("2025-11-23", "2025-11-25"):
        result = CliRunner().invoke(app, ["costs", "--from", day, "--to", day])
        assert "No model was asked" in result.output
