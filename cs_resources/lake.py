"""The lake: one Delta Lake table per fact, partitioned by day.

Belongs here: committing staged partitions in one Delta commit, refusing a writer that was
overtaken, reading wanted partitions as one lazy table. Must not: auditing, business rules.

What a partition holds is kept in the Delta log itself as an application transaction
(`content_hash/<partition>`), written in the same commit as the files: so an empty partition is
known to be published, and two writers of one partition exclude each other even where there are no
files.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import takewhile
from pathlib import Path
from urllib.parse import unquote

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction

from cs_assets.contracts import UNPARTITIONED, Contract
from cs_resources.delta_log import Commit, DeltaLog
from cs_resources.disk import room_in
from cs_resources.duckdb_session import DuckDBSession
from cs_resources.errors import (
    ConfigurationError,
    DiskFullError,
    MissingPartitionError,
    RemovedVersionError,
)
from cs_resources.lake_commits import (
    WRITE_ID,
    commit_properties,
    moved,
    numbers,
    require_untouched,
)
from cs_resources.lake_history import (
    removed_text,
    restatements,
    version_at,
)
from cs_resources.staging import Staged
from cs_resources.streams import aside, stream
from cs_resources.writing import Provenance, Restatement, Ticket, missing_text

_TABLE_OPTIONS = {
    # the log is the record of what was known when: only `lake_maintenance` shortens it
    "delta.logRetentionDuration": "interval 36500 days",
}
_BATCH_ROWS = 100_000
_ATTEMPTS = 50
"""How often a commit is tried that meets others: of other partitions, or compactions."""
_PATTERN = set("[]*?\\")
"""What delta-rs or DuckDB would take for more than a character of a folder's name."""


