"""The call database on MariaDB: every value as PyMySQL and SQLite give it, whatever it is."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from cs_apps.sample_data.calls import write_call_source
from cs_assets.calls.contracts import CALL_RECORDS_RAW
from cs_assets.definitions import build_definitions
from cs_resources import call_reading, call_wire
from cs_resources.call_schema import COLUMNS
from cs_resources.call_schema import RECORDS as RECORD_KIND
from cs_resources.call_values import Placing, RowReader, transposed
from cs_resources.errors import SourceError, SourceUnavailableError
from tests.calls.cases import (
    MONDAY,
    TABLE,
    TASK,
    Installation,
    Row,
    at,
    call_database,
    read_records,
    read_turns,
    record,
    turn,
    write_source,
)
from tests.calls.server_cases import (
    DETAILS,
    RECORDS,
    call_server,
    connection,
    copy_source,
    insert,
    write_server,
)
from tests.servers import mariadb_database, on_mariadb

ON_SERVER = settings(
    max_examples=5,
    phases=[Phase.explicit, Phase.generate],  # every example makes tables anew
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NOV_1 = date(2025, 11, 1)
YEAR = [NOV_1 + timedelta(n) for n in range(390)]
ODD_TEXTS = [
    "",
    "😀𠮷",
    "\\",
    "a\\0b\x00c",
    "line\nline\r\ttab",
    "'\"`;--",
    "\x1f|~",
    " x ",
    "NULL",
]
ODD_DATES = [
    "2025-11-24 00:00:00",
    "2025-11-24 23:59:59",
    "0000-00-00 00:00:00",
    "2025-11-31 00:00:00",
    "2025-00-10 00:00:00",
    "0000-01-01 00:00:00",
    "9999-12-31 23:59:59",
    "2025-10-31 23:59:59",
    None,
]
WIDE = (
    "id char(36), task_id char(36) COLLATE utf8mb4_bin, customer_id varchar(64), "
    "callee varchar(20) CHARACTER SET latin1, callid varchar(300), calldate datetime, "
    "duration bigint unsigned, bill bigint, rounds int(9) unsigned zerofill, "
    "hangup_disposition tinyint, intention_results longtext, KEY (calldate)"
)


@pytest.fixture(scope="module")
def url() -> Iterator[sa.URL]:
    """One database for the module: each test replaces its tables."""
    with mariadb_database() as found:
        yield found


def by_id(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: json.dumps(row, default=str, sort_keys=True))


def with_pymysql(url: sa.URL, days: Sequence[date]) -> list[Row]:
    """The records as PyMySQL's own objects make them: what the wire must equal."""
    source, kinds = call_server(url), COLUMNS[RECORD_KIND]
    names = ", ".join(f"`{name}`" for name in kinds)
    placing = Placing(days, NOV_1, date(2026, 12, 1), NOV_1)
    with closing(connection(url)) as database, database.cursor() as cursor:
        cursor.execute(f"SELECT {names} FROM {TABLE}")
        values = transposed(cursor.fetchall())
    batch = RowReader(kinds, placing).batch(values, source._constants())
    return [row | {"source_table": TABLE} for row in batch.to_pylist()]


def without_checksum(rows: Sequence[Row]) -> list[Row]:
    return by_id([{k: v for k, v in row.items() if k != "row_checksum"} for row in rows])


texts = st.none() | st.sampled_from(ODD_TEXTS) | st.text(st.characters(codec="utf-8"), max_size=40)
odd_rows = st.fixed_dictionaries(
    {
        "customer_id": texts,
        "callid": texts | st.just("字" * 300),
        "calldate": st.sampled_from(ODD_DATES)
        | st.datetimes(at("2025-10-30"), at("2026-12-02")).map(
            lambda instant: str(instant.replace(microsecond=0))
        ),
        "duration": st.none() | st.integers(0, 2**64 - 1) | st.sampled_from([2**63 - 1, 2**63]),
        "bill": st.none() | st.integers(-(2**63), 2**63 - 1),
        "rounds": st.none() | st.integers(0, 2**32 - 1),
        "hangup_disposition": st.none() | st.integers(-128, 127),
        "intention_results": texts
        | st.just("长" * 30_000)
        | st.just("x" * 250)
        | st.just("y" * 251),
    }
)
EVERY_DATE: list[Row] = [
    dict.fromkeys(("customer_id", "callid"), text)
    | {"calldate": instant, "duration": 2**63, "bill": -1, "rounds": 7}
    | {"hangup_disposition": None, "intention_results": "z" * 70_000}
    for text, instant in zip(ODD_TEXTS, ODD_DATES, strict=True)
]


