"""A Delta table's log, read without opening the table.

Belongs here: commits, application transactions, checkpoints, as the Delta protocol defines them.
Must not: contracts, data files, writing.

delta-rs replays the whole log for every single application transaction it is asked for; here all
of them come from one pass: the last checkpoint, then the commits after it.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

FOLDER = "_delta_log"
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(?:\.\d{10}\.(\d{10})|\.[0-9a-f-]{36})?\.parquet")


@dataclass(frozen=True)
class Commit:
    """One version of a table: when and with what information it was committed.

    `at` is the writer's clock when it committed, not the file's time, which a copy would change.
    """

    version: int
    at: datetime
    info: Mapping[str, Any]

    def detail(self, name: str) -> dict[str, Any]:
        """Return a part of the commit's information that is kept as JSON; empty if it is absent."""
        found: dict[str, Any] = json.loads(self.info.get(name, "{}"))
        return found


@dataclass(frozen=True)
class DeltaLog:
    """The files of a log: versions of commits, and of complete checkpoints with their files."""

    folder: Path
    versions: frozenset[int]
    checkpoints: Mapping[int, tuple[Path, ...]]

    @classmethod
    def of(cls, table: Path) -> "DeltaLog | None":
        """List the log of the table in a folder; None if there is no table."""
        folder = table / FOLDER
        versions: set[int] = set()
        parts: dict[int, list[tuple[Path, int]]] = {}
        try:
            names = os.listdir(folder)  # noqa: PTH208  names, of perhaps tens of thousands
        except FileNotFoundError:
            return None
        for name in names:
            if found := _COMMIT.fullmatch(name):
                versions.add(int(found[1]))
            elif found := _CHECKPOINT.fullmatch(name):
                parts.setdefault(int(found[1]), []).append((folder / name, int(found[2] or 1)))
        complete = {
            version: tuple(path for path, _ in files)
            for version, files in parts.items()
            if len(files) >= files[0][1]
        }
        return cls(folder, frozenset(versions), complete) if versions or complete else None

    @property
    def latest(self) -> int:
        """The version that readers see."""
        return max([*self.versions, *self.checkpoints])

    @property
    def first(self) -> int:
        """The oldest version that can still be rebuilt."""
        return 0 if 0 in self.versions else min(self.checkpoints)

    def transactions(self, version: int | None = None) -> dict[str, int]:
        """Map every application of a version (default: the latest) to its transaction number."""
        version = self.latest if version is None else version
        base = max((number for number in self.checkpoints if number <= version), default=-1)
        found: dict[str, int] = {}
        for path in self.checkpoints.get(base, ()):
            column = pq.read_table(path, columns=["txn"])["txn"].combine_chunks()
            rows = column.filter(pc.is_valid(column.field("appId")))
            names = rows.field("appId").to_pylist()
            found.update(zip(names, rows.field("version").to_pylist(), strict=True))
        for number in range(base + 1, version + 1):
            for action in self.actions(number, "txn"):
                found[action["appId"]] = action["version"]
        return found

    def commits(self, version: int | None = None) -> Iterator[Commit]:
        """Yield the commits that are kept, from a version (default: the latest) backwards."""
        number = self.latest if version is None else version
        while number in self.versions:
            yield self.commit(number)
            number -= 1

    def commit(self, version: int) -> Commit:
        """Return the commit of a version."""
        info = next(self.actions(version, "commitInfo"), {})
        seconds = (
            info["timestamp"] / 1000
            if "timestamp" in info
            else self.commit_path(version).stat().st_mtime
        )
        return Commit(version, datetime.fromtimestamp(seconds, UTC), info)

    def actions(self, version: int, kind: str) -> Iterator[dict[str, Any]]:
        """Yield a commit's actions of one kind (`add`, `remove`, `txn`, `commitInfo` …)."""
        mark = f'"{kind}"'.encode()
        for line in self.commit_path(version).read_bytes().splitlines():
            if mark in line and kind in (action := json.loads(line)):
                yield action[kind]

    def commit_path(self, version: int) -> Path:
        """Return the file of a commit."""
        return self.folder / f"{version:020d}.json"
