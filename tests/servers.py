"""Database servers that tests need: found, or the test is skipped by name.

With CS_REQUIRE_SERVICES=1 a missing server is a failure. Every test has a database of its own.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from uuid import uuid4

import pytest
import sqlalchemy as sa

_POSTGRES = sa.make_url(
    os.environ.get("TEST_POSTGRES_URL", "postgresql+psycopg://root@127.0.0.1:5432/postgres")
)


def require_service(name: str, is_there: bool) -> None:
    """Skip the test when the service is missing; fail it where services are required."""
    if is_there:
        return
    if os.environ.get("CS_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{name} is required (CS_REQUIRE_SERVICES=1) and not reachable")
    pytest.skip(f"{name} is not reachable")


@contextmanager
def postgres_database() -> Iterator[sa.URL]:
    """An empty database of its own on the PostgreSQL server, dropped at the end."""
    require_service(f"PostgreSQL ({_POSTGRES.render_as_string()})", _postgres_is_there())
    name = f"cs_test_{uuid4().hex[:12]}"
    _on_postgres(f'CREATE DATABASE "{name}"')
    try:
        yield _POSTGRES.set(database=name)
    finally:
        _on_postgres(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def postgres_url() -> Iterator[sa.URL]:
    """A database of the test's own."""
    with postgres_database() as url:
        yield url


@cache
def _postgres_is_there() -> bool:
    try:
        _on_postgres("SELECT 1")
    except sa.exc.OperationalError:
        return False
    return True


def _on_postgres(statement: str) -> None:
    engine = sa.create_engine(
        _POSTGRES,
        isolation_level="AUTOCOMMIT",
        poolclass=sa.NullPool,
        connect_args={"connect_timeout": 5},
    )
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
