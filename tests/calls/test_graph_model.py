"""The graph with a language model: its answers beside the rules, outages, injections, privacy."""

import re
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from injections import INJECTIONS
from pydantic import SecretStr

from cs_apps.scripted_model.judge import gullible, honest
from cs_apps.scripted_model.server import ScriptedModel
from cs_apps.stale import recipes_of, staleness
from cs_assets.calls.keywords import LEVELS
from cs_assets.calls.mart_contracts import CALL_RECORD_ENRICHED
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT
from cs_resources.fingerprints import UNFINISHED
from tests.calls.cases import Installation, record, turn, write_source

FIRST, LAST = date(2025, 11, 24), date(2025, 11, 25)
DAYS = [str(FIRST), str(LAST)]
PHONE = "13812345678"


@pytest.fixture
def server() -> Iterator[ScriptedModel]:
    with ScriptedModel() as model:
        yield model


def house_of(
    home: Path, server: ScriptedModel, said: dict[str, str | list[str]], **settings: object
) -> Installation:
    """An installation in which each call's customer says something; calls in turn on two days."""
    house = Installation(
        home,
        FIRST,
        date(2025, 12, 31),
        llm_api_base_url=server.base_url,
        llm_api_key=SecretStr("sk-test"),
        llm_model="qwen-turbo",
        **settings,
    )
    records, turns = [], []
    for number, (callid, words) in enumerate(said.items()):
        day = DAYS[number % 2]
        row = record(number, callid=callid, calldate=f"{day} 10:00:00")
        records.append(row)
        texts = [words] if isinstance(words, str) else words
        turns += [turn(row["id"], place, text) for place, text in enumerate(texts, 1)]
    write_source(house.source, {"_2025_11": records}, {"_2025_11": turns})
    return house


def judged(house: Installation) -> dict[str, dict[str, object]]:
    rows = house.storage.read(CALL_SENTIMENT, DAYS).to_pyarrow().to_pylist()
    return {row["callid"]: row for row in rows}


def test_model_and_rules_decide_together(server: ScriptedModel, tmp_path: Path) -> None:
    house = house_of(
        tmp_path,
        server,
        {
            "angry": "太差劲了，我要投诉",
            "fine": "服务很好，我很满意",
            "polite": "不用了，谢谢",
            "lawyer": "我咨询过起诉的事",
        },
    )
    server.judge = gullible
    server.script = {"起诉": "ok"}
    assert house.run("calls", FIRST, LAST) == ""
    found = judged(house)
    assert found["angry"]["complaint_risk"] == "high"
    assert found["fine"]["sentiment"] == "positive"
    assert {row["method"] for row in found.values()} == {"llm"}
    assert {row["model"] for row in found.values()} == {"qwen-turbo"}
    # the rules' floor: the keyword counts whatever the model says, a refusal is medium at most
    assert found["lawyer"]["rules_complaint_risk"] == "high"
    assert found["lawyer"]["complaint_risk"] == "high"
    assert (found["polite"]["rules_churn_risk"], found["polite"]["churn_risk"]) == (
        "medium",
        "medium",
    )
    marts = house.storage.read(CALL_RECORD_ENRICHED, DAYS).to_pyarrow().to_pylist()
    assert {row["method"] for row in marts} == {"llm"}


def test_the_same_again_asks_nothing_and_changes_nothing(
    server: ScriptedModel, tmp_path: Path
) -> None:
    house = house_of(tmp_path, server, {"a": "我要投诉", "b": "你好", "c": "你好"})
    assert house.run("calls", FIRST, LAST) == ""
    asked = len(server.asked())
    before = house.storage.versions(CALL_SENTIMENT, DAYS)
    assert house.run("calls", FIRST, LAST) == ""
    assert len(server.asked()) == asked == 2
    assert house.storage.versions(CALL_SENTIMENT, DAYS) == before
    assert {row["method"] for row in judged(house).values()} == {"cache"}


