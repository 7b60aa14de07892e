"""The graph in batch mode: two days wait for a batch, are answered, and end as live ones do."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from pydantic import SecretStr

from cs_apps.scripted_model.batches import BatchPlan
from cs_apps.scripted_model.server import ScriptedModel
from cs_apps.stale import recipes_of, repair, staleness
from cs_assets.calls.model_answers import assignment
from cs_assets.calls.prompt import Prompt, Turn
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT
from cs_assets.definitions import build_definitions
from cs_resources.errors import PlatformError
from cs_resources.model_batching import BatchModel
from cs_resources.model_questions import Question
from cs_resources.model_store import ModelStore
from cs_schedules.batches import COLLECTED
from cs_schedules.requests import REASON_TAG
from tests.calls.cases import Installation, record, turn, write_source

FIRST, LAST = date(2025, 11, 24), date(2025, 11, 26)
DAYS = ("2025-11-24", "2025-11-26")
SAID = {
    "angry": "太差劲了，我要投诉",
    "fine": "挺好的，我的号码是13812345678",
    "same": "太差劲了，我要投诉",
}
ASSETS = (
    "call_tasks,call_records_raw,call_turns_raw,call_records_clean,call_records_quarantine,"
    "call_sentiment"
)
NOON = datetime(2025, 11, 27, 4, 0, tzinfo=UTC)
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@pytest.fixture
def server() -> Iterator[ScriptedModel]:
    with ScriptedModel(batch_plan=BatchPlan(polls=1)) as model:
        yield model


def house_of(home: Path, server: ScriptedModel, **settings: object) -> Installation:
    """An installation that asks the server in batches."""
    model = {
        "llm_api_base_url": server.base_url,
        "llm_api_key": SecretStr("sk-test"),
        "llm_model": "qwen-plus",
        "llm_mode": "batch",
    }
    return Installation(home, FIRST, LAST, **(model | settings))


def analyse(house: Installation) -> None:
    """Read and judge calls of the first and the last of three days, one dialogue on both."""
    records, turns = [], []
    for number, (callid, text) in enumerate(SAID.items()):
        day = DAYS[number // 2]
        records.append(record(number, callid=callid, calldate=f"{day} 10:00:00"))
        turns.append(turn(records[-1]["id"], 1, text))
    write_source(house.source, {"_2025_11": records}, {"_2025_11": turns})
    assert house.run(ASSETS, FIRST, LAST) == ""


def model_of(house: Installation, now: datetime = NOON) -> BatchModel:
    """The model of the installation's definitions."""
    definitions = build_definitions(
        house.settings, house.storage, house.database, clock=lambda: now
    )
    model = (definitions.resources or {})["language_model"]
    assert isinstance(model, BatchModel)
    return model


def ask(house: Installation) -> None:
    """Let a question of each day wait for a batch."""
    prompt = Prompt.load()
    asked = []
    for day in DAYS:
        rendered = prompt.render([Turn(f"{day[-1:]}号的问题", None)], 6000)
        asked.append(Question((day,), day, rendered.dialogue_hash, rendered.messages))
    found = model_of(house).session(assignment(prompt), "run").findings(asked, DAYS)
    assert all(finding.is_unfinished for group in found for finding in group)


def judged(house: Installation) -> dict[str, dict[str, object]]:
    return {row["callid"]: row for row in house.rows("call_sentiment")}


def look(
    house: Installation, now: datetime = NOON, cursor: str | None = None
) -> tuple[list[dg.RunRequest], str | None, str | None]:
    """What the sensor requests, or why it does not, and its cursor."""
    repository = house.definitions.get_repository_def()
    resources = {"language_model": model_of(house, now)}
    with dg.build_sensor_context(
        repository_def=repository, resources=resources, cursor=cursor
    ) as context:
        tick = repository.get_sensor_def("llm_batches").evaluate_tick(context)
    return list(tick.run_requests or []), tick.skip_message, tick.cursor


def spans(requests: Sequence[dg.RunRequest]) -> list[tuple[str, ...]]:
    return [tuple(request.tags[name] for name in _RANGE) for request in requests]


