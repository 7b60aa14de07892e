"""Database servers that tests need: found, or the test is skipped by name.

With CS_REQUIRE_SERVICES=1 a missing server is a failure. Every test has a database of its own.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from uuid import uuid4

import pymysql
import pytest
import sqlalchemy as sa

MARIADB = sa.make_url(os.environ.get("TEST_MARIADB_URL", "mysql+pymysql://root@127.0.0.1:3306"))


def require_service(name: str, is_there: bool) -> None:
    """Skip the test when the service is missing; fail it where services are required."""
    if is_there:
        return
    if os.environ.get("CS_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{name} is required (CS_REQUIRE_SERVICES=1) and not reachable")
    pytest.skip(f"{name} is not reachable")


def on_mariadb(url: sa.URL, *statements: str) -> None:
    """Execute statements on a MySQL or MariaDB server."""
    with closing(_connected(url)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@contextmanager
def mariadb_database(server: sa.URL = MARIADB) -> Iterator[sa.URL]:
    """Make a database of one's own on a server, and drop it at the end."""
    require_service(f"MariaDB ({server.render_as_string()})", mariadb_answers(server))
    name = f"cs_test_{uuid4().hex[:12]}"
    on_mariadb(server, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    try:
        yield server.set(database=name)
    finally:
        on_mariadb(server, f"DROP DATABASE {name}")


@pytest.fixture
def mariadb_url() -> Iterator[sa.URL]:
    """A database of the test's own on MariaDB."""
    with mariadb_database() as url:
        yield url


def _connected(url: sa.URL) -> "pymysql.connections.Connection[pymysql.cursors.Cursor]":
    return pymysql.connect(
        host=url.host or "127.0.0.1",
        port=url.port or 3306,
        user=url.username,
        password=url.password or "",
        database=url.database,
        autocommit=True,
        connect_timeout=5,
    )


def mariadb_answers(url: sa.URL = MARIADB) -> bool:
    """Say whether the server takes connections."""
    try:
        _connected(url).close()
    except pymysql.err.OperationalError:
        return False
    return True
