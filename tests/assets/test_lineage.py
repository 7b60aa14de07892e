"""Columns are followed down to the assets, through whatever was computed in between."""

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
from storage_cases import ORDERS

from cs_assets.lineage import column_lineage
from cs_resources.storage import Storage

KEY, OTHER = "price", "paid"


def read_orders(storage: Storage) -> ir.Table:
    """ORDERS as a step reads it."""
    name = f"{ORDERS.name}_0a1b2c3d"
    empty = ORDERS.schema.to_pyarrow().empty_table()
    return storage.session.backend.create_table(name, empty)


def lineage(storage: Storage, table: ir.Table) -> dict[str, set[str]]:
    found = column_lineage(table, {ORDERS.name: ORDERS}, storage.session.origins)
    assert all(
        dep.asset_key == ORDERS.asset_key for deps in found.deps_by_column.values() for dep in deps
    )
    return {
        column: {dep.column_name for dep in deps} for column, deps in found.deps_by_column.items()
    }


def test_what_was_kept_leads_on_to_where_it_came_from(storage: Storage) -> None:
    orders = read_orders(storage)
    kept = storage.stager.kept(orders.select(a=orders[KEY], b=orders[OTHER]))
    again = storage.stager.kept(kept.mutate(c=ibis.coalesce(kept.b, kept.a)))
    assert isinstance(again.op(), ops.DatabaseTable)
    expected = {"a": {KEY}, "b": {OTHER}, "c": {KEY, OTHER}}
    assert lineage(storage, again) == expected
    assert lineage(storage, again.select("c")) == {"c": {KEY, OTHER}}


def test_both_sides_of_a_union_count(storage: Storage) -> None:
    orders = read_orders(storage)
    sides = [orders.select(x=orders[name].coalesce(0)) for name in (KEY, OTHER)]
    both = ibis.union(*sides)
    assert lineage(storage, both) == {"x": {KEY, OTHER}}


def test_what_is_no_longer_referred_to_is_forgotten(storage: Storage) -> None:
    orders = read_orders(storage)
    kept = storage.stager.kept(orders)
    assert len(storage.session.origins) == 1
    del kept
    assert len(storage.session.origins) == 0


def test_what_is_not_explained_lets_go_of_what_it_was_made_of(storage: Storage) -> None:
    def tables() -> list[str]:
        storage.session.tidy()
        rows = storage.session.backend.con.execute("SHOW TABLES").fetchall()
        return [name for (name,) in rows if name.startswith("kept_")]

    below = storage.stager.kept(read_orders(storage), "below")
    explained = storage.stager.kept(below.select(KEY), "explained")
    assert len(tables()) == 2
    unexplained = storage.stager.kept(below.select(OTHER), "unexplained", is_explained=False)
    del below
    assert len(tables()) == 3
    assert lineage(storage, unexplained) == {}
    del explained
    (left,) = tables()
    assert left == unexplained.get_name()
