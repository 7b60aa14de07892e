"""The ledger of landed files: which content a file had from which day on.

Belongs here: remembering names, contents and the days on which they were first seen. Must not:
finding files (see `landing`), what their rows say (see `landed_rows`).

One JSON line per content that a name was seen with, in the order in which they were seen. The days
come from the installation's clock, never from modification times, which copying changes.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from uuid import uuid4

from cs_resources.landed_csv import LandedFile
from cs_resources.landing import Landing


@dataclass(frozen=True)
class Seen:
    """A content of a file: the day on which the name was first seen with it, its last stamp.

    `is_there` tells whether the name was still in the folder when it was last looked at.
    """

    name: str
    content_hash: str
    first_seen: date
    stamp: str
    is_there: bool = True


@dataclass(frozen=True)
class Ledger:
    """The ledger of a source, in its folder of the archive."""

    folder: Path

    @property
    def path(self) -> Path:
        """The file that holds it."""
        return self.folder / "ledger.jsonl"

    def read(self) -> tuple[Seen, ...]:
        """Return what was seen, in the order of seeing; nothing if no file ever landed."""
        if not self.path.exists():
            return ()
        lines = map(json.loads, self.path.read_text(encoding="utf-8").splitlines())
        return tuple(
            Seen(**(line | {"first_seen": date.fromisoformat(line["first_seen"])}))
            for line in lines
        )

    def write(self, seen: Iterable[Seen]) -> None:
        """Replace it at once: readers see the old one or the new one."""
        lines = (json.dumps(asdict(item), ensure_ascii=False, default=str) for item in seen)
        incoming = self.folder / f"incoming-{uuid4().hex}"
        try:
            with incoming.open("w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)
                file.flush()
                os.fsync(file.fileno())
            incoming.replace(self.path)
        finally:
            incoming.unlink(missing_ok=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from changing it meanwhile; the system frees it with the process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def copy_of(self, seen: Seen) -> LandedFile:
        """Return the archived copy."""
        path = self.folder / seen.content_hash / seen.name
        return LandedFile(seen.name, seen.content_hash, path)


def observed(
    before: Sequence[Seen], landing: Landing, source: str, today: date
) -> tuple[Seen, ...]:
    """Return the ledger after a look at the folder; contents that are new to it are archived.

    A file with an equal stamp is not read. A content that comes back after another one is a new
    entry.
    """
    ledger = Ledger(landing.archive / source)
    after = list(before)
    last = {item.name: number for number, item in enumerate(after)}
    there = landing.found(source)
    for file in there:
        number = last.get(file.name)
        known = after[number] if number is not None else None
        if known and file.stamp == known.stamp != "" and ledger.copy_of(known).path.exists():
            content_hash = known.content_hash
        else:
            content_hash = landing.archived(file, source).content_hash
        if known and number is not None and content_hash == known.content_hash:
            after[number] = replace(known, stamp=file.stamp, is_there=True)
        else:
            after.append(Seen(file.name, content_hash, today, file.stamp))
    names = {file.name for file in there}
    return tuple(item if item.name in names else replace(item, is_there=False) for item in after)


def current(seen: Iterable[Seen]) -> list[Seen]:
    """Return what the files hold that are there, in the order of their names."""
    last = {item.name: item for item in seen}
    return [last[name] for name in sorted(last) if last[name].is_there]
