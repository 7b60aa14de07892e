"""The process's one DuckDB connection, with its memory limit and spill folder.

Belongs here: opening and configuring DuckDB. Must not: knowing which tables there are.
"""

import weakref
from collections import deque
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
from duckdb import DuckDBPyConnection
from ibis.backends.duckdb import Backend

MEMORY_LIMIT = "1500MB"
"""Keeps the process of a run below 2 GiB; 10,000,000 calls a month spill, and still go through."""

ROWS_PER_FILE = 1 << 40
_NUMBER = f"file_index::BIGINT * {ROWS_PER_FILE} + file_row_number"
"""Another number for every row of several files: none of them has as many rows."""
PLACE_IN_FILE = "place_in_file"
"""The number of a row within its file: the one by which a scan skips what nobody wants."""


@contextmanager
def selects_fused(is_wanted: bool) -> Iterator[None]:
    """Let Ibis compile the selects of an expression into one another, or each as it stands.

    Fusing takes half of the time in which an expression of a thousand operations is compiled. It
    pays where many rows are read: what is left apart and read twice, DuckDB holds in memory.
    """
    before = ibis.options.sql.fuse_selects
    ibis.options.sql.fuse_selects = is_wanted
    try:
        yield
    finally:
        ibis.options.sql.fuse_selects = before


@dataclass(frozen=True)
class DuckDBSession:
    """Opens DuckDB in memory on first use.

    `spill_folder` takes what does not fit into `memory_limit` (DuckDB's notation, `1500MB`);
    `threads` = None takes every core.
    """

    spill_folder: Path
    memory_limit: str = MEMORY_LIMIT
    threads: int | None = None
    origins: MutableMapping[ops.Relation, ops.Relation] = field(
        default_factory=weakref.WeakKeyDictionary, init=False, repr=False, compare=False
    )
    """Of each table that is kept as long as it is referred to: what it was computed from."""
    _unused: deque[str] = field(default_factory=deque, init=False, repr=False, compare=False)

    @cached_property
    def backend(self) -> Backend:
        """The Ibis backend over the connection."""
        # DuckDB makes the folder itself when it spills, and removes it at the end
        self.spill_folder.parent.mkdir(parents=True, exist_ok=True)
        options: dict[str, Any] = {
            "memory_limit": self.memory_limit,
            "temp_directory": str(self.spill_folder),
            "preserve_insertion_order": False,
        }
        if self.threads:
            options["threads"] = self.threads
        return ibis.duckdb.connect(**options)

    def parquet(
        self, paths: list[str], name: str, row_number: str | None = None, **options: bool
    ) -> ir.Table:
        """Return Parquet files as one lazy table; `name` is how it reads in the SQL.

        `row_number` names a column to be added that is another number for every row; PLACE_IN_FILE,
        its remainder by ROWS_PER_FILE, is added with it.
        The view behind it is dropped some time after the last expression that refers to it.
        """
        unique = f"{name}_{uuid4().hex[:12]}"
        # a connection of its own: on the session's, it would end a result that is being read
        with self.backend.con.cursor() as cursor:
            self._drop_unused(cursor)
            columns = "*"
            if row_number:
                columns += f', {_NUMBER} AS "{row_number}", file_row_number AS {PLACE_IN_FILE}'
            files = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
            how = "".join(f", {option} = {value}" for option, value in options.items())
            cursor.execute(
                f'CREATE VIEW "{unique}" AS SELECT {columns} '  # noqa: S608
                f"FROM read_parquet([{files}]{how})"
            )
            view = ops.DatabaseTable(
                unique, schema=self._schema(cursor, unique), source=self.backend
            )
        self._drop_with(view, f'VIEW "{unique}"')
        return view.to_expr()

    def table(self, name: str) -> ir.Table:
        """Return a table of the database, dropped as the views of `parquet` are."""
        table = self.backend.table(name)
        self._drop_with(table.op(), f'TABLE "{name}"')
        return table

    def _drop_with(self, operation: ops.DatabaseTable, what: str) -> None:
        # noted only: garbage is collected at any moment in any thread, even inside DuckDB
        weakref.finalize(operation, self._unused.append, what).atexit = False

    def tidy(self) -> None:
        """Drop what no expression refers to any more."""
        with self.backend.con.cursor() as cursor:
            self._drop_unused(cursor)

    def _schema(self, cursor: DuckDBPyConnection, view: str) -> ibis.Schema:
        type_of = self.backend.compiler.type_mapper.from_string
        rows = cursor.execute(f'DESCRIBE "{view}"').fetchall()
        return ibis.schema({name: type_of(type_, nullable=True) for name, type_, *_ in rows})

    def _drop_unused(self, cursor: DuckDBPyConnection) -> None:
        while self._unused:
            try:
                what = self._unused.popleft()
            except IndexError:  # another thread was faster
                return
            cursor.execute(f"DROP {what}")
