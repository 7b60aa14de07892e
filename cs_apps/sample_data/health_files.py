"""The landed files of the health sample: CSV drafts, parts, atomic publication.

Belongs here: how batches of rows become files, and the guard of files that are no sample. Must not:
what the rows say.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final
from uuid import uuid4

import pyarrow as pa
import pyarrow.csv as pa_csv

from cs_resources.disk import room_in
from cs_resources.errors import ConfigurationError

MARKER: Final = ".health-sample.json"
"""Names the files that the sample wrote; only those are ever replaced."""

_OPTIONS: Final = pa_csv.WriteOptions(include_header=False, batch_size=10_000, quoting_style="none")


@dataclass
class SourceFiles:
    """The file of one source, or its folder of parts with at most `part_rows` rows each."""

    folder: Path
    source: str
    columns: Sequence[str]
    part_rows: int | None
    rows: int = 0
    largest_batch: int = 0
    drafts: dict[str, Path] = field(default_factory=dict)
    _room: int = 0
    _file: BinaryIO | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows; a batch larger than what is left of a part goes on in the next."""
        self.rows += batch.num_rows
        self.largest_batch = max(self.largest_batch, batch.num_rows)
        while batch.num_rows:
            file = self._writable()
            now = batch.num_rows if self.part_rows is None else min(batch.num_rows, self._room)
            pa_csv.write_csv(batch.slice(0, now), file, _OPTIONS)
            batch = batch.slice(now)
            self._room -= now

    def append(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Append rows of text as they are."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        for row in rows:
            writer.writerow(row)
        self._writable().write(text.getvalue().encode())
        self.rows += len(rows)

    def close(self) -> None:
        """Close what is open; a source without rows has a file with its header."""
        if not self.drafts:
            self._writable()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _writable(self) -> BinaryIO:
        if self._file is not None and (self.part_rows is None or self._room > 0):
            return self._file
        if self._file is not None:
            self._file.close()
        name = f"{self.source}.csv"
        if self.part_rows is not None:
            name = f"{self.source}/{self.source}_{len(self.drafts) + 1:04d}.csv"
            self._room = self.part_rows
        draft = self.folder / f".{self.source}.{uuid4().hex}.tmp"
        self.drafts[name] = draft
        self._file = draft.open("wb")
        self._file.write((",".join(self.columns) + "\n").encode())
        return self._file


@contextmanager
def replacing(
    folder: Path, columns: Mapping[str, Sequence[str]], part_rows: Mapping[str, int | None]
) -> Iterator[dict[str, SourceFiles]]:
    """Write drafts and put them in place when the block ends without error.

    Files of an earlier sample are replaced or removed. Raises ConfigurationError before anything
    is written if a source has landed that is no sample.
    """
    own = _own(folder)
    _require_own(folder, columns, own)
    folder.mkdir(parents=True, exist_ok=True)
    sources = {
        source: SourceFiles(folder, source, names, part_rows[source])
        for source, names in columns.items()
    }
    with room_in(folder, "health sample"), ExitStack() as left:
        for files in sources.values():
            left.callback(_discard, files)
        yield sources
        for files in sources.values():
            files.close()
        _publish(folder, {name: path for f in sources.values() for name, path in f.drafts.items()})


def _discard(files: SourceFiles) -> None:
    if files.drafts:
        files.close()
    for draft in files.drafts.values():
        draft.unlink(missing_ok=True)


def _publish(folder: Path, drafts: Mapping[str, Path]) -> None:
    own = _own(folder)
    # The marker comes first: a file that it does not name would not be replaced the next time.
    _mark(folder, own | set(drafts))
    for name in own - set(drafts):
        _remove(folder, name)
    for name, draft in drafts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        draft.replace(folder / name)
    _mark(folder, set(drafts))


def _remove(folder: Path, name: str) -> None:
    """Remove a file, and the folder of parts that it leaves empty."""
    path = folder / name
    path.unlink(missing_ok=True)
    if path.parent != folder and path.parent.is_dir() and not any(path.parent.iterdir()):
        path.parent.rmdir()


def _mark(folder: Path, names: set[str]) -> None:
    draft = folder / f"{MARKER}.{uuid4().hex}.tmp"
    draft.write_text(json.dumps(sorted(names), indent=1) + "\n", encoding="utf-8")
    draft.replace(folder / MARKER)


def _own(folder: Path) -> set[str]:
    marker = folder / MARKER
    return set(json.loads(marker.read_text(encoding="utf-8"))) if marker.exists() else set()


def _require_own(folder: Path, sources: Mapping[str, Sequence[str]], own: set[str]) -> None:
    landed = [
        path
        for source in sources
        for pattern in (f"{source}.csv*", f"{source}_[0-9]*.csv*", f"{source}/[!.]*")
        for path in folder.glob(pattern)
    ]
    names = sorted({path.relative_to(folder).as_posix() for path in landed} - own)
    if names:
        raise ConfigurationError(
            f"{folder} holds {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}, which the "
            "sample did not write. Move them away, or use another CS_HOME or LANDING_URL."
        )
