"""The outbound-call database: which tables hold a day, and their rows as a stream.

Belongs here: table look-up, queries, turning driver values into typed record batches. Must not:
judging rows; whatever cannot be read is passed on in `unreadable`, so that nothing is lost.

A monthly table is named after the month in which the *task* was created: its calls may be of that
month or of later ones (`lookback_months`). A row whose calldate is missing, unreadable or outside
of that span belongs to no day; it is read with the first day of the table's month.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from cs_resources.call_schema import COLUMNS, DECLARED, DETAILS, RECORDS, TASKS, TURN
from cs_resources.call_values import INSTANT, Placing, RowReader, midnight
from cs_resources.errors import SourceError

_BATCH_ROWS = 20_000


@dataclass(frozen=True)
class CallTables:
    """The record table and detail table of one month, or of everything (`month` None)."""

    records: str
    details: str
    month: date | None


@dataclass(frozen=True)
class CallDatabase:
    """A read-only call database.

    `names` maps the usual table names and `table.column` names to those of this installation;
    `suffix` is that of the one pair of tables in an installation with layout `single`.
    """

    url: sa.URL
    history_start: date
    tenant_id: str = "default"
    layout: str = "monthly"
    suffix: str = ""
    lookback_months: int = 12
    names: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    @cached_property
    def engine(self) -> sa.Engine:
        """The connection pool; raises SourceError when there is nothing to connect to."""
        database = self.url.database
        if self.url.get_backend_name() == "sqlite" and database and not _is_file(database):
            raise SourceError(
                f"CALL_SOURCE_URL: there is no file {database}. Give the URL of your call "
                "database, or make the sample with `cs sample-data`."
            )
        try:
            return sa.create_engine(self.url)
        except (ImportError, sa.exc.ArgumentError) as error:
            raise SourceError(
                f"CALL_SOURCE_URL: no driver for {self.url.drivername} ({error}); give a URL that "
                "begins with mysql+pymysql:// or sqlite:///."
            ) from error

    def tables(self, first: date, last: date) -> list[CallTables]:
        """Return the tables that can hold calls of these days, oldest first, columns checked.

        A month without a table is no error. Raises SourceError naming a table or column.
        """
        found = self._table_names()
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
                        f"{', '.join(sorted(found)) or 'no table at all'}. See CALL_SOURCE_LAYOUT, "
                        "CALL_SOURCE_TABLE_SUFFIX and CALL_SOURCE_NAMES."
                    )
                self._check_columns(table, kind)
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

    def tasks(self) -> pd.DataFrame:
        """Return every task: tenant_id, task_id, task_name, created_at, extracted_at."""
        name = self._name(TASKS)
        if name not in (found := self._table_names()):
            raise SourceError(
                f"the call database has no task table {name}; it has "
                f"{', '.join(sorted(found)) or 'no table at all'}. See CALL_SOURCE_NAMES."
            )
        self._check_columns(name, TASKS)
        table = self._table(name, TASKS)
        reader = RowReader({"task_id": "text", "task_name": "text", "created_at": "instant"})
        query = sa.select(table.c.uuid, table.c.name, table.c.created_at)
        with self.engine.connect() as connection:
            batch = reader.batch(list(connection.execute(query)), self._constants())
        frame: pd.DataFrame = batch.to_pandas()
        return frame

    def records(self, days: Sequence[date], schema: pa.Schema) -> pa.RecordBatchReader:
        """Stream the call records of consecutive days as batches of `schema`.

        Columns beyond the source's own: `call_date` (the day a row is read with), `source_table`,
        `unreadable` (JSON of values that are not of their column's type), `tenant_id`,
        `extracted_at`.
        """
        return pa.RecordBatchReader.from_batches(
            schema,
            self._stream(
                self.tables(days[0], days[-1]), days, schema, self._record_query, COLUMNS[RECORDS]
            ),
        )

    def turns(self, days: Sequence[date], schema: pa.Schema) -> pa.RecordBatchReader:
        """Stream the dialogue turns of the calls of consecutive days, as `records` does.

        In no order, with `sequence` as the source has it: it counts other events too, and may be
        missing.
        """
        schema = pa.schema([field.with_nullable(True) for field in schema])
        kinds = {name: kind for name, kind in COLUMNS[DETAILS].items() if name != "notify"}
        return pa.RecordBatchReader.from_batches(
            schema,
            self._stream(
                self.tables(days[0], days[-1]),
                days,
                schema,
                self._turn_query,
                {**kinds, INSTANT: "instant"},
            ),
        )

    def _stream(
        self,
        pairs: Sequence[CallTables],
        days: Sequence[date],
        schema: pa.Schema,
        query: Any,
        kinds: Mapping[str, str],
    ) -> Iterator[pa.RecordBatch]:
        options = {"stream_results": True, "yield_per": _BATCH_ROWS}
        with self.engine.connect().execution_options(**options) as connection:
            for pair in pairs:
                placing = Placing(days, *self._span(pair), undated=self._undated_day(pair))
                reader = RowReader(kinds, placing)
                extra = {**self._constants(), "source_table": pair.records}
                for rows in connection.execute(query(pair, days)).partitions():
                    yield reader.batch(rows, extra).select(schema.names).cast(schema)

    def _constants(self) -> dict[str, object]:
        return {"tenant_id": self.tenant_id, "extracted_at": self.clock().replace(tzinfo=None)}

    def _record_query(self, pair: CallTables, days: Sequence[date]) -> sa.Select[Any]:
        table = self._table(pair.records, RECORDS)
        return sa.select(*table.c).where(self._belongs(table.c.calldate, pair, days))

    def _turn_query(self, pair: CallTables, days: Sequence[date]) -> sa.Select[Any]:
        records = self._table(pair.records, RECORDS)
        details = self._table(pair.details, DETAILS)
        columns = [column for column in details.c if column.key != "notify"]
        # a turn without its record has no date either, and is read with the undated
        joined = details.join(
            records,
            records.c.id == details.c.record_id,
            isouter=self._undated_day(pair) in days,
        )
        return (
            sa.select(*columns, records.c.calldate)
            .select_from(joined)
            .where(details.c.notify == TURN, self._belongs(records.c.calldate, pair, days))
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
        try:
            return set(sa.inspect(self.engine).get_table_names())
        except sa.exc.DatabaseError as error:
            raise SourceError(
                f"CALL_SOURCE_URL: {self.url.render_as_string()} cannot be read as a database: "
                f"{error.orig}"
            ) from error

    def _check_columns(self, table: str, kind: str) -> None:
        have = {
            column["name"]: column["type"] for column in sa.inspect(self.engine).get_columns(table)
        }
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


def _is_file(database: str) -> bool:
    return Path(database).is_file()


def _add_months(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, 1)