def run(house: Installation, request: dg.RunRequest) -> None:
    """Do what the daemon does with a request."""
    repository = house.definitions.get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        result = repository.get_job("calls_analyse").execute_in_process(
            instance=instance,
            tags=dict(request.tags),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    assert result.success
    house.events += result.all_events


def batch_figures(house: Installation) -> list[dict[str, int]]:
    """What the metadata of the last runs tell of each day's batches."""
    told = (house.told("call_sentiment", day) for day in DAYS)
    return [{k: v for k, v in day.items() if k.startswith(("batch", "cost"))} for day in told]


def stale(house: Installation) -> dict[str, tuple[str, ...]]:
    """Stale days of verdicts, with the reasons."""
    recipes = recipes_of(house.definitions, house.storage)
    found = staleness(house.storage, recipes, house.settings.calendar).stale
    return {
        key: reasons
        for item in found
        if CALL_SENTIMENT in item.recipe.contracts
        for key, reasons in item.reasons.items()
    }


def make_again(house: Installation) -> None:
    """Do what `cs stale --repair` does."""
    with dg.DagsterInstance.ephemeral() as instance:
        results = repair(house.definitions, instance, house.storage, house.settings.calendar)
        assert all(result.success for result in results)


def test_two_days_wait_are_answered_and_end_as_live_ones_do(
    server: ScriptedModel, tmp_path: Path
) -> None:
    house = house_of(tmp_path / "batch", server)
    analyse(house)
    assert server.asked() == []
    waiting = judged(house)
    for day in (asked := batch_figures(house)):
        assert day["batch_requests"] == day["batch_requests_open"]
        assert (day["batch_tokens"], "batch_cost_cny" in day) == (0, False)
    # one dialogue on both days is asked about once, for one of them
    assert sum(day["batch_requests"] for day in asked) == 2
    assert {row["method"] for row in waiting.values()} <= {"rules", None}
    assert all("waiting for batch" in str(row["error"]) for row in waiting.values())
    assert waiting["angry"]["complaint_risk"] == "high"  # the rules judge meanwhile
    assert stale(house).keys() == set(DAYS)
    (reason,) = stale(house)["2025-11-24"]
    assert reason.startswith("unfinished: 2 calls: waiting for batch ")
    with pytest.raises(PlatformError, match=r"still unfinished: \d calls: waiting for batch"):
        make_again(house)
    assert len(server.asked("/batches")) == 1

    assert look(house)[1] is not None
    requests, skipped, _ = look(house)
    assert skipped is None
    assert spans(requests) == [(day, day) for day in DAYS]
    assert {request.tags[REASON_TAG] for request in requests} == {COLLECTED}
    for request in requests:
        run(house, request)
    found = judged(house)
    ledger = ModelStore(house.storage.warehouse).costs(FIRST, LAST)
    spent = {str(line.call_date): line for line in ledger}
    assert [line.purpose for line in ledger] == ["batch"] * len(spent)
    for day, told, before in zip(DAYS, batch_figures(house), asked, strict=True):
        assert told["batch_requests"] == before["batch_requests"]
        assert told["batch_requests_open"] == told["batch_requests_unpriced"] == 0
        line = spent.get(day)
        tokens = line.prompt_tokens + line.completion_tokens if line else 0
        assert told["batch_tokens"] == tokens
        assert told.get("batch_cost_cny") == (line and line.cost_micros / 1_000_000)
    assert all(line.cost_micros for line in ledger)
    assert {row["method"] for row in found.values()} == {"cache"}
    assert {row["error"] for row in found.values()} == {None}
    assert stale(house) == {}
    assert server.asked() == []
    assert len(server.asked("/batches")) == 1
    assert server.leaks([r"1[3-9]\d{9}"]) == []

    live = house_of(tmp_path / "live", server, llm_mode="live")
    analyse(live)
    assert len(server.asked("/chat/completions")) == 2
    in_batches, at_once = (made.storage.versions(CALL_SENTIMENT, DAYS) for made in (house, live))
    assert in_batches == at_once


def test_the_same_days_are_requested_until_the_cursor_has_passed_them(
    server: ScriptedModel, tmp_path: Path
) -> None:
    house = house_of(tmp_path, server)
    ask(house)
    look(house)
    first, _, cursor = look(house)
    assert len(first) == 2
    # a tick that was cut short has left no cursor: same days, same keys
    again, _, _ = look(house, NOON + timedelta(minutes=5))
    assert [request.run_key for request in again] == [request.run_key for request in first]
    assert look(house, NOON + timedelta(minutes=5), cursor)[:2] == ([], "no batch is open")


def test_a_batch_that_brought_nothing_requests_nothing(
    server: ScriptedModel, tmp_path: Path
) -> None:
    server.batch_plan = BatchPlan(polls=0, end="failed")
    house = house_of(tmp_path, server)
    ask(house)
    requests, said, _ = look(house)
    assert requests == []
    assert "failed" in str(said)


def test_an_endpoint_that_is_down_is_said_and_looked_at_again(
    server: ScriptedModel, tmp_path: Path
) -> None:
    house = house_of(tmp_path, server)
    ask(house)
    server.terms = replace(server.terms, key="another")
    requests, said, _ = look(house)
    assert requests == []
    assert "401" in str(said)
    elsewhere = house.changed(
        llm_api_base_url="http://127.0.0.1:1/v1", llm_model="qwen-plus", llm_mode="batch"
    )
    requests, said, _ = look(elsewhere)
    assert requests == []
    assert "another LLM_API_BASE_URL: 1" in str(said)


def test_there_is_no_such_sensor_without_batches(server: ScriptedModel, tmp_path: Path) -> None:
    for settings in ({"llm_mode": "live"}, {"llm_api_base_url": "", "llm_model": ""}):
        house = Installation(
            tmp_path,
            FIRST,
            LAST,
            **({"llm_api_base_url": server.base_url, "llm_model": "qwen-plus"} | settings),
        )
        names = {sensor.name for sensor in house.definitions.sensors or ()}
        assert "llm_batches" not in names
        assert "stale_partitions" in names
