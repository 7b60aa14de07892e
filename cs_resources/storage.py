"""Lake, warehouse and staging as one resource: write, audit, publish.

Belongs here: which store a contract belongs to, and the tickets of the step that is running.
Must not: SQL, Delta, Dagster events.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Protocol

import dagster as dg
import ibis.expr.types as ir
import pyarrow as pa
import sqlalchemy as sa

from cs_assets.contracts import Contract, Place
from cs_resources.duckdb_session import MEMORY_LIMIT, DuckDBSession
from cs_resources.errors import StaleWriterError
from cs_resources.fingerprints import Fingerprint, FingerprintTable
from cs_resources.lake import Lake
from cs_resources.report_files import ReportFiles
from cs_resources.scratch import own_folder
from cs_resources.settings import Settings
from cs_resources.staging import Staged, Stager
from cs_resources.timeouts import DEFAULT, Timeouts
from cs_resources.warehouse import Warehouse
from cs_resources.warehouse_migrations import Migrator
from cs_resources.warehouse_tables import WarehouseTables
from cs_resources.writing import Provenance, Restatement, Ticket, version_number


@dataclass(frozen=True)
class Inventory:
    """What is published of one table: partitions, rows, and one hash over all of it."""

    contract: Contract
    partitions: int
    rows: int
    content_hash: str


class Outside(Protocol):
    """A source outside of the stores that steps read."""

    def look(self) -> None:
        """Take note of its state; raises SourceError where it cannot be read."""

    def states(self, keys: Iterable[str]) -> dict[str, str]:
        """Map partitions to texts that differ where their rows differ, as of the last look."""


@dataclass(frozen=True)
class _Writes:
    """What a running step writes, from what, and which of it is published."""

    tickets: dict[dg.AssetKey, Ticket]
    fingerprints: dict[str, Fingerprint] = field(default_factory=dict)
    published: set[dg.AssetKey] = field(default_factory=set)


@dataclass(frozen=True)
class Storage:
    """Where the tables of `contracts` live.

    `outside` holds the sources outside of the stores by name, put there by the definitions.
    Without a `reports_root` reports lie beside the lake.
    """

    contracts: tuple[Contract, ...]
    lake_root: Path
    warehouse_url: sa.URL
    staging_folder: Path
    memory_limit: str = MEMORY_LIMIT
    threads: int | None = None
    reached: Callable[[str], None] = lambda point: None
    timeouts: Timeouts = DEFAULT
    is_migrated: bool = False
    reports_root: Path | None = None
    outside: dict[str, Outside] = field(default_factory=dict, init=False)
    _writes: dict[str, _Writes] = field(default_factory=dict, init=False)

    @cached_property
    def scratch(self) -> Path:
        """This process's own folder below the staging folder."""
        return own_folder(self.staging_folder)

    @cached_property
    def session(self) -> DuckDBSession:
        """The process's DuckDB session."""
        return DuckDBSession(self.scratch / "spill", self.memory_limit, self.threads)

    @cached_property
    def stager(self) -> Stager:
        """Stages and audits tables."""
        return Stager(self.session, self.scratch)

    @cached_property
    def lake(self) -> Lake:
        """The lake."""
        return Lake(self.lake_root, self.session, self.reached)

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse."""
        return Warehouse(
            self.warehouse_url,
            marts(self.contracts),
            self.stager,
            self.reached,
            self.timeouts,
            self.is_migrated,
        )

    @cached_property
    def reports(self) -> ReportFiles:
        """The files of reports."""
        return ReportFiles(self.reports_root or self.lake_root.parent / "reports", self.reached)

    @cached_property
    def fingerprints(self) -> FingerprintTable:
        """From what each published partition was made."""
        return FingerprintTable(self.warehouse)

    @cached_property
    def by_key(self) -> Mapping[dg.AssetKey, Contract]:
        """Contracts by asset key."""
        return {contract.asset_key: contract for contract in self.contracts}

    def store(self, contract: Contract) -> Lake | Warehouse:
        """Return the store that a contract's table lives in."""
        return self.lake if contract.place is Place.LAKE else self.warehouse

    def has_begun(self, step: str) -> bool:
        """Tell whether the writes of a step are open."""
        return step in self._writes

    def begin(self, step: str, writes: Iterable[tuple[Contract, Sequence[str]]]) -> None:
        """Open the writes of a step, once; to be called before its inputs are read.

        Whatever others publish from now on makes this step's own publication fail: its inputs may
        be older than what they have read.
        """
        if step not in self._writes:
            self._writes[step] = _Writes(
                {
                    contract.asset_key: self.store(contract).open(contract, partitions)
                    for contract, partitions in writes
                }
            )

    def made_from(self, step: str, fingerprints: Mapping[str, Fingerprint]) -> None:
        """Remember from what the partitions of a step are made, by key.

        Taken before the inputs are read: one that changes meanwhile makes the result stale.
        """
        self._writes[step].fingerprints.update(fingerprints)

    def versions(self, contract: Contract, keys: Iterable[str]) -> dict[str, str]:
        """Map each partition that is published to a text that stands for its content."""
        if contract.place is Place.LAKE:
            return {key: str(n) for key, n in self.lake.published(contract, keys).items()}
        published = self.warehouse.published(contract, keys)
        return {key: _version(row.content_hash) for key, row in published.items()}

    def unfinished(self, contract: Contract, keys: Iterable[str]) -> dict[str, str]:
        """Map the published partitions whose work was not done to the end to what is missing."""
        recorded = self.fingerprints.recorded(contract, self.versions(contract, keys))
        return {key: made.missing for key, made in recorded.items() if made.missing}

    def read(
        self, contract: Contract, partitions: Sequence[str], known_at: datetime | None = None
    ) -> ir.Table:
        """Return published partitions as a lazy table, as they are or were known at an instant.

        Raises MissingPartitionError for what is not, or was not yet, published.
        """
        if contract.place is Place.LAKE:
            return self.lake.read(contract, partitions, known_at)
        return self.stager.held(self.warehouse.read(contract, partitions, known_at), contract)

    def stream(self, contract: Contract, partitions: Sequence[str]) -> pa.RecordBatchReader:
        """Return published partitions batch by batch; raises MissingPartitionError."""
        if contract.place is Place.LAKE:
            return self.lake.stream(contract, partitions)
        return self.warehouse.read(contract, partitions)

    def stored_bytes(self, contract: Contract) -> Mapping[str, int]:
        """Map partitions to the bytes of their files, where the store knows."""
        return self.lake.stored_bytes(contract) if contract.place is Place.LAKE else {}

    def inventory(self, contract: Contract, keys: Iterable[str]) -> Inventory:
        """Return what is published of the partitions `keys`."""
        if contract.place is Place.LAKE:
            hashes = self.versions(contract, keys)
            rows = self.lake.row_count(contract)
        else:
            versions = self.warehouse.published(contract, keys)
            hashes = {key: version.content_hash for key, version in versions.items()}
            rows = sum(version.rows for version in versions.values())
        text = "".join(f"{key}={hashes[key]};" for key in sorted(hashes))
        digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        return Inventory(contract, len(hashes), rows, digest)

    def restatements(self, since: datetime) -> list[Restatement]:
        """Return what was replaced by other content since an instant, newest first."""
        found = [
            restatement
            for contract in self.contracts
            for restatement in self.store(contract).restatements(contract, since)
        ]
        return sorted(found, key=lambda item: (item.restated_at, item.asset), reverse=True)

    def publish(self, step: str, staged: Staged, provenance: Provenance) -> None:
        """Publish the good partitions of a staged table and delete the staged file.

        Raises StaleWriterError when another run was first, with this table or with another one of
        the step: tables made together are to come from one run.
        """
        writes, key = self._writes[step], staged.contract.asset_key
        others = [ticket for other, ticket in writes.tickets.items() if other != key]
        try:
            self._require_current(others, staged.good)
            self.store(staged.contract).publish(writes.tickets[key], staged, provenance)
            self._require_together(others, staged)
            if staged.published:
                # before the fingerprints: what is not shown yet is not up to date
                staged.published(staged.good)
            made = [name for name in staged.good if name in writes.fingerprints]
            content = {name: _version(staged.audits[name].content_hash) for name in made}
            prints = writes.fingerprints | {
                name: writes.fingerprints[name].unfinished(missing)
                for name, missing in staged.unfinished.items()
                if name in made
            }
            self.fingerprints.record(staged.contract, content, prints)
            writes.published.add(key)
        except BaseException:
            del self._writes[step]
            raise
        finally:
            staged.discard()
        if len(writes.published) == len(writes.tickets):
            del self._writes[step]

    def _require_together(self, others: Iterable[Ticket], staged: Staged) -> None:
        try:
            self._require_current(others, staged.good)
        except StaleWriterError as error:
            raise StaleWriterError(
                f"{staged.contract.asset_name} was published, but another run has replaced a table "
                "made in the same step. Run again, so that both come from one run."
            ) from error

    def _require_current(self, tickets: Iterable[Ticket], partitions: Sequence[str]) -> None:
        for ticket in tickets:
            self.store(ticket.contract).require_current(ticket, partitions)


def _version(content_hash: str) -> str:
    return str(version_number(content_hash))


def storage_of(settings: Settings, contracts: Iterable[Contract]) -> Storage:
    """Return the storage of an installation."""
    return Storage(
        contracts=tuple(contracts),
        lake_root=settings.lake_root,
        warehouse_url=settings.warehouse,
        staging_folder=settings.staging_folder,
        memory_limit=settings.duckdb_memory_limit,
        timeouts=settings.warehouse_timeouts,
        is_migrated=True,
        reports_root=settings.reports_root,
    )


def migrator_of(settings: Settings, contracts: Iterable[Contract]) -> Migrator:
    """Return what migrates the installation's warehouse."""
    tables = WarehouseTables(marts(contracts))
    return Migrator(settings.warehouse_owner, tables, settings.cs_history_start.year)


def marts(contracts: Iterable[Contract]) -> tuple[Contract, ...]:
    """Return those of the contracts whose tables live in the warehouse."""
    return tuple(contract for contract in contracts if contract.place is Place.WAREHOUSE)
