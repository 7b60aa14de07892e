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


@dataclass(frozen=True)
class Landed:
    """The files of a source that can be read, and the names of those that are none of them."""

    files: tuple[LandedFile, ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class Landing:
    """The folder at `url`, one subfolder per source; `archive` keeps every content once.

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
        files, root = self._file_system()
        found = self._listed(files, root, source)
        wanted = [path for path in found if path.lower().endswith(SUFFIXES)]
        return Landed(
            tuple(self._archived(files, path, source) for path in wanted),
            tuple(PurePosixPath(path).name for path in found if path not in wanted),
        )

    def rows(
        self, files: Sequence[LandedFile], required: Sequence[str], optional: Sequence[str] = ()
    ) -> pa.RecordBatchReader:
        """Return the files' rows in the columns of `landed_schema`, with `tenant_id`.

        Encoding and header of all files are looked at before the first row is read; raises
        SourceError naming file, line or column, and remedy.
        """
        may_stand = [*optional, _TENANT]
        opened = [CsvFile.of(file, required, may_stand, self.limits) for file in files]
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

    def _listed(self, files: AbstractFileSystem, root: str, source: str) -> list[str]:
        files.invalidate_cache()
        if self.must_exist and not files.isdir(root):
            raise ConfigurationError(
                f"LANDING_URL: {self.url} is not there; mount it, or correct the setting"
            )
        folder = f"{root.rstrip('/')}/{source}"
        if not files.isdir(folder):
            return []
        entries: list[dict[str, Any]] = files.ls(folder, detail=True)
        names = (str(entry["name"]) for entry in entries if entry["type"] == "file")
        return sorted(name for name in names if not PurePosixPath(name).name.startswith("."))

    def _archived(self, files: AbstractFileSystem, path: str, source: str) -> LandedFile:
        """Copy a file into the archive under the hash of its content, unless it is there."""
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
