"""PostgreSQL's own partitions of growing tables: a year of period keys, a month of days.

Belongs here: which tables are partitioned, making their partitions ahead. Must not: rows, except
those that leave the DEFAULT partition for the one that was made for them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

_BY = "postgresql_partition_by"
YEARS_AHEAD = 3
"""Partitions exist to the end of this many years after the running one."""


@dataclass(frozen=True)
class Span:
    """The values of one partition, from `first` up to but not including `end`."""

    suffix: str
    first: str
    end: str


def partition_by_range(table: sa.Table, column: str | None) -> None:
    """Let PostgreSQL partition a table by a column, if all of its keys hold the column."""
    key = [part.name for part in table.primary_key]
    if column and (not key or column in key):
        table.dialect_kwargs[_BY] = f'RANGE ("{column}")'


def add_default_partition(connection: sa.Connection, table: sa.Table) -> None:
    """Add the partition that takes what no other does, so that no row is ever refused."""
    if is_partitioned(connection, table) and _default(table) not in _children(connection, table):
        quote = connection.dialect.identifier_preparer.quote
        connection.exec_driver_sql(
            f"CREATE TABLE {quote(_default(table))} PARTITION OF {quote(table.name)} DEFAULT"
        )


def add_partitions(
    connection: sa.Connection, tables: Iterable[sa.Table], first: int, last: int
) -> list[str]:
    """Add the partitions of the years `first` to `last` that are missing; return their names.

    Rows that were kept in the DEFAULT partition meanwhile move to their new one.
    """
    made = []
    for table in tables:
        add_default_partition(connection, table)
        for span in missing_partitions(connection, table, first, last):
            _add(connection, table, span)
            made.append(f"{table.name}_{span.suffix}")
    return made


def missing_partitions(
    connection: sa.Connection, table: sa.Table, first: int, last: int
) -> list[Span]:
    """Return the spans of the years for which the table has no partition."""
    if not is_partitioned(connection, table):
        return []
    there = _children(connection, table)
    return [s for s in _spans(table, first, last) if f"{table.name}_{s.suffix}" not in there]


def is_partitioned(connection: sa.Connection, table: sa.Table) -> bool:
    """Say whether the table is partitioned in the database, whatever its description says."""
    query = (
        "SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(quote_ident(current_schema())"
        " || '.' || quote_ident(:name))"
    )
    return bool(connection.execute(sa.text(query), {"name": table.name}).scalar())


def partitions(connection: sa.Connection) -> set[str]:
    """Return the names of all partitions of all tables of the schema."""
    query = (
        "SELECT relname FROM pg_class WHERE relispartition "
        "AND relnamespace = current_schema()::regnamespace"
    )
    return set(connection.execute(sa.text(query)).scalars())


def _children(connection: sa.Connection, table: sa.Table) -> set[str]:
    query = (
        "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid "
        "WHERE inhparent = to_regclass(quote_ident(current_schema()) || '.' || quote_ident(:name))"
    )
    return set(connection.execute(sa.text(query), {"name": table.name}).scalars())


def _default(table: sa.Table) -> str:
    return f"{table.name}_other"


def _column(table: sa.Table) -> sa.Column[Any]:
    return table.c[str(table.dialect_kwargs[_BY]).split('"')[1]]


def _spans(table: sa.Table, first: int, last: int) -> Iterator[Span]:
    for year in range(first, last + 1):
        if not isinstance(_column(table).type, sa.Date):
            # `2025-11`, `2025-Q4` and `2025-W48` all sort between these
            yield Span(str(year), str(year), str(year + 1))
            continue
        for month in range(1, 13):
            start = date(year, month, 1)
            end = date(year + month // 12, month % 12 + 1, 1)
            yield Span(f"{year}_{month:02}", str(start), str(end))


def _add(connection: sa.Connection, table: sa.Table, span: Span) -> None:
    """Make a partition apart, fill it from the DEFAULT one, attach it."""
    quote = connection.dialect.identifier_preparer.quote
    parent, name = quote(table.name), quote(f"{table.name}_{span.suffix}")
    default, column = quote(_default(table)), quote(_column(table).name)
    inside = f"{column} >= '{span.first}' AND {column} < '{span.end}'"
    for statement in (
        f"CREATE TABLE {name} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        f"INSERT INTO {name} SELECT * FROM {default} WHERE {inside}",  # noqa: S608
        f"DELETE FROM {default} WHERE {inside}",  # noqa: S608
        f"ALTER TABLE {parent} ATTACH PARTITION {name} "
        f"FOR VALUES FROM ('{span.first}') TO ('{span.end}')",
    ):
        connection.exec_driver_sql(statement)