def test_an_outage_leaves_the_rules_and_is_made_good_later(
    server: ScriptedModel, tmp_path: Path
) -> None:
    house = house_of(
        tmp_path,
        server,
        {"a": "我要投诉", "b": "挺好的", "c": "没有人管", "d": "还可以"},
        llm_circuit_failures=1,
        llm_concurrency=1,
        llm_deadline_seconds=0.2,
    )
    server.script = ["ok"] * 2 + ["unauthorized"] * 100
    assert house.run("calls", FIRST, LAST) == ""
    found = judged(house)
    left = {callid for callid, row in found.items() if row["error"]}
    assert len(left) == 2
    assert all(found[callid]["method"] != "llm" for callid in left)
    assert all(found[callid]["model"] is None for callid in left)
    unfinished = house.storage.unfinished(CALL_SENTIMENT, DAYS)
    assert unfinished
    assert all("401" in reason for reason in unfinished.values())
    recipes = recipes_of(house.definitions, house.storage)
    reasons = {
        key: reason
        for stale in staleness(house.storage, recipes, house.settings.calendar).stale
        for key, reason in stale.reasons.items()
    }
    assert set(reasons) == set(unfinished)
    assert all(reason[0].startswith(UNFINISHED) for reason in reasons.values())
    assert nightly(house) == unfinished.keys()
    server.script = None
    asked = len(server.asked())
    assert house.run("calls/call_sentiment", FIRST, LAST) == ""
    assert len(server.asked()) - asked == 2
    assert not any(row["error"] for row in judged(house).values())
    assert house.storage.unfinished(CALL_SENTIMENT, DAYS) == {}


def nightly(house: Installation) -> set[str]:
    """The days that the analysis takes long after they were read."""
    repository = house.definitions.get_repository_def()
    with dg.build_schedule_context(
        scheduled_execution_time=datetime(2025, 12, 20, 2, 30, tzinfo=ZoneInfo("Asia/Shanghai")),
        repository_def=repository,
        resources={"storage": house.storage},
    ) as context:
        runs = repository.get_schedule_def("analyse_calls").evaluate_tick(context).run_requests
    return {
        str(day)
        for run in runs or []
        for day in DAYS
        if run.tags["dagster/asset_partition_range_start"]
        <= day
        <= run.tags["dagster/asset_partition_range_end"]
    }


def test_nothing_personal_leaves_the_machine(server: ScriptedModel, tmp_path: Path) -> None:
    house = house_of(
        tmp_path,
        server,
        {
            "digits": f"我的号码是{PHONE}，身份证110101199003074578",
            "spoken": ["幺三八一二三四五六七八", "对，幺三八 一二三四 五六七八"],
            "mail": "发到 zhang.san@example.com 吧",
            "card": "卡号 6222 0212 3456 7890 123",
        },
    )
    assert house.run("calls", FIRST, LAST) == ""
    raw = [PHONE, "110101199003074578", "zhang", r"6222\D?0212", "幺三八", "一二三四五"]
    assert server.leaks(raw) == []
    assert len(server.asked()) == 4
    assert any(re.search("PHONE", received.text) for received in server.asked())


def test_injected_dialogues_change_no_answer_and_never_lower_the_floor(
    server: ScriptedModel, tmp_path: Path
) -> None:
    said: dict[str, str | list[str]] = {}
    for number, case in enumerate(INJECTIONS):
        said[f"clean-{number}"] = [turn.customer or "" for turn in case.clean]
        said[f"dirty-{number}"] = [turn.customer or "" for turn in case.injected]
    # one of them is long enough to push out what was said before it
    house = house_of(tmp_path / "honest", server, said, llm_max_dialogue_characters=20_000)
    server.judge = honest
    assert house.run("calls", FIRST, LAST) == ""
    found = judged(house)
    names = ("sentiment", "sentiment_score", "llm_complaint_risk", "llm_churn_risk")
    for number, case in enumerate(INJECTIONS):
        clean, dirty = found[f"clean-{number}"], found[f"dirty-{number}"]
        assert clean["method"] in ("llm", "cache")
        assert [clean[name] for name in names] == [dirty[name] for name in names], case.name
    server.judge = gullible
    fooled = house_of(tmp_path / "fooled", server, said)
    assert fooled.run("calls", FIRST, LAST) == ""
    found = judged(fooled)
    were_fooled = 0
    for number, case in enumerate(INJECTIONS):
        clean, dirty = found[f"clean-{number}"], found[f"dirty-{number}"]
        were_fooled += clean["llm_complaint_risk"] != dirty["llm_complaint_risk"]
        for risk in ("complaint", "churn"):
            floor, final = clean[f"rules_{risk}_risk"], dirty[f"{risk}_risk"]
            assert floor is None or LEVELS.index(str(final)) >= LEVELS.index(str(floor)), case.name
    assert were_fooled > 10


def test_a_long_dialogue_keeps_its_end(server: ScriptedModel, tmp_path: Path) -> None:
    words = [f"第{'一二三四五六七八九十'[n % 10]}句话没有什么要紧的" for n in range(60)]
    house = house_of(
        tmp_path,
        server,
        {"long": [*words, "我要投诉"], "short": "你好"},
        llm_max_dialogue_characters=200,
    )
    assert house.run("calls", FIRST, LAST) == ""
    found = judged(house)
    assert (found["long"]["is_truncated"], found["short"]["is_truncated"]) == (True, False)
    assert found["long"]["llm_complaint_risk"] == "high"
