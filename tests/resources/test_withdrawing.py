"""Withdrawing: what shares a table with the withdrawn stays, and no version comes twice."""

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from storage_cases import MONTHS, opened, publish, revenue, rows_of, stage

from cs_assets.contracts import Contract
from cs_resources.errors import MissingPartitionError, StaleWriterError
from cs_resources.storage import Storage
from cs_resources.withdrawing import published_under, withdraw
from cs_resources.writing import Provenance

pytestmark = pytest.mark.usefixtures("either_warehouse")
KEYS = ["2025-01", "2025-02"]


def of_tenant(tenant: str) -> Contract:
    """The part of the table that one tenant has."""
    columns = tuple(
        replace(column, allowed=(tenant,)) if column.name == "tenant_id" else column
        for column in MONTHS.columns
    )
    return replace(MONTHS, name=f"{MONTHS.name}_{tenant}", columns=columns)


def publish_for(storage: Storage, tenant: str, cents: int, run: str) -> None:
    rows = revenue(MONTHS, KEYS, cents)
    own = rows.set_column(0, rows.schema.field(0), [[tenant] * len(rows)])
    publish(storage, of_tenant(tenant), own, KEYS, run)


def test_parts_of_a_table_are_replaced_and_withdrawn_by_themselves(tmp_path: Path) -> None:
    with opened(tmp_path) as storage:
        for tenant, cents in (("a", 1), ("b", 2), ("a", 3)):
            publish_for(storage, tenant, cents, f"{tenant}{cents}")
        assert {r["revenue"] for r in rows_of(storage, of_tenant("a"), KEYS)} == {3}
        assert {r["revenue"] for r in rows_of(storage, of_tenant("b"), KEYS)} == {2}
        assert withdraw(storage.warehouse, of_tenant("a")) == 6
        assert withdraw(storage.warehouse, of_tenant("a")) == 0
        with pytest.raises(MissingPartitionError):
            rows_of(storage, of_tenant("a"), KEYS)
        assert len(rows_of(storage, of_tenant("b"), KEYS)) == 6
        found = published_under(storage.warehouse, MONTHS.asset_name)
        assert [row.asset for row in found] == [of_tenant("b").asset_name] * 2
        with storage.warehouse.engine.connect() as connection:
            table = storage.warehouse.table(MONTHS)
            left = connection.execute(sa.select(table.c.tenant_id).distinct()).scalars()
            assert list(left) == ["b"]


def test_versions_go_on_after_a_withdrawal(tmp_path: Path) -> None:
    with opened(tmp_path) as storage:
        publish_for(storage, "a", 1, "first")
        withdraw(storage.warehouse, of_tenant("a"))
        publish_for(storage, "a", 1, "second")
        found = storage.warehouse.published(of_tenant("a"), KEYS)
    assert {row.version for row in found.values()} == {2}


def test_a_writer_that_had_begun_before_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as storage:
        publish_for(storage, "a", 1, "first")
        contract = of_tenant("a")
        storage.begin("late", [(contract, KEYS)])
        rows = revenue(MONTHS, KEYS, 2)
        own = rows.set_column(0, rows.schema.field(0), [["a"] * len(rows)])
        staged = stage(storage, contract, own, KEYS)
        withdraw(storage.warehouse, contract)
        with pytest.raises(StaleWriterError, match="somebody withdrew partition 2025-01"):
            storage.publish("late", staged, Provenance("late", "late"))
