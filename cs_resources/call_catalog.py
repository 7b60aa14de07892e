"""Which tables of the call database hold a day.

Belongs here: table look-up by name and month, their columns, the span that a table may hold. Must
not: reading rows (see `call_database`).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from cs_resources.call_connection import CallConnection
from cs_resources.call_schema import COLUMNS, DECLARED, DETAILS, RECORDS
from cs_resources.call_values import midnight
from cs_resources.errors import SourceError


@dataclass(frozen=True)
class CallTables:
    """The record table and detail table of one month, or of everything (`month` None)."""

    records: str
    details: str
    month: date | None


@dataclass(frozen=True)
class CallCatalog:
    """Knows the tables of a read-only call database.

    `names` maps the usual table names and `table.column` names to those of this installation;
    `suffix` is that of the one pair of tables in an installation with layout `single`; time limits
    are in seconds.
    """

    url: sa.URL
    history_start: date
    tenant_id: str = "default"
    layout: str = "monthly"
    suffix: str = ""
    lookback_months: int = 12
    names: Mapping[str, str] = field(default_factory=dict)
    connect_timeout: int = 10
    read_timeout: int = 50
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    @cached_property
    def connection(self) -> CallConnection:
        """How the database is reached."""
        return CallConnection(self.url, self.connect_timeout, self.read_timeout)

    def tables(self, first: date, last: date) -> list[CallTables]:
        """Return the tables that can hold calls of these days, oldest first, columns checked.

        A month without a table is no error. Raises SourceError naming a table or column.
        """
        with self.connection.opened() as connection:
            inspector = sa.inspect(connection)
            found = set(inspector.get_table_names())
            if self.layout == "single":
                pairs = [self._pair(self.suffix, None)]
            else:
                pairs = [self._pair(f"{month:%Y_%m}", month) for month in self._months(found)]
                oldest = self._oldest_month(first)
                pairs = [pair for pair in pairs if pair.month and oldest <= pair.month <= last]
            for pair in pairs:
                for table, kind in ((pair.records, RECORDS), (pair.details, DETAILS)):
                    if table not in found:
                        raise SourceError(
                            f"the call database has no table {table}; it has "
                            f"{', '.join(sorted(found)) or 'no table at all'}. See "
                            "CALL_SOURCE_LAYOUT, CALL_SOURCE_TABLE_SUFFIX and CALL_SOURCE_NAMES."
                        )
                    self._check_columns(inspector, table, kind)
        return pairs

    def months_without_table(self, first: date, last: date) -> list[str]:
        """Return the months (`YYYY_MM`) since the oldest table that have no table of these days."""
        months = self._months(self._table_names())
        if self.layout == "single" or not months:
            return []
        oldest = max(months[0], self._oldest_month(first))
        count = (last.year - oldest.year) * 12 + last.month - oldest.month + 1
        wanted = [_add_months(oldest, number) for number in range(count)]
        return [f"{month:%Y_%m}" for month in wanted if month not in months]

    def require_tables(self, seen: set[str], days: Sequence[date]) -> None:
        """Raise SourceError if a table that held calls, and can hold these days', is gone."""
        found = self._table_names()
        gone = []
        for table in sorted(seen - found):
            month = self._month(table)
            low, high = self._span(CallTables(table, table, month))
            if low <= days[-1] and days[0] < high:
                gone.append(table)
        if gone:
            raise SourceError(
                f"the call database no longer has the table {', '.join(gone)}, from which calls "
                "were read before. Restore it; nothing was published."
            )

    def _belongs(
        self, calldate: sa.ColumnElement[Any], pair: CallTables, days: Sequence[date]
    ) -> sa.ColumnElement[bool]:
        """Return the condition that a row is read with these days."""
        low, high = self._span(pair)
        dated = (calldate >= midnight(max(days[0], low))) & (
            calldate < midnight(min(days[-1] + timedelta(days=1), high))
        )
        if self._undated_day(pair) not in days:
            return dated
        return (
            dated | calldate.is_(None) | (calldate < midnight(low)) | (calldate >= midnight(high))
        )

    def _span(self, pair: CallTables) -> tuple[date, date]:
        """Return the first day, and the day after the last, that the table may hold."""
        if pair.month is None:
            return date(1990, 1, 1), date(2100, 1, 1)
        return pair.month, _add_months(pair.month, self.lookback_months + 1)

    def _undated_day(self, pair: CallTables) -> date:
        return max(pair.month or self.history_start, self.history_start)

    def _oldest_month(self, first: date) -> date:
        return _add_months(first.replace(day=1), -self.lookback_months)

    def _months(self, found: set[str]) -> list[date]:
        return sorted(month for name in found if (month := self._month(name)))

    def _month(self, table: str) -> date | None:
        pattern = re.escape(self._name(RECORDS)) + r"_([1-9][0-9]{3})_(0[1-9]|1[0-2])"
        match = re.fullmatch(pattern, table)
        return date(int(match[1]), int(match[2]), 1) if match else None

    def _pair(self, suffix: str, month: date | None) -> CallTables:
        end = f"_{suffix}" if suffix else ""
        return CallTables(f"{self._name(RECORDS)}{end}", f"{self._name(DETAILS)}{end}", month)

    def _name(self, usual: str) -> str:
        return self.names.get(usual, usual)

    def _table(self, name: str, kind: str) -> sa.Table:
        """Return a table by its usual column names; values come as the driver gives them."""
        columns: list[sa.Column[Any]] = [
            sa.Column(sa.quoted_name(self._name_of_column(kind, column), True), key=column)
            for column in COLUMNS[kind]
        ]
        return sa.Table(sa.quoted_name(name, True), sa.MetaData(), *columns)

    def _name_of_column(self, kind: str, column: str) -> str:
        return self.names.get(f"{kind}.{column}", column)

    def _table_names(self) -> set[str]:
        with self.connection.opened() as connection:
            return set(sa.inspect(connection).get_table_names())

    def _check_columns(self, inspector: sa.Inspector, table: str, kind: str) -> None:
        have = {column["name"]: column["type"] for column in inspector.get_columns(table)}
        for column, expected in COLUMNS[kind].items():
            name = self._name_of_column(kind, column)
            if name not in have:
                raise SourceError(
                    f"table {table} has no column {name}; it has {', '.join(have)}. If the column "
                    f'has another name, set CALL_SOURCE_NAMES={{"{kind}.{column}": "…"}}.'
                )
            if not isinstance(have[name], DECLARED[expected]):
                raise SourceError(
                    f"column {name} of table {table} is declared {have[name]}, expected "
                    f"{expected}. Restore its type, or name another column in CALL_SOURCE_NAMES."
                )


def _add_months(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, 1)
