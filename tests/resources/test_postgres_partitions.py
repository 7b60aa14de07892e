"""Native partitions of PostgreSQL: rows lie in the partition of their year."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from storage_cases import MONTHS, QUARTERS, publish, revenue

from cs_resources import postgres_partitions
from cs_resources.storage import Storage


@pytest.fixture
def postgres_storage(tmp_path: Path, postgres_url: sa.URL) -> Iterator[Storage]:
    """The shop's tables on PostgreSQL, partitioned for the years 2024 and 2025."""
    folders = (tmp_path / "lake", postgres_url, tmp_path / "staging")
    storage = Storage((MONTHS, QUARTERS), *folders)
    with storage.warehouse.engine.begin() as connection:
        add(connection, storage, 2024, 2025)
    yield storage
    storage.warehouse.engine.dispose()


def add(connection: sa.Connection, storage: Storage, first: int, last: int) -> list[str]:
    tables = storage.warehouse.tables.all
    return postgres_partitions.add_partitions(connection, tables, first, last)


def counts(connection: sa.Connection) -> dict[str, int]:
    """Rows by native partition."""
    query = "SELECT tableoid::regclass::text, count(*) FROM shop_revenue GROUP BY 1"
    return {row[0]: row[1] for row in connection.execute(sa.text(query))}


def test_rows_lie_by_year_and_leave_the_guard_for_a_new_partition(
    postgres_storage: Storage,
) -> None:
    storage, months, quarters = postgres_storage, ["2024-12", "2026-01"], ["2025-10"]
    publish(storage, MONTHS, revenue(MONTHS, months), months, "months")
    publish(storage, QUARTERS, revenue(QUARTERS, quarters), quarters, "quarters")
    parts = {"shop_revenue_2024": 3, "shop_revenue_2025": 3}
    with storage.warehouse.engine.begin() as connection:
        assert counts(connection) == parts | {"shop_revenue_other": 3}
        assert add(connection, storage, 2024, 2026) == ["shop_revenue_2026"]
        assert counts(connection) == parts | {"shop_revenue_2026": 3}
        assert add(connection, storage, 2024, 2026) == []


def test_a_period_is_deleted_by_an_index_of_its_own_partition(
    postgres_storage: Storage,
) -> None:
    storage, keys = (
        postgres_storage,
        [f"{year}-{m:02}" for year in (2024, 2025) for m in range(1, 13)],
    )
    publish(storage, MONTHS, revenue(MONTHS, keys, shops=200), keys)
    table = storage.warehouse.table(MONTHS)
    with storage.warehouse.engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE shop_revenue")
        delete = table.delete().where(storage.warehouse.tables.scope(MONTHS, ["2025-03"]))
        text = str(delete.compile(connection, compile_kwargs={"literal_binds": True}))
        plan = "\n".join(connection.execute(sa.text(f"EXPLAIN {text}")).scalars())
    assert "shop_revenue_2025" in plan
    assert "shop_revenue_2024" not in plan
    assert "Index" in plan
    assert "Seq Scan" not in plan


def test_a_reader_in_a_transaction_never_sees_a_mixture(
    postgres_storage: Storage,
) -> None:
    storage, keys = postgres_storage, ["2025-01", "2025-02"]
    publish(storage, MONTHS, revenue(MONTHS, keys, 1), keys, "old")
    table = storage.warehouse.table(MONTHS)
    query = sa.select(table.c.revenue).where(table.c.period_key == "2025-01")
    rest = sa.select(table.c.revenue).where(table.c.period_key == "2025-02")
    with storage.warehouse.dialect.read_transaction(storage.warehouse.engine) as connection:
        assert set(connection.scalars(query)) == {1}
        publish(storage, MONTHS, revenue(MONTHS, keys, 2), keys, "new")
        assert set(connection.scalars(rest)) == {1}
    with storage.warehouse.engine.connect() as connection:
        assert set(connection.scalars(query)) == {2}
