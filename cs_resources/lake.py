"""The lake: one Delta Lake table per fact, partitioned by day.

Belongs here: committing staged partitions in one Delta commit, refusing a writer that was
overtaken, reading wanted partitions as one lazy table. Must not: auditing, business rules.

What a partition holds is kept in the Delta log itself as an application transaction
(`content_hash/<partition>`), written in the same commit as the files: so an empty partition is
known to be published, and two writers of one partition exclude each other even where there are no
files.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError

from cs_assets.contracts import UNPARTITIONED, Contract
from cs_resources.duckdb_session import DuckDBSession
from cs_resources.errors import MissingPartitionError, StaleWriterError
from cs_resources.staging import Staged
from cs_resources.writing import Provenance, Ticket, missing_text, version_number

_TABLE_OPTIONS = {
    # the log is the record of what was known when: kept until maintenance compacts it
    "delta.logRetentionDuration": "interval 36500 days",
}
_BATCH_ROWS = 100_000


@dataclass(frozen=True)
class Lake:
    """Delta tables below `root`; `reached` is told every write point (for fault tests)."""

    root: Path
    session: DuckDBSession
    reached: Callable[[str], None] = lambda point: None

    def uri(self, contract: Contract) -> Path:
        """Folder of the contract's table."""
        return self.root / contract.system / contract.table_name

    def open(self, contract: Contract, partitions: Sequence[str]) -> Ticket:
        """Begin a write: what is published from now on by others makes the ticket worthless."""
        table = self._table(contract) or self._create(contract)
        return Ticket(contract, tuple(partitions), base=table)

    def publish(self, ticket: Ticket, staged: Staged, provenance: Provenance) -> None:
        """Replace the staged file's good partitions in one commit.

        Raises StaleWriterError when another writer replaced one of them since `open`.
        """
        partitions = [key for key in ticket.partitions if key not in staged.failures]
        if not partitions:
            return
        self.reached("lake: audited")
        try:
            write_deltalake(
                ticket.base,
                self._rows(staged, partitions),
                mode="overwrite",
                predicate=_predicate(staged.contract, partitions),
                schema_mode="merge",
                writer_properties=WriterProperties(compression="ZSTD"),
                commit_properties=_commit(staged, partitions, provenance),
            )
        except CommitFailedError as error:
            raise StaleWriterError(
                f"{staged.contract.asset_name}: another run published one of the partitions "
                f"{partitions[0]} … {partitions[-1]} after this run had begun; its result stands "
                "and this run's rows were discarded. Run again if newer inputs should count."
            ) from error
        self.reached("lake: committed")

    def read(self, contract: Contract, partitions: Sequence[str]) -> ir.Table:
        """Return the partitions as one lazy table of the contract's columns.

        Raises MissingPartitionError naming every wanted partition that was never published.
        """
        published = self.published(contract, partitions)
        if missing := [key for key in partitions if key not in published]:
            raise MissingPartitionError(missing_text(contract, missing))
        table = self._table(contract)
        wanted = [str(contract.partition_value(key)) for key in partitions]
        filters = [(contract.partition_column, "in", wanted)] if contract.partition_column else None
        files = table.file_uris(file_pruning_predicate=filters) if table and wanted else []
        if not files:
            return ibis.memtable(contract.schema.to_pyarrow().empty_table())
        return self._scan(contract, sorted(files))

    def published(self, contract: Contract, partitions: Iterable[str]) -> dict[str, int]:
        """Map each partition that was published to its version number (of its content hash)."""
        if (table := self._table(contract)) is None:
            return {}
        versions = ((key, table.transaction_version(f"content_hash/{key}")) for key in partitions)
        return {key: version for key, version in versions if version is not None}

    def last_day(self, contract: Contract) -> date | None:
        """Return the last day that holds rows."""
        if (table := self._table(contract)) is None or contract.partition_column is None:
            return None
        days = [str(partition[contract.partition_column]) for partition in table.partitions()]
        return date.fromisoformat(max(days)) if days else None

    def row_count(self, contract: Contract) -> int:
        """Return the number of published rows, from the files' statistics."""
        table = self._table(contract)
        return int(table.count()) if table else 0

    def distinct(self, contract: Contract, column: str) -> set[str]:
        """Return the distinct values of a text column over everything published."""
        table = self._table(contract)
        files = table.file_uris() if table else []
        if not files:
            return set()
        values = self._scan(contract, files).select(column).distinct().to_pyarrow()[column]
        return {value for value in values.to_pylist() if value is not None}

    def stored_bytes(self, contract: Contract) -> dict[str, int]:
        """Map each partition that holds rows to the bytes of its files."""
        if (table := self._table(contract)) is None:
            return {}
        actions = pa.table(table.get_add_actions(flatten=True))
        column = f"partition.{contract.partition_column}"
        if column not in actions.column_names:
            return {UNPARTITIONED: sum(actions["size_bytes"].to_pylist())}
        sums = actions.group_by(column).aggregate([("size_bytes", "sum")])
        values = sums[column].to_pylist()
        keys = [contract.partition_key(value) for value in values]
        return dict(zip(keys, sums["size_bytes_sum"].to_pylist(), strict=True))

    def _rows(self, staged: Staged, partitions: Sequence[str]) -> pa.RecordBatchReader:
        rows = self.session.parquet([str(staged.path)], f"publish_{staged.contract.name}")
        if staged.failures and (column := staged.contract.partition_column):
            values = [staged.contract.partition_value(key) for key in partitions]
            rows = rows.filter(rows[column].isin(values))
        reader = rows.to_pyarrow_batches(chunk_size=_BATCH_ROWS)
        return pa.RecordBatchReader.from_batches(reader.schema, self._counted(reader))

    def _counted(self, reader: pa.RecordBatchReader) -> Iterable[pa.RecordBatch]:
        for batch in reader:
            self.reached("lake: writing")
            yield batch

    def _scan(self, contract: Contract, files: list[str]) -> ir.Table:
        is_partitioned = contract.partition_column is not None
        table = self.session.parquet(
            files, contract.name, hive_partitioning=is_partitioned, union_by_name=True
        )
        # files older than a column of the contract do not have it
        return table.select(
            **{
                name: (table[name] if name in table.columns else ibis.null()).cast(
                    type_.copy(nullable=True)
                )
                for name, type_ in contract.schema.items()
            }
        )

    def _table(self, contract: Contract) -> DeltaTable | None:
        uri = str(self.uri(contract))
        return DeltaTable(uri) if DeltaTable.is_deltatable(uri) else None

    def _create(self, contract: Contract) -> DeltaTable:
        nullable = [field.with_nullable(True) for field in contract.schema.to_pyarrow()]
        return DeltaTable.create(
            str(self.uri(contract)),
            schema=pa.schema(nullable),
            mode="ignore",
            partition_by=contract.partition_column,
            description=contract.description,
            configuration=_TABLE_OPTIONS,
        )


def _commit(staged: Staged, partitions: Sequence[str], provenance: Provenance) -> CommitProperties:
    hashes = {key: staged.audits[key].content_hash for key in partitions}
    return CommitProperties(
        custom_metadata={
            "run_id": provenance.run_id,
            "fingerprint": provenance.fingerprint,
            "partitions": json.dumps(
                {
                    key: {"rows": staged.audits[key].rows, "content_hash": hashes[key]}
                    for key in hashes
                }
            ),
        },
        app_transactions=[
            Transaction(f"content_hash/{key}", version_number(hashes[key])) for key in partitions
        ],
    )


def _predicate(contract: Contract, partitions: Sequence[str]) -> str | None:
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
