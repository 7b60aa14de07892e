"""Batch mode against a scripted server: nothing is lost, nothing is asked or paid for twice."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from batch_cases import (
    AT_ONCE,
    Clock,
    batch_model,
    closed,
    counted,
    in_batches,
    live_model,
    look,
)
from engine_cases import ask, ledger, numbered, questions

from cs_apps.scripted_model.batches import BatchPlan
from cs_apps.scripted_model.server import ScriptedModel
from cs_resources import model_batching
from cs_resources.errors import ConfigurationError, DiskFullError
from cs_resources.model_batch_api import BatchApi, BatchApiError, BatchRecord
from cs_resources.model_batching import BatchModel
from cs_resources.model_client import Outcome, Reply

ANGRY = "你们乱扣费，我要投诉"


@pytest.fixture
def server() -> Iterator[ScriptedModel]:
    with ScriptedModel(batch_plan=AT_ONCE) as model:
        yield model


@pytest.fixture
def model(server: ScriptedModel, tmp_path: Path) -> Iterator[BatchModel]:
    with batch_model(server, tmp_path) as made:
        yield made


def test_questions_wait_for_a_batch_that_brings_their_answers(
    server: ScriptedModel, model: BatchModel
) -> None:
    server.batch_plan = BatchPlan(polls=1)
    (first,) = ask(model, questions(ANGRY))
    (batch,) = model.store.open_batches()
    assert (batch.status, batch.requests, batch.partitions) == ("submitted", 1, ("2025-11-24",))
    assert (first.answer, first.error) == (None, f"waiting for batch {batch.batch_id}")
    assert first.is_unfinished
    assert look(model) == [f"batch {batch.batch_id}: in_progress"]
    assert model.store.open_batches()[0].provider_status == "in_progress"
    assert look(model) == [f"batch {batch.batch_id}: collected: 1 answered"]
    (found,) = ask(model, questions(ANGRY))
    assert json.loads(str(found.answer))["complaint_risk"] == "high"
    assert (found.method, found.is_unfinished) == ("cache", False)
    assert look(model) == []
    assert server.asked() == []
    assert list(server._batches.files._records) == []  # no dialogue stays there
    assert counted(server)["POST /files"] == counted(server)["POST /batches"] == 1


def test_batches_find_what_live_requests_find_at_half_the_price(
    server: ScriptedModel, tmp_path: Path
) -> None:
    asked = [*numbered(20), *questions(ANGRY, "挺好的，谢谢")]
    with live_model(server, tmp_path / "live") as live:
        wanted = [finding.answer for finding in ask(live, asked)]
        full = sum(row.cost_micros for row in ledger(live))
    with batch_model(server, tmp_path / "batch") as model:
        ask(model, asked)
        look(model)
        assert [finding.answer for finding in ask(model, asked)] == wanted
        rows = ledger(model)
        assert {(row.purpose, row.outcome, row.http_status) for row in rows} == {
            ("batch", "answered", 200)
        }
        assert len(rows) == len(asked)
        # each line is rounded by itself
        assert 2 * sum(row.cost_micros for row in rows) == pytest.approx(full, abs=len(asked))


def test_a_second_run_submits_only_what_no_batch_holds(
    server: ScriptedModel, model: BatchModel
) -> None:
    ask(model, numbered(3))
    found = ask(model, numbered(5))
    one, two = model.store.open_batches()
    assert [batch.requests for batch in (one, two)] == [3, 2]
    errors = [finding.error for finding in found]
    assert [str(error).rsplit(" ", 1)[1] for error in errors] == [one.batch_id] * 3 + [
        two.batch_id
    ] * 2
    look(model)
    assert {finding.method for finding in ask(model, numbered(5))} == {"cache"}
    assert len(ledger(model)) == 5


def test_equal_dialogues_of_two_days_are_one_request_and_both_days_follow(
    server: ScriptedModel, model: BatchModel
) -> None:
    both = [*questions(ANGRY, day="2025-11-24"), *questions(ANGRY, day="2025-11-26")]
    ask(model, both)
    ask(model, questions(ANGRY, day="2025-11-28"))
    (batch,) = model.store.open_batches()
    assert (batch.requests, batch.partitions) == (1, ("2025-11-24", "2025-11-26", "2025-11-28"))
    look(model)
    assert {finding.method for finding in ask(model, both)} == {"cache"}
    assert [row.partition for row in ledger(model)] == ["2025-11-24"]


@pytest.mark.parametrize("limit", [{"most_requests": 4}, {"most_bytes": 20_000}])
def test_a_batch_holds_no_more_than_it_may(
    server: ScriptedModel, tmp_path: Path, limit: dict[str, int]
) -> None:
    with batch_model(server, tmp_path, **limit) as model:
        found = ask(model, numbered(10))
        batches = model.store.open_batches()
        assert len(batches) > 2
        assert sum(batch.requests for batch in batches) == 10
        assert len({finding.error for finding in found}) == len(batches)
        for received in server.asked("/files"):
            assert len(received.raw) < 25_000
        look(model)
        assert {finding.method for finding in ask(model, numbered(10))} == {"cache"}


def test_lines_end_in_every_way(server: ScriptedModel, model: BatchModel) -> None:
    server.script = {
        "拒绝": "data_inspection_failed",
        "无效": "wrong_enum",
        "重复": "duplicate_keys",
        "挂起": "hang",
        "忙": "bad_gateway",
        "限流": "rate_limited",
        "无量": "no_usage",
    }
    said = ("拒绝", "无效", "重复", "挂起", "忙", "限流", "无量", "你好")
    ask(model, questions(*said))
    (message,) = look(model)
    assert "2 answered" in message
    found = {row.answer_key: row for row in ledger(model)}
    outcomes = sorted(str(row.outcome) for row in found.values())
    assert outcomes == [
        *("answered", "answered", "invalid", "invalid"),
        *("rate_limited", "refused", "server_error", "server_error"),
    ]
    assert sum(row.http_status is not None for row in found.values()) == 6
    (batch,) = closed(model)
    assert batch.status == "collected"
    assert "2 invalid" in str(batch.error)
    again = dict(zip(said, ask(model, questions(*said)), strict=True))
    assert {name for name, finding in again.items() if finding.method == "cache"} == {
        "无量",
        "你好",
    }
    final = {name for name, finding in again.items() if not finding.is_unfinished}
    assert final == {"拒绝", "无效", "重复", "无量", "你好"}
    assert "complaint_risk" in str(again["无效"].error)
    # only what may pass is asked again
    (second,) = model.store.open_batches()
    assert second.requests == 3


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_what_a_batch_did_not_come_to_is_free_to_be_asked_again(
    server: ScriptedModel, model: BatchModel, end: str
) -> None:
    server.batch_plan = BatchPlan(polls=0, end=end, done_share=0.5)  # type: ignore[arg-type]
    ask(model, numbered(4))
    (message,) = look(model)
    assert f"failed: batch {end}: " in message
    assert sorted(row.outcome for row in ledger(model)) == ["answered"] * 2 + ["not_done"] * 2
    assert [row.http_status for row in ledger(model)].count(200) == 2
    server.batch_plan = AT_ONCE
    second = ask(model, numbered(4))
    assert [finding.method for finding in second].count("cache") == 2
    look(model)
    assert {finding.method for finding in ask(model, numbered(4))} == {"cache"}
    assert sum(row.cost_micros is not None for row in ledger(model)) == 4


def test_a_failed_batch_says_why_and_costs_nothing(
    server: ScriptedModel, model: BatchModel
) -> None:
    server.batch_plan = BatchPlan(polls=0, end="failed")
    ask(model, numbered(4))
    (message,) = look(model)
    assert "batch failed" in message
    assert [(row.outcome, row.cost_micros) for row in ledger(model)] == [("not_done", None)] * 4
    assert closed(model)[0].status == "failed"
    server.batch_plan = AT_ONCE
    ask(model, numbered(4))
    look(model)
    assert {finding.method for finding in ask(model, numbered(4))} == {"cache"}


def test_a_form_that_is_not_supported_is_lowered_for_the_next_batch(tmp_path: Path) -> None:
    with (
        ScriptedModel(modes=("json_object", "text"), batch_plan=AT_ONCE) as server,
        batch_model(server, tmp_path) as model,
    ):
        ask(model, numbered(3))
        assert "3 unsupported" in look(model)[0]
        ask(model, numbered(3))
        look(model)
        assert {finding.method for finding in ask(model, numbered(3))} == {"cache"}
        assert [batch.mode for batch in closed(model)] == ["json_object", "json_schema"]
        assert model.store.mode(model.endpoint.name, model.endpoint.model) == "json_object"


def test_a_budget_holds_for_batches_and_for_what_waits(
    server: ScriptedModel, tmp_path: Path
) -> None:
    with batch_model(server, tmp_path, budget_tokens=20_000) as model:
        first = ask(model, numbered(50))
        refused = [finding for finding in first if "20,000 tokens" in str(finding.error)]
        assert 0 < len(refused) < 50
        assert all(finding.is_unfinished for finding in refused)
        # while the batch is under way, what it will use counts
        ask(model, numbered(50))
        assert len(model.store.open_batches()) == 1
        look(model)
        assert sum(row.prompt_tokens + row.completion_tokens for row in ledger(model)) <= 20_000


def test_a_budget_in_money_needs_a_price_of_batches(server: ScriptedModel, tmp_path: Path) -> None:
    with live_model(server, tmp_path, budget_cost=1.0) as live:
        turbo = replace(live, endpoint=replace(live.endpoint, model="qwen-turbo"))
        assert ask(turbo, questions(ANGRY))[0].method == "llm"
        with pytest.raises(ConfigurationError, match="batch_discount"):
            ask(in_batches(turbo, tmp_path), questions(ANGRY))


def test_an_endpoint_without_batches_is_a_matter_of_settings(tmp_path: Path) -> None:
    with ScriptedModel() as server, batch_model(server, tmp_path) as model:
        elsewhere = replace(
            model, endpoint=replace(model.endpoint, base_url=f"{server.base_url}/none")
        )
        with pytest.raises(ConfigurationError, match="LLM_MODE=live"):
            ask(elsewhere, numbered(2))
        assert elsewhere.store.open_batches() == []
        assert ledger(elsewhere) == []


@pytest.mark.parametrize("key", ["wrong", "sk-test"])
def test_an_endpoint_that_refuses_or_is_down_leaves_the_questions_free(
    server: ScriptedModel, tmp_path: Path, key: str
) -> None:
    clock = Clock()
    with batch_model(server, tmp_path, api_key=key, clock=clock) as model:
        address = server.base_url if key == "wrong" else "http://127.0.0.1:1/v1"
        down = replace(model, endpoint=replace(model.endpoint, base_url=address))
        found = ask(down, numbered(5))
        assert all(finding.is_unfinished and finding.error for finding in found)
        assert down.store.open_batches() == []
        assert len({finding.error for finding in found}) == 1
        assert "waiting" not in str(found[0].error)


def test_a_refused_submission_leaves_no_file_and_says_why(
    server: ScriptedModel, model: BatchModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = BatchApiError(Reply(Outcome.QUOTA, status=429, error="HTTP 429: quota"))

    def submit(self: BatchApi, batch_id: str, file: str) -> BatchRecord:
        raise refused

    monkeypatch.setattr(BatchApi, "submit", submit)
    (found,) = ask(model, questions(ANGRY))
    assert (found.error, found.is_unfinished) == ("HTTP 429: quota", True)
    assert closed(model)[0].error == "HTTP 429: quota"
    assert list(server._batches.files._records) == []
    assert ledger(model) == []


def test_a_full_disk_is_said_and_nothing_is_sent(
    server: ScriptedModel, model: BatchModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Path("/dev/full").open("w+b")  # noqa: SIM115 - the draft closes it
    monkeypatch.setattr(model_batching, "TemporaryFile", lambda dir: full)
    with pytest.raises(DiskFullError, match="batch"):
        ask(model, numbered(20))
    assert server.received == []
    assert model.store.open_batches() == []
