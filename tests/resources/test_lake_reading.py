"""Reading the lake: any folder, any form of table, nothing left behind."""

import gc
from dataclasses import replace
from datetime import date
from pathlib import Path
from threading import Thread
from typing import Any

import dagster as dg
import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import pytest
from storage_cases import (
    CONTRACTS,
    MONTHS,
    ORDERS,
    TITLES,
    arrow,
    day_keys,
    day_orders,
    opened,
    publish,
    revenue,
    rows_of,
    stage,
)

from cs_assets.contracts import Column, Contract, Place
from cs_assets.table_assets import same, table_asset
from cs_resources.errors import ConfigurationError
from cs_resources.io_managers import StorageIOManager
from cs_resources.storage import Storage

DAYS = day_keys(5)
DAY, OTHER = DAYS[0], DAYS[1]


def titles(*texts: str) -> pa.Table:
    return arrow(TITLES, [{"title_id": n, "title": text} for n, text in enumerate(texts)])


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


@pytest.mark.parametrize("name", ["a[b", "a]b", "a*b", "a?b", "a%20b", "a\\b", "a\nb"])
def test_a_folder_that_would_be_read_as_a_pattern_is_refused(tmp_path: Path, name: str) -> None:
    with opened(tmp_path / name) as storage, pytest.raises(ConfigurationError, match="LAKE_URL"):
        storage.lake.row_count(ORDERS)


def test_reading_leaves_no_views_behind(storage: Storage) -> None:
    publish(storage, ORDERS, day_orders([DAY]), [DAY])
    session = storage.session
    derived = [storage.read(ORDERS, [DAY]).filter(ibis._.order_id > n) for n in range(3)]

    def read() -> None:
        for _ in range(250):
            storage.read(ORDERS, [DAY])

    readers = [Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    gc.collect()
    storage.read(ORDERS, [DAY])
    with session.backend.con.cursor() as cursor:
        views = "SELECT count(*) FROM duckdb_views() WHERE view_name LIKE 'orders_%'"
        assert cursor.execute(views).fetchone() == (4,)
    assert [table.count().to_pyarrow().as_py() for table in derived] == [3, 2, 1]


def test_a_view_is_dropped_without_ending_a_result_that_is_being_read(storage: Storage) -> None:
    publish(storage, ORDERS, day_orders([DAY], 50_000), [DAY])
    batches = storage.read(ORDERS, [DAY]).to_pyarrow_batches(chunk_size=10_000)
    seen = 0
    for batch in batches:
        gc.collect()
        storage.read(ORDERS, [DAY])
        seen += batch.num_rows
    assert seen == 50_000


def test_streams_leave_no_folders_behind(storage: Storage) -> None:
    publish(storage, ORDERS, day_orders([DAY]), [DAY])
    before = sorted(storage.scratch.iterdir())
    for _ in range(3):
        storage.stream(ORDERS, [DAY]).read_all()
    assert sorted(storage.scratch.iterdir()) == before


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
    storage.session.tidy()
    assert rows + sum(batch.num_rows for batch in reader) == 10_000
