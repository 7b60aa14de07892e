"""One description of a table, and every form that is made of it."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import ibis
import pandas as pd
import pandera.errors
import pytest
import sqlalchemy as sa
from storage_cases import MONTHS, ORDERS, REVENUE, TITLES, WEEKS, arrow, day_orders, order, orders

from cs_assets.audit import row_rules
from cs_assets.calendar import Grain
from cs_assets.contract_forms import (
    dagster_schema,
    describe,
    dictionary_entry,
    pandera_schema,
    sql_type,
    sqlalchemy_table,
)
from cs_assets.contracts import UNPARTITIONED, Column, Contract, Place
from cs_assets.definitions import CONTRACTS
from cs_resources.io_managers import to_pandas


def frame(**changes: Any) -> pd.DataFrame:
    """One order and one with `changes`, in the form that an asset gets."""
    rows = [order(), order(**{"order_id": 2, **changes})]
    return to_pandas(orders(rows).to_reader(), ORDERS)


def test_ibis_schema_keeps_order_types_and_nullability() -> None:
    schema = ORDERS.schema
    assert tuple(schema) == ORDERS.column_names
    assert str(schema["price"]) == "!decimal(18, 2)"
    assert str(schema["paid"]) == "decimal(18, 2)"
    assert str(schema["extracted_at"]) == "!timestamp(6)"
    assert ORDERS.schema_table().schema() == schema


def test_audit_rules_name_column_and_bound() -> None:
    assert list(row_rules(ORDERS.schema_table(), ORDERS)) == [
        "tenant_id is missing",
        "order_date is missing",
        "order_id is missing",
        "order_id below 1",
        "price is missing",
        "price below 0",
        "price above 1000",
        "state is missing",
        "state not in open, done",
        "weight not finite",
        "extracted_at is missing",
        "paid more than the price",
    ]


def test_names_and_places() -> None:
    assert ORDERS.asset_key.path == ["shop", "orders"]
    assert (ORDERS.table_name, WEEKS.table_name, MONTHS.table_name) == (
        "orders",
        "shop_revenue",
        "shop_revenue",
    )
    assert (WEEKS.name, MONTHS.asset_name) == ("revenue_week", "shop/revenue_month")


@pytest.mark.parametrize(
    ("contract", "key", "value"),
    [
        (ORDERS, "2025-01-01", date(2025, 1, 1)),
        (WEEKS, "2025-W01-1", "2025-W01"),
        (MONTHS, "2025-01", "2025-01"),
        (REVENUE.for_grain(Grain.QUARTER), "2025-04", "2025-Q2"),
        (TITLES, UNPARTITIONED, UNPARTITIONED),
    ],
)
def test_partition_key_and_value_turn_into_each_other(
    contract: Contract, key: str, value: date | str
) -> None:
    assert contract.partition_value(key) == value
    assert contract.partition_key(value) == key


def test_grain_is_written_into_period_type() -> None:
    allowed = {c.name: c.allowed for c in MONTHS.columns}["period_type"]
    assert allowed == ("month",)


def test_pandera_takes_a_good_frame_in_the_form_assets_get() -> None:
    good = to_pandas(day_orders(["2025-01-01"]).to_reader(), ORDERS)
    assert pandera_schema(ORDERS).validate(good).equals(good)
    empty = to_pandas(day_orders([]).to_reader(), ORDERS)
    assert pandera_schema(ORDERS).validate(empty).equals(empty)


def test_frame_keeps_large_integers_and_missing_flags() -> None:
    columns = tuple(c for c in REVENUE.columns if c.name in ("shop_id", "visitors"))
    contract = Contract("shop", "counts", "Counts.", columns, Place.LAKE)
    rows = [{"shop_id": 2**60 + 1, "visitors": 2**60 + 1}, {"shop_id": 2, "visitors": None}]
    numbers = to_pandas(arrow(contract, rows).to_reader(), contract)
    assert (numbers["shop_id"].dtype, numbers["visitors"].dtype) == ("int64", "Int64")
    assert numbers["visitors"].tolist() == [2**60 + 1, pd.NA]
    assert frame(is_gift=None)["is_gift"].dtype == "boolean"


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"order_id": 0}, "greater_than_or_equal_to"),
        ({"price": Decimal("1000.01")}, "less_than_or_equal_to"),
        ({"state": "lost"}, "isin"),
        ({"state": None}, "not_nullable"),
        ({"order_id": 1}, "multiple_fields_uniqueness"),
    ],
)
def test_pandera_names_the_check_that_a_bad_value_fails(change: dict[str, Any], check: str) -> None:
    with pytest.raises(pandera.errors.SchemaError) as caught:
        pandera_schema(ORDERS).validate(frame(**change))
    assert check in str(caught.value.check)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (lambda good: good.drop(columns="note"), "note"),
        (lambda good: good.assign(colour="red"), "colour"),
        (lambda good: good.astype({"order_id": "float64"}), "order_id"),
        (lambda good: good.assign(state=[1, 2]), "state"),
        (lambda good: good.assign(weight=["1", "2"]), "weight"),
        (lambda good: good.assign(is_gift=[1, 2]), "is_gift"),
        (lambda good: good.assign(extracted_at="yesterday"), "extracted_at"),
    ],
)
def test_pandera_names_the_column_that_is_wrong(bad: Any, words: str) -> None:
    with pytest.raises((pandera.errors.SchemaError, pandera.errors.SchemaErrors), match=words):
        pandera_schema(ORDERS).validate(bad(frame()))


def test_sql_table_has_types_key_comments_and_an_index_by_partition() -> None:
    table = sqlalchemy_table(WEEKS, sa.MetaData())
    assert table.name == "shop_revenue"
    assert table.comment == REVENUE.description
    assert [c.name for c in table.primary_key] == [
        "tenant_id",
        "period_type",
        "period_key",
        "shop_id",
    ]
    assert {c.name: str(c.type) for c in table.columns} == {
        "tenant_id": "TEXT",
        "period_type": "TEXT",
        "period_key": "TEXT",
        "period_start": "DATE",
        "period_end": "DATE",
        "as_of": "DATE",
        "is_complete": "BOOLEAN",
        "shop_id": "BIGINT",
        "revenue": "BIGINT",
        "visitors": "BIGINT",
    }
    assert {c.name for c in table.columns if c.nullable} == {"visitors"}
    assert table.c.revenue.comment == "Revenue."
    (index,) = table.indexes
    assert [c.name for c in index.columns] == ["period_type", "period_key"]


def test_grains_share_one_sql_table() -> None:
    metadata = sa.MetaData()
    assert sqlalchemy_table(WEEKS, metadata) is sqlalchemy_table(MONTHS, metadata)
    assert list(metadata.tables) == ["shop_revenue"]


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("decimal(18, 2)", "NUMERIC(18, 2)"),
        ("int8", "BIGINT"),
        ("float64", "DOUBLE"),
        ("timestamp(6)", "DATETIME"),
    ],
)
def test_sql_types(type_: str, text: str) -> None:
    assert str(sql_type(ibis.dtype(type_))) == text


def test_what_no_database_holds_has_no_sql_type() -> None:
    with pytest.raises(TypeError, match="warehouse tables hold scalars only"):
        sql_type(ibis.dtype("array<int64>"))


def test_dagster_schema_describes_every_column() -> None:
    columns = {column.name: column for column in dagster_schema(ORDERS).columns}
    assert list(columns) == list(ORDERS.column_names)
    assert columns["price"].type == "decimal(18, 2)"
    assert columns["price"].constraints.nullable is False
    assert columns["paid"].constraints.nullable is True
    assert set(columns["order_date"].tags) == {"key", "partition"}
    assert set(columns["phone"].tags) == {"personal"}
    assert set(columns["extracted_at"].tags) == {"provenance"}


def test_column_in_words() -> None:
    words = {column.name: describe(column) for column in ORDERS.columns}
    assert words["price"] == "Price. Unit: CNY. From 0 to 1000."
    assert words["order_id"] == "Order. At least 1."
    assert words["state"] == "State. One of open, done. Source: erp.orders.state."
    assert words["phone"] == "Phone number. Personal data."
    assert "not part of the content hash" in words["extracted_at"]


def test_dictionary_entry() -> None:
    entry = dictionary_entry(ORDERS, ["orders"])
    assert "### `orders`" in entry
    assert "- Lake table: `shop/orders`" in entry
    assert "- Key: `tenant_id`, `order_date`, `order_id`" in entry
    assert "- Rule: Nobody pays more than the price." in entry
    assert "| `paid` | decimal(18, 2) | yes | Paid so far. Unit: CNY. |" in entry
    assert entry.count("\n| `") == len(ORDERS.columns)
    assert "- Warehouse table: `shop_revenue`" in dictionary_entry(WEEKS, ["revenue_week"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"columns": (*TITLES.columns, Column("title", "string", ""))}, r"named twice \['title'\]"),
        ({"key": ("isbn",)}, r"do not exist \['isbn'\]"),
        ({"partition_column": "day"}, r"do not exist \['day'\]"),
    ],
)
def test_a_description_that_contradicts_itself_is_refused(
    change: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        replace(TITLES, **change)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.asset_name)
def test_every_contract_of_the_platform_has_every_form(contract: Contract) -> None:
    assert row_rules(contract.schema_table(), contract)
    assert pandera_schema(contract).columns.keys() == set(contract.column_names)
    assert len(dagster_schema(contract).columns) == len(contract.columns)
    assert contract.description in dictionary_entry(contract, [contract.name])
    if contract.place is Place.WAREHOUSE:
        assert contract.key
        assert len(sqlalchemy_table(contract, sa.MetaData()).columns) == len(contract.columns)


def nullable(contract: Contract, name: str) -> Contract:
    columns = (replace(c, nullable=True) if c.name == name else c for c in contract.columns)
    return replace(contract, columns=tuple(columns))


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: replace(REVENUE, key=()), "shop/revenue: a warehouse table needs a key"),
        (lambda: nullable(REVENUE, "shop_id"), r"cannot be missing: \['shop_id'\]"),
        (lambda: replace(REVENUE, key=("tenant_id", "shop_id")), "partition column period_key"),
        (lambda: replace(ORDERS, partition_column=None), "grain day without partition_column"),
        (
            lambda: replace(
                TITLES, columns=(Column("title_id", "int64", "", minimum=2, maximum=1),)
            ),
            "title_id: minimum 2 above maximum 1",
        ),
    ],
)
def test_contracts_under_which_no_row_could_be_found_are_refused(make: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        make()


def test_a_bound_on_both_sides_may_be_one_value_and_facts_may_lack_keys() -> None:
    column = Column("title_id", "int64", "", minimum=1, maximum=1)
    assert replace(TITLES, columns=(column,)).columns == (column,)
    assert nullable(ORDERS, "order_id").place is Place.LAKE
