"""Lake, warehouse and staging as one resource: write, audit, publish.

Belongs here: which store a contract belongs to, and the tickets of the step that is running.
Must not: SQL, Delta, Dagster events.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import dagster as dg
import sqlalchemy as sa

from cs_assets.contracts import Contract, Place
from cs_resources.duckdb_session import DuckDBSession
from cs_resources.lake import Lake
from cs_resources.settings import Settings
from cs_resources.staging import Staged, Stager
from cs_resources.warehouse import Warehouse
from cs_resources.writing import Provenance, Ticket


@dataclass(frozen=True)
class Inventory:
    """What is published of one table: partitions, rows, and one hash over all of it."""

    contract: Contract
    partitions: int
    rows: int
    content_hash: str


@dataclass(frozen=True)
class Storage:
    """Where the tables of `contracts` live."""

    contracts: tuple[Contract, ...]
    lake_root: Path
    warehouse_url: sa.URL
    staging_folder: Path
    memory_limit: str = "4GB"
    threads: int | None = None
    reached: Callable[[str], None] = lambda point: None
    _tickets: dict[tuple[str, dg.AssetKey], Ticket] = field(default_factory=dict, init=False)

    @cached_property
    def session(self) -> DuckDBSession:
        """The process's DuckDB session."""
        return DuckDBSession(self.staging_folder / "spill", self.memory_limit, self.threads)

    @cached_property
    def stager(self) -> Stager:
        """Stages and audits tables."""
        return Stager(self.session, self.staging_folder)

    @cached_property
    def lake(self) -> Lake:
        """The lake."""
        return Lake(self.lake_root, self.session, self.reached)

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse."""
        marts = [contract for contract in self.contracts if contract.place is Place.WAREHOUSE]
        return Warehouse(self.warehouse_url, tuple(marts), self.stager, self.reached)

    @cached_property
    def by_key(self) -> Mapping[dg.AssetKey, Contract]:
        """Contracts by asset key."""
        return {contract.asset_key: contract for contract in self.contracts}

    def store(self, contract: Contract) -> Lake | Warehouse:
        """Return the store that a contract's table lives in."""
        return self.lake if contract.place is Place.LAKE else self.warehouse

    def begin(self, step: str, writes: Iterable[tuple[Contract, Sequence[str]]]) -> None:
        """Open the writes of a step, once; to be called before its inputs are read.

        Whatever others publish from now on makes this step's own publication fail: its inputs may
        be older than what they have read.
        """
        for contract, partitions in writes:
            place = (step, contract.asset_key)
            if place not in self._tickets:
                self._tickets[place] = self.store(contract).open(contract, partitions)

    def stored_bytes(self, contract: Contract) -> Mapping[str, int]:
        """Map partitions to the bytes of their files, where the store knows."""
        return self.lake.stored_bytes(contract) if contract.place is Place.LAKE else {}

    def inventory(self, contract: Contract, keys: Iterable[str]) -> Inventory:
        """Return what is published of the partitions `keys`."""
        if contract.place is Place.LAKE:
            hashes = {
                key: str(number) for key, number in self.lake.published(contract, keys).items()
            }
            rows = self.lake.row_count(contract)
        else:
            versions = self.warehouse.published(contract, keys)
            hashes = {key: version.content_hash for key, version in versions.items()}
            rows = sum(version.rows for version in versions.values())
        text = "".join(f"{key}={hashes[key]};" for key in sorted(hashes))
        digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        return Inventory(contract, len(hashes), rows, digest)

    def publish(self, step: str, staged: Staged, provenance: Provenance) -> None:
        """Publish the good partitions of a staged table and delete the staged file.

        Raises StaleWriterError when another run was first.
        """
        ticket = self._tickets.pop((step, staged.contract.asset_key))
        try:
            self.store(staged.contract).publish(ticket, staged, provenance)
        finally:
            staged.discard()


def storage_of(settings: Settings, contracts: Iterable[Contract]) -> Storage:
    """Return the storage of an installation."""
    return Storage(
        contracts=tuple(contracts),
        lake_root=settings.lake_root,
        warehouse_url=settings.warehouse,
        staging_folder=settings.staging_folder,
        memory_limit=settings.duckdb_memory_limit,
    )
