"""What every asset of the platform shows of itself."""

import dagster as dg
import ibis
import ibis.expr.types as ir
import pytest
from storage_cases import TITLES

from cs_assets import table_assets
from cs_assets.table_assets import table_asset
from cs_resources.io_managers import StorageIOManager
from cs_resources.storage import Storage


@table_asset(TITLES)
def titles(context: dg.AssetExecutionContext) -> ir.Table:
    """A lazy table without rows."""
    return ibis.memtable(TITLES.schema.to_pyarrow().empty_table()).distinct()


@pytest.mark.parametrize("is_short", [True, False])
def test_sql_is_shown_where_somebody_may_read_it(
    is_short: bool,
    storage: Storage,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(table_assets, "_READABLE", 100 if is_short else 1)
    place = {TITLES.place.value: StorageIOManager(storage, TITLES.place)}
    result = dg.materialize([titles], instance=instance, resources={"storage": storage, **place})
    (made,) = result.get_asset_materialization_events()
    shown = made.materialization.metadata
    assert ("sql" in shown) is is_short
    assert "dagster/column_lineage" in shown
