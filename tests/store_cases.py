"""Stores of language models' work that tests share, emptied each time."""

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from servers import postgres_warehouses
from storage_cases import opened, warehouse_url

from cs_resources.model_store import ModelStore

Stores = tuple[ModelStore, ModelStore]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_stores(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stores]:
    """The stores of a module, on SQLite and again on PostgreSQL."""
    root = tmp_path_factory.mktemp("models")
    with (
        postgres_warehouses() if request.param == "postgresql" else nullcontext(),
        opened(root) as one,
        opened(root / "other", url=warehouse_url(root)) as other,
    ):
        yield ModelStore(one.warehouse), ModelStore(other.warehouse)


@pytest.fixture
def model_stores(opened_stores: Stores) -> Stores:
    """Two stores in one empty database, as two processes have them."""
    warehouse = opened_stores[0].warehouse
    with warehouse.dialect.write_transaction(warehouse.engine) as connection:
        for table in warehouse.tables.models.all:
            connection.execute(table.delete())
    return opened_stores


@pytest.fixture
def store(model_stores: Stores) -> ModelStore:
    """An empty store."""
    return model_stores[0]
