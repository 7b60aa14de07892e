"""The call sample: repeatable, within bounds, and with every trap and defect it promises."""

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from cs_apps.sample_data import calls
from cs_apps.sample_data.call_dialogues import load_bank
from cs_apps.sample_data.calls import DEFECT_KINDS, SHARED_CUSTOMER_IDS, write_call_source

COMPLAINT = ("投诉", "举报", "12315", "消协", "工信部", "律师", "起诉")
CHURN = ("不用了", "换套餐", "换运营商", "取消", "退订", "停用", "销户")
RECORD_TYPES = {
    "id": "char(36)",
    "task_id": "char(36)",
    "customer_id": "varchar(64)",
    "callee": "varchar(20)",
    "callid": "char(36)",
    "calldate": "datetime",
    "duration": "int unsigned",
    "bill": "int unsigned",
    "rounds": "int unsigned",
    "hangup_disposition": "tinyint",
    "intention_results": "varchar(8)",
}
REAL_DATE = "calldate LIKE '20__-__-__ __:__:__' AND calldate NOT LIKE '%-13-%'"

DEFECT_SQL = {
    "missing_customer_null": "SELECT count(*) FROM r WHERE customer_id IS NULL",
    "missing_customer_empty": "SELECT count(*) FROM r WHERE customer_id = ''",
    "null_callid": "SELECT count(*) FROM r WHERE callid IS NULL",
    "null_calldate": "SELECT count(*) FROM r WHERE calldate IS NULL",
    "text_in_integer": "SELECT count(*) FROM r WHERE typeof(duration) = 'text'",
    "unknown_intention": "SELECT count(*) FROM r WHERE intention_results = 'Z'",
    "unknown_hangup": "SELECT count(*) FROM r WHERE hangup_disposition = 9",
    "negative_duration": "SELECT count(*) FROM r WHERE duration < 0",
    "bill_exceeds_duration": "SELECT count(*) FROM r WHERE duration >= 0 AND bill > duration "
    "AND typeof(duration) = 'integer'",
    "unknown_task": "SELECT count(*) FROM r WHERE task_id NOT IN (SELECT uuid FROM t)",
    "malformed_calldate": f"SELECT count(*) FROM r WHERE NOT ({REAL_DATE})",
    "before_task_month": f"SELECT count(*) FROM r WHERE {REAL_DATE} "
    "AND substr(calldate, 1, 7) < replace(substr(source, -7), '_', '-')",
    "duplicate_callid_later": "SELECT count(*) FROM pairs WHERE dates = 2",
    "duplicate_callid_same_time": "SELECT count(*) FROM pairs WHERE dates = 1 AND lengths = 2",
    "exact_duplicate": "SELECT count(*) FROM pairs WHERE dates = 1 AND lengths = 1",
    "orphan_detail": "SELECT count(*) FROM d WHERE record_id NOT IN (SELECT id FROM r)",
}


def tables(database: sqlite3.Connection, kind: str) -> list[str]:
    names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [name for (name,) in names if re.fullmatch(rf"{kind}(_\d{{4}}_\d\d)?", name)]


def open_source(path: Path) -> sqlite3.Connection:
    """Open a sample with all its months in the views r (records), d (details), t (tasks)."""
    database = sqlite3.connect(path)
    for view, kind in (("r", "autodialer_call_record"), ("d", "autodialer_call_record_detail")):
        union = " UNION ALL ".join(
            f"SELECT '{name}' AS source, * FROM {name}" for name in tables(database, kind)
        )
        database.execute(f"CREATE TEMP TABLE {view} AS {union}")
    database.execute("CREATE TEMP VIEW t AS SELECT * FROM autodialer_task")
    database.execute(
        "CREATE TEMP VIEW pairs AS SELECT callid, count(DISTINCT calldate) AS dates, "
        "count(DISTINCT duration) AS lengths FROM r WHERE callid IS NOT NULL "
        "GROUP BY callid HAVING count(*) = 2"
    )
    return database