@ON_SERVER
@example(EVERY_DATE)
@given(st.lists(odd_rows, max_size=60))
def test_the_wire_reads_what_pymysql_reads(url: sa.URL, changes: list[Row]) -> None:
    rows = [record(n, **change) for n, change in enumerate(changes)]
    write_server(url, {"_2025_11": rows}, record_columns=WIDE)
    found = read_records(call_server(url), *YEAR)
    assert without_checksum(found) == by_id(with_pymysql(url, YEAR))


sane_rows = st.fixed_dictionaries(
    {
        "customer_id": texts.filter(lambda text: text is None or "\x00" not in text),
        "callid": st.none() | st.text("abc", max_size=5),
        "calldate": st.sampled_from(ODD_DATES),
        "duration": st.none() | st.integers(0, 2**32 - 1),
        "bill": st.none() | st.integers(0, 2**32 - 1),
    }
)


@ON_SERVER
@given(st.lists(sane_rows, max_size=60))
def test_server_and_file_hold_the_same(url: sa.URL, tmp_path: Path, changes: list[Row]) -> None:
    """Row for row, checksums and signatures included."""
    rows = {"_2025_11": [record(n, **change) for n, change in enumerate(changes)]}
    turns = {
        "_2025_11": [
            turn(f"r{n:04}" if n % 3 else None, n % 4 or None, change["customer_id"])
            for n, change in enumerate(changes)
        ]
    }
    write_server(url, rows, turns)
    path = write_source(tmp_path / "s.db", rows, turns)
    server, file = call_server(url), call_database(path)
    assert by_id(read_records(server, *YEAR)) == by_id(read_records(file, *YEAR))
    assert by_id(read_turns(server, *YEAR)) == by_id(read_turns(file, *YEAR))
    assert server.signatures(YEAR) == file.signatures(YEAR)
    assert server.tasks().equals(file.tasks())


def test_a_range_is_one_pass_over_each_table(url: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"_2025_09": [record(1)], "_2025_11": [record(2), record(3, calldate="2025-11-25")]}
    write_server(url, rows)
    sent: list[str] = []
    usual = call_wire.batches
    monkeypatch.setattr(
        call_wire, "batches", lambda cursor: sent.append(cursor._executed) or usual(cursor)
    )
    assert len(read_records(call_server(url), *YEAR[:60])) == 3
    assert len(sent) == 2


def test_memory_stays_bounded(url: sa.URL) -> None:
    """Rows come while the server still holds most of them back."""
    rows = [record(n, intention_results="x" * 5_000) for n in range(4_000)]
    write_server(url, {"_2025_11": rows}, record_columns=WIDE)
    stream = call_server(url).records([MONDAY], CALL_RECORDS_RAW.schema.to_pyarrow())
    before = pa.total_allocated_bytes()
    sizes = [(batch.num_rows, pa.total_allocated_bytes() - before) for batch in stream]
    assert sum(rows for rows, _ in sizes) == 4_000
    assert max(rows for rows, _ in sizes) < 500
    assert max(held for _, held in sizes) < 8 * 2**20


def test_the_read_is_one_moment(url: sa.URL) -> None:
    """What is written while it runs is not seen, in no table."""
    rows = [record(n, intention_results="x" * 5_000) for n in range(2_000)]
    write_server(url, {"_2025_09": rows, "_2025_11": rows}, record_columns=WIDE)
    stream = call_server(url).records([MONDAY], CALL_RECORDS_RAW.schema.to_pyarrow())
    read = stream.read_next_batch().num_rows
    on_mariadb(url, f"DELETE FROM {TABLE} LIMIT 100", f"DELETE FROM {RECORDS}_2025_09 LIMIT 100")
    assert read + sum(batch.num_rows for batch in stream) == 4_000
    assert len(read_records(call_server(url), MONDAY)) == 3_800


@pytest.mark.parametrize("engine", ["MyISAM", "Aria"])
def test_an_engine_without_snapshots_is_counted_again(url: sa.URL, engine: str) -> None:
    rows = [record(n, intention_results="x" * 5_000) for n in range(2_000)]
    write_server(url, {"_2025_09": [], "_2025_11": rows}, record_columns=WIDE, engine=engine)
    assert len(read_records(call_server(url), MONDAY)) == 2_000
    stream = call_server(url).records([MONDAY], CALL_RECORDS_RAW.schema.to_pyarrow())
    stream.read_next_batch()
    with closing(connection(url)) as database, database.cursor() as cursor:
        insert(cursor, TABLE, [list(record(9_999).values())])
    with pytest.raises(SourceUnavailableError, match=r"2000 rows were read, but .* counts 2001"):
        stream.read_all()


