"""The accounts of production: the application writes rows and makes, alters, drops no table."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from storage_cases import MONTHS, publish, revenue, rows_of

from cs_resources.errors import ConfigurationError
from cs_resources.model_store import ModelStore
from cs_resources.model_window import Limits
from cs_resources.storage import Storage
from cs_resources.warehouse_migrations import Migrator
from cs_resources.warehouse_tables import WarehouseTables

KEY = "2025-01"
KEPT = replace(MONTHS, keeps_history=True)


@pytest.fixture
def application(postgres_accounts: dict[str, sa.URL], tmp_path: Path) -> Iterator[Storage]:
    """The store as the application opens it, after the owner has made the tables."""
    owner = Migrator(postgres_accounts["owner"], WarehouseTables((KEPT,)), 2025)
    engine = owner.dialect.create_engine(owner.url)
    with engine.begin() as connection:
        owner.dialect.create(connection, owner.tables.all)
    engine.dispose()
    storage = Storage((KEPT,), tmp_path / "lake", postgres_accounts["app"], tmp_path / "staging")
    yield storage
    storage.warehouse.engine.dispose()


def test_the_application_publishes_restates_and_reads(application: Storage) -> None:
    for cents in (1, 2, 2):
        publish(application, KEPT, revenue(KEPT, [KEY], cents), [KEY])
    assert {row["revenue"] for row in rows_of(application, KEPT, [KEY])} == {2}
    assert len(application.warehouse.restatements(KEPT)) == 1


def test_the_application_keeps_what_models_answered(application: Storage) -> None:
    store = ModelStore(application.warehouse)
    assert store.reserve("https://model.example", "m", Limits(1), [1], 0) == [0]
    store.remember_mode("https://model.example", "m", "text")
    assert store.mode("https://model.example", "m") == "text"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (n int)",
        "ALTER TABLE shop_revenue ADD COLUMN n int",
        "DROP TABLE shop_revenue",
        "TRUNCATE shop_revenue",
    ],
)
def test_the_application_makes_alters_and_drops_no_table(
    application: Storage, statement: str
) -> None:
    with (
        application.warehouse.engine.connect() as connection,
        pytest.raises(sa.exc.ProgrammingError, match=r"must be owner|permission denied"),
    ):
        connection.execute(sa.text(statement))


def test_a_viewer_only_reads(application: Storage, postgres_accounts: dict[str, sa.URL]) -> None:
    publish(application, KEPT, revenue(KEPT, [KEY]), [KEY])
    engine = sa.create_engine(postgres_accounts["viewer"])
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM shop_revenue")) == 3
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
            connection.execute(sa.text("DELETE FROM shop_revenue"))
    engine.dispose()


def test_an_application_that_must_migrate_first_says_so(
    postgres_accounts: dict[str, sa.URL], tmp_path: Path
) -> None:
    folders = (tmp_path / "lake", postgres_accounts["app"], tmp_path / "staging")
    storage = Storage((KEPT,), *folders, is_migrated=True)
    with pytest.raises(ConfigurationError, match="`cs migrate` with WAREHOUSE_OWNER_URL"):
        _ = storage.warehouse.engine