def dump_hash(path: Path) -> str:
    digest = hashlib.sha256()
    with closing(sqlite3.connect(path)) as database:
        for name, sql in database.execute("SELECT name, sql FROM sqlite_master").fetchall():
            digest.update(repr((name, sql)).encode())
        for name in tables(database, ".*"):
            for row in database.execute(f"SELECT * FROM {name} ORDER BY rowid"):
                digest.update(repr(row).encode())
    return digest.hexdigest()


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(open_source(path)) as database:
        return database.execute(sql).fetchall()


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> calls.SampleSummary:
    return write_call_source(tmp_path_factory.mktemp("calls") / "source.db")


@pytest.fixture(scope="module")
def source(default: calls.SampleSummary) -> Iterator[sqlite3.Connection]:
    with closing(open_source(default.path)) as database:
        yield database


def one(source: sqlite3.Connection, sql: str) -> Any:
    return source.execute(sql).fetchone()[0]


def test_same_arguments_same_content(default: calls.SampleSummary, tmp_path: Path) -> None:
    again = write_call_source(tmp_path / "again.db")
    other = write_call_source(tmp_path / "other.db", seed=1)
    assert dump_hash(again.path) == dump_hash(default.path)
    assert dump_hash(other.path) != dump_hash(default.path)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (date(2025, 7, 1), date(2025, 8, 17)),
        (date(2025, 10, 1), date(2025, 10, 31)),
        (date(2025, 11, 30), date(2025, 12, 1)),
    ],
)
def test_a_day_does_not_depend_on_the_range(
    default: calls.SampleSummary, tmp_path: Path, start: date, end: date
) -> None:
    part = write_call_source(tmp_path / "part.db", start=start, end=end)
    # A wrong clock may put a later call on one of these days: those rows are left out.
    days = (
        f"{REAL_DATE} AND substr(calldate, 1, 10) BETWEEN '{start}' AND '{end}' "
        "AND substr(calldate, 1, 7) >= replace(substr(source, -7), '_', '-')"
    )
    records = f"SELECT * FROM r WHERE {days} ORDER BY source, id"
    details = (
        f"SELECT d.* FROM d WHERE record_id IN (SELECT id FROM r WHERE {days}) "
        "ORDER BY record_id, sequence, id"
    )
    for sql in (records, details):
        assert rows(part.path, sql) == rows(default.path, sql)
        assert rows(part.path, sql)
    unreadable = f"SELECT * FROM r WHERE calldate IS NULL OR NOT ({REAL_DATE})"
    assert set(rows(part.path, unreadable)) <= set(rows(default.path, unreadable))


def test_schema_is_the_sources(default: calls.SampleSummary, source: sqlite3.Connection) -> None:
    assert tables(source, ".*") == list(default.tables)
    for name in tables(source, "autodialer_call_record"):
        info = source.execute(f"PRAGMA table_info({name})").fetchall()
        assert {column[1]: column[2] for column in info} == RECORD_TYPES
        indexes = source.execute(f"PRAGMA index_list({name})").fetchall()
        assert [index[1] for index in indexes] == [f"idx_{name}_calldate"]
    for name in tables(source, "autodialer_call_record_detail"):
        indexes = source.execute(f"PRAGMA index_list({name})").fetchall()
        assert [index[1] for index in indexes] == [f"idx_{name}_record_id"]


def test_counts_are_reported_and_within_bounds(
    default: calls.SampleSummary, source: sqlite3.Connection
) -> None:
    assert default.calls == one(source, "SELECT count(*) FROM r")
    assert default.details == one(source, "SELECT count(*) FROM d")
    turns = "SELECT count(*) FROM d WHERE notify = 'asrmessage_notify'"
    assert default.turns == one(source, turns)
    assert default.tasks == one(source, "SELECT count(*) FROM t")
    assert 9 <= default.tasks <= 16
    assert 0.37 <= default.turns / default.details <= 0.41
    months = source.execute(
        f"SELECT substr(calldate, 1, 7), count(*), avg(bill > 0), count(DISTINCT customer_id "
        f"|| task_id) * 1.0 / count(*) FROM r WHERE {REAL_DATE} GROUP BY 1 HAVING count(*) > 9"
    ).fetchall()
    assert [month for month, *_ in months] == [f"2025-{month:02d}" for month in range(7, 13)]
    for _, count, connected, snapshots in months:
        assert 1_550 <= count <= 1_850
        assert 0.55 <= connected <= 0.70
        assert 0.90 <= snapshots <= 0.99