def test_a_lost_row_ends_the_stream(url: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    write_server(url, {"_2025_11": [record(n) for n in range(20)]})
    usual = call_wire.batches

    def lossy(cursor: Any) -> Iterator[list[pa.Array]]:
        for columns in usual(cursor):
            yield [column.slice(1) for column in columns]

    monkeypatch.setattr(call_reading.call_wire, "batches", lossy)
    with pytest.raises(SourceUnavailableError, match=r"19 rows were read, but .* counts 20"):
        read_records(call_server(url), MONDAY)


def test_tables_and_columns_may_have_other_names(url: sa.URL) -> None:
    write_server(url, {"_2025_11": [record()]}, {"_2025_11": [turn("r0001", 1)]})
    odd = {
        "autodialer_task": "odd `name`; DROP TABLE x; --",
        RECORDS: "Anrufe 100%",
        DETAILS: "通话明细",
    }
    for usual, name in odd.items():
        month = "" if usual.endswith("task") else "_2025_11"
        on_mariadb(url, f"RENAME TABLE {usual}{month} TO `{name.replace('`', '``')}{month}`")
    on_mariadb(url, "ALTER TABLE `Anrufe 100%_2025_11` RENAME COLUMN bill TO `talk %s time`")
    source = call_server(url, names=odd | {f"{RECORDS}.bill": "talk %s time"})
    assert [row["bill"] for row in read_records(source, MONDAY)] == [4_000]
    assert len(read_turns(source, MONDAY)) == 1
    assert source.tasks()["task_id"].tolist() == ["t1"]
    assert source.signatures([MONDAY])[MONDAY].records == 1


@pytest.mark.parametrize("name", [f"{TABLE}; DROP TABLE autodialer_task; --", f"{TABLE}_copy"])
def test_a_table_of_another_name_is_never_read(url: sa.URL, name: str) -> None:
    write_server(url, {"_2025_11": [record()]})
    on_mariadb(url, f"CREATE TABLE `{name}` AS SELECT * FROM {TABLE}")
    on_mariadb(url, f"CREATE VIEW {RECORDS}_2025_10 AS SELECT * FROM {TABLE}")
    source = call_server(url)
    assert [row["source_table"] for row in read_records(source, MONDAY)] == [TABLE]
    assert source.tasks()["task_id"].tolist() == [TASK[0]]


def test_another_charset_in_the_url_changes_nothing(url: sa.URL) -> None:
    write_server(url, {"_2025_11": [record(customer_id="客户😀")]})
    for charset in ("gbk", "latin1"):
        source = call_server(url.update_query_dict({"charset": charset}))
        assert [row["customer_id"] for row in read_records(source, MONDAY)] == ["客户😀"]


def test_wrong_rights_are_not_tried_again(url: sa.URL) -> None:
    with pytest.raises(SourceError) as caught:
        call_server(url.set(username="nobody", password="s3cret")).tasks()
    assert not isinstance(caught.value, SourceUnavailableError)
    assert "s3cret" not in str(caught.value)
    assert "Access denied" in str(caught.value)


def test_an_abandoned_stream_leaves_nothing_open(url: sa.URL) -> None:
    write_server(
        url,
        {"_2025_11": [record(n, intention_results="x" * 5_000) for n in range(2_000)]},
        record_columns=WIDE,
    )
    stream = call_server(url).records([MONDAY], CALL_RECORDS_RAW.schema.to_pyarrow())
    stream.read_next_batch()
    del stream
    on_mariadb(url, f"DROP TABLE {TABLE}")  # would wait for an open transaction


def test_the_graph_publishes_the_same_from_server_and_file(url: sa.URL, tmp_path: Path) -> None:
    """The sample with all its defects, from the call database to clean calls, hash for hash."""
    first, last = date(2025, 11, 30), date(2025, 12, 1)
    file = Installation(tmp_path / "file", first, last)
    write_call_source(file.source, start=first, end=last, calls_per_month=3_000)
    copy_source(file.source, url)
    server = Installation(tmp_path / "server", first, last)
    database = call_server(url, history_start=first)
    server.definitions = build_definitions(server.settings, server.storage, database)
    facts = "call_tasks,call_records_raw,call_turns_raw,call_records_clean"
    assert file.run(facts, first, last) == server.run(facts, first, last) == ""
    assert server.hashes() == file.hashes()
    assert len(server.rows("call_turns_raw")) > 0
