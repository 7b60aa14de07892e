"""Maintenance: smaller, faster, and nobody notices: readers, writers, hashes, what was known."""

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake
from lake_cases import (
    LATER,
    MUCH_LATER,
    NOW,
    RETENTION,
    care,
    committed_at,
    files,
    grown,
    on_disk,
    scatter,
)
from storage_cases import (
    NEW,
    ORDERS,
    TITLES,
    arrow,
    day_keys,
    day_orders,
    hashes,
    opened,
    publish,
    rows_of,
)

from cs_assets.contracts import Column
from cs_resources.errors import RemovedVersionError, StaleWriterError
from cs_resources.lake_commits import require_untouched
from cs_resources.lake_maintenance import _crowded, compact, maintain
from cs_resources.storage import Storage

DAYS = day_keys(3)
DAY, OTHER = DAYS[0], DAYS[1]


def test_a_table_that_does_not_exist_needs_no_care(storage: Storage) -> None:
    assert maintain(storage.lake, ORDERS, RETENTION, NOW) is None


def test_scattered_files_become_one_and_the_content_stays(storage: Storage) -> None:
    before = grown(storage)
    numbers = storage.lake.published(ORDERS, DAYS)
    report = care(storage)
    assert (report.files_before, report.files_after, report.compacted) == (5, 3, 1)
    assert (report.gave_way, report.removed_files, report.freed_bytes) == (0, 0, 0)
    assert files(storage) == 3
    assert hashes(storage, ORDERS, DAYS) == before
    assert storage.lake.published(ORDERS, DAYS) == numbers
    again = care(storage)
    assert (again.files_after, again.compacted) == (3, 0)


def test_a_whole_table_is_compacted_too(storage: Storage) -> None:
    rows = [{"title_id": n, "title": f"title {n}"} for n in range(9)]
    publish(storage, TITLES, arrow(TITLES, rows), ["all"])
    table = DeltaTable(storage.lake.uri(TITLES))
    data = arrow(TITLES, rows)
    write_deltalake(table, data.slice(0, 4), mode="overwrite")
    write_deltalake(table, data.slice(4), mode="append")
    report = care(storage, contract=TITLES)
    assert (report.files_before, report.files_after) == (2, 1)
    assert sorted(rows_of(storage, TITLES, ["all"]), key=lambda row: row["title_id"]) == rows


def test_files_older_than_a_column_are_compacted_with_newer_ones(
    tmp_path: Path, storage: Storage
) -> None:
    publish(storage, ORDERS, day_orders([DAY]), [DAY], "old")
    colour = Column("colour", "string", "Colour.", nullable=True)
    wider = replace(ORDERS, columns=(*ORDERS.columns, colour))
    more = day_orders([DAY], 5).slice(3).append_column("colour", pa.array(["red"] * 2))
    with opened(tmp_path, wider) as newer:
        table = DeltaTable(newer.lake.uri(wider))
        write_deltalake(table, more, mode="append", schema_mode="merge")
        before = hashes(newer, wider, [DAY])
        assert care(newer, contract=wider).compacted == 1
        assert hashes(newer, wider, [DAY]) == before


def test_only_what_nobody_can_need_is_removed(storage: Storage) -> None:
    content = grown(storage)
    assert care(storage, NOW + timedelta(days=28)).removed_files == 0
    count = on_disk(storage)
    report = care(storage, LATER)
    assert report.removed_files == count - 3
    assert report.freed_bytes > 0
    assert on_disk(storage) == 3
    assert hashes(storage, ORDERS, DAYS) == content
    publish(storage, ORDERS, day_orders([DAY], 1, NEW), [DAY], "new")
    assert len(rows_of(storage, ORDERS, [DAY])) == 1


def test_old_files_that_were_replaced_lately_are_kept(storage: Storage) -> None:
    publish(storage, ORDERS, day_orders([DAY]), [DAY], "first")
    at = committed_at(storage)
    for path in storage.lake.uri(ORDERS).rglob("*.parquet"):
        os.utime(path, (0, 0))
    publish(storage, ORDERS, day_orders([DAY], 1), [DAY], "second")
    for _ in range(2):
        DeltaTable(storage.lake.uri(ORDERS)).create_checkpoint()
        assert care(storage).removed_files == 0
    assert storage.lake.read(ORDERS, [DAY], known_at=at).count().to_pyarrow().as_py() == 3
    assert care(storage, LATER).removed_files == 1
    with pytest.raises(RemovedVersionError):
        storage.lake.read(ORDERS, [DAY], known_at=at)


def test_what_killed_writers_left_is_removed_when_it_is_old(storage: Storage) -> None:
    publish(storage, ORDERS, day_orders([DAY]), [DAY])
    root = storage.lake.uri(ORDERS)
    left = [root / "order_date=2025-01-01" / "part-00000-left.zstd.parquet"]
    left += [root / "part.parquet#1", root / "_delta_log" / "00000000000000000002.json#1"]
    for path in left:
        path.write_bytes(b"x" * 1000)
    assert care(storage).freed_bytes == 0
    report = care(storage, LATER)
    assert (report.removed_files, report.removed_log_files, report.freed_bytes) == (2, 1, 3000)
    assert not any(path.exists() for path in left)


