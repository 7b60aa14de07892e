"""The warehouse: SQL tables of marts, each partition replaced in one transaction.

Belongs here: transactions, the fence `partition_version`, bulk loading, reading partitions as
streams. Must not: auditing, business rules.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from cs_assets.contract_forms import sqlalchemy_table
from cs_assets.contracts import Contract
from cs_resources.errors import MissingPartitionError, StaleWriterError
from cs_resources.fingerprints import PARTITION_FINGERPRINT
from cs_resources.sql_dialects import Dialect, dialect_of
from cs_resources.staging import Staged, Stager
from cs_resources.streams import aside
from cs_resources.writing import Provenance, Ticket, missing_text

_READ_ROWS = 50_000

METADATA = sa.MetaData()
PARTITION_VERSION = sa.Table(
    "partition_version",
    METADATA,
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


@dataclass(frozen=True)
class Warehouse:
    """A SQL database holding the marts of `contracts`; `reached` is told every write point."""

    url: sa.URL
    contracts: tuple[Contract, ...]
    stager: Stager
    reached: Callable[[str], None] = lambda point: None

    @cached_property
    def dialect(self) -> Dialect:
        """What differs between databases."""
        return dialect_of(self.url)

    @cached_property
    def engine(self) -> sa.Engine:
        """The connection pool; tables that do not exist are made on first use."""
        engine = self.dialect.create_engine(self.url)
        with engine.connect() as connection:
            there = set(sa.inspect(connection).get_table_names())
        tables = [PARTITION_VERSION, PARTITION_FINGERPRINT, *self._tables.values()]
        if any(table.name not in there for table in tables):
            # only then, because it waits for other writers
            with self.dialect.write_transaction(engine) as connection:
                for table in tables:
                    table.create(connection, checkfirst=True)
        return engine

    @cached_property
    def _tables(self) -> dict[str, sa.Table]:
        metadata = sa.MetaData()
        return {
            contract.asset_name: sqlalchemy_table(contract, metadata) for contract in self.contracts
        }

    def table(self, contract: Contract) -> sa.Table:
        """Return the SQLAlchemy table of a contract."""
        return self._tables[contract.asset_name]

    def open(self, contract: Contract, partitions: Sequence[str]) -> Ticket:
        """Begin a write: remember the versions that it may replace."""
        with self.engine.connect() as connection:
            base = {key: row.version for key, row in self._versions(connection, contract).items()}
        return Ticket(contract, tuple(partitions), base=base)

    def require_current(self, ticket: Ticket, partitions: Iterable[str]) -> None:
        """Raise StaleWriterError if others published a partition since `open` or `publish`."""
        with self.engine.connect() as connection:
            self._compare(connection, ticket, partitions)

    def publish(self, ticket: Ticket, staged: Staged, provenance: Provenance) -> None:
        """Replace the staged file's good partitions in one transaction; renew the ticket.

        A reply to COMMIT that got lost is recognised by the attempt's own `write_id`. Raises
        StaleWriterError when another writer replaced one of the partitions since `open`.
        """
        partitions = [key for key in ticket.partitions if key not in staged.failures]
        if not partitions:
            return
        self.reached("warehouse: audited")
        try:
            with self.dialect.write_transaction(self.engine) as connection:
                self._fence(connection, ticket, partitions)
                self._replace(connection, staged, partitions)
                self._record(connection, ticket, staged, partitions, provenance)
                self.reached("warehouse: before commit")
        except sa.exc.DBAPIError:
            if not self._was_applied(ticket.contract, partitions, provenance):
                raise
        ticket.base.update((key, _next_version(ticket, key)) for key in partitions)
        self.reached("warehouse: committed")

    def read(self, contract: Contract, partitions: Sequence[str]) -> pa.RecordBatchReader:
        """Return the partitions' rows as a stream of record batches in the contract's schema.

        Raises MissingPartitionError naming every wanted partition that was never published.
        """
        published = self.published(contract, partitions)
        if missing := [key for key in partitions if key not in published]:
            raise MissingPartitionError(missing_text(contract, missing))
        schema = pa.schema([field.with_nullable(True) for field in contract.schema.to_pyarrow()])
        return pa.RecordBatchReader.from_batches(
            schema, self._batches(contract, partitions, schema)
        )

    def published(self, contract: Contract, partitions: Iterable[str]) -> dict[str, sa.Row[Any]]:
        """Map each partition that was published to its row of `partition_version`."""
        with self.engine.connect() as connection:
            versions = self._versions(connection, contract)
        return {key: versions[key] for key in partitions if key in versions}

    def total(self, contract: Contract, column: str, partition: str) -> int:
        """Return the sum of an integer column over a published partition."""
        table = self.table(contract)
        query = sa.select(sa.func.coalesce(sa.func.sum(table.c[column]), 0)).where(
            self._scope(contract, [partition])
        )
        with self.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def _batches(
        self, contract: Contract, partitions: Sequence[str], schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        table = self.table(contract)
        query = sa.select(*(table.c[name] for name in contract.column_names)).where(
            self._scope(contract, partitions)
        )
        with self.engine.connect().execution_options(yield_per=_READ_ROWS) as connection:
            for rows in connection.execute(query).partitions():
                columns = zip(*rows, strict=True)
                yield pa.record_batch(
                    [
                        pa.array(values, field.type)
                        for values, field in zip(columns, schema, strict=True)
                    ],
                    schema=schema,
                )

    def latest_as_of(self, contract: Contract, partitions: Sequence[str]) -> dict[str, date]:
        """Map published periods that hold rows to their as-of date."""
        table = self.table(contract)
        query = (
            sa.select(table.c.period_key, sa.func.max(table.c.as_of))
            .where(self._scope(contract, partitions))
            .group_by(table.c.period_key)
        )
        with self.engine.connect() as connection:
            return {contract.partition_key(key): as_of for key, as_of in connection.execute(query)}

    def _scope(self, contract: Contract, partitions: Sequence[str]) -> sa.ColumnElement[bool]:
        """Return the condition that selects the rows of partitions."""
        table = self.table(contract)
        if contract.partition_column is None:
            return sa.true()
        values = [contract.partition_value(key) for key in partitions]
        condition: sa.ColumnElement[bool] = table.c[contract.partition_column].in_(values)
        if "period_type" in contract.column_names and contract.grain:
            condition &= table.c.period_type == contract.grain.value
        return condition

    def _versions(self, connection: sa.Connection, contract: Contract) -> dict[str, sa.Row[Any]]:
        rows = connection.execute(
            sa.select(PARTITION_VERSION).where(PARTITION_VERSION.c.asset == contract.asset_name)
        )
        return {row.partition: row for row in rows}

    def _fence(self, connection: sa.Connection, ticket: Ticket, partitions: Sequence[str]) -> None:
        self.dialect.lock(connection, PARTITION_VERSION, ticket.contract.asset_name)
        self._compare(connection, ticket, partitions)

    def _compare(
        self, connection: sa.Connection, ticket: Ticket, partitions: Iterable[str]
    ) -> None:
        current = self._versions(connection, ticket.contract)
        for key in partitions:
            row = current.get(key)
            if (row.version if row else None) != ticket.base.get(key):
                what = f"run {row.run_id} published" if row else "somebody withdrew"
                raise StaleWriterError(
                    f"{ticket.contract.asset_name}: {what} partition {key} after this run had "
                    "begun; that stands and this run's rows were discarded. Run again if newer "
                    "inputs should count."
                )

    def _replace(
        self, connection: sa.Connection, staged: Staged, partitions: Sequence[str]
    ) -> None:
        contract, table = staged.contract, self.table(staged.contract)
        connection.execute(table.delete().where(self._scope(contract, partitions)))
        self.reached("warehouse: deleted")
        session = aside(self.stager.session)
        rows = self.stager.open(staged, session)
        if staged.failures and contract.partition_column:
            values = [contract.partition_value(key) for key in partitions]
            rows = rows.filter(rows[contract.partition_column].isin(values))
        for _ in self.dialect.load(connection, table, session, rows):
            self.reached("warehouse: loading")
        loaded = connection.execute(
            sa.select(sa.func.count()).select_from(table).where(self._scope(contract, partitions))
        ).scalar_one()
        audited = sum(staged.audits[key].rows for key in partitions)
        if loaded != audited:
            raise RuntimeError(
                f"{contract.asset_name}: the database holds {loaded} rows of the partitions, "
                f"{audited} were audited; the transaction is rolled back"
            )

    def _record(
        self,
        connection: sa.Connection,
        ticket: Ticket,
        staged: Staged,
        partitions: Sequence[str],
        provenance: Provenance,
    ) -> None:
        asset = ticket.contract.asset_name
        connection.execute(
            PARTITION_VERSION.delete().where(
                PARTITION_VERSION.c.asset == asset, PARTITION_VERSION.c.partition.in_(partitions)
            )
        )
        connection.execute(
            PARTITION_VERSION.insert(),
            [
                {
                    "asset": asset,
                    "partition": key,
                    "version": _next_version(ticket, key),
                    "rows": staged.audits[key].rows,
                    "content_hash": staged.audits[key].content_hash,
                    "fingerprint": provenance.fingerprint,
                    "run_id": provenance.run_id,
                    "write_id": provenance.write_id,
                    "committed_at": datetime.now(UTC).replace(tzinfo=None),
                }
                for key in partitions
            ],
        )

    def _was_applied(
        self, contract: Contract, partitions: Sequence[str], provenance: Provenance
    ) -> bool:
        published = self.published(contract, partitions)
        return len(published) == len(partitions) and all(
            row.write_id == provenance.write_id for row in published.values()
        )


def _next_version(ticket: Ticket, partition: str) -> int:
    return int(ticket.base.get(partition) or 0) + 1
