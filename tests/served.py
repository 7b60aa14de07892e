"""Installations of the tests on database servers, where the environment names some.

With CALL_SOURCE_URL (MySQL or MariaDB) and WAREHOUSE_URL (PostgreSQL) the tests of whole graphs run
on these servers: every home has databases of its own there, and what a test writes into its SQLite
call database is copied before it is read. Without them they run on files. Both names are taken out
of the environment, so that no other test meets them.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from servers import Server, mariadb_database, postgres_database

from cs_assets.definitions import CONTRACTS
from cs_resources.call_connection import CallConnection
from cs_resources.call_database import CallDatabase
from cs_resources.settings import Settings
from cs_resources.storage import migrator_of
from tests.calls.server_cases import copy_source

_SOURCE, _WAREHOUSE = (os.environ.pop(name, "") for name in ("CALL_SOURCE_URL", "WAREHOUSE_URL"))


class Served:
    """Databases of the tests' homes; made when asked for, dropped at the end."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._sources: dict[Path, sa.URL] = {}
        self._warehouses: Server | None = None

    def settings(self, home: Path, **settings: Any) -> Settings:
        """Settings of a home, with a warehouse on the server if there is one."""
        if _WAREHOUSE and "warehouse_url" not in settings and "WAREHOUSE_URL" not in os.environ:
            settings["warehouse_url"] = self._warehouse(home, settings)
        return Settings(cs_home=home, **settings)

    def database(self, path: Path, **options: Any) -> CallDatabase | None:
        """The call database of a SQLite file on the server; None: there is no server."""
        if not _SOURCE:
            return None
        if path not in self._sources:
            server = sa.make_url(_SOURCE).set(database=None)
            self._sources[path] = self._open.enter_context(mariadb_database(server))
        return _Copied(url=self._sources[path], file=path, **options)

    def close(self) -> None:
        """Drop every database."""
        self._open.close()

    def _warehouse(self, home: Path, settings: dict[str, Any]) -> str:
        if self._warehouses is None:
            url = self._open.enter_context(postgres_database(sa.make_url(_WAREHOUSE)))
            self._warehouses = Server(url)
            self._open.callback(self._warehouses.close)
        found = self._warehouses.url(home).render_as_string(hide_password=False)
        migrator_of(Settings(cs_home=home, warehouse_url=found, **settings), CONTRACTS).upgrade()
        return found


SERVED = Served()


@contextmanager
def served() -> Iterator[None]:
    """Drop what was made on the servers."""
    try:
        yield
    finally:
        SERVED.close()


@dataclass(frozen=True)
class _Copied(CallDatabase):
    """A call database on a server that is the copy of a file, whenever it is opened."""

    file: Path = Path()

    @cached_property
    def connection(self) -> CallConnection:
        return _Copying(self.url, self.connect_timeout, self.read_timeout, self.file)


@dataclass(frozen=True)
class _Copying(CallConnection):
    file: Path = Path()

    @contextmanager
    def opened(self) -> Iterator[sa.Connection]:
        found = self.file.stat()
        state = (found.st_mtime_ns, found.st_size, found.st_ino)
        if _COPIED.get(self.url) != state:
            copy_source(self.file, self.url)
            _COPIED[self.url] = state
        with super().opened() as connection:
            yield connection


_COPIED: dict[sa.URL, tuple[int, int, int]] = {}