def test_only_connected_calls_have_turns(source: sqlite3.Connection) -> None:
    unconnected = (
        "SELECT count(*) FROM d JOIN r ON r.id = d.record_id "
        "WHERE notify = 'asrmessage_notify' AND bill = 0"
    )
    assert one(source, unconnected) == 0
    apart = (
        "SELECT max(abs(rounds - (SELECT count(*) FROM d WHERE record_id = r.id "
        "AND notify = 'asrmessage_notify'))) FROM (SELECT * FROM r LIMIT 50) AS r"
    )
    assert one(source, apart) <= 1
    gaps = "SELECT count(*) FROM (SELECT 1 FROM d GROUP BY record_id HAVING max(sequence) + 1 \
        <> count(*) AND count(*) > 1)"
    assert one(source, gaps) == 0


def test_shared_customers_have_a_history(source: sqlite3.Connection) -> None:
    found: dict[str, int] = dict(
        source.execute(
            "SELECT customer_id, count(DISTINCT substr(calldate, 1, 7)) FROM r "
            "WHERE length(customer_id) = 5 GROUP BY 1"
        ).fetchall()
    )
    assert tuple(sorted(found)) == SHARED_CUSTOMER_IDS
    assert min(found.values()) >= 3


@pytest.mark.parametrize("kind", DEFECT_KINDS)
def test_every_defect_is_planted_and_counted(
    default: calls.SampleSummary, source: sqlite3.Connection, kind: str
) -> None:
    assert default.defects[kind] >= 1
    assert one(source, DEFECT_SQL[kind]) == default.defects[kind]


def test_about_one_row_in_a_hundred_is_defective(default: calls.SampleSummary) -> None:
    assert 0.005 <= sum(default.defects.values()) / default.calls <= 0.015


def test_both_malformed_dates_occur(source: sqlite3.Connection) -> None:
    found = source.execute(f"SELECT DISTINCT calldate FROM r WHERE NOT ({REAL_DATE})").fetchall()
    assert {text for (text,) in found} == {"n/a", "2025-13-45 00:00:00"}


def test_table_month_is_the_tasks_month(source: sqlite3.Connection) -> None:
    elsewhere = (
        "SELECT count(*) FROM r JOIN t ON t.uuid = r.task_id "
        "WHERE replace(substr(created_at, 1, 7), '-', '_') <> substr(source, -7)"
    )
    assert one(source, elsewhere) == 0
    december_in_november = (
        "SELECT count(*) FROM autodialer_call_record_2025_11 WHERE calldate LIKE '2025-12-%'"
    )
    assert one(source, december_in_november) > 100


def test_october_has_calls_but_no_table(source: sqlite3.Connection) -> None:
    assert not tables(source, "autodialer_call_record_2025_10")
    assert one(source, "SELECT count(*) FROM r WHERE calldate LIKE '2025-10-%'") > 1_500


def test_keywords_of_customer_and_robot(source: sqlite3.Connection) -> None:
    connected = one(source, "SELECT count(*) FROM r WHERE rounds > 0")
    for words in (COMPLAINT, CHURN):
        for word in words:
            said = f"SELECT count(*) FROM d WHERE question LIKE '%{word}%'"
            assert one(source, said) >= 1, word
        any_word = " OR ".join(f"question LIKE '%{word}%'" for word in words)
        calls_with = f"SELECT count(DISTINCT record_id) FROM d WHERE notify = \
            'asrmessage_notify' AND ({any_word})"
        assert 0.01 <= one(source, calls_with) / connected <= 0.12
    for word in ("投诉", "12315", "取消", "退订", "停用"):
        assert one(source, f"SELECT count(*) FROM d WHERE answer_content LIKE '%{word}%'") >= 1


@pytest.mark.parametrize("part", ["scenarios", "common", "close"])
def test_ordinary_customers_say_no_keyword(part: str) -> None:
    texts = yaml.safe_load(Path(calls.__file__).with_name("dialogues.yaml").read_text("utf-8"))
    pools = [
        pool
        for group in (texts[part].values() if part == "scenarios" else [texts[part]])
        for pool in group.values()
        if isinstance(pool, list)
    ]
    said = [customer or "" for pool in pools for customer, _ in pool]
    assert said
    assert not [text for text in said for word in COMPLAINT + CHURN if word in text]


