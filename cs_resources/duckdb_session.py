"""The process's one DuckDB connection, with its memory limit and spill folder.

Belongs here: opening and configuring DuckDB. Must not: knowing which tables there are.
"""

import weakref
from collections import deque
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend


@dataclass(frozen=True)
class DuckDBSession:
    """Opens DuckDB in memory on first use.

    `spill_folder` takes what does not fit into `memory_limit` (DuckDB's notation, `4GB`);
    `threads` = None takes every core.
    """

    spill_folder: Path
    memory_limit: str = "4GB"
    threads: int | None = None
    _forgotten: deque[str] = field(default_factory=deque, init=False, repr=False, compare=False)

    @cached_property
    def backend(self) -> Backend:
        """The Ibis backend over the connection."""
        self.spill_folder.mkdir(parents=True, exist_ok=True)
        options: dict[str, Any] = {
            "memory_limit": self.memory_limit,
            "temp_directory": str(self.spill_folder),
            "preserve_insertion_order": False,
        }
        if self.threads:
            options["threads"] = self.threads
        return ibis.duckdb.connect(**options)

    def parquet(self, paths: list[str], name: str, **options: Any) -> ir.Table:
        """Return Parquet files as one lazy table; `name` is how it reads in the SQL."""
        self.tidy()
        unique = f"{name}_{uuid4().hex[:8]}"
        return self.backend.read_parquet(paths, table_name=unique, **options)

    def dropped_with(self, table: ir.Table, name: str) -> ir.Table:
        """Have the table `name` dropped some time after the last expression that refers to it.

        Not at once: that may be in the middle of another statement, which it would interrupt.
        """
        weakref.finalize(table.op(), self._forgotten.append, name).atexit = False
        return table

    def tidy(self) -> None:
        """Drop the tables that nothing refers to; to be called when no result is being read."""
        while self._forgotten:
            self.backend.drop_table(self._forgotten.popleft(), force=True)
