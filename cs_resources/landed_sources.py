"""Landed sources by day: which rows of which files stand with a day, and what would change it.

Belongs here: snapshots and their days, files of a day, a day's state. Must not: parsing (see
`landed_rows`), what a row may say.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from cs_resources.duckdb_session import DuckDBSession
from cs_resources.errors import SourceError
from cs_resources.landed_csv import landed_schema
from cs_resources.landed_ledger import Ledger, Seen, current, observed
from cs_resources.landed_rows import OWN_DAY, DayOfFile, LandedSource, RowFiles
from cs_resources.landing import Landing

_DATED = re.compile(r"_([0-9]{4}-[0-9]{2}-[0-9]{2})\.csv(\.gz)?$", re.IGNORECASE)
_PLACES = pa.schema(
    [
        ("place_hash", pa.string()),
        ("place_file", pa.string()),
        ("place_day", pa.date32()),
        ("is_backdated", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class Snapshot:
    """A file that says how things were from a day on, until the next one."""

    since: date
    seen: Seen


@dataclass(frozen=True)
class LandedRows:
    """Rows of some days, lazily, with what is known of them beforehand.

    `table` has the columns of `landed_schema`, `own_day` (null: unreadable), `day` (with which the
    row stands) and `is_backdated`. `read` counts rows, `files` the files that hold some, by day.
    """

    table: ir.Table
    read: Mapping[date, int]
    files: Mapping[date, int]


@dataclass(frozen=True)
class OneSource:
    """One of the sources, as `Storage.outside` holds it."""

    all: "LandedSources"
    name: str

    def look(self) -> None:
        """Take note of its files; raises SourceError."""
        self.all.look(self.name)

    def states(self, keys: Iterable[str]) -> dict[str, str]:
        """Map days to texts that differ where rows differ, as of the last look."""
        return self.all.states(self.name, keys)


@dataclass(frozen=True)
class LandedSources:
    """The sources of a landing folder; `today` is the installation's clock and zone.

    `open_session` gives the process's DuckDB session, which is opened when it is needed.
    """

    landing: Landing
    open_session: Callable[[], DuckDBSession]
    sources: Mapping[str, LandedSource]
    today: Callable[[], date]

    @property
    def row_files(self) -> RowFiles:
        """The parsed files."""
        return RowFiles(self.landing, self.open_session())

    def has_landed(self, name: str) -> bool:
        """Tell whether files of a source are there, or were when they were last looked at."""
        return bool(self.landing.found(name) or current(self.ledger(name).read()))

    def look(self, name: str) -> None:
        """Take note of the source's files as they are: archive and parse what is new.

        Raises SourceError if there are none, or if one of them cannot be read: then nothing is
        taken note of, and the days stay as they are.
        """
        source, ledger = self.sources[name], self.ledger(name)
        if not self.landing.found(name):
            raise SourceError(self._absent(name, ledger))
        with ledger.held():
            before = ledger.read()
            after = observed(before, self.landing, name, self.today())
            there = {seen.name for seen in current(after)}
            for seen in current(after) if source.day else after:
                if seen.name in there:
                    self.row_files.parse(source, ledger.copy_of(seen))
            if source.day is None:
                _in_order(after)
            if after != before:
                ledger.write(after)

    def states(self, name: str, keys: Iterable[str]) -> dict[str, str]:
        """Map days to texts that differ where rows differ, as of the last `look`.

        Days of which no file holds anything are left out.
        """
        if self.sources[name].day is None:
            return {
                key: f"{'before ' if day < found.since else ''}{found.seen.content_hash}"
                for key in keys
                if (found := self.snapshot(name, day := date.fromisoformat(key)))
            }
        by_day = self._by_day(name)
        is_ordered = bool(self.sources[name].replaced_by)
        states = {}
        for key in keys:
            sums = [f"{held.rows} {held.checksum}" for _, held in by_day.get(_day(key), [])]
            if sums:
                text = repr(sums if is_ordered else sorted(sums))
                states[key] = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        return states

    def days(self, name: str) -> list[date]:
        """Return the days with which rows stand, as of the last `look`; none of snapshots."""
        return sorted(self._by_day(name)) if self.sources[name].day else []

    def outside(self, name: str, first: date, last: date | None) -> int:
        """Count the rows that stand with days before `first` or after `last`; 0 of snapshots."""
        return sum(
            part.rows
            for day, held in (self._by_day(name) if self.sources[name].day else {}).items()
            if day < first or (last is not None and day > last)
            for _, part in held
        )

    def rows(self, name: str, days: Sequence[date]) -> LandedRows:
        """Return the rows of some days, as of the last `look`."""
        if self.sources[name].day is None:
            return self._snapshot_rows(name, days)
        held = {day: found for day, found in self._by_day(name).items() if day in set(days)}
        first = {
            seen: day
            for day in sorted(held, reverse=True)
            for seen, part in held[day]
            if part.day is None
        }
        dated = {seen for found in held.values() for seen, part in found if part.day is not None}
        tables = []
        if dated:
            rows = self._placed(name, [(seen, None, False) for seen in dated])
            own = rows[OWN_DAY]
            # bounds let whole blocks of rows be left out, a list of days does not
            near = rows.filter(own.between(min(days), max(days)))
            tables.append(near.filter(near[OWN_DAY].isin(list(days))).mutate(day=near[OWN_DAY]))
        if first:
            rows = self._placed(name, [(seen, day, False) for seen, day in first.items()])
            tables.append(rows.filter(rows[OWN_DAY].isnull()).mutate(day=rows.place_day))
        return LandedRows(
            self._together(name, tables),
            {day: sum(part.rows for _, part in found) for day, found in held.items()},
            {day: len({seen for seen, _ in found}) for day, found in held.items()},
        )

    def snapshot(self, name: str, day: date) -> Snapshot | None:
        """Return the last snapshot of or before a day, else the first one after it."""
        snapshots = _in_order(self.ledger(name).read())
        before = [item for item in snapshots if item.since <= day]
        if before or not snapshots:
            return before[-1] if before else None
        first = snapshots[0].since
        return [item for item in snapshots if item.since == first][-1]

    def _snapshot_rows(self, name: str, days: Sequence[date]) -> LandedRows:
        chosen = {day: found for day in days if (found := self.snapshot(name, day))}
        places = [(found.seen, day, day < found.since) for day, found in chosen.items()]
        tables = []
        if places:
            rows = self._placed(name, places)
            tables = [rows.mutate(day=rows.place_day)]
        source, ledger = self.sources[name], self.ledger(name)
        read = {
            day: sum(part.rows for part in self.row_files.days(source, ledger.copy_of(found.seen)))
            for day, found in chosen.items()
        }
        return LandedRows(self._together(name, tables), read, dict.fromkeys(chosen, 1))

    def _placed(self, name: str, places: Sequence[tuple[Seen, date | None, bool]]) -> ir.Table:
        """Return the rows of files, once for every place that a file has."""
        source, ledger = self.sources[name], self.ledger(name)
        files = {seen.content_hash: ledger.copy_of(seen) for seen, *_ in places}
        paths = [str(self.row_files.rows(source, file)) for file in files.values()]
        rows = self.open_session().parquet(sorted(paths), f"landed_{name}")
        where = [
            {
                "place_hash": seen.content_hash,
                "place_file": seen.name,
                "place_day": day,
                "is_backdated": is_backdated,
            }
            for seen, day, is_backdated in places
        ]
        table = ibis.memtable(pa.Table.from_pylist(where, _PLACES))
        joined = rows.inner_join(table, rows.file_hash == table.place_hash)
        return joined.mutate(source_file=joined.place_file)

    def _together(self, name: str, tables: Sequence[ir.Table]) -> ir.Table:
        schema = landed_schema(["tenant_id", *self.sources[name].columns])
        for column, type_ in ((OWN_DAY, pa.date32()), ("day", pa.date32())):
            schema = schema.append(pa.field(column, type_))
        schema = schema.append(pa.field("is_backdated", pa.bool_()))
        if not tables:
            return ibis.memtable(schema.empty_table())
        chosen = [table.select(*schema.names) for table in tables]
        return chosen[0] if len(chosen) == 1 else ibis.union(*chosen)

    def _by_day(self, name: str) -> dict[date, list[tuple[Seen, DayOfFile]]]:
        """Return what files hold of each day, in the order of their names; equal contents once.

        Unreadable days stand with the file's first day, or the one on which it was first seen.
        """
        source, ledger = self.sources[name], self.ledger(name)
        log = ledger.read()
        by_content = {seen.content_hash: seen for seen in current(log)}
        found: dict[date, list[tuple[Seen, DayOfFile]]] = {}
        for seen in sorted(by_content.values(), key=lambda item: item.name):
            parts = self.row_files.days(source, ledger.copy_of(seen))
            first_seen = min(
                item.first_seen for item in log if item.content_hash == seen.content_hash
            )
            readable = [part.day for part in parts if isinstance(part.day, date)]
            first = min(readable, default=first_seen)
            for part in parts:
                day = part.day if isinstance(part.day, date) else first
                found.setdefault(day, []).append((seen, part))
        return found

    def ledger(self, name: str) -> Ledger:
        """Return the ledger of a source."""
        return Ledger(self.landing.archive / name)

    def _absent(self, name: str, ledger: Ledger) -> str:
        url = self.landing.url.rstrip("/")
        expected = f"expected is {url}/{name}.csv (or {name}.csv.gz), or files in {url}/{name}/"
        if ledger.read():
            return f"no file of {name} is left: {expected}. What was published stands."
        return f"no file of {name} has ever landed: {expected}"


def _in_order(log: Sequence[Seen]) -> list[Snapshot]:
    """Return the snapshots in the order of their days, of one day in that of their names.

    Of a file that was overwritten, the earlier contents stand for the days before; one whose
    name is dated stands for its date with what it holds now.
    """
    now = current(log)
    undated = {item.name for item in now if not _DATED.search(item.name)}
    found = [item for item in log if item.name in undated]
    found += [item for item in now if item.name not in undated]
    snapshots = [Snapshot(_since(item), item) for item in found]
    # sorting is stable: of one name and day the one seen last comes last
    return sorted(snapshots, key=lambda item: (item.since, item.seen.name))


def _since(seen: Seen) -> date:
    """Return the day from which on a snapshot counts: that of its name, else of first sight."""
    found = _DATED.search(seen.name)
    if found is None:
        return seen.first_seen
    try:
        return date.fromisoformat(found[1])
    except ValueError as error:
        raise SourceError(f"{seen.name}: {found[1]} in its name is not a date ({error})") from error


def _day(key: str) -> date:
    return date.fromisoformat(key)
