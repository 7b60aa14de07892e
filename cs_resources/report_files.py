"""Files of reports: written aside, kept as versions, shown by one rename.

Belongs here: folders, links, hashes, and which version readers are shown. Must not: what is in a
report, who decides which version counts (the warehouse: see `show`).

A place, such as `customer_success_report/month/2025-11`, is a symbolic link to the folder of one
version below `.versions`. A version never changes. So a reader who resolves the link once reads
files that belong together, whatever is published meanwhile.
"""

import filecmp
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from cs_assets.results import Piece
from cs_resources.disk import room_in
from cs_resources.errors import PlatformError
from cs_resources.scratch import clear_abandoned, own_folder

_VERSIONS, _INCOMING = ".versions", ".incoming"


@dataclass(frozen=True)
class Written:
    """A file that was written: its size, the hash of its bytes, and that of its content alone."""

    bytes: int
    sha256: str
    content_sha256: str


@dataclass(frozen=True)
class Removed:
    """What was cleared away below a folder, and how many versions are left."""

    versions: int
    bytes: int
    left: int


@dataclass(frozen=True)
class ReportFiles:
    """The reports below `root`; `reached` is told every write point."""

    root: Path
    reached: Callable[[str], None] = lambda point: None

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """Make a folder to write in, on the file system of the reports; it is gone at the end.

        What killed processes left behind is cleared away with it.
        """
        folder = own_folder(self.root / _INCOMING) / uuid4().hex
        clear_abandoned(self.root / _INCOMING)
        folder.mkdir(parents=True)
        try:
            with room_in(self.root, "report"):
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, folder: Path, place: str, version: str) -> None:
        """Make a written folder the version of a place; nobody is shown it yet.

        The same version written again is dropped; one that somebody has damaged is replaced.
        """
        for path in sorted(folder.rglob("*")):
            _flush(path)
        self.reached("report: written")
        target = self._version(place, version)
        if target.exists():
            if _is_same(folder, target):
                return
            target.rename(folder.with_name(f"{folder.name}-damaged"))
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(target)
        _flush(target.parent)
        self.reached("report: kept")

    def show(self, place: str, wanted: Callable[[], str]) -> None:
        """Show readers the version that is `wanted`, asked again until it is the one shown.

        A process that was frozen between asking and renaming sets right what it did. Raises
        PlatformError where the version's files are gone.
        """
        version = wanted()
        while self.shown(place) != version:
            if not self._version(place, version).is_dir():
                raise PlatformError(
                    f"{place}: the files of version {version} are gone from {self.root}; make the "
                    "report again"
                )
            self.reached("report: showing")
            self._link(place, version)
            version = wanted()
        self.reached("report: shown")

    def shown(self, place: str) -> str | None:
        """Return the version that readers are shown; None: none ever was."""
        link = self.root / place
        return link.readlink().name if link.is_symlink() else None

    def path(self, place: str) -> Path:
        """Return where readers find a place."""
        return self.root / place

    def tidy(self, folder: str, before: datetime) -> Removed | None:
        """Remove versions of the places below a folder that were replaced before an instant.

        None if there is no such folder.
        """
        kept = self.root / _VERSIONS / folder
        if not kept.exists():
            return None
        clear_abandoned(self.root / _INCOMING)
        versions, freed, left = 0, 0, 0
        for path in sorted(kept.glob("*/*")):
            is_old = path.stat().st_mtime < before.timestamp()
            if is_old and self.shown(f"{folder}/{path.parent.name}") != path.name:
                freed += sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
                shutil.rmtree(path)
                versions += 1
            else:
                left += 1
        return Removed(versions, freed, left)

    def _version(self, place: str, version: str) -> Path:
        return self.root / _VERSIONS / place / version

    def _link(self, place: str, version: str) -> None:
        link, old = self.root / place, self.shown(place)
        link.parent.mkdir(parents=True, exist_ok=True)
        if old and (replaced := self._version(place, old)).exists():
            os.utime(replaced)  # from now on it is kept for as long as replaced files are
        # relative, so that the home may be moved
        target = os.path.relpath(self._version(place, version), link.parent)
        incoming = own_folder(self.root / _INCOMING) / uuid4().hex
        incoming.symlink_to(target, target_is_directory=True)
        incoming.replace(link)
        _flush(link.parent)


def write(path: Path, pieces: Iterable[Piece]) -> Written:
    """Write a file of pieces of text, as UTF-8."""
    size, every, content = 0, hashlib.sha256(), hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for piece in pieces:
            data = piece.text.encode()
            size += file.write(data)
            every.update(data)
            if not piece.is_provenance:
                content.update(data)
    return Written(size, every.hexdigest(), content.hexdigest())


def sha256_of(path: Path) -> str:
    """Return the hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def version_of(files: Iterable[tuple[str, str]]) -> str:
    """Name a version by its files: their paths within it, and the SHA-256 of their bytes."""
    text = "".join(f"{name} {digest}\n" for name, digest in sorted(files))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _is_same(one: Path, other: Path) -> bool:
    names = [path.relative_to(one) for path in one.rglob("*") if path.is_file()]
    there = [path.relative_to(other) for path in other.rglob("*") if path.is_file()]
    same, _, _ = filecmp.cmpfiles(one, other, list(map(str, names)), shallow=False)
    return sorted(names) == sorted(there) and len(same) == len(names)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
