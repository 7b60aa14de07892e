"""The lake: ranges replaced in one commit, stale writers refused, rows read in three forms."""

import gc
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import pytest
from deltalake.exceptions import CommitFailedError
from storage_cases import (
    CONTRACTS,
    MONTHS,
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
    revenue,
    rows_of,
    stage,
)

from cs_assets.contracts import Column, Contract, Place
from cs_assets.table_assets import same, table_asset
from cs_resources.errors import ConfigurationError, MissingPartitionError, StaleWriterError
from cs_resources.io_managers import StorageIOManager
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

    monkeypatch.setattr("cs_resources.lake.write_deltalake", refuse)
    with pytest.raises(CommitFailedError, match="no space"):
        publish(storage, TITLES, titles("a"), ["all"])
    assert not list(storage.scratch.glob("*.parquet"))


def test_rows_that_get_lost_on_the_way_are_not_committed(storage: Storage) -> None:
    storage.begin("run", [(TITLES, ["all"])])
    staged = stage(storage, TITLES, titles("a", "b"), ["all"])
    more = {"all": replace(staged.audits["all"], rows=3)}
    with pytest.raises(Exception, match="1 of the audited rows are not in the staged file"):
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


def test_a_commit_tells_who_wrote_what(storage: Storage) -> None:
    staged = publish(storage, ORDERS, day_orders([DAY]), [DAY], "run-7")
    commit = storage.lake._table(ORDERS).history(1)[0]  # type: ignore[union-attr]
    assert (commit["run_id"], commit["fingerprint"]) == ("run-7", "1")
    assert staged.audits[DAY].content_hash in commit["partitions"]
    assert storage.lake.last_day(ORDERS) == date(2025, 1, 1)
    assert list(storage.lake.stored_bytes(ORDERS)) == [DAY]


@pytest.mark.parametrize("name", ["a b", "o'brien", "100%", "王", "year=2025", 'a "b" #1'])
def test_any_folder_name_will_do(tmp_path: Path, name: str) -> None:
    with opened(tmp_path / name) as storage:
        publish(storage, ORDERS, day_orders([DAY]), [DAY])
        assert len(rows_of(storage, ORDERS, [DAY])) == 3
        assert storage.lake.distinct(ORDERS, "state") == {"done"}


def test_a_folder_that_would_be_read_as_a_column_is_refused(tmp_path: Path) -> None:
    with (
        opened(tmp_path / "tenant_id=x") as storage,
        pytest.raises(ConfigurationError, match="read as the column tenant_id"),
    ):
        publish(storage, ORDERS, day_orders([DAY]), [DAY])


def test_streams_survive_each_other_and_any_other_query(storage: Storage) -> None:
    publish(storage, ORDERS, day_orders([DAY, OTHER], 50_000), [DAY, OTHER])
    streams = {day: storage.stream(ORDERS, [day]) for day in (DAY, OTHER)}
    seen: dict[str, list[Any]] = {DAY: [], OTHER: []}
    for batches in zip(*streams.values(), strict=True):
        storage.read(ORDERS, [DAY]).count().to_pyarrow()
        for day, batch in zip(streams, batches, strict=True):
            seen[day] += batch["order_date"].to_pylist()
    assert {day: (len(dates), set(dates)) for day, dates in seen.items()} == {
        DAY: (50_000, {date(2025, 1, 1)}),
        OTHER: (50_000, {date(2025, 1, 2)}),
    }


def test_a_stream_can_be_staged_although_it_reads_from_the_same_store(storage: Storage) -> None:
    publish(storage, ORDERS, day_orders([DAY], 5_000), [DAY])
    rows, lazy = storage.stream(ORDERS, [DAY]), storage.read(ORDERS, [DAY])
    batches = (batch for batch in rows if lazy.count().to_pyarrow().as_py())
    reader = pa.RecordBatchReader.from_batches(rows.schema, batches)
    assert stage(storage, ORDERS, reader, [DAY]).audits[DAY].rows == 5_000


def test_a_stream_is_held_as_long_as_an_expression_needs_it(storage: Storage) -> None:
    publish(storage, ORDERS, day_orders([DAY]), [DAY])
    derived = storage.stager.held(storage.stream(ORDERS, [DAY]), ORDERS).filter(ibis._.order_id > 1)
    tables = storage.session.backend.con.cursor()
    gc.collect()
    assert [derived.count().to_pyarrow().as_py() for _ in range(2)] == [2, 2]
    assert tables.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (1,)
    del derived
    gc.collect()
    storage.session.tidy()
    assert tables.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (0,)


SUMS = Contract(
    system="shop",
    name="sums",
    description="One number.",
    place=Place.LAKE,
    columns=(Column("rows", "int64", "Rows."), Column("form", "string", "Form of the input.")),
)


def in_form(contract: Contract, form: Any) -> dg.AssetsDefinition:
    """An asset that counts the rows of an input in the form of its annotation."""

    def body(context: dg.AssetExecutionContext, table: Any) -> ibis.Table:
        rows = {
            ir.Table: lambda: table.count().to_pyarrow().as_py(),
            pd.DataFrame: lambda: len(table),
            pa.RecordBatchReader: lambda: table.read_all().num_rows,
        }
        return ibis.memtable(arrow(SUMS, [{"rows": rows[form](), "form": type(table).__name__}]))

    body.__annotations__["table"] = form
    return table_asset(SUMS, ins={"table": same(contract)})(body)


@pytest.mark.parametrize("form", [ir.Table, pd.DataFrame, pa.RecordBatchReader])
@pytest.mark.parametrize("contract", [TITLES, MONTHS], ids=["lake", "warehouse"])
def test_inputs_come_in_the_form_of_the_annotation(
    tmp_path: Path, instance: dg.DagsterInstance, contract: Contract, form: Any
) -> None:
    whole = replace(contract, grain=None, partition_column=None)
    rows = titles("a", "b", "c") if contract is TITLES else revenue(MONTHS, ["2025-01"])
    others = [other for other in CONTRACTS if other.name != contract.name]
    with opened(tmp_path, SUMS, whole, *others) as storage:
        publish(storage, whole, rows, ["all"])
        managers = {place.value: StorageIOManager(storage, place) for place in Place}
        result = dg.materialize(
            [
                in_form(whole, form),
                dg.AssetSpec(whole.asset_key).with_io_manager_key(whole.place.value),
            ],
            resources={"storage": storage, **managers},
            instance=instance,
        )
        assert result.success
        (row,) = rows_of(storage, SUMS, ["all"])
    assert row == {"rows": 3, "form": form.__name__}


def test_a_result_that_is_being_read_outlives_tables_that_are_forgotten(storage: Storage) -> None:
    kept = storage.stager.kept(ibis.memtable(pa.table({"a": [1]})))
    assert kept.count().to_pyarrow().as_py() == 1
    reader = storage.session.backend.con.execute("FROM range(10000)").to_arrow_reader(100)
    rows = next(reader).num_rows
    del kept
    gc.collect()
    assert rows + sum(batch.num_rows for batch in reader) == 10_000
