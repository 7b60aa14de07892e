"""Care of lake tables: compaction, checkpoints, removal of what nobody can need any more.

Belongs here: what may be removed when, and doing so without a reader or writer noticing. Must not:
hours, Dagster, what tables there are.

Not delta-rs's own vacuum: it goes by tombstones, which checkpoints forget after a week, and would
take files that a version of the last weeks still needs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, WriterProperties
from deltalake.exceptions import CommitFailedError

from cs_assets.contracts import Contract, Place
from cs_resources.delta_log import FOLDER, DeltaLog
from cs_resources.disk import room_in
from cs_resources.lake import Lake
from cs_resources.report_files import ReportFiles
from cs_resources.scratch import clear_abandoned
from cs_resources.storage import Storage

_TARGET_BYTES = 128 * 1024**2
_CHECKPOINT_AFTER = 10
"""Commits since the last checkpoint that make a new one worth its file."""
_CLOCKS = timedelta(days=1)
"""How far clocks of writers may differ."""


@dataclass(frozen=True)
class Retention:
    """How long replaced files, and the commits that tell of them, are kept."""

    files: timedelta
    log: timedelta


@dataclass(frozen=True)
class Report:
    """What maintenance did to one table.

    `files_before` and `files_after` count the files that the table consists of (of reports the
    versions of periods); `removed_files`,
    `removed_log_files` and `freed_bytes` what is gone from the disk; `gave_way` the partitions left
    alone because a writer was at them.
    """

    asset_name: str
    files_before: int
    files_after: int
    compacted: int
    gave_way: int
    removed_files: int
    removed_log_files: int
    freed_bytes: int

    def figures(self) -> dict[str, int]:
        """Return the figures by their names, as people read them."""
        return {
            "files before": self.files_before,
            "files after": self.files_after,
            "partitions compacted": self.compacted,
            "partitions left to a writer": self.gave_way,
            "files removed": self.removed_files,
            "log files removed": self.removed_log_files,
            "bytes freed": self.freed_bytes,
        }


def maintain_all(storage: Storage, retention: Retention, now: datetime) -> Iterator[Report]:
    """Take care of every lake table, of the files of reports, and of the staging folder.

    Yields a report per table.
    """
    clear_abandoned(storage.staging_folder)
    for contract in storage.contracts:
        if contract.place is Place.LAKE:
            report = maintain(storage.lake, contract, retention, now)
        else:
            report = _tidied(storage.reports, contract, now - retention.files)
        if report:
            yield report


def _tidied(files: ReportFiles, contract: Contract, before: datetime) -> Report | None:
    """Remove what was replaced of a table's reports; None if it has none."""
    removed = files.tidy(f"{contract.table_name}/{contract.grain}", before)
    if removed is None:
        return None
    return Report(
        asset_name=contract.asset_name,
        files_before=removed.versions + removed.left,
        files_after=removed.left,
        compacted=0,
        gave_way=0,
        removed_files=removed.versions,
        removed_log_files=0,
        freed_bytes=removed.bytes,
    )


def maintain(lake: Lake, contract: Contract, retention: Retention, now: datetime) -> Report | None:
    """Take care of one table; None if it does not exist yet.

    Contents, their hashes and every version younger than `retention.files` stay as they are.
    Raises DiskFullError when there is no room for compacted files.
    """
    root = lake.uri(contract)
    if (log := lake.log(contract)) is None:
        return None
    with room_in(root, contract.asset_name):
        table = DeltaTable(str(root))
        before = len(table.file_uris())
        compacted, gave_way = _compact(lake, table, contract)
        _checkpoint(lake, contract, table)
    log = lake.log(contract) or log
    files = list(_unneeded(root, log, now - retention.files))
    old_log = list(_old_log(log, now - retention.files, now - retention.log))
    freed = _remove(lake, files, "file") + _remove(lake, old_log, "log file")
    return Report(
        asset_name=contract.asset_name,
        files_before=before,
        files_after=len(DeltaTable(str(root)).file_uris()),
        compacted=compacted,
        gave_way=gave_way,
        removed_files=len(files),
        removed_log_files=len(old_log),
        freed_bytes=freed,
    )


