"""Bringing a warehouse to the tables that the contracts describe, and saying what is missing.

Belongs here: running Alembic on deploy/migrations, partitions made ahead. Must not: which tables
there are.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.autogenerate.rewriter import Rewriter
from alembic.config import Config
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.schema import SetColumnComment, SetTableComment

from cs_resources import postgres_partitions
from cs_resources.errors import ConfigurationError
from cs_resources.sql_dialects import Dialect, dialect_of
from cs_resources.timeouts import Timeouts
from cs_resources.warehouse_tables import TABLES, WarehouseTables

SCRIPTS = Path(__file__).resolve().parent.parent / "deploy" / "migrations"
_PATIENT = Timeouts(statement=3600, lock=60, idle=600)
"""A migration may rewrite a large table."""


_COMMENTS_APART = Rewriter()
"""Comments are no migration: every upgrade takes them from the contracts as they are."""


@_COMMENTS_APART.rewrites(ops.CreateTableOp)
def _without_comments(context: object, revision: object, op: Any) -> Any:
    op.comment = None
    for column in op.columns:
        column.comment = None
    return op


@_COMMENTS_APART.rewrites(ops.CreateTableCommentOp)
@_COMMENTS_APART.rewrites(ops.DropTableCommentOp)
def _no_table_comment(context: object, revision: object, op: Any) -> Any:
    return []


@_COMMENTS_APART.rewrites(ops.AlterColumnOp)
def _no_column_comment(context: object, revision: object, op: Any) -> Any:
    op.modify_comment = False
    return op if op.has_changes() else []


@dataclass(frozen=True)
class Migrator:
    """Migrates the warehouse at `url`; on PostgreSQL, its account owns the tables.

    `first_year` is the first year for which partitions are made.
    """

    url: sa.URL
    tables: WarehouseTables
    first_year: int

    @cached_property
    def dialect(self) -> Dialect:
        """What differs between databases."""
        return dialect_of(self.url, _PATIENT)

    def upgrade(self, revision: str = "head") -> list[str]:
        """Upgrade, and make partitions some years ahead; return what was done, in words."""
        with self._alone() as connection:
            before = _revision(connection)
            _run(command.upgrade, connection, self.tables, revision)
            after = _revision(connection)
            done = [f"migrated from {before or 'nothing'} to {after}"] if before != after else []
            if connection.dialect.supports_comments:
                _comment(connection, self.tables)
            tables = self._partitioned(connection)
            made = postgres_partitions.add_partitions(connection, tables, *self._years())
            return done + [f"made partition {name}" for name in made]

    def downgrade(self, revision: str = "base") -> None:
        """Take migrations back; tables that they made are dropped with their rows."""
        with self._alone() as connection:
            _run(command.downgrade, connection, self.tables, revision)

    def missing(self) -> list[str]:
        """Return in words what the warehouse lacks; empty: nothing."""
        engine = self.dialect.create_engine(self.url)
        try:
            with engine.connect() as connection:
                if (there := _revision(connection)) != (head := _head()):
                    return [f"it is at revision {there or 'nothing'}, this version needs {head}"]
                lacking = [_in_words(change) for change in differences(connection, self.tables)]
                for table in self._partitioned(connection):
                    spans = postgres_partitions.missing_partitions(
                        connection, table, *self._years()
                    )
                    lacking += [f"partition {table.name}_{span.suffix}" for span in spans]
                return lacking
        finally:
            engine.dispose()

    def autogenerate(self, message: str) -> None:
        """Write the migration from the database as it is to the contracts."""
        with self._alone() as connection:
            number = f"{len(_known()) + 1:04}"
            options = {"message": message, "rev_id": number, "autogenerate": True}
            _run(command.revision, connection, self.tables, **options)

    def _years(self) -> tuple[int, int]:
        now = datetime.now(UTC).year
        return min(self.first_year, now), now + postgres_partitions.YEARS_AHEAD

    def _partitioned(self, connection: sa.Connection) -> list[sa.Table]:
        if connection.dialect.name != "postgresql":
            return []
        tables = self.tables.all
        return [t for t in tables if postgres_partitions.is_partitioned(connection, t)]

    @contextmanager
    def _alone(self) -> Iterator[sa.Connection]:
        engine = self.dialect.create_engine(self.url)
        try:
            with self.dialect.write_transaction(engine) as connection:
                self.dialect.lock(connection, TABLES)
                yield connection
        finally:
            engine.dispose()


def require_migrated(engine: sa.Engine, dialect: Dialect, tables: WarehouseTables) -> None:
    """Migrate SQLite, which is the installation's own; of PostgreSQL, demand that it was done."""
    with engine.connect() as connection:
        there, head = _revision(connection), _head()
    if there == head:
        return
    if there is not None and there not in _known():
        raise ConfigurationError(
            f"the warehouse is at revision {there}, which this version does not know: a newer "
            "version migrated it. Install that version."
        )
    if engine.dialect.name == "postgresql":
        raise ConfigurationError(
            f"the warehouse is at revision {there or 'nothing'}, this version needs {head}: run "
            "`cs migrate` with WAREHOUSE_OWNER_URL naming the account that owns the tables"
        )
    with dialect.write_transaction(engine) as connection:
        _run(command.upgrade, connection, tables, "head")


def differences(connection: sa.Connection, tables: WarehouseTables) -> list[Any]:
    """Return Alembic's differences between the database and the contracts."""
    context = MigrationContext.configure(connection, opts=options(connection, tables))
    changes = compare_metadata(context, tables.metadata)
    return [change for change in changes if not _is_of_comments(change)]


def options(connection: sa.Connection, tables: WarehouseTables) -> dict[str, Any]:
    """Return how Alembic is to compare: only our own tables, and no partitions of them."""

    def is_ours(name: str | None, kind: str, parents: Mapping[str, str | None]) -> bool:
        return kind != "table" or name in tables.metadata.tables

    return {
        "target_metadata": tables.metadata,
        "include_name": is_ours,
        "render_as_batch": connection.dialect.name == "sqlite",
        "transactional_ddl": True,
        "process_revision_directives": _COMMENTS_APART,
    }


def _run(
    step: Any, connection: sa.Connection, tables: WarehouseTables, *args: Any, **more: Any
) -> None:
    config = _config()
    config.attributes |= {"connection": connection, "tables": tables}
    step(config, *args, **more)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


def _head() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


def _known() -> set[str]:
    scripts = ScriptDirectory.from_config(_config())
    return {script.revision for script in scripts.walk_revisions()}


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _is_of_comments(change: Any) -> bool:
    if isinstance(change, list):
        return all(_is_of_comments(each) for each in change)
    return str(change[0]).endswith("_comment")


def _comment(connection: sa.Connection, tables: WarehouseTables) -> None:
    inspector = sa.inspect(connection)
    there = set(inspector.get_table_names())
    for table in (table for table in tables.all if table.name in there):
        connection.execute(SetTableComment(table))
        columns = {column["name"] for column in inspector.get_columns(table.name)}
        for column in table.columns:
            if column.comment and column.name in columns:
                connection.execute(SetColumnComment(column))


def _in_words(change: Any) -> str:
    """Say what a difference is: (what, …, name), or a list of changes of one column."""
    if isinstance(change, list):
        return "; ".join(_in_words(each) for each in change)
    what, *details = change
    named = [str(getattr(detail, "name", detail)) for detail in details if detail is not None]
    return f"{what.replace('_', ' ')} {' '.join(named[:3])}"
