"""Dagster's own storage in SQLite files whose connections stay open.

Belongs here: how Dagster's SQLite files are opened. Must not: what is stored in them.

For every event Dagster opens an engine and a connection and closes them again: each time its
statements are compiled anew, and SQLite, closing the last connection, empties the write-ahead log.
Twice for most events it opens one more to see whether a table is there.
It also waits for the disk after each of the five or so transactions of an event. Here a commit does
not wait: killed processes lose nothing and files stay whole, but a power failure may take the last
events. What they told of is published with its own proof, in the warehouse and in the lake.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage, _event_logs_directory
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event

_OPEN_FILES = 8


class EmbeddedEventLogStorage(SqliteEventLogStorage):
    """Dagster's event log, one SQLite file per run; those last used are kept open."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._known_tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        # as in the base class one connection at a time, whatever the thread
        with self._db_lock, self._engine(shard).begin() as connection:
            yield connection

    def has_table(self, table_name: str) -> bool:
        """Say whether the index has the table; what it has, it keeps."""
        if table_name not in self._known_tables and super().has_table(table_name):
            self._known_tables.add(table_name)
        return table_name in self._known_tables

    def _engine(self, shard: str) -> Engine:
        if shard not in self._initialized_dbs:  # the base class forgets files that it removes
            self._close(shard)
            engine = create_engine(
                self.conn_string_for_shard(shard),
                pool_size=1,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
            )
            event.listen(engine, "connect", _wait_at_checkpoints_only)
            self._initdb(engine)
            self._engines[shard] = engine
            self._initialized_dbs.add(shard)
        self._engines.move_to_end(shard)
        while len(self._engines) > _OPEN_FILES:
            self._close(next(iter(self._engines)))
        return self._engines[shard]

    def _close(self, shard: str) -> None:
        if engine := self._engines.pop(shard, None):
            engine.dispose()
        self._initialized_dbs.discard(shard)

    def dispose(self) -> None:
        """Close the files."""
        with self._db_lock:
            for shard in list(self._engines):
                self._close(shard)
        super().dispose()


def _wait_at_checkpoints_only(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA synchronous = NORMAL")


class EmbeddedStorage(DagsterSqliteStorage):
    """Dagster's SQLite storage with `EmbeddedEventLogStorage`; the files are the same.

    Named in deploy/embedded/dagster.yaml.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = EmbeddedEventLogStorage(_event_logs_directory(base_dir))

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, config_value: dict[str, str]
    ) -> "EmbeddedStorage":
        """Return the storage in the folder `base_dir`."""
        return cls.from_local(inst_data=inst_data, **config_value)