def _compact(lake: Lake, table: DeltaTable, contract: Contract) -> tuple[int, int]:
    """Make one file of several small ones of a partition; return how many, and how many not."""
    done = lost = 0
    for filters in _crowded(table, contract):
        lake.reached("maintenance: compacting")
        table.update_incremental()
        try:
            compact(table, filters)
        except CommitFailedError:
            # a writer replaced the partition meanwhile: what it wrote needs no care yet
            lost += 1
        else:
            done += 1
        lake.reached("maintenance: compacted")
    return done, lost


def compact(table: DeltaTable, filters: list[tuple[str, str, str]] | None) -> None:
    """Commit one compaction; raises CommitFailedError if a writer was faster."""
    table.optimize.compact(
        partition_filters=filters,
        target_size=_TARGET_BYTES,
        writer_properties=WriterProperties(compression="ZSTD"),
        commit_properties=CommitProperties(custom_metadata={"maintenance": "compaction"}),
    )


def _crowded(table: DeltaTable, contract: Contract) -> list[list[tuple[str, str, str]] | None]:
    """Return filters for the partitions that have several small files."""
    actions = pa.table(table.get_add_actions(flatten=True))
    small = actions.filter(pc.less(actions["size_bytes"], _TARGET_BYTES))
    if contract.partition_column is None:
        return [None] if small.num_rows > 1 else []
    values = small[f"partition.{contract.partition_column}"].value_counts().to_pylist()
    crowded = sorted(str(entry["values"]) for entry in values if entry["counts"] > 1)
    return [[(contract.partition_column, "=", value)] for value in crowded]


def _checkpoint(lake: Lake, contract: Contract, table: DeltaTable) -> None:
    log = lake.log(contract)
    if log and log.latest - max(log.checkpoints, default=0) >= _CHECKPOINT_AFTER:
        lake.reached("maintenance: checkpoint")
        table.update_incremental()
        table.create_checkpoint()
        lake.reached("maintenance: checkpoint made")


def _unneeded(root: Path, log: DeltaLog, until: datetime) -> Iterator[Path]:
    """Yield data files that no version since `until` refers to and no writer can still commit.

    A file that a version of this time referred to is current, or was removed in this time. What is
    in no commit at all was left by a killed writer, once it is old enough.
    """
    paths = [path for path in root.rglob("*") if path.is_file() and _is_data(path, root)]
    table = DeltaTable(str(root), version=log.latest)
    needed = {Path(unquote(uri)) for uri in table.file_uris()}
    for commit in log.commits():
        if commit.at < until - _CLOCKS:
            break
        removed = log.actions(commit.version, "remove")
        needed |= {root / unquote(action["path"]) for action in removed}
    for path in sorted(paths):
        if path not in needed and path.stat().st_mtime < until.timestamp():
            yield path


def _is_data(path: Path, root: Path) -> bool:
    return path.relative_to(root).parts[0] != FOLDER


def _old_log(log: DeltaLog, unread_since: datetime, kept_since: datetime) -> Iterator[Path]:
    """Yield log files that no version to be kept needs, oldest version first.

    Whatever is removed, the rest is a whole log: it begins with a checkpoint, which holds the
    application transactions too, and readers have used that or a later one for a long time.
    """
    settled = [
        version
        for version, paths in log.checkpoints.items()
        if all(path.stat().st_mtime < unread_since.timestamp() for path in paths)
    ]
    newest = max(settled, default=0)
    old = (v for v in settled if v in log.versions and log.commit(v).at < kept_since)
    start = max(old, default=log.first)
    for version in sorted(log.versions | log.checkpoints.keys()):
        if version < start and version in log.versions:
            yield log.commit_path(version)
        if version < start or start < version < newest:
            yield from log.checkpoints.get(version, ())
    for path in sorted(log.folder.glob("*#*")):  # begun by writers that were killed
        if path.stat().st_mtime < unread_since.timestamp():
            yield path


def _remove(lake: Lake, paths: list[Path], what: str) -> int:
    """Delete the files; return their bytes. Another maintenance may be at it too."""
    freed = 0
    for path in paths:
        lake.reached(f"maintenance: removing {what}")
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            continue
        freed += size
    return freed
