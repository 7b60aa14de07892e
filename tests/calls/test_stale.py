"""Which partitions a change makes stale, and that the repair makes no others again."""

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest
import yaml

from cs_apps.stale import Staleness, recipes_of, repair, staleness
from cs_assets.calls import keywords
from cs_resources.fingerprints import CODE, CONFIGURATION, UNKNOWN
from cs_resources.staleness import because_of_inputs
from tests.calls.cases import TABLE, Installation, record, turn, write_source

FIRST, LAST = date(2025, 11, 29), date(2025, 12, 2)
DAYS = ["2025-11-29", "2025-11-30", "2025-12-01", "2025-12-02"]
ANGRY = "r0002"  # the only call in which 离谱 is said, on 2025-12-01
MONTHS = ["2025-11", "2025-12"]
Partitions = dict[str, list[str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a call and a dialogue on each of four days of two months; all is made."""
    home = tmp_path_factory.mktemp("made")
    rows = [record(n, calldate=f"{day} 10:00:00") for n, day in enumerate(DAYS)]
    said = [turn(row["id"], 1, "太离谱了" if row["id"] == ANGRY else "喂") for row in rows]
    tasks = [("t1", "续费回访", "2025-11-03 09:00:00"), ("t2", "无人", "2025-11-03 09:00:00")]
    house = Installation(home, FIRST, LAST)
    write_source(house.source, {"_2025_11": rows}, {"_2025_11": said}, tasks)
    assert house.run("calls", FIRST, LAST) == ""
    house.storage.warehouse.engine.dispose()
    return home


@pytest.fixture
def house(made: Path, tmp_path: Path) -> Installation:
    shutil.copytree(made, tmp_path / "home", ignore=shutil.ignore_patterns("staging"))
    return Installation(tmp_path / "home", FIRST, LAST)


def with_keyword(house: Installation, word: str) -> Installation:
    """The same installation with one more keyword."""
    rules = yaml.safe_load(Path(keywords.DEFAULT).read_text(encoding="utf-8"))
    rules["complaint"].append({"word": word, "level": "high"})
    file = house.settings.cs_home / "keywords.yaml"
    file.write_text(yaml.safe_dump(rules, allow_unicode=True), encoding="utf-8")
    return house.changed(keywords_file=file)


def source(house: Installation, statement: str) -> None:
    with closing(sqlite3.connect(house.source)) as database:
        database.execute(statement)
        database.commit()


def look(house: Installation) -> Staleness:
    recipes = recipes_of(house.definitions, house.storage)
    return staleness(house.storage, recipes, house.settings.calendar)


def stale(house: Installation) -> dict[str, dict[str, tuple[str, ...]]]:
    return {
        contract.name: dict(item.reasons)
        for item in look(house).stale
        for contract in item.recipe.contracts
    }


def mend(house: Installation) -> Partitions:
    """Repair; return what was made again, by asset."""
    made: Partitions = {}
    with dg.DagsterInstance.ephemeral() as instance:
        for result in repair(house.definitions, instance, house.storage, house.settings.calendar):
            assert result.success, result.problems
            for key in result.wave.assets:
                made.setdefault(key.path[-1], []).extend(result.wave.partitions)
    return made


def test_what_was_just_made_is_not_stale(house: Installation) -> None:
    assert look(house).stale == ()
    assert mend(house) == {}


def test_a_new_keyword_is_followed_by_those_that_read_a_changed_answer(
    house: Installation,
) -> None:
    changed = with_keyword(house, "离谱")
    assert stale(changed) == {
        "call_sentiment": dict.fromkeys(DAYS, (CONFIGURATION,)),
        "llm_rule_audit_month": dict.fromkeys(MONTHS, (CONFIGURATION,)),
    }
    followers = {contract.name: keys for contract, keys in look(changed).may_follow.items()}
    assert followers["call_record_enriched"] == DAYS
    assert followers["task_summary_month"] == ["2025-11", "2025-12"]
    made = mend(changed)
    assert made.pop("call_sentiment") == DAYS
    assert made.pop("call_record_enriched") == ["2025-12-01"]
    assert sorted(made.pop("llm_rule_audit_month")) == MONTHS
    assert made.pop("llm_review_queue_month") == made.pop("call_risk_rate_month") == ["2025-12"]
    assert made == {
        f"{mart}_{grain}": [key]
        for mart in ("portrait_snapshot", "task_summary")
        for grain, key in (("week", "2025-W49-1"), ("month", "2025-12"), ("quarter", "2025-10"))
    }
    assert look(changed).stale == ()


def test_a_keyword_that_nobody_says_changes_no_answer_and_has_no_followers(
    house: Installation,
) -> None:
    before = house.hashes()
    changed = with_keyword(house, "从未说过")
    assert mend(changed) == {"call_sentiment": DAYS, "llm_rule_audit_month": MONTHS}
    assert changed.hashes() == before


def test_a_task_that_no_call_belongs_to_makes_nothing_stale(house: Installation) -> None:
    source(house, "INSERT INTO autodialer_task VALUES ('t3', '新', '2025-12-01 09:00:00')")
    source(house, "UPDATE autodialer_task SET name = '改名' WHERE uuid = 't2'")
    assert house.run("call_tasks", FIRST) == ""
    assert stale(house) == {}


def test_a_renamed_task_makes_its_summaries_stale(house: Installation) -> None:
    source(house, "UPDATE autodialer_task SET name = '改名' WHERE uuid = 't1'")
    assert house.run("call_tasks", FIRST) == ""
    assert {name: set(reasons.values()) for name, reasons in stale(house).items()} == {
        f"task_summary_{grain}": {("calls/call_tasks",)} for grain in ("week", "month", "quarter")
    }
    mend(house)
    assert {row["task_name"] for row in house.rows("task_summary_month")} == {"改名"}
    assert stale(house) == {}


def test_a_task_that_becomes_known_makes_the_days_stale_that_waited_for_it(
    house: Installation,
) -> None:
    source(house, f"UPDATE {TABLE} SET task_id = 't9' WHERE id = 'r0001'")
    assert house.run("calls", FIRST, LAST) == ""
    assert stale(house) == {}
    source(house, "INSERT INTO autodialer_task VALUES ('t9', '晚', '2025-11-03 09:00:00')")
    assert house.run("call_tasks", FIRST) == ""
    assert stale(house) == {
        name: {"2025-11-30": ("calls/call_tasks",)}
        for name in ("call_records_clean", "call_records_quarantine")
    }
    mend(house)
    assert house.rows("call_records_quarantine") == []


def test_a_day_read_again_is_followed_up_to_its_periods(house: Installation) -> None:
    source(house, f"UPDATE {TABLE} SET duration = 20000 WHERE id = 'r0000'")
    assert house.run("call_records_raw", FIRST) == ""
    assert stale(house) == {
        name: {"2025-11-29": ("calls/call_records_raw",)}
        for name in ("call_records_clean", "call_records_quarantine")
    }
    made = mend(house)
    assert made["task_summary_month"] == ["2025-11"]
    assert made["call_record_enriched"] == ["2025-11-29"]
    assert house.hashes() == fresh(house)


def fresh(house: Installation) -> dict[tuple[str, str], str]:
    """The hashes of the same source in an installation made at one go."""
    other = Installation(house.settings.cs_home / "other", FIRST, LAST)
    other.source.parent.mkdir(parents=True)
    other.source.write_bytes(house.source.read_bytes())
    assert other.run("calls", FIRST, LAST) == ""
    return other.hashes()


def test_a_partition_whose_writer_died_before_its_fingerprint_is_made_again(
    house: Installation,
) -> None:
    table = house.storage.warehouse.tables.fingerprints
    with house.storage.warehouse.engine.begin() as connection:
        lost = table.c.asset == "calls/call_sentiment", table.c.partition == DAYS[1]
        connection.execute(table.delete().where(*lost))
    assert stale(house) == {"call_sentiment": {DAYS[1]: (UNKNOWN,)}}
    assert mend(house) == {"call_sentiment": [DAYS[1]]}


def test_a_fingerprint_of_other_content_does_not_count(house: Installation) -> None:
    table = house.storage.warehouse.tables.fingerprints
    with house.storage.warehouse.engine.begin() as connection:
        other = table.c.asset == "calls/task_summary_week"
        connection.execute(table.update().where(other).values(content="0"))
    assert stale(house) == {
        "task_summary_week": dict.fromkeys(["2025-W48-1", "2025-W49-1"], (UNKNOWN,))
    }


def test_new_code_is_named_and_left_to_people(house: Installation) -> None:
    table = house.storage.warehouse.tables.fingerprints
    with house.storage.warehouse.engine.begin() as connection:
        older = table.c.asset == "calls/call_sentiment"
        connection.execute(table.update().where(older).values(code="0/old"))
    assert stale(house) == {"call_sentiment": dict.fromkeys(DAYS, (CODE,))}
    assert because_of_inputs(look(house).stale) == []


def test_the_repair_takes_unbroken_ranges(house: Installation) -> None:
    for day in (DAYS[0], DAYS[1], DAYS[3]):
        source(house, f"UPDATE {TABLE} SET duration = 20000 WHERE calldate LIKE '{day}%'")
    assert house.run("call_records_raw", FIRST, LAST) == ""
    repairs = look(house).repairs
    assert [item.partitions for item in repairs] == [(DAYS[0], DAYS[1]), (DAYS[3],)]
    assert {len(item.assets) for item in repairs} == {2}


def test_the_check_names_stale_partitions_and_why(house: Installation) -> None:
    changed = with_keyword(house, "离谱")
    job = changed.definitions.get_repository_def().get_job("freshness_of_all_tables")
    result = job.execute_in_process(
        resources={
            **dict(changed.definitions.resources or {}),
            "clock": lambda: datetime(2025, 12, 3, 12, tzinfo=UTC),
        },
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    found = {
        evaluation.asset_key.path[-1]: evaluation
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.check_name == "up_to_date"
    }
    failed = [name for name, evaluation in found.items() if not evaluation.passed]
    assert sorted(failed) == ["call_sentiment", "llm_rule_audit_month"]
    evaluation = found["call_sentiment"]
    assert evaluation.description == "4 partitions are stale, 2025-11-29 … 2025-12-02"
    assert "| 2025-12-01 | configuration |" in str(evaluation.metadata["partitions"].value)


def test_a_backfill_leaves_out_checks_of_whole_tables(house: Installation) -> None:
    house.events.clear()
    assert house.run("calls", FIRST, FIRST) == ""
    checks = {
        event.asset_check_evaluation_data.check_name
        for event in house.events
        if event.event_type_value == "ASSET_CHECK_EVALUATION"
    }
    assert checks == {"contract", "volume"}