def test_every_slot_is_filled() -> None:
    bank = load_bank()
    texts = [text for text in (*bank.questions, *bank.answers) if text]
    assert not [text for text in texts if re.search(r"\{\w*\}", text)]
    assert len(set(texts)) > 400


@pytest.mark.parametrize(
    "text",
    ["😀", "\u0007", "𠮷", "\n", "13800138000", "110101190001010000", "@example.com", "不投诉"],
)
def test_odd_and_personal_texts_occur(source: sqlite3.Connection, text: str) -> None:
    found = source.execute("SELECT count(*) FROM d WHERE instr(question, ?)", (text,)).fetchone()
    assert found[0] >= 1


def test_missing_texts_occur(source: sqlite3.Connection) -> None:
    turns = "SELECT count(*) FROM d WHERE notify = 'asrmessage_notify' AND"
    for missing in ("question IS NULL", "question = ''", "answer_content IS NULL"):
        assert one(source, f"{turns} {missing}") >= 1


def test_single_layout_holds_the_same_rows(
    default: calls.SampleSummary, source: sqlite3.Connection, tmp_path: Path
) -> None:
    single = write_call_source(tmp_path / "single.db", layout="single")
    assert single.tables == (
        "autodialer_call_record",
        "autodialer_call_record_detail",
        "autodialer_task",
    )
    assert single.defects == default.defects
    with closing(sqlite3.connect(single.path)) as database:
        for view, kind in (("r", "record"), ("d", "record_detail")):
            everything = database.execute(f"SELECT * FROM autodialer_call_{kind} ORDER BY id, 2, 4")
            monthly = source.execute(f"SELECT * FROM {view} ORDER BY id, 3, 5")
            assert everything.fetchall() == [row[1:] for row in monthly]


def test_details_can_be_left_out(default: calls.SampleSummary, tmp_path: Path) -> None:
    bare = write_call_source(tmp_path / "bare.db", with_details=False)
    records = "SELECT * FROM r ORDER BY source, id"
    assert rows(bare.path, records) == rows(default.path, records)
    assert (bare.details, bare.turns, bare.defects["orphan_detail"]) == (0, 0, 0)
    assert rows(bare.path, "SELECT count(*) FROM d") == [(0,)]


def test_defects_can_be_left_out(tmp_path: Path) -> None:
    sound = write_call_source(tmp_path / "sound.db", with_defects=False)
    assert set(sound.defects.values()) == {0}
    assert sound.calls > 9_000
    for kind, sql in DEFECT_SQL.items():
        assert rows(sound.path, sql) == [(0,)], kind


def test_a_day_is_written_in_bounded_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    write_records = calls.SourceWriter.write_records

    def spy(writer: Any, suffix: str, batch: Iterator[Any]) -> None:
        kept = list(batch)
        sizes.append(len(kept))
        write_records(writer, suffix, kept)

    monkeypatch.setattr(calls.SourceWriter, "write_records", spy)
    monkeypatch.setattr("cs_apps.sample_data.call_plan.CHUNK_CALLS", 50)
    day = date(2025, 11, 12)
    summary = write_call_source(tmp_path / "day.db", start=day, end=day, scale=10)
    assert summary.calls == sum(sizes) > 500
    assert max(sizes) <= 51


def test_progress_counts_days(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write_call_source(
        tmp_path / "days.db",
        start=date(2025, 7, 1),
        end=date(2025, 7, 3),
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_failure_leaves_the_old_file_alone(tmp_path: Path) -> None:
    target = tmp_path / "source.db"
    target.write_bytes(b"before")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_call_source(target, end=date(2025, 7, 2), progress=stop)
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    "wrong", [{"end": date(2025, 6, 30)}, {"scale": 0.0}, {"seed": -1}, {"calls_per_month": -5}]
)
def test_wrong_arguments_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"lies before|must be positive"):
        write_call_source(tmp_path / "none.db", **wrong)
