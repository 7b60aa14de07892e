"""The landing folder: files that people or other systems drop, archived and read as text.

Belongs here: finding files below the landing folder (a path or fsspec URL), keeping every content
that ever landed. Must not: the form of files (see `landed_csv`), what a column means.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

import pyarrow as pa
from fsspec import AbstractFileSystem  # type: ignore[import-untyped]
from fsspec.core import url_to_fs  # type: ignore[import-untyped]
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

from cs_resources.disk import room_in
from cs_resources.errors import ConfigurationError, SourceError
from cs_resources.landed_csv import DEFAULT, SUFFIXES, CsvFile, LandedFile, Limits, landed_schema
from cs_resources.streams import reader

_CHUNK = 1 << 20
_TENANT = "tenant_id"
_CHANGED = ("mtime", "created", "ino", "LastModified", "last_modified", "ETag", "etag", "updated")
"""What file systems tell of a file's last change; local ones tell a replaced file by its inode."""


@dataclass(frozen=True)
class Landed:
    """The files of a source that can be read, and the names of those that are none of them."""

    files: tuple[LandedFile, ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """A CSV file as it lies in the folder; an equal `stamp` means that nobody has touched it.

    An empty stamp says nothing: the file system does not tell when files change.
    """

    path: str
    stamp: str

    @property
    def name(self) -> str:
        """The file's name."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True)
class Landing:
    """The folder at `url`; `archive` keeps every content once.

    A source is a subfolder of its name, and beside it the files `<source>.csv` and
    `<source>_<anything>.csv`, each also packed (`.csv.gz`).

    A row that names no tenant belongs to `tenant_id`. `must_exist` tells whether the folder itself
    has to be there: one that is not mounted is no empty one.
    """

    url: str
    archive: Path
    tenant_id: str = "default"
    must_exist: bool = False
    limits: Limits = DEFAULT

    def land(self, source: str) -> Landed:
        """Archive the CSV files of a source, in the order of their names.

        What is read later is the archived copy: a file that is overwritten meanwhile does no harm.
        An earlier content of a file lies at `<archive>/<source>/<SHA-256>/<name>`.
        """
        found = self._listed(source)
        wanted = [file for file in found if file.name.lower().endswith(SUFFIXES)]
        return Landed(
            tuple(self.archived(file, source) for file in wanted),
            tuple(file.name for file in found if file not in wanted),
        )

    def found(self, source: str) -> list[Found]:
        """Return the CSV files of a source as they lie there, in the order of their names.

        Raises SourceError for two files of one name, in the folder and beside it.
        """
        found = [file for file in self._listed(source) if file.name.lower().endswith(SUFFIXES)]
        names = [file.name for file in found]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise SourceError(
                f"{twice[0]}: lies in {self.url} and in its folder {source}; rename one of them"
            )
        return found

    def rows(
        self,
        files: Sequence[LandedFile],
        required: Sequence[str],
        optional: Sequence[str] = (),
        is_extra_ignored: bool = False,
    ) -> pa.RecordBatchReader:
        """Return the files' rows in the columns of `landed_schema`, with `tenant_id`.

        Encoding and header of all files are looked at before the first row is read; raises
        SourceError naming file, line or column, and remedy.
        """
        may_stand = [*optional, _TENANT]
        opened = [
            CsvFile.of(file, required, may_stand, self.limits, is_extra_ignored) for file in files
        ]
        schema = landed_schema([_TENANT, *required, *optional])

        def batches() -> Iterator[pa.RecordBatch]:
            for file in opened:
                yield from file.batches(schema, {_TENANT: self.tenant_id})

        return reader(schema, batches())

    def _file_system(self) -> tuple[AbstractFileSystem, str]:
        if "://" not in self.url:  # a path may hold what fsspec takes for a chain of URLs
            return LocalFileSystem(), str(Path(self.url).expanduser().resolve())
        try:
            files, root = url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise ConfigurationError(
                f"LANDING_URL: {self.url.partition('://')[0]}:// cannot be read: {error}"
            ) from error
        return files, str(root)

    def _listed(self, source: str) -> list[Found]:
        files, root = self._file_system()
        files.invalidate_cache()
        if self.must_exist and not files.isdir(root):
            raise ConfigurationError(
                f"LANDING_URL: {self.url} is not there; mount it, or correct the setting"
            )
        root = root.rstrip("/")
        own = _entries(files, f"{root}/{source}")
        beside = [entry for entry in _entries(files, root) if _is_of(source, _name(entry).lower())]
        return sorted(
            (Found(str(entry["name"]), _stamp(entry)) for entry in [*own, *beside]),
            key=lambda file: (file.name, file.path),
        )

    def archived(self, found: Found, source: str) -> LandedFile:
        """Copy a file into the archive under the hash of its content, unless it is there."""
        files, path = self._file_system()[0], found.path
        folder, name = self.archive / source, PurePosixPath(path).name
        incoming = folder / f"incoming-{uuid4().hex}"
        digest, size = hashlib.sha256(), 0
        with room_in(folder, name):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                with files.open(path, "rb") as landed, incoming.open("wb") as copy:
                    while chunk := landed.read(_CHUNK):
                        size += len(chunk)
                        self._require_size(name, size)
                        digest.update(chunk)
                        copy.write(chunk)
                target = folder / digest.hexdigest() / name
                if not target.exists():
                    target.parent.mkdir(exist_ok=True)
                    incoming.replace(target)
            finally:
                incoming.unlink(missing_ok=True)
        return LandedFile(name, digest.hexdigest(), target)

    def _require_size(self, name: str, size: int) -> None:
        if size > self.limits.file_bytes:
            raise SourceError(
                f"{name}: more than {self.limits.file_bytes:,} bytes; land it in parts"
            )


def _entries(files: AbstractFileSystem, folder: str) -> list[dict[str, Any]]:
    if not files.isdir(folder):
        return []
    entries: list[dict[str, Any]] = files.ls(folder, detail=True)
    return [e for e in entries if e["type"] == "file" and not _name(e).startswith(".")]


def _name(entry: dict[str, Any]) -> str:
    return PurePosixPath(str(entry["name"])).name


def _is_of(source: str, name: str) -> bool:
    """Tell whether a file beside the folders is one of a source's."""
    stem = name.removesuffix(".gz").removesuffix(".csv")
    is_named = stem == source or stem.startswith(f"{source}_")
    return is_named and name.endswith(SUFFIXES)


def _stamp(entry: dict[str, Any]) -> str:
    known = [str(entry[name]) for name in _CHANGED if entry.get(name) is not None]
    return "|".join([str(entry["size"]), *known]) if known else ""
