"""When landed rows arrived, as far as the ledger of landed files tells.

Belongs here: first arrivals of the rows of days, what the files hold of them. Must not: judging how
late is late.

A file that grows day by day is a new content each time. Of each day the rows that a content has
more than every earlier content of the same name arrived with it.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from cs_assets.calendar import Grain, period_from_partition
from cs_resources.landed_csv import LandedFile
from cs_resources.landed_ledger import Seen
from cs_resources.landed_rows import OWN_DAY
from cs_resources.landed_sources import LandedSources

Key = tuple[str, date]
"""Tenant and day."""


@dataclass(frozen=True)
class Arrivals:
    """Arrivals in a landing folder; as `Storage.outside`, by month, of the `names` sources."""

    landed: LandedSources
    names: tuple[str, ...]

    def look(self) -> None:
        """Take note of the files that are there; raises SourceError for one that is unreadable.

        Earlier contents are parsed too, where that was not done: as far as the archive has them.
        """
        for name in self.names:
            if self.landed.landing.found(name):
                self.landed.look(name)
            source, ledger = self.landed.sources[name], self.landed.ledger(name)
            for seen in self._log(name) if source.day else ():
                if (file := ledger.copy_of(seen)).path.exists():
                    self.landed.row_files.parse(source, file)

    def states(self, keys: Iterable[str]) -> dict[str, str]:
        """Map months to texts that differ where contents of their days, or their arrivals, do."""
        return {key: self._state(key) for key in keys}

    def first(self, name: str, days: Sequence[date]) -> list[tuple[str, date, date | None, int]]:
        """Return (tenant, day, day of arrival, rows) of the first arrivals of some days' rows.

        Days before the source was first looked at have no known arrival (None).
        """
        log = self._log(name)
        if not log or not days:
            return []
        by_content = self._rows_by_content(name, log, days)
        since = min(seen.first_seen for seen in log)
        most: dict[str, Counter[Key]] = {}
        arrived = Counter[tuple[str, date, date | None]]()
        for seen in log:
            before = most.setdefault(seen.name, Counter())
            for key, rows in by_content.get(seen.content_hash, {}).items():
                if (more := rows - before[key]) > 0:
                    landed = seen.first_seen if key[1] >= since else None
                    arrived[*key, landed] += more
                    before[key] = rows
        return [(*key, rows) for key, rows in sorted(arrived.items(), key=repr)]

    def read(self, name: str, days: Sequence[date]) -> dict[Key, int]:
        """Count the rows that the files of now hold, by tenant and day."""
        rows = self.landed.rows(name, days).table
        counts = rows.group_by(["tenant_id", "day"]).agg(rows=rows.count())
        return {
            (row["tenant_id"], row["day"]): row["rows"]
            for row in self.landed.open_session().backend.to_pyarrow(counts).to_pylist()
        }

    def _log(self, name: str) -> list[Seen]:
        """Return what was seen, of contents that several names have had the first one only."""
        first: dict[str, str] = {}
        log = self.landed.ledger(name).read()
        return [seen for seen in log if first.setdefault(seen.content_hash, seen.name) == seen.name]

    def _parsed(self, name: str, log: Iterable[Seen]) -> dict[str, LandedFile]:
        """Map the contents whose rows can be read to their archived copies."""
        source, ledger = self.landed.sources[name], self.landed.ledger(name)
        files = {seen.content_hash: ledger.copy_of(seen) for seen in log}
        return {
            content: file
            for content, file in files.items()
            if self.landed.row_files.rows(source, file).exists()
        }

    def _rows_by_content(
        self, name: str, log: Iterable[Seen], days: Sequence[date]
    ) -> Mapping[str, Mapping[Key, int]]:
        source, session = self.landed.sources[name], self.landed.open_session()
        files = self._parsed(name, log).values()
        paths = [str(self.landed.row_files.rows(source, file)) for file in files]
        if not paths:
            return {}
        rows = session.parquet(sorted(paths), f"arrived_{name}")
        near = rows.filter(rows[OWN_DAY].between(min(days), max(days)))
        counts = near.group_by(["file_hash", "tenant_id", OWN_DAY]).agg(rows=near.count())
        found: dict[str, dict[Key, int]] = {}
        for row in session.backend.to_pyarrow(counts).to_pylist():
            found.setdefault(row["file_hash"], {})[row["tenant_id"], row[OWN_DAY]] = row["rows"]
        return found

    def _state(self, month: str) -> str:
        text = repr([list(self._parts(name, month)) for name in self.names])
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    def _parts(self, name: str, month: str) -> Iterator[tuple[object, ...]]:
        source, period = self.landed.sources[name], period_from_partition(Grain.MONTH, month)
        if source.day is None:
            return
        log = self._log(name)
        parsed = self._parsed(name, log)
        for seen in log:
            if seen.content_hash not in parsed:
                continue
            for part in self.landed.row_files.days(source, parsed[seen.content_hash]):
                if isinstance(part.day, date) and part.day in period:
                    yield (seen.name, seen.is_there, str(seen.first_seen), str(part.day), part.rows)