@dataclass(frozen=True)
class Lake:
    """Delta tables below `root`; `reached` is told every write point (for fault tests)."""

    root: Path
    session: DuckDBSession
    reached: Callable[[str], None] = lambda point: None

    def uri(self, contract: Contract) -> Path:
        """Folder of the contract's table.

        Raises ConfigurationError for a path that readers would take for a pattern, for a URL or
        for values of a column.
        """
        root = str(self.root)
        if _PATTERN & set(root) or unquote(root) != root or not root.isprintable():
            raise ConfigurationError(
                f"LAKE_URL: {root!r} has characters that readers take for a pattern or a code "
                "(one of [ ] * ? \\, a % with two digits, a line break); choose another folder, or "
                "another CS_HOME if LAKE_URL is not set"
            )
        folders = {part.partition("=")[0] for part in self.root.parts if "=" in part}
        if taken := folders & set(contract.column_names):
            raise ConfigurationError(
                f"LAKE_URL: {self.root} would be read as the column {', '.join(taken)} of "
                f"{contract.asset_name}; choose a path without `name=value`"
            )
        return self.root / contract.system / contract.table_name

    def open(self, contract: Contract, partitions: Sequence[str]) -> Ticket:
        """Begin a write: what is published from now on by others makes the ticket worthless."""
        with room_in(self.uri(contract), contract.asset_name):
            table = self._table(contract) or self._create(contract)
        return Ticket(contract, tuple(partitions), base=table)

    def require_current(self, ticket: Ticket, partitions: Iterable[str]) -> None:
        """Raise StaleWriterError if others published a partition since `open` or `publish`."""
        log = self.log(ticket.contract)
        if log is None or log.latest == ticket.base.version():
            return
        later = self._later_commits(ticket.contract, ticket.base.version())
        require_untouched(ticket.contract, later, partitions)

    def publish(self, ticket: Ticket, staged: Staged, provenance: Provenance) -> None:
        """Replace the staged table's good partitions in one commit; renew the ticket.

        Raises StaleWriterError when another writer replaced one of them since `open`.
        """
        partitions = [key for key in ticket.partitions if key not in staged.failures]
        if not partitions:
            return
        self.reached("lake: audited")
        with room_in(self.uri(staged.contract), staged.contract.asset_name):
            files = moved(staged, partitions, self.uri(staged.contract), self.reached)
        for attempt in range(1, _ATTEMPTS + 1):
            version = ticket.base.version()
            try:
                with room_in(self.uri(staged.contract), staged.contract.asset_name):
                    self._write(ticket.base, staged, files, partitions, provenance)
            except (DeltaError, OSError, DiskFullError) as error:
                later = self._later_commits(staged.contract, version)
                own = [c for c in later if c.info.get(WRITE_ID) == provenance.write_id]
                if own:  # it was committed; only the checkpoint after it was not
                    ticket.base.load_as_version(own[0].version)
                    break
                if not isinstance(error, CommitFailedError) or not later:
                    raise  # nobody else is to blame: the folder could not be written
                require_untouched(ticket.contract, later, partitions, error)
                if attempt == _ATTEMPTS:
                    raise
                # that version and no later one: it alone was looked at
                ticket.base.load_as_version(later[0].version)
            else:
                ticket.base.load_as_version(version + 1)
                break
        self.reached("lake: committed")

    def read(
        self, contract: Contract, partitions: Sequence[str], known_at: datetime | None = None
    ) -> ir.Table:
        """Return the partitions as one lazy table of the contract's columns.

        With `known_at`, an instant with a time zone, as they were published then. Raises
        MissingPartitionError naming every wanted partition that was not published (by then), and
        RemovedVersionError when maintenance has removed what was published then.
        """
        files = self._files(contract, partitions, known_at)
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
        log = self.log(contract)
        return numbers(log.transactions(), partitions) if log else {}

    def restatements(self, contract: Contract, since: datetime | None = None) -> list[Restatement]:
        """Return the replacements of published content by other, oldest first.

        `since` is an instant with a time zone; None asks for all that the log holds. Raises
        RemovedVersionError when the log no longer reaches back to it.
        """
        log = self.log(contract)
        return restatements(log, since, contract.asset_name) if log else []

    def log(self, contract: Contract) -> DeltaLog | None:
        """Return the log of the contract's table as it is now."""
        return DeltaLog.of(self.uri(contract))

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
        files = [unquote(uri) for uri in table.file_uris()] if table else []
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

    def _write(
        self,
        table: DeltaTable,
        staged: Staged,
        files: list[AddAction],
        partitions: Sequence[str],
        provenance: Provenance,
    ) -> None:
        log, version, column = (
            self.log(staged.contract),
            table.version(),
            staged.contract.partition_column,
        )
        values = [str(staged.contract.partition_value(key)) for key in partitions]
        table.create_write_transaction(
            list(files),
            mode="overwrite",
            schema=_schema(staged.contract),
            partition_by=column,
            partition_filters=[(column, "in", values)] if column else None,
            commit_properties=commit_properties(staged, partitions, provenance, log, version),
        )

    def _files(
        self, contract: Contract, partitions: Sequence[str], known_at: datetime | None = None
    ) -> list[str]:
        log = self.log(contract)
        version = log.latest if log else None
        if log and known_at is not None:
            version = version_at(log, known_at, contract.asset_name)
        known = (
            numbers(log.transactions(version), partitions) if log and version is not None else {}
        )
        if missing := [key for key in partitions if key not in known]:
            text = missing_text(contract, missing)
            when = f" As asked for: what was known at {known_at.isoformat()}." if known_at else ""
            raise MissingPartitionError(text + when)
        if not partitions:
            return []
        table = DeltaTable(str(self.uri(contract)), version=version)
        wanted = [str(contract.partition_value(key)) for key in partitions]
        filters = [(contract.partition_column, "in", wanted)] if contract.partition_column else None
        files = [unquote(uri) for uri in table.file_uris(file_pruning_predicate=filters)]
        if known_at is not None and not all(Path(file).exists() for file in files):
            raise RemovedVersionError(removed_text(contract.asset_name, known_at))
        return files

    def _scan(self, contract: Contract, files: Iterable[str]) -> ir.Table:
        is_partitioned = contract.partition_column is not None
        table = self.session.parquet(
            sorted(files), contract.name, hive_partitioning=is_partitioned, union_by_name=True
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

    def _later_commits(self, contract: Contract, version: int) -> list[Commit]:
        log = self.log(contract)
        return list(takewhile(lambda c: c.version > version, log.commits())) if log else []

    def _table(self, contract: Contract) -> DeltaTable | None:
        return DeltaTable(str(self.uri(contract))) if self.log(contract) else None

    def _create(self, contract: Contract) -> DeltaTable:
        return DeltaTable.create(
            str(self.uri(contract)),
            schema=_schema(contract),
            mode="ignore",
            partition_by=contract.partition_column,
            description=contract.description,
            configuration=_TABLE_OPTIONS,
        )


def _schema(contract: Contract) -> pa.Schema:
    return pa.schema([field.with_nullable(True) for field in contract.schema.to_pyarrow()])
