"""The outbound-call database: its rows as a stream, and what each day of it holds.

Belongs here: queries, turning driver values into typed record batches. Must not: judging rows;
whatever cannot be read is passed on in `unreadable`, so that nothing is lost.

A monthly table is named after the month in which the *task* was created: its calls may be of that
month or of later ones (`lookback_months`). A row whose calldate is missing, unreadable or outside
of that span belongs to no day; it is read with the first day of the table's month.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from cs_resources.call_catalog import CallCatalog, CallTables
from cs_resources.call_connection import row_checksum
from cs_resources.call_reading import snapshot
from cs_resources.call_schema import COLUMNS, DETAILS, RECORDS, TASKS, TURN
from cs_resources.call_values import INSTANT, Placing, RowReader
from cs_resources.errors import SourceError
from cs_resources.streams import ahead, reader

CHECKSUM = "row_checksum"
_BATCH_ROWS = 20_000
_PRIME = 2**31 - 1
"""So small that its squares fit 64 bits, and their sum over 2,000,000,000 rows."""


@dataclass(frozen=True)
class DaySignature:
    """What a day holds: numbers of records and turns, each with a checksum over all their values.

    A checksum adds up what `mixed` makes of each row's `row_checksum`, whatever the rows' order.
    """

    records: int = 0
    records_checksum: int = 0
    turns: int = 0
    turns_checksum: int = 0

    def __add__(self, other: "DaySignature") -> "DaySignature":
        """Add up what two tables hold of a day."""
        return DaySignature(
            self.records + other.records,
            self.records_checksum + other.records_checksum,
            self.turns + other.turns,
            self.turns_checksum + other.turns_checksum,
        )


def mixed(row_checksum: Any) -> Any:
    """Return what a row adds to its day's checksum, of an expression of SQLAlchemy or Ibis.

    CRC-32 is linear: sums of it stay the same when two rows exchange a value, about once in 65,536
    times. The square modulo a prime is not.
    """
    remainder = row_checksum % _PRIME
    return (remainder * remainder) % _PRIME


@dataclass(frozen=True)
class CallDatabase(CallCatalog):
    """Reads a read-only call database."""

    def tasks(self) -> pd.DataFrame:
        """Return every task: tenant_id, task_id, task_name, created_at, extracted_at."""
        name = self._name(TASKS)
        with self.connection.opened() as connection:
            inspector = sa.inspect(connection)
            if name not in (found := inspector.get_table_names()):
                raise SourceError(
                    f"the call database has no task table {name}; it has "
                    f"{', '.join(sorted(found)) or 'no table at all'}. See CALL_SOURCE_NAMES."
                )
            self._check_columns(inspector, name, TASKS)
        table = self._table(name, TASKS)
        rows = RowReader({"task_id": "text", "task_name": "text", "created_at": "instant"})
        query = sa.select(table.c.uuid, table.c.name, table.c.created_at)
        with snapshot(self.connection, _BATCH_ROWS) as read:
            pieces = [
                rows.batch(columns, self._constants()) for columns in read.pieces(query, [name])
            ]
        nothing = rows.batch([], self._constants())
        frame: pd.DataFrame = pa.Table.from_batches([nothing, *pieces]).to_pandas()
        return frame

    def records(self, days: Sequence[date], schema: pa.Schema) -> pa.RecordBatchReader:
        """Stream the call records of consecutive days as batches of `schema`.

        Columns beyond the source's own: `call_date` (the day a row is read with), `source_table`,
        `unreadable` (JSON of values that are not of their column's type), `tenant_id`,
        `extracted_at`.
        """
        return reader(
            schema,
            self._stream(days, schema, self._record_query, COLUMNS[RECORDS]),
        )

    def turns(self, days: Sequence[date], schema: pa.Schema) -> pa.RecordBatchReader:
        """Stream the dialogue turns of the calls of consecutive days, as `records` does.

        In no order, with `sequence` as the source has it: it counts other events too, and may be
        missing.
        """
        schema = pa.schema([field.with_nullable(True) for field in schema])
        kinds = {name: kind for name, kind in COLUMNS[DETAILS].items() if name != "notify"}
        return reader(
            schema,
            self._stream(
                days,
                schema,
                self._turn_query,
                {**kinds, INSTANT: "instant"},
            ),
        )

    def signatures(self, days: Sequence[date]) -> dict[date, DaySignature]:
        """Return what the source holds of consecutive days, each row counted with its day."""
        found: dict[date, DaySignature] = {}
        pairs = self.tables(days[0], days[-1])
        with self.connection.opened() as connection:
            for pair in pairs:
                placing = Placing(days, *self._span(pair), undated=self._undated_day(pair))
                for query, is_turns in (
                    (self._record_query(pair, days), False),
                    (self._turn_query(pair, days), True),
                ):
                    for text, *figures in connection.execute(_by_day(query)):
                        at = placing.place(f"{text} 00:00:00" if text else None)
                        rows, checksum = (int(figure) for figure in figures)
                        held = (
                            DaySignature(turns=rows, turns_checksum=checksum)
                            if is_turns
                            else DaySignature(rows, checksum)
                        )
                        found[at] = found.get(at, DaySignature()) + held
        return found

    def _stream(
        self,
        days: Sequence[date],
        schema: pa.Schema,
        query: Callable[[CallTables, Sequence[date]], sa.Select[Any]],
        kinds: Mapping[str, str],
    ) -> Iterator[pa.RecordBatch]:
        """Look the tables up at once, read them in a thread while earlier rows are in use."""
        pairs = self.tables(days[0], days[-1])
        return ahead(self._batches(pairs, days, schema, query, kinds), "read-calls")

    def _batches(
        self,
        pairs: Sequence[CallTables],
        days: Sequence[date],
        schema: pa.Schema,
        query: Callable[[CallTables, Sequence[date]], sa.Select[Any]],
        kinds: Mapping[str, str],
    ) -> Generator[pa.RecordBatch, None, None]:
        with snapshot(self.connection, _BATCH_ROWS) as read:
            for pair in pairs:
                placing = Placing(days, *self._span(pair), undated=self._undated_day(pair))
                rows = RowReader({**kinds, CHECKSUM: "integer"}, placing)
                extra = {**self._constants(), "source_table": pair.records}
                for columns in read.pieces(query(pair, days), [pair.records, pair.details]):
                    yield rows.batch(columns, extra).select(schema.names).cast(schema)

    def _constants(self) -> dict[str, object]:
        return {"tenant_id": self.tenant_id, "extracted_at": self.clock().replace(tzinfo=None)}

    def _record_query(self, pair: CallTables, days: Sequence[date]) -> sa.Select[Any]:
        table = self._table(pair.records, RECORDS)
        return sa.select(*table.c, row_checksum(list(table.c)).label(CHECKSUM)).where(
            self._belongs(table.c.calldate, pair, days)
        )

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
            sa.select(*columns, records.c.calldate, row_checksum(columns).label(CHECKSUM))
            .select_from(joined)
            .where(details.c.notify == TURN, self._belongs(records.c.calldate, pair, days))
        )


def _by_day(query: sa.Select[Any]) -> sa.Select[Any]:
    """Return rows and checksum of a query's rows by the day in their calldate."""
    calldate, checksum = (query.selected_columns[name] for name in (INSTANT, CHECKSUM))
    day = sa.func.substr(sa.cast(calldate, sa.String), 1, 10).label("day")
    return query.with_only_columns(
        day, sa.func.count(), sa.func.sum(mixed(checksum.element)), maintain_column_froms=True
    ).group_by(day)
