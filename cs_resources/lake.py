"""The lake: one Delta Lake table per fact, partitioned by day.

Belongs here: committing staged partitions in one Delta commit, refusing a writer that was
overtaken, reading wanted partitions as one lazy table. Must not: auditing, business rules.

What a partition holds is kept in the Delta log itself as an application transaction
(`content_hash/<partition>`), written in the same commit as the files: so an empty partition is
known to be published, and two writers of one partition exclude each other even where there are no
files.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import unquote

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError

from cs_assets.contracts import UNPARTITIONED, Contract
from cs_resources.duckdb_session import DuckDBSession
from cs_resources.errors import ConfigurationError, MissingPartitionError, StaleWriterError
from cs_resources.staging import Staged
from cs_resources.streams import aside, stream
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
        """Folder of the contract's table.

        Raises ConfigurationError for a path that readers would take for values of a column.
        """
        folders = {part.partition("=")[0] for part in self.root.parts if "=" in part}
        if taken := folders & set(contract.column_names):
            raise ConfigurationError(
                f"LAKE_URL: {self.root} would be read as the column {', '.join(taken)} of "
                f"{contract.asset_name}; choose a path without `name=value`"
            )
        return self.root / contract.system / contract.table_name

    def open(self, contract: Contract, partitions: Sequence[str]) -> Ticket:
        """Begin a write: what is published from now on by others makes the ticket worthless."""
        table = self._table(contract) or self._create(contract)
        return Ticket(contract, tuple(partitions), base=table)

    def require_current(self, ticket: Ticket, partitions: Iterable[str]) -> None:
        """Raise StaleWriterError if others published a partition since `open` or `publish`."""
        table = self._table(ticket.contract)
        if table is None or table.version() == ticket.base.version():
            return
        for key in partitions:
            name = f"content_hash/{key}"
            if table.transaction_version(name) != ticket.base.transaction_version(name):
                raise _stale(ticket.contract, [key])

    def publish(self, ticket: Ticket, staged: Staged, provenance: Provenance) -> None:
        """Replace the staged file's good partitions in one commit; renew the ticket.

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
            now = self._table(staged.contract)
            if now is None or now.version() == ticket.base.version():
                raise  # nobody else was there: the folder could not be written
            raise _stale(staged.contract, partitions) from error
        self.reached("lake: committed")

    def read(self, contract: Contract, partitions: Sequence[str]) -> ir.Table:
        """Return the partitions as one lazy table of the contract's columns.

        Raises MissingPartitionError naming every wanted partition that was never published.
        """
        files = self._files(contract, partitions)
        if not files:
            return ibis.memtable(contract.schema.to_pyarrow().empty_table())
        return self._scan(contract, files)

    def stream(self, contract: Contract, partitions: Sequence[str]) -> pa.RecordBatchReader:
        """Return what `read` does, batch by batch, whatever else is read meanwhile."""
        files = self._files(contract, partitions)
        if not files:
            return pa.RecordBatchReader.from_batches(contract.schema.to_pyarrow(), [])
        alone = replace(self, session=aside(self.session))
        return stream(alone.session, alone._scan(contract, files), _BATCH_ROWS)

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

    def rows_by_day(self, contract: Contract) -> dict[date, int]:
        """Count the published rows of every day that holds some, from the files' statistics."""
        if (table := self._table(contract)) is None:
            return {}
        actions = pa.table(table.get_add_actions(flatten=True))
        days = actions[f"partition.{contract.partition_column}"].to_pylist()
        counts: dict[date, int] = {}
        for day, rows in zip(days, actions["num_records"].to_pylist(), strict=True):
            counts[day] = counts.get(day, 0) + rows
        return counts

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
        schema = pq.read_schema(staged.path)
        return pa.RecordBatchReader.from_batches(schema, self._batches(staged, partitions))

    def _batches(self, staged: Staged, partitions: Sequence[str]) -> Iterator[pa.RecordBatch]:
        column = staged.contract.partition_column if staged.failures else None
        values = [staged.contract.partition_value(key) for key in partitions]
        missing = sum(staged.audits[key].rows for key in partitions)
        with pq.ParquetFile(staged.path) as file:
            for batch in file.iter_batches(_BATCH_ROWS):
                self.reached("lake: writing")
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

    def _files(self, contract: Contract, partitions: Sequence[str]) -> list[str]:
        published = self.published(contract, partitions)
        if missing := [key for key in partitions if key not in published]:
            raise MissingPartitionError(missing_text(contract, missing))
        table = self._table(contract)
        wanted = [str(contract.partition_value(key)) for key in partitions]
        filters = [(contract.partition_column, "in", wanted)] if contract.partition_column else None
        return table.file_uris(file_pruning_predicate=filters) if table and wanted else []

    def _scan(self, contract: Contract, uris: Iterable[str]) -> ir.Table:
        is_partitioned = contract.partition_column is not None
        files = sorted(unquote(uri) for uri in uris)
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


def _stale(contract: Contract, partitions: Sequence[str]) -> StaleWriterError:
    return StaleWriterError(
        f"{contract.asset_name}: another run published one of the partitions {partitions[0]} … "
        f"{partitions[-1]}, or gave the table a new column, after this run had begun; its result "
        "stands and this run's rows were discarded. Run again if newer inputs should count."
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
