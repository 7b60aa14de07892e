"""Repeatable transactions: applied once although the connection was lost, other errors at once."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from servers import postgres_database
from storage_cases import opened

from cs_resources.repeating import repeatable
from cs_resources.warehouse import Warehouse


@pytest.fixture(scope="module")
def database() -> Iterator[sa.URL]:
    with postgres_database() as url:
        yield url


@pytest.fixture
def warehouse(tmp_path: Path, database: sa.URL) -> Iterator[Warehouse]:
    """A warehouse on PostgreSQL in which no endpoint is known."""
    with opened(tmp_path, url=database) as storage:
        with storage.warehouse.engine.begin() as connection:
            connection.execute(storage.warehouse.tables.models.endpoints.delete())
        yield storage.warehouse


def driver_of(connection: sa.Connection) -> psycopg.Connection[object]:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


def remember(warehouse: Warehouse, done: list[str]) -> None:
    """Write a row that may be there already."""
    table = warehouse.tables.models.endpoints
    insert = warehouse.dialect.insert(table).on_conflict_do_nothing()

    def work(connection: sa.Connection) -> None:
        done.append("begun")
        connection.execute(insert, {"endpoint": "e", "model": "m"})

    repeatable(warehouse, work)


def rows(warehouse: Warehouse) -> int:
    with warehouse.engine.connect() as connection:
        count = sa.select(sa.func.count()).select_from(warehouse.tables.models.endpoints)
        return connection.execute(count).scalar_one()


@pytest.mark.parametrize("is_applied", [True, False])
def test_a_commit_whose_reply_was_lost_is_applied_once(
    warehouse: Warehouse, is_applied: bool
) -> None:
    done: list[str] = []

    @sa.event.listens_for(warehouse.engine, "commit")
    def _lose(connection: sa.Connection) -> None:
        if len(done) == 1:
            if is_applied:
                driver_of(connection).commit()
            driver_of(connection).close()

    remember(warehouse, done)
    assert done == ["begun", "begun"]
    assert rows(warehouse) == 1


def test_a_connection_that_is_lost_twice_is_an_error(warehouse: Warehouse) -> None:
    done: list[str] = []

    @sa.event.listens_for(warehouse.engine, "commit")
    def _lose(connection: sa.Connection) -> None:
        if done:
            driver_of(connection).close()

    with pytest.raises(sa.exc.OperationalError, match="closed"):
        remember(warehouse, done)
    assert done == ["begun", "begun"]
    assert rows(warehouse) == 0


def test_what_is_wrong_with_the_work_is_not_done_again(warehouse: Warehouse) -> None:
    done: list[str] = []

    def work(connection: sa.Connection) -> None:
        done.append("begun")
        connection.execute(sa.text("SELECT 1 / 0"))

    with pytest.raises(sa.exc.DataError, match="division by zero"):
        repeatable(warehouse, work)
    assert done == ["begun"]
