"""What a commit to a lake table says and replaces.

Belongs here: a commit's files and properties, application transactions of partitions. Must not:
writing it.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import pyarrow.parquet as pq
from deltalake import CommitProperties, Transaction
from deltalake.transaction import AddAction

from cs_assets.contracts import UNPARTITIONED, Contract
from cs_resources.delta_log import Commit, DeltaLog
from cs_resources.errors import StaleWriterError
from cs_resources.lake_history import PARTITIONS, RESTATED, restated
from cs_resources.staging import Staged
from cs_resources.writing import Provenance, version_number

_APPLICATION = "content_hash/"
WRITE_ID = "write_id"
"""Under this name a commit says which attempt of which step made it."""


def numbers(transactions: Mapping[str, int], partitions: Iterable[str]) -> dict[str, int]:
    """Map each partition that was published to the number of its content."""
    names = ((key, _APPLICATION + key) for key in partitions)
    return {key: transactions[name] for key, name in names if name in transactions}


def commit_properties(
    staged: Staged,
    partitions: Sequence[str],
    provenance: Provenance,
    log: DeltaLog | None,
    version: int,
) -> CommitProperties:
    """Return what the commit says: who, why, which content, and what of it is restated.

    `version` is the version that is replaced.
    """
    audits = {key: staged.audits[key] for key in partitions}
    new = {key: {"rows": a.rows, "content_hash": a.content_hash} for key, a in audits.items()}
    content = {key: version_number(audit.content_hash) for key, audit in audits.items()}
    old = numbers(log.transactions(version), partitions) if log else {}
    changed = {key for key in old if old[key] != content[key]}
    metadata = {
        "run_id": provenance.run_id,
        WRITE_ID: provenance.write_id,
        "fingerprint": provenance.fingerprint,
        PARTITIONS: json.dumps(new),
    }
    if log and changed:
        metadata[RESTATED] = json.dumps(restated(log, version, changed, new))
    return CommitProperties(
        custom_metadata=metadata,
        app_transactions=[
            Transaction(_APPLICATION + key, number) for key, number in content.items()
        ],
        # tried again by delta-rs, it would leave what a compaction has moved to other files
        max_commit_retries=0,
    )


def moved(
    staged: Staged, partitions: Sequence[str], table: Path, reached: Callable[[str], None]
) -> list[AddAction]:
    """Move the staged files of the partitions into the table's folder; return what to commit.

    A file that no commit names is not part of the table: maintenance deletes it in time.
    """
    column, values = staged.contract.partition_column, {}
    for key in partitions:
        values[str(staged.contract.partition_value(key))] = staged.audits[key].rows
    found: list[AddAction] = []
    for file in map(Path, staged.files):
        value = file.parent.name.partition("=")[2] if column else UNPARTITIONED
        if value not in values:
            continue  # of a partition that breaks its contract
        with pq.ParquetFile(file) as content:
            rows = content.metadata.num_rows
        values[value] -= rows
        target = table / (file.parent.name if column else "") / f"part-{uuid4()}.zstd.parquet"
        target.parent.mkdir(exist_ok=True)
        shutil.move(file, target)
        reached("lake: writing")
        found.append(_added(target, table, {column: value} if column else {}, rows))
    if wrong := {value: rows for value, rows in values.items() if rows}:
        raise RuntimeError(
            f"{staged.contract.asset_name}: audited rows that are not in the staged files, by "
            f"partition: {wrong}; nothing is committed"
        )
    return found


def _added(file: Path, table: Path, partition: Mapping[str, str], rows: int) -> AddAction:
    state = file.stat()
    return AddAction(
        path=file.relative_to(table).as_posix(),
        size=state.st_size,
        partition_values=partition,
        modification_time=int(state.st_mtime * 1000),
        data_change=True,
        stats=json.dumps({"numRecords": rows}),
    )


def require_untouched(
    contract: Contract,
    later: Iterable[Commit],
    partitions: Iterable[str],
    cause: Exception | None = None,
) -> None:
    """Raise StaleWriterError if a later commit published one of the partitions.

    Even the same content: the other run may have read newer inputs. A compaction publishes nothing.
    """
    published = {key for commit in later for key in commit.detail(PARTITIONS)}
    if touched := sorted(published.intersection(partitions)):
        raise StaleWriterError(
            f"{contract.asset_name}: another run published one of the partitions {touched[0]} … "
            f"{touched[-1]} after this run had begun; its result stands and this run's rows were "
            "discarded. Run again if newer inputs should count."
        ) from cause
