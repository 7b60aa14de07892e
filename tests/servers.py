"""Database servers that tests need: found, or the test is skipped by name.

With CS_REQUIRE_SERVICES=1 a missing server is a failure. Every test has a database of its own.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from uuid import uuid4

import pymysql
import pytest
import sqlalchemy as sa
import storage_cases

_POSTGRES = sa.make_url(
    os.environ.get("TEST_POSTGRES_URL", "postgresql+psycopg://root@127.0.0.1:5432/postgres")
)

MARIADB = sa.make_url(os.environ.get("TEST_MARIADB_URL", "mysql+pymysql://root@127.0.0.1:3306"))
_ROLES = Path(__file__).parent.parent / "deploy" / "production" / "roles.sql"


def require_service(name: str, is_there: bool) -> None:
    """Skip the test when the service is missing; fail it where services are required."""
    if is_there:
        return
    if os.environ.get("CS_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{name} is required (CS_REQUIRE_SERVICES=1) and not reachable")
    pytest.skip(f"{name} is not reachable")


@contextmanager
def postgres_database(server: sa.URL = _POSTGRES) -> Iterator[sa.URL]:
    """An empty database of its own on a PostgreSQL server, dropped at the end."""
    require_service(f"PostgreSQL ({server.render_as_string()})", _postgres_is_there(server))
    name = f"cs_test_{uuid4().hex[:12]}"
    on_postgres(f'CREATE DATABASE "{name}"', server)
    try:
        yield server.set(database=name)
    finally:
        on_postgres(f'DROP DATABASE "{name}" WITH (FORCE)', server)


@contextmanager
def postgres_warehouses() -> Iterator[None]:
    """Let the stores of `storage_cases` have their warehouses on the PostgreSQL server."""
    with postgres_database() as url:
        storage_cases.SERVERS.append(Server(url))
        try:
            yield
        finally:
            storage_cases.SERVERS.pop().close()


class Server:
    """A PostgreSQL server that gives every store's folder a database of its own."""

    def __init__(self, url: sa.URL) -> None:
        self._url, self._made = url, dict[Path, str]()

    def url(self, root: Path) -> sa.URL:
        """The database of a store, made if need be."""
        return self._url.set(database=self._database(root, ""))

    def copy(self, origin: Path, root: Path) -> None:
        """Make the database of a store as a copy of another one's."""
        self._database(root, f'TEMPLATE "{self._made[origin]}"')

    def close(self) -> None:
        """Drop the databases."""
        for name in self._made.values():
            on_postgres(f'DROP DATABASE "{name}" WITH (FORCE)', self._url)

    def _database(self, root: Path, how: str) -> str:
        if root not in self._made:
            name = f"{self._url.database}_{len(self._made)}"
            on_postgres(f'CREATE DATABASE "{name}" {how}', self._url)
            self._made[root] = name
        return self._made[root]


@pytest.fixture(params=["sqlite", "postgresql"])
def either_warehouse(request: pytest.FixtureRequest) -> Iterator[str]:
    """The test runs on an SQLite warehouse and again on a PostgreSQL one."""
    with postgres_warehouses() if request.param == "postgresql" else nullcontext():
        yield request.param


@pytest.fixture
def postgres_url() -> Iterator[sa.URL]:
    """A database of the test's own."""
    with postgres_database() as url:
        yield url


@pytest.fixture
def postgres_accounts(postgres_url: sa.URL) -> Iterator[dict[str, sa.URL]]:
    """URLs of owner, application and viewer on a database in which the accounts are made."""
    suffix = str(postgres_url.database).removeprefix("cs_test_")
    names = {role: f"cs_{role}_{suffix}" for role in ("owner", "app", "viewer")}
    script = _ROLES.read_text()
    for role, name in names.items():
        script = script.replace(f"cs_{role}", name)
    server = postgres_url.set(drivername="postgresql").render_as_string(hide_password=False)
    command = ["psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={server}"]
    subprocess.run(command, input=script, text=True, check=True, timeout=60)
    subprocess.run(command, input=script, text=True, check=True, timeout=60)  # twice is once
    yield {role: postgres_url.set(username=name) for role, name in names.items()}
    for name in names.values():
        on_postgres(f"DROP OWNED BY {name} CASCADE", postgres_url)
    on_postgres(f"DROP ROLE {', '.join(names.values())}")


@cache
def _postgres_is_there(server: sa.URL) -> bool:
    try:
        on_postgres("SELECT 1", server)
    except sa.exc.OperationalError:
        return False
    return True


def on_postgres(statement: str, url: sa.URL = _POSTGRES) -> None:
    """Carry out a statement outside of any transaction."""
    engine = sa.create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        poolclass=sa.NullPool,
        connect_args={"connect_timeout": 5},
    )
    with engine.connect() as connection:
        connection.execute(sa.text(statement))


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
