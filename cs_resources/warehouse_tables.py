"""The warehouse's tables: the marts of the contracts, their histories, and the bookkeeping.

Belongs here: descriptions of tables, and which rows of them are a partition's. Must not:
statements, connections.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from cs_assets.contract_forms import sqlalchemy_table
from cs_assets.contracts import Contract
from cs_resources.model_tables import ModelTables
from cs_resources.postgres_partitions import partition_by_range

TABLES = "tables"
"""The name under which writers wait for each other while tables are made."""
VERSION, KNOWN_FROM, KNOWN_UNTIL = "version", "known_from", "known_until"


@dataclass(frozen=True)
class WarehouseTables:
    """The tables of a warehouse that holds the marts of `contracts`, all in one `metadata`."""

    contracts: tuple[Contract, ...]
    metadata: sa.MetaData = field(default_factory=sa.MetaData)
    versions: sa.Table = field(init=False)
    past_versions: sa.Table = field(init=False)
    restatements: sa.Table = field(init=False)
    fingerprints: sa.Table = field(init=False)
    models: ModelTables = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "versions", _versions(self.metadata))
        object.__setattr__(self, "past_versions", _past_versions(self.metadata))
        object.__setattr__(self, "restatements", _restatements(self.metadata))
        object.__setattr__(self, "fingerprints", _fingerprints(self.metadata))
        object.__setattr__(self, "models", ModelTables(self.metadata))
        for table in self.models.all:
            _order_texts_by_bytes(table)
        for contract in self.contracts:
            table = sqlalchemy_table(contract, self.metadata)
            _order_texts_by_bytes(table)
            partition_by_range(table, contract.partition_column)
            if contract.keeps_history:
                _history_table(contract, table)

    @property
    def all(self) -> list[sa.Table]:
        """Every table."""
        return list(self.metadata.tables.values())

    def table(self, contract: Contract) -> sa.Table:
        """The table of a contract."""
        return self.metadata.tables[contract.table_name]

    def history(self, contract: Contract) -> sa.Table:
        """The table of a contract's replaced rows."""
        return self.metadata.tables[f"{contract.table_name}_history"]

    def scope(
        self, contract: Contract, partitions: Sequence[str], table: sa.Table | None = None
    ) -> sa.ColumnElement[bool]:
        """Return the condition that selects the partitions' rows of a contract's table."""
        table = self.table(contract) if table is None else table
        if contract.partition_column is None:
            return sa.true()
        values = [contract.partition_value(key) for key in partitions]
        return sa.and_(
            table.c[contract.partition_column].in_(values),
            *(table.c[name] == value for name, value in contract.shared_by.items()),
        )


def _versions(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "partition_version",
        metadata,
        sa.Column("asset", sa.Text, primary_key=True),
        sa.Column("partition", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False, comment="Counts the publications."),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("write_id", sa.Text, nullable=False, comment="The attempt that wrote it."),
        sa.Column("committed_at", sa.DateTime, nullable=False, comment="UTC."),
        comment="The published version of every mart partition, written in its transaction.",
    )


def _past_versions(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "partition_version_history",
        metadata,
        sa.Column("asset", sa.Text, primary_key=True),
        sa.Column("partition", sa.Text, primary_key=True),
        sa.Column(
            VERSION,
            sa.BigInteger,
            primary_key=True,
            autoincrement=False,
            comment="The publication that brought this content.",
        ),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column(KNOWN_FROM, sa.DateTime, nullable=False, comment="UTC."),
        sa.Column(KNOWN_UNTIL, sa.DateTime, comment="UTC, exclusive; null: published now."),
        comment="Every content that a mart partition ever had, and when readers found it.",
    )


def _restatements(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "restatement",
        metadata,
        sa.Column("asset", sa.Text, primary_key=True),
        sa.Column("partition", sa.Text, primary_key=True),
        sa.Column("new_version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("old_version", sa.BigInteger, nullable=False),
        sa.Column("old_hash", sa.Text, nullable=False),
        sa.Column("new_hash", sa.Text, nullable=False),
        sa.Column("old_rows", sa.BigInteger, nullable=False),
        sa.Column("new_rows", sa.BigInteger, nullable=False),
        sa.Column(
            "headline",
            sa.Text,
            nullable=False,
            comment="JSON: sums of the integer columns before and after.",
        ),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("restated_at", sa.DateTime, nullable=False, comment="UTC."),
        sa.Index("ix_restatement_restated_at", "restated_at"),
        comment="Published partitions that were replaced by different content.",
    )


def _fingerprints(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "partition_fingerprint",
        metadata,
        sa.Column("asset", sa.Text, primary_key=True),
        sa.Column("partition", sa.Text, primary_key=True),
        sa.Column("content", sa.Text, nullable=False, comment="Version of the content made."),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("configuration", sa.Text, nullable=False),
        sa.Column(
            "inputs", sa.Text, nullable=False, comment="JSON: asset -> digest of what was read."
        ),
        comment="From which code, configuration and inputs each published partition was made.",
    )


def _history_table(contract: Contract, table: sa.Table) -> None:
    """Describe the table of replaced rows: those of the mart, with when they were published."""
    name = f"{table.name}_history"
    if name in table.metadata.tables:
        return
    history = sa.Table(
        name,
        table.metadata,
        *(
            sa.Column(
                column.name,
                column.type,
                primary_key=column.primary_key,
                nullable=column.nullable,
                comment=column.comment,
            )
            for column in table.columns
        ),
        sa.Column(
            VERSION,
            sa.BigInteger,
            primary_key=True,
            autoincrement=False,
            comment="The publication of the partition that brought the row.",
        ),
        sa.Column(KNOWN_FROM, sa.DateTime, nullable=False, comment="UTC."),
        sa.Column(KNOWN_UNTIL, sa.DateTime, nullable=False, comment="UTC, exclusive."),
        comment=f"Replaced rows of {table.name}.",
    )
    (scope,) = table.indexes or [None]
    if scope is not None:
        columns = [*(history.c[column.name] for column in scope.columns), history.c[VERSION]]
        sa.Index(f"ix_{name}_partition", *columns)
    partition_by_range(history, contract.partition_column)


def _order_texts_by_bytes(table: sa.Table) -> None:
    """Let keys sort by bytes on every server: fast, the same everywhere, as periods need it."""
    keys: Iterable[sa.Column[Any]] = table.primary_key
    for column in keys:
        if isinstance(column.type, sa.Text):
            column.type = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
