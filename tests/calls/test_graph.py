"""The calls graph as it runs: conservation, idempotence, determinism, and what Dagster is told."""

import os
import random
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pytest

from cs_apps.sample_data.calls import SampleSummary, write_call_source
from cs_assets.calendar import PERIOD_GRAINS, periods_between
from cs_assets.calls.audit_contracts import MARTS as AUDITS
from cs_assets.definitions import CONTRACTS, build_definitions
from cs_assets.table_assets import CONTRACT_CHECK
from cs_resources.settings import load_settings
from tests.calls.cases import Installation

# Saturday to Friday: two weeks, two months, two quarters, two years.
FIRST, LAST = date(2025, 12, 27), date(2026, 1, 2)
DAYS = [FIRST + timedelta(n) for n in range(7)]


class House(NamedTuple):
    installation: Installation
    sample: SampleSummary
    unseen: int
    events: list[dg.DagsterEvent]


def sample(home: Path) -> SampleSummary:
    return write_call_source(
        home / "landing" / "call_source.sqlite", start=FIRST, end=LAST, calls_per_month=30_000
    )


def tables(database: sqlite3.Connection) -> Iterator[str]:
    for (name,) in database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table'"
    ).fetchall():
        yield name


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Everything made in one go over the whole history, with two threads."""
    home = tmp_path_factory.mktemp("house")
    summary = sample(home)
    installation = Installation(home, FIRST, LAST, threads=2)
    assert installation.run("calls", FIRST, LAST) == ""
    late = f"calldate >= '{LAST + timedelta(1)}' AND calldate < '2100'"
    with closing(sqlite3.connect(summary.path)) as database:
        records = [name for name in tables(database) if re.search(r"record_\d{4}_\d\d$", name)]
        counts = [f"SELECT count(*) FROM {name} WHERE {late}" for name in records]
        unseen = sum(database.execute(count).fetchone()[0] for count in counts)
    return House(installation, summary, unseen, list(installation.events))


def test_the_sample_holds_what_these_tests_are_about(house: House) -> None:
    assert all(house.sample.defects.values())
    assert house.unseen <= house.sample.defects["malformed_calldate"]


def test_every_record_has_a_fate(house: House) -> None:
    """Rows of the source = calls + duplicates + quarantined, each kind as often as planted."""
    planted = house.sample.defects
    bad = Counter(row["reason"] for row in house.installation.rows("call_records_quarantine"))
    assert bad == {
        "unreadable_value": planted["text_in_integer"]
        + planted["malformed_calldate"]
        - house.unseen,
        "no_call_date": planted["null_calldate"],
        "impossible_call_date": planted["before_task_month"],
        "no_callid": planted["null_callid"],
        "no_customer": planted["missing_customer_null"] + planted["missing_customer_empty"],
        "negative_duration": planted["negative_duration"],
        "talk_longer_than_call": planted["bill_exceeds_duration"],
        "unknown_task": planted["unknown_task"],
    }
    repeats = sum(planted[kind] for kind in planted if "duplicate" in kind)
    read = house.sample.calls - house.unseen
    assert len(house.installation.rows("call_records_raw")) == read
    clean = house.installation.rows("call_records_clean")
    assert len(clean) == read - repeats - sum(bad.values())
    assert sum(call["intention_level"] is None for call in clean) >= planted["unknown_intention"]
    assert sum(call["hangup_by"] == "unknown" for call in clean) == planted["unknown_hangup"]


def test_every_turn_is_there_and_numbered(house: House) -> None:
    turns = house.installation.rows("call_turns_raw")
    unseen = house.sample.turns - len(turns)
    assert 0 <= unseen <= 14 * house.unseen
    dialogues: dict[tuple[str, str], list[int]] = {}
    for turn in turns:
        dialogues.setdefault((turn["source_table"], turn["record_id"]), []).append(turn["sequence"])
    assert all(sorted(found) == list(range(1, len(found) + 1)) for found in dialogues.values())
    clean = house.installation.rows("call_records_clean")
    counted = {call["id"]: call["dialogue_turns"] for call in clean if call["dialogue_turns"]}
    by_record = {record: len(found) for (_, record), found in dialogues.items()}
    assert counted == {record: by_record[record] for record in counted}
    assert {call["id"] for call in clean} & set(by_record) == set(counted)


def test_sums_agree_across_grains(house: House) -> None:
    clean = house.installation.rows("call_records_clean")
    assert len(house.installation.rows("call_record_enriched")) == len(clean)
    for grain in PERIOD_GRAINS:
        snapshots = house.installation.rows(f"portrait_snapshot_{grain}")
        summaries = house.installation.rows(f"task_summary_{grain}")
        periods = {period.key for period in periods_between(grain, FIRST, LAST)}
        assert {row["period_key"] for row in snapshots} == periods
        assert {row["period_type"] for row in snapshots} == {grain}
        for rows in (snapshots, summaries):
            assert sum(row["total_calls"] for row in rows) == len(clean)
            assert sum(row["connected_calls"] for row in rows) == sum(
                call["is_connected"] for call in clean
            )
        assert sum(row["total_customers"] for row in summaries) == len(snapshots)
        by_period = {row["period_key"]: row["as_of"] for row in snapshots}
        assert max(by_period.values()) == LAST


def test_making_it_again_changes_nothing(house: House) -> None:
    before = house.installation.hashes()
    counts = {contract.name: len(house.installation.rows(contract.name)) for contract in CONTRACTS}
    assert house.installation.run("calls", FIRST, LAST) == ""
    assert house.installation.hashes() == before
    for name, rows in counts.items():
        assert len(house.installation.rows(name)) == rows


def test_neither_row_order_nor_threads_change_anything(house: House, tmp_path: Path) -> None:
    summary = sample(tmp_path)
    with closing(sqlite3.connect(summary.path)) as database:
        for name in tables(database):
            rows = database.execute(f"SELECT * FROM {name}").fetchall()
            random.Random(name).shuffle(rows)
            marks = ", ".join("?" * len(rows[0]))
            database.execute(f"DELETE FROM {name}")
            database.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
        database.commit()
        database.execute("VACUUM")
    other = Installation(tmp_path, FIRST, LAST, threads=1)
    assert other.run("calls", FIRST, LAST) == ""
    assert other.hashes() == house.installation.hashes()


def test_day_by_day_and_period_by_period_is_the_same(house: House, tmp_path: Path) -> None:
    sample(tmp_path)
    other = Installation(tmp_path, FIRST, LAST)
    facts = (
        "call_tasks,call_records_raw,call_turns_raw,call_records_clean,"
        "call_sentiment,call_record_enriched,call_verdicts"
    )
    for day in DAYS:
        assert other.run(facts, day) == ""
    for grain in PERIOD_GRAINS:
        for day in reversed((FIRST, LAST)):
            audit = [mart.name for mart in AUDITS if mart.grain is grain]
            marts = [f"portrait_snapshot_{grain}", f"task_summary_{grain}", *audit]
            assert other.run(",".join(marts), day) == ""
    assert other.hashes() == house.installation.hashes()


def test_every_partition_tells_its_rows_hash_and_first_rows(house: House) -> None:
    """Every asset and partition of the run: one materialization, one passed contract check."""
    published = house.installation.hashes()
    made, checked = set(), set()
    for event in house.events:
        if event.is_step_materialization:
            done = event.step_materialization_data.materialization
            key = done.partition or "all"
            name = "/".join(done.asset_key.path)
            count = "dagster/partition_row_count" if done.partition else "dagster/row_count"
            rows = done.metadata[count].value
            assert isinstance(done.metadata["content_hash"].value, str)
            assert ("preview" in done.metadata) == (rows > 0), (name, key)
            made.add((name, key))
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            assert check.passed
            if check.check_name == CONTRACT_CHECK:
                checked.add(("/".join(check.asset_key.path), check.partition or "all"))
    assert made == checked == set(published)


def test_fact_metadata_holds_the_account(house: House) -> None:
    told: Counter[str] = Counter()
    for event in house.events:
        if event.is_step_materialization:
            done = event.step_materialization_data.materialization
            if done.asset_key.path[-1] == "call_records_clean" and done.partition:
                for name in ("read", "duplicates", "quarantined"):
                    told[name] += int(done.metadata[name].value)
            if done.asset_key.path[-1] == "call_records_raw":
                assert done.metadata["months_without_table"].value == "2026_01"
    rows = len(house.installation.rows("call_records_clean"))
    assert told["read"] == len(house.installation.rows("call_records_raw"))
    assert told["read"] - told["duplicates"] - told["quarantined"] == rows


def test_no_personal_data_reaches_dagster(house: House) -> None:
    told = "\n".join(dg.serialize_value(event) for event in house.events)
    raw = house.installation.rows("call_records_raw")
    numbers = {row["callee"] for row in raw if row["callee"]} | {"13800138000"}
    assert len(numbers) > 100
    assert not [number for number in numbers if number in told]
    said = {t["question"] for t in house.installation.rows("call_turns_raw") if t["question"]}
    assert not [text for text in said if len(text) > 8 and text in told]


def test_every_asset_is_described(house: House) -> None:
    graph = house.installation.definitions.resolve_asset_graph()
    assert graph.get_all_asset_keys() == {contract.asset_key for contract in CONTRACTS}
    for contract in CONTRACTS:
        node = graph.get(contract.asset_key)
        assert node.description == contract.description
        assert len(node.description) > 20
        assert node.group_name == contract.system
        assert node.owners
        assert node.kinds
        columns = node.metadata["dagster/column_schema"].columns
        assert [column.name for column in columns] == list(contract.column_names)
        assert all(len(column.description or "") > 4 for column in columns)
        checks = {key.name for key in graph.get_check_keys_for_assets({contract.asset_key})}
        assert CONTRACT_CHECK in checks
        assert (node.partitions_def is None) == (contract.grain is None)
        if contract.grain in PERIOD_GRAINS:
            assert contract.name.endswith(f"_{contract.grain}")


def test_definitions_build_with_no_secret_and_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name not in ("PATH", "TZ"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CALL_SOURCE_URL", "mysql+pymysql://nobody@127.0.0.1:1/nothing")
    definitions = build_definitions(load_settings())
    dg.Definitions.validate_loadable(definitions)
    assert len(definitions.resolve_asset_graph().get_all_asset_keys()) == len(CONTRACTS)
    assert list(tmp_path.iterdir()) == []
