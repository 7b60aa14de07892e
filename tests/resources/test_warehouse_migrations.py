"""Migrations: from nothing, from an older version and back; what is missing is named."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from storage_cases import warehouse_url

from cs_assets.calendar import Grain
from cs_assets.calls.mart_contracts import MARTS, PORTRAIT_SNAPSHOT
from cs_resources.errors import ConfigurationError
from cs_resources.storage import Storage
from cs_resources.warehouse_migrations import SCRIPTS, Migrator, differences
from cs_resources.warehouse_tables import WarehouseTables

pytestmark = pytest.mark.usefixtures("either_warehouse")
MONTH = PORTRAIT_SNAPSHOT.for_grain(Grain.MONTH)
HEAD = max(path.name[:4] for path in (SCRIPTS / "versions").glob("[0-9]*.py"))


@pytest.fixture
def migrator(tmp_path: Path) -> Migrator:
    """The migrator of an empty warehouse."""
    return Migrator(warehouse_url(tmp_path), WarehouseTables(MARTS), 2025)


def installed(tmp_path: Path, migrator: Migrator) -> Storage:
    """The platform's storage on the warehouse, as `storage_of` opens it."""
    folders = (tmp_path / "lake", migrator.url, tmp_path / "staging")
    return Storage(MARTS, *folders, is_migrated=True)


def tables(migrator: Migrator) -> set[str]:
    engine = migrator.dialect.create_engine(migrator.url)
    with engine.connect() as connection:
        names = set(sa.inspect(connection).get_table_names())
    engine.dispose()
    return names


def run(migrator: Migrator, *statements: str) -> list[sa.Row[object]]:
    """Execute statements as the owner; return the rows of the last."""
    engine = migrator.dialect.create_engine(migrator.url)
    rows: list[sa.Row[object]] = []
    with engine.begin() as connection:
        for statement in statements:
            result = connection.execute(sa.text(statement))
            rows = list(result) if result.returns_rows else []
    engine.dispose()
    return rows


def test_upgraded_from_nothing_the_warehouse_is_as_the_contracts_say(migrator: Migrator) -> None:
    assert migrator.missing() == [f"it is at revision nothing, this version needs {HEAD}"]
    assert migrator.upgrade()[0] == f"migrated from nothing to {HEAD}"
    engine = migrator.dialect.create_engine(migrator.url)
    with engine.connect() as connection:
        assert differences(connection, migrator.tables) == []
    engine.dispose()
    assert migrator.missing() == []
    assert migrator.upgrade() == []


def test_downgraded_to_the_base_nothing_is_left(migrator: Migrator) -> None:
    migrator.upgrade()
    migrator.downgrade()
    assert tables(migrator) == {"alembic_version"}


def test_what_a_hand_took_away_is_named(migrator: Migrator) -> None:
    migrator.upgrade()
    run(migrator, "ALTER TABLE restatement DROP COLUMN headline")
    assert migrator.missing() == ["add column restatement headline"]


INSERT_VERSION = (
    "INSERT INTO partition_version VALUES ('calls/portrait_snapshot_month', '2025-11', 3, 7, 'h', "
    "'f', 'r', 'w', '2025-12-01 00:00:00.000000')"
)


def test_an_upgrade_keeps_what_was_published(migrator: Migrator) -> None:
    migrator.upgrade("0001")
    run(migrator, INSERT_VERSION)
    migrator.upgrade()
    assert [tuple(row) for row in run(migrator, "SELECT version FROM partition_version")] == [(3,)]
    ((version, until),) = run(
        migrator, "SELECT version, known_until FROM partition_version_history"
    )
    assert (version, until) == (3, None)


def test_tables_that_an_older_version_made_are_taken_over(migrator: Migrator) -> None:
    migrator.upgrade("0001")
    run(migrator, INSERT_VERSION, "DROP TABLE alembic_version")
    assert migrator.upgrade()[0] == f"migrated from nothing to {HEAD}"
    assert migrator.missing() == []
    assert len(run(migrator, "SELECT * FROM partition_version")) == 1


def test_only_sqlite_is_migrated_when_it_is_opened(
    tmp_path: Path, migrator: Migrator, either_warehouse: str
) -> None:
    storage = installed(tmp_path, migrator)
    if either_warehouse == "postgresql":
        with pytest.raises(ConfigurationError, match="run `cs migrate`"):
            storage.warehouse.open(MONTH, ["2025-11"])
        assert tables(migrator) == set()
        migrator.upgrade()
    assert storage.warehouse.open(MONTH, ["2025-11"]).base == {}
    storage.warehouse.engine.dispose()
    assert migrator.missing() == []


def test_a_warehouse_of_a_newer_version_is_refused(tmp_path: Path, migrator: Migrator) -> None:
    migrator.upgrade()
    run(migrator, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigurationError, match="9999, which this version does not know"):
        _ = installed(tmp_path, migrator).warehouse.engine
