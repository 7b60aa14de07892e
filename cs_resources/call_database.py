"""The outbound-call database: its rows as a stream, and what each day of it holds.

Belongs here: queries, turning driver values into typed record batches. Must not: judging rows;
whatever cannot be read is passed on in `unreadable`, so that nothing is lost.

A monthly table is named after the month in which the *task* was created: its calls may be of that
month or of later ones (`lookback_months`). A row whose calldate is missing, unreadable or outside
of that span belongs to no day; it is read with the first day of the table's month.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from cs_resources.call_catalog import CallCatalog, CallTables
from cs_resources.call_schema import COLUMNS, DETAILS, RECORDS, TASKS, TURN
from cs_resources.call_values import INSTANT, Placing, RowReader
from cs_resources.errors import SourceError

_BATCH_ROWS = 20_000


@dataclass(frozen=True)
class DaySignature:
    """What a day holds, in figures that change when its records do (durations in ms)."""

    rows: int = 0
    duration: int = 0
    talk: int = 0

    def __add__(self, other: "DaySignature") -> "DaySignature":
        """Add up what two tables hold of a day."""
        return DaySignature(
            self.rows + other.rows, self.duration + other.duration, self.talk + other.talk
        )


@dataclass(frozen=True)
class CallDatabase(CallCatalog):
    """Reads a read-only call database."""

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

    def signatures(self, days: Sequence[date]) -> dict[date, DaySignature]:
        """Return what the source holds of consecutive days, each row counted with its day."""
        found: dict[date, DaySignature] = {}
        with self.engine.connect() as connection:
            for pair in self.tables(days[0], days[-1]):
                table = self._table(pair.records, RECORDS)
                placing = Placing(days, *self._span(pair), undated=self._undated_day(pair))
                day = sa.func.substr(sa.cast(table.c.calldate, sa.String), 1, 10).label("day")
                query = (
                    sa.select(
                        day,
                        sa.func.count(),
                        sa.func.coalesce(sa.func.sum(table.c.duration), 0),
                        sa.func.coalesce(sa.func.sum(table.c.bill), 0),
                    )
                    .where(self._belongs(table.c.calldate, pair, days))
                    .group_by(day)
                )
                for text, *figures in connection.execute(query):
                    at = placing.place(f"{text} 00:00:00" if text else None)
                    held = DaySignature(*(int(figure) for figure in figures))
                    found[at] = found.get(at, DaySignature()) + held
        return found

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