def test_transactions_and_tickets_survive_the_removal_of_old_commits(storage: Storage) -> None:
    content = grown(storage)
    numbers = storage.lake.published(ORDERS, [*DAYS, "2025-02-01"])
    publish(storage, ORDERS, day_orders([]), ["2025-02-01"], "empty")
    care(storage)
    report = care(storage, MUCH_LATER)
    log = storage.lake.log(ORDERS)
    assert log is not None
    assert report.removed_log_files > 10
    assert log.first > 10
    assert storage.lake.published(ORDERS, DAYS) == numbers
    assert list(storage.lake.published(ORDERS, ["2025-02-01"])) == ["2025-02-01"]
    table = DeltaTable(storage.lake.uri(ORDERS))
    assert {k: table.transaction_version(f"content_hash/{k}") for k in DAYS} == numbers
    assert hashes(storage, ORDERS, DAYS) == content
    for n in range(3):
        publish(storage, ORDERS, day_orders([DAY], n + 20), [DAY], f"after {n}")
    assert [fact.new_rows for fact in storage.lake.restatements(ORDERS)][-3:] == [20, 21, 22]


def test_commits_that_are_kept_need_no_old_checkpoint(storage: Storage) -> None:
    instants = []
    for n in range(25):
        publish(storage, ORDERS, day_orders([DAY], n), [DAY], f"run {n}")
        instants.append(committed_at(storage))
        if n % 10 == 9:
            care(storage)
    report = care(storage, LATER)
    log = storage.lake.log(ORDERS)
    assert log is not None
    assert (report.removed_log_files, len(log.checkpoints), log.first) == (1, 1, 0)
    for version in range(log.latest + 1):
        assert DeltaTable(storage.lake.uri(ORDERS), version=version).version() == version
    assert len(storage.lake.restatements(ORDERS, since=instants[0])) == 24


def test_a_writer_that_meets_a_compaction_is_not_refused(storage: Storage) -> None:
    grown(storage)
    storage.begin("writer", [(ORDERS, [DAY])])
    assert care(storage).compacted == 1
    publish(storage, ORDERS, day_orders([DAY], 1, NEW), [DAY], "writer")
    assert [row["note"] for row in rows_of(storage, ORDERS, [DAY])] == [NEW]
    assert len(rows_of(storage, ORDERS, [OTHER])) == 14


def test_a_writer_that_was_overtaken_is_refused_behind_a_compaction_too(storage: Storage) -> None:
    grown(storage)
    storage.begin("writer", [(ORDERS, [DAY])])
    publish(storage, ORDERS, day_orders([DAY], 30), [DAY], "rival")
    scatter(storage, ORDERS, DAY)
    assert care(storage).compacted == 1
    with pytest.raises(StaleWriterError):
        publish(storage, ORDERS, day_orders([DAY], 1, NEW), [DAY], "writer")
    assert len(rows_of(storage, ORDERS, [DAY])) == 30


def test_a_rival_between_two_attempts_is_noticed(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown(storage)
    storage.begin("writer", [(ORDERS, [DAY])])
    assert care(storage).compacted == 1
    rivals = ["rival"]

    def checked_and_overtaken(*arguments: Any) -> None:
        require_untouched(*arguments)
        if rivals:
            publish(storage, ORDERS, day_orders([DAY], 7), [DAY], rivals.pop())

    monkeypatch.setattr("cs_resources.lake.require_untouched", checked_and_overtaken)
    with pytest.raises(StaleWriterError):
        publish(storage, ORDERS, day_orders([DAY], 1, NEW), [DAY], "writer")
    assert len(rows_of(storage, ORDERS, [DAY])) == 7
    assert rivals == []


def test_a_compaction_that_was_overtaken_gives_way(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown(storage)

    def overtaken(table: DeltaTable, filters: Any) -> None:
        publish(storage, ORDERS, day_orders([DAY], 1, NEW), [DAY], "writer")
        compact(table, filters)

    monkeypatch.setattr("cs_resources.lake_maintenance.compact", overtaken)
    report = care(storage)
    assert (report.compacted, report.gave_way) == (0, 1)
    assert [row["note"] for row in rows_of(storage, ORDERS, [DAY])] == [NEW]


def test_only_partitions_of_several_small_files_are_touched(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown(storage)
    table = DeltaTable(storage.lake.uri(ORDERS))
    assert _crowded(table, ORDERS) == [[("order_date", "=", DAY)]]
    monkeypatch.setattr("cs_resources.lake_maintenance._TARGET_BYTES", 10)
    assert _crowded(table, ORDERS) == []
    sizes = pa.table(table.get_add_actions(flatten=True))["size_bytes"]
    assert pc.min(sizes).as_py() > 10
