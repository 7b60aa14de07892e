"""What a commit to a lake table says and replaces.

Belongs here: a commit's rows, properties and predicate, application transactions of partitions.
Must not: writing it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, Transaction

from cs_assets.contracts import Contract
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
    )


def predicate(contract: Contract, partitions: Sequence[str]) -> str | None:
    """Return the days as ranges: a long list of days would be slow to plan."""
    if contract.partition_column is None:
        return None
    values = [contract.partition_value(key) for key in partitions]
    days = {value for value in values if isinstance(value, date)}
    starts = sorted(day for day in days if day - timedelta(days=1) not in days)
    ends = sorted(day for day in days if day + timedelta(days=1) not in days)
    column = contract.partition_column
    return " OR ".join(
        f"({column} >= '{start}' AND {column} <= '{end}')"
        for start, end in zip(starts, ends, strict=True)
    )


def staged_rows(
    staged: Staged, partitions: Sequence[str], batch_rows: int, reached: Callable[[str], None]
) -> pa.RecordBatchReader:
    """Return the staged rows of the partitions; the reader fails if audited rows are missing."""
    schema = pq.read_schema(staged.path)
    batches = _batches(staged, partitions, batch_rows, reached)
    return pa.RecordBatchReader.from_batches(schema, batches)


def _batches(
    staged: Staged, partitions: Sequence[str], batch_rows: int, reached: Callable[[str], None]
) -> Iterator[pa.RecordBatch]:
    column = staged.contract.partition_column if staged.failures else None
    values = [staged.contract.partition_value(key) for key in partitions]
    missing = sum(staged.audits[key].rows for key in partitions)
    # buffered ahead, the whole file would stay in memory
    with pq.ParquetFile(staged.path, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_rows):
            reached("lake: writing")
            if column:
                wanted = pa.array(values, batch[column].type)
                batch = batch.filter(pc.is_in(batch[column], value_set=wanted))
            missing -= batch.num_rows
            yield batch
    if missing:
        raise RuntimeError(
            f"{staged.contract.asset_name}: {missing} of the audited rows are not in the "
            "staged file; nothing is committed"
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
