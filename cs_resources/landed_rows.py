"""Rows of landed files as Parquet: every content is parsed once, and kept beside its archived copy.

Belongs here: parsing, the index of days. Must not: which files count on which day (see
`landed_sources`), what a row may say.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from cs_resources.disk import room_in
from cs_resources.duckdb_session import DuckDBSession
from cs_resources.landed_csv import LandedFile, landed_schema
from cs_resources.landing import Landing
from cs_resources.streams import with_cause

OWN_DAY = "own_day"
_VERSION = 1
_LANDED = "landed"
_NO_KEY: tuple[str, ...] = ()


@dataclass(frozen=True)
class LandedSource:
    """What the files of a source hold.

    `day` reads the day of a row off the landed text (null: unreadable); a source without one holds
    snapshots. Of rows of equal `replaced_by` columns the order within the file matters.
    """

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    day: Callable[[ir.Table], ir.Value] | None = None
    replaced_by: tuple[str, ...] = _NO_KEY

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are kept."""
        return (*self.required, *self.optional)


@dataclass(frozen=True)
class DayOfFile:
    """How many rows of a file are of a day (None: unreadable), and a checksum of their values."""

    day: object
    rows: int
    checksum: str


@dataclass(frozen=True)
class RowFiles:
    """Parses the archived files of a landing folder."""

    landing: Landing
    session: DuckDBSession

    def rows(self, source: LandedSource, file: LandedFile) -> Path:
        """Return the Parquet file of a file's rows: the columns of `landed_schema` and `own_day`.

        Raises SourceError as `Landing.rows` does.
        """
        return self._path("rows", source, file)

    def days(self, source: LandedSource, file: LandedFile) -> tuple[DayOfFile, ...]:
        """Return the days of a file that was parsed."""
        return _days(str(self._path("days", source, file)))

    def parse(self, source: LandedSource, file: LandedFile) -> None:
        """Parse a file, unless that is done."""
        rows, days = self._path("rows", source, file), self._path("days", source, file)
        if days.exists() and rows.exists():
            return
        incoming = rows.with_name(f"incoming-{uuid4().hex}")
        with room_in(rows.parent, file.name):
            try:
                self._write_rows(source, file, incoming)
                incoming.replace(rows)
                pq.write_table(self._index(source, rows), incoming)
                incoming.replace(days)
            finally:
                incoming.unlink(missing_ok=True)

    def _write_rows(self, source: LandedSource, file: LandedFile, target: Path) -> None:
        stream = self.landing.rows([file], source.required, source.optional, is_extra_ignored=True)
        landed = ibis.table(ibis.Schema.from_pyarrow(stream.schema), name=_LANDED)
        day = source.day(landed) if source.day else ibis.null("date")
        query = ibis.to_sql(landed.mutate(**{OWN_DAY: day}), dialect="duckdb")
        with self.session.backend.con.cursor() as cursor, with_cause(stream):
            # a bare stream is asked for one batch at a time
            cursor.register(_LANDED, stream.__arrow_c_stream__())
            cursor.execute(
                f"COPY ({query}) TO '{_quoted(target)}' (FORMAT parquet, COMPRESSION zstd)"
            )

    def _index(self, source: LandedSource, rows: Path) -> pa.Table:
        texts = landed_schema(["tenant_id", *source.columns]).names
        values = ", ".join(
            f'"{name}"' for name in texts if name not in ("source_file", "file_hash", "row_number")
        )
        if source.replaced_by:
            key = ", ".join(f'"{name}"' for name in ("tenant_id", *source.replaced_by))
            values += f", row_number() OVER (PARTITION BY {key} ORDER BY row_number)"
        query = (
            f"SELECT {OWN_DAY} AS day, count(*) AS rows, sum(hash)::VARCHAR AS checksum "  # noqa: S608
            f"FROM (SELECT {OWN_DAY}, hash({values}) AS hash FROM '{_quoted(rows)}') "
            "GROUP BY day ORDER BY day"
        )
        with self.session.backend.con.cursor() as cursor:
            return cursor.execute(query).to_arrow_table()

    def _path(self, kind: str, source: LandedSource, file: LandedFile) -> Path:
        """What was parsed into other columns, or for another tenant, is another file."""
        made = repr((_VERSION, source.columns, source.replaced_by, self.landing.tenant_id))
        digest = hashlib.md5(made.encode(), usedforsecurity=False).hexdigest()[:8]
        folder = self.landing.archive / source.name / file.content_hash
        return folder / f"{kind}-{digest}.parquet"


@lru_cache(maxsize=10_000)
def _days(path: str) -> tuple[DayOfFile, ...]:
    return tuple(DayOfFile(**row) for row in pq.read_table(path).to_pylist())


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
