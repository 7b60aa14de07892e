"""The lake: ranges replaced in one commit, stale writers refused."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from storage_cases import (
    NEW,
    ORDERS,
    TITLES,
    arrow,
    day_keys,
    day_orders,
    hashes,
    opened,
    order,
    orders,
    provenance,
    publish,
    rows_of,
    stage,
)

from cs_assets.contracts import Column
from cs_resources.errors import MissingPartitionError, StaleWriterError
from cs_resources.storage import Storage

DAYS = day_keys(5)
DAY, OTHER = DAYS[0], DAYS[1]


def titles(*texts: str) -> pa.Table:
    return arrow(TITLES, [{"title_id": n, "title": text} for n, text in enumerate(texts)])


def test_a_range_replaces_its_days_and_no_other(storage: Storage) -> None:
    publish(storage, ORDERS, day_orders(DAYS), DAYS, "first")
    before = hashes(storage, ORDERS, DAYS)
    publish(storage, ORDERS, day_orders(DAYS[1:3], 2, NEW), DAYS[1:3], "second")
    after = hashes(storage, ORDERS, DAYS)
    assert [day for day in DAYS if before[day] != after[day]] == DAYS[1:3]
    assert [row["note"] for row in rows_of(storage, ORDERS, DAYS[1:3])] == [NEW] * 4
    assert storage.lake.row_count(ORDERS) == 3 * 3 + 2 * 2


def test_what_is_published_can_be_read_back_value_by_value(storage: Storage) -> None:
    odd = [
        order(DAY, 1, note="'; drop\n\"\0~|\\\t中", phone="", weight=1e-300, is_gift=None),
        order(DAY, 2, note=None, phone=None, weight=None, paid=None),
    ]
    publish(storage, ORDERS, orders(odd), [DAY])
    assert sorted(rows_of(storage, ORDERS, [DAY]), key=lambda row: row["order_id"]) == odd


def test_a_gap_in_the_range_is_not_touched(storage: Storage) -> None:
    publish(storage, ORDERS, day_orders(DAYS), DAYS, "first")
    ends = [DAYS[0], DAYS[2], DAYS[4]]
    publish(storage, ORDERS, day_orders([]), ends, "second")
    assert {row["order_date"].day for row in rows_of(storage, ORDERS, DAYS)} == {2, 4}


def test_an_empty_partition_counts_as_published(storage: Storage) -> None:
    publish(storage, ORDERS, day_orders([]), [DAY])
    assert list(storage.lake.published(ORDERS, DAYS)) == [DAY]
    assert rows_of(storage, ORDERS, [DAY]) == []
    assert storage.read(ORDERS, [DAY]).schema().names == ORDERS.column_names


def test_missing_partitions_are_named(storage: Storage) -> None:
    with pytest.raises(MissingPartitionError, match="shop/orders has no published partition"):
        storage.read(ORDERS, [DAY])
    publish(storage, ORDERS, day_orders([DAY]), [DAY])
    with pytest.raises(MissingPartitionError, match="partition 2025-01-02, 2025-01-03"):
        storage.read(ORDERS, DAYS[:3])


def test_a_bad_day_keeps_its_old_version_while_the_others_are_replaced(storage: Storage) -> None:
    publish(storage, ORDERS, day_orders(DAYS), DAYS, "first")
    before = hashes(storage, ORDERS, DAYS)
    table = pa.concat_tables([day_orders(DAYS, 3, NEW), orders([order(DAYS[2], 9, state="lost")])])
    staged = publish(storage, ORDERS, table, DAYS, "second")
    assert list(staged.failures) == [DAYS[2]]
    after = hashes(storage, ORDERS, DAYS)
    assert [day for day in DAYS if before[day] == after[day]] == [DAYS[2]]
    assert not staged.path.exists()


def test_where_every_day_is_bad_nothing_is_published(storage: Storage) -> None:
    publish(storage, ORDERS, orders([order(DAY, state="lost")]), [DAY])
    assert storage.lake.published(ORDERS, [DAY]) == {}


@pytest.mark.parametrize("start", [None, day_orders([DAY])], ids=["fresh", "there before"])
@pytest.mark.parametrize("winner", [day_orders([]), day_orders([DAY], 2)], ids=["empty", "rows"])
@pytest.mark.parametrize("loser", [day_orders([]), day_orders([DAY], 2)], ids=["empty", "rows"])
def test_a_stale_writer_of_the_same_day_is_refused(
    storage: Storage, start: pa.Table | None, winner: pa.Table, loser: pa.Table
) -> None:
    if start is not None:
        publish(storage, ORDERS, start, [DAY], "start")
    storage.begin("loser", [(ORDERS, [DAY])])
    publish(storage, ORDERS, winner, [DAY], "winner")
    with pytest.raises(StaleWriterError, match="shop/orders: another run published"):
        publish(storage, ORDERS, loser, [DAY], "loser")
    assert len(rows_of(storage, ORDERS, [DAY])) == winner.num_rows
    publish(storage, ORDERS, loser, [DAY], "again")
    assert len(rows_of(storage, ORDERS, [DAY])) == loser.num_rows


def test_a_stale_writer_of_an_unpartitioned_table_is_refused(storage: Storage) -> None:
    storage.begin("loser", [(TITLES, ["all"])])
    publish(storage, TITLES, titles("a", "b"), ["all"], "winner")
    with pytest.raises(StaleWriterError):
        publish(storage, TITLES, titles("c"), ["all"], "loser")
    assert storage.lake.distinct(TITLES, "title") == {"a", "b"}


def test_writers_of_different_days_do_not_disturb_each_other(storage: Storage) -> None:
    publish(storage, ORDERS, day_orders(DAYS), DAYS, "start")
    storage.begin("around", [(ORDERS, [DAYS[0], DAYS[2]])])
    publish(storage, ORDERS, day_orders([OTHER], 1, NEW), [OTHER], "between")
    publish(storage, ORDERS, day_orders([DAYS[0]], 1, NEW), [DAYS[0], DAYS[2]], "around")
    assert [len(rows_of(storage, ORDERS, [day])) for day in DAYS] == [1, 1, 0, 3, 3]


def test_a_very_late_writer_is_refused_even_after_a_checkpoint(storage: Storage) -> None:
    publish(storage, TITLES, titles("a"), ["all"], "start")
    storage.begin("late", [(TITLES, ["all"])])
    publish(storage, TITLES, titles("b"), ["all"], "next")
    storage.lake._table(TITLES).create_checkpoint()  # type: ignore[union-attr]
    with pytest.raises(StaleWriterError):
        publish(storage, TITLES, titles("c"), ["all"], "late")


def test_a_folder_that_cannot_be_written_is_not_called_a_stale_writer(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise CommitFailedError("no space left on device")

    monkeypatch.setattr("deltalake.DeltaTable.create_write_transaction", refuse)
    with pytest.raises(CommitFailedError, match="no space"):
        publish(storage, TITLES, titles("a"), ["all"])
    assert not list(storage.scratch.glob("*.parquet"))


def test_rows_that_get_lost_on_the_way_are_not_committed(storage: Storage) -> None:
    storage.begin("run", [(TITLES, ["all"])])
    staged = stage(storage, TITLES, titles("a", "b"), ["all"])
    more = {"all": replace(staged.audits["all"], rows=3)}
    with pytest.raises(Exception, match=r"not in the staged files, by partition: \{'all': 1\}"):
        storage.publish("run", replace(staged, audits=more), provenance("run"))
    assert storage.lake.published(TITLES, ["all"]) == {}


def test_files_older_than_a_column_read_it_as_missing(tmp_path: Path, storage: Storage) -> None:
    publish(storage, ORDERS, day_orders([DAY]), [DAY], "old")
    colour = Column("colour", "string", "Colour.", nullable=True)
    wider = replace(ORDERS, columns=(*ORDERS.columns, colour))
    with opened(tmp_path, wider) as newer:
        assert {row["colour"] for row in rows_of(newer, wider, [DAY])} == {None}
        table = day_orders([OTHER]).append_column("colour", pa.array(["red"] * 3))
        publish(newer, wider, table, [OTHER], "new")
        found = {(row["order_date"].day, row["colour"]) for row in rows_of(newer, wider, DAYS[:2])}
    assert found == {(1, None), (2, "red")}
    assert len(rows_of(storage, ORDERS, DAYS[:2])) == 6


@pytest.mark.parametrize("rival_changes_it", [False, True], ids=["same content", "other"])
def test_a_rival_with_the_same_content_makes_a_writer_stale_too(
    storage: Storage, rival_changes_it: bool
) -> None:
    publish(storage, ORDERS, day_orders([DAY]), [DAY], "start")
    storage.begin("late", [(ORDERS, [DAY])])
    publish(storage, ORDERS, day_orders([DAY], 4 if rival_changes_it else 3), [DAY], "rival")
    with pytest.raises(StaleWriterError):
        publish(storage, ORDERS, day_orders([DAY], 5), [DAY], "late")


def test_a_commit_whose_checkpoint_failed_is_a_commit(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = DeltaTable.create_write_transaction

    def commit_then_fail(*arguments: Any, **options: Any) -> None:
        commit(*arguments, **options)
        raise CommitFailedError("no checkpoint could be written")

    monkeypatch.setattr("deltalake.DeltaTable.create_write_transaction", commit_then_fail)
    storage.begin("run", [(TITLES, ["all"]), (ORDERS, [DAY])])
    publish(storage, TITLES, titles("a"), ["all"])
    publish(storage, ORDERS, day_orders([DAY]), [DAY])  # its own commit is no rival's
    assert storage.lake.distinct(TITLES, "title") == {"a"}
    assert storage.lake.row_count(ORDERS) == 3


def test_a_commit_tells_who_wrote_what(storage: Storage) -> None:
    staged = publish(storage, ORDERS, day_orders([DAY]), [DAY], "run-7")
    commit = storage.lake._table(ORDERS).history(1)[0]  # type: ignore[union-attr]
    assert (commit["run_id"], commit["fingerprint"]) == ("run-7", "1")
    assert staged.audits[DAY].content_hash in commit["partitions"]
    assert storage.lake.last_day(ORDERS) == date(2025, 1, 1)
    assert list(storage.lake.stored_bytes(ORDERS)) == [DAY]
