"""The warehouse: SQL tables of marts, each partition replaced in one transaction.

Belongs here: transactions, the fence `partition_version`, bulk loading, reading partitions as
streams. Must not: auditing, business rules.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property, partial
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from cs_assets.contracts import Contract
from cs_resources.errors import MissingPartitionError, StaleWriterError
from cs_resources.sql_dialects import Dialect, dialect_of
from cs_resources.staging import Staged, Stager
from cs_resources.streams import aside
from cs_resources.timeouts import DEFAULT, Timeouts
from cs_resources.warehouse_history import History
from cs_resources.warehouse_migrations import require_migrated
from cs_resources.warehouse_rows import stream_rows
from cs_resources.warehouse_tables import TABLES, WarehouseTables
from cs_resources.writing import Provenance, Restatement, Ticket, missing_text


@dataclass(frozen=True)
class Warehouse:
    """A SQL database holding the marts of `contracts`; `reached` is told every write point."""

    url: sa.URL
    contracts: tuple[Contract, ...]
    stager: Stager
    reached: Callable[[str], None] = lambda point: None
    timeouts: Timeouts = DEFAULT
    is_migrated: bool = False

    @cached_property
    def dialect(self) -> Dialect:
        """What differs between databases."""
        return dialect_of(self.url, self.timeouts)

    @cached_property
    def tables(self) -> WarehouseTables:
        """The tables that there are."""
        return WarehouseTables(self.contracts)

    @cached_property
    def history(self) -> History:
        """What was published before."""
        return History(self.tables)

    @cached_property
    def engine(self) -> sa.Engine:
        """The connection pool of a database that has the tables.

        A migrated warehouse gets them by migrations: SQLite here, PostgreSQL by its owner
        (ConfigurationError until then); any other one is given those that it lacks.
        """
        engine = self.dialect.create_engine(self.url)
        try:
            if self.is_migrated:
                require_migrated(engine, self.dialect, self.tables)
            else:
                self._make_tables(engine)
        except BaseException:
            engine.dispose()
            raise
        return engine

    def _make_tables(self, engine: sa.Engine) -> None:
        with engine.connect() as connection:
            there = set(sa.inspect(connection).get_table_names())
        if any(table.name not in there for table in self.tables.all):
            # only then, because it waits for other writers
            with self.dialect.write_transaction(engine) as connection:
                self.dialect.lock(connection, TABLES)
                self.dialect.create(connection, self.tables.all)

    def table(self, contract: Contract) -> sa.Table:
        """Return the SQLAlchemy table of a contract."""
        return self.tables.table(contract)

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
        is_committing = False
        try:
            with self.dialect.write_transaction(self.engine) as connection:
                rows = self._write(connection, ticket, staged, partitions, provenance)
                self.reached("warehouse: before commit")
                is_committing = True
        except sa.exc.DBAPIError as error:
            if not is_committing or not self._was_applied(ticket, partitions, provenance, error):
                raise
        ticket.base.update((row["partition"], row["version"]) for row in rows)
        self.reached("warehouse: committed")

    def read(
        self, contract: Contract, partitions: Sequence[str], known_at: datetime | None = None
    ) -> pa.RecordBatchReader:
        """Return the partitions' rows as a stream of record batches in the contract's schema.

        With `known_at`, an instant with a zone, the rows are those that were published then.
        Raises MissingPartitionError naming every wanted partition that was never published, and
        ConfigurationError where a content was asked for that is not kept.
        """
        if known_at is None:
            published = self.published(contract, partitions)
            if missing := [key for key in partitions if key not in published]:
                raise MissingPartitionError(missing_text(contract, missing))
        else:
            with self.dialect.read_transaction(self.engine) as connection:
                self._query(contract, partitions, known_at, connection)
        query = partial(self._query, contract, tuple(partitions), known_at)
        return stream_rows(self.dialect, self.engine, query, contract)

    def restatements(self, contract: Contract, since: datetime | None = None) -> list[Restatement]:
        """Return the restatements of a table's partitions since an instant, oldest first."""
        with self.engine.connect() as connection:
            return self.history.restatements(connection, contract.asset_name, since)

    def known_from(self, contract: Contract, partitions: Iterable[str]) -> dict[str, datetime]:
        """Map published partitions to the instant since which readers find their content, UTC."""
        past = self.tables.past_versions
        query = sa.select(past.c.partition, past.c.known_from).where(
            past.c.asset == contract.asset_name, past.c.known_until.is_(None)
        )
        with self.engine.connect() as connection:
            found = {row.partition: row.known_from for row in connection.execute(query)}
        return {key: found[key].replace(tzinfo=UTC) for key in partitions if key in found}

    def published(
        self, contract: Contract, partitions: Iterable[str] | None = None
    ) -> dict[str, sa.Row[Any]]:
        """Map each published partition (None: of all) to its row of `partition_version`."""
        with self.engine.connect() as connection:
            versions = self._versions(connection, contract)
        wanted = sorted(versions) if partitions is None else partitions
        return {key: versions[key] for key in wanted if key in versions}

    def total(self, contract: Contract, column: str, partition: str) -> int:
        """Return the sum of an integer column over a published partition."""
        table = self.table(contract)
        query = sa.select(sa.func.coalesce(sa.func.sum(table.c[column]), 0)).where(
            self.tables.scope(contract, [partition])
        )
        with self.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def _query(
        self,
        contract: Contract,
        partitions: Sequence[str],
        known_at: datetime | None,
        connection: sa.Connection,
    ) -> sa.Executable:
        if known_at is not None:
            return self.history.query_at(connection, contract, partitions, known_at)
        table = self.table(contract)
        return sa.select(*(table.c[name] for name in contract.column_names)).where(
            self.tables.scope(contract, partitions)
        )

    def latest_as_of(self, contract: Contract, partitions: Sequence[str]) -> dict[str, date]:
        """Map published periods that hold rows to their as-of date."""
        table = self.table(contract)
        query = (
            sa.select(table.c.period_key, sa.func.max(table.c.as_of))
            .where(self.tables.scope(contract, partitions))
            .group_by(table.c.period_key)
        )
        with self.engine.connect() as connection:
            return {contract.partition_key(key): as_of for key, as_of in connection.execute(query)}

    def _versions(self, connection: sa.Connection, contract: Contract) -> dict[str, sa.Row[Any]]:
        versions = self.tables.versions
        rows = connection.execute(
            sa.select(versions).where(versions.c.asset == contract.asset_name)
        )
        return {row.partition: row for row in rows}

    def _write(
        self,
        connection: sa.Connection,
        ticket: Ticket,
        staged: Staged,
        partitions: Sequence[str],
        provenance: Provenance,
    ) -> list[dict[str, Any]]:
        """Replace the partitions in an open transaction; return their rows of the version table."""
        contract = ticket.contract
        self.dialect.lock(connection, contract.asset_name)
        self._compare(connection, ticket, partitions)
        hashes = {key: staged.audits[key].content_hash for key in partitions}
        replacement = self.history.begin(connection, contract, hashes)
        self._replace(connection, staged, partitions)
        rows = self._version_rows(connection, ticket, staged, partitions, provenance)
        self._record(connection, contract, partitions, rows)
        self.history.end(connection, contract, rows, replacement)
        return rows

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
        connection.execute(table.delete().where(self.tables.scope(contract, partitions)))
        self.reached("warehouse: deleted")
        session = aside(self.stager.session)
        rows = self.stager.open(staged, session)
        if staged.failures and contract.partition_column:
            values = [contract.partition_value(key) for key in partitions]
            rows = rows.filter(rows[contract.partition_column].isin(values))
        # in the order of the key its index grows at one end only, on any database
        if contract.key:
            rows = rows.order_by(contract.key)
        for _ in self.dialect.load(connection, table, session, rows):
            self.reached("warehouse: loading")
        loaded = connection.execute(
            sa.select(sa.func.count())
            .select_from(table)
            .where(self.tables.scope(contract, partitions))
        ).scalar_one()
        audited = sum(staged.audits[key].rows for key in partitions)
        if loaded != audited:
            raise RuntimeError(
                f"{contract.asset_name}: the database holds {loaded} rows of the partitions, "
                f"{audited} were audited; the transaction is rolled back"
            )

    def _version_rows(
        self,
        connection: sa.Connection,
        ticket: Ticket,
        staged: Staged,
        partitions: Sequence[str],
        provenance: Provenance,
    ) -> list[dict[str, Any]]:
        # a withdrawn partition's numbers are not given twice
        past = self.history.last_versions(connection, ticket.contract)
        return [
            {
                "asset": ticket.contract.asset_name,
                "partition": key,
                "version": max(ticket.base.get(key) or 0, past.get(key, 0)) + 1,
                "rows": staged.audits[key].rows,
                "content_hash": staged.audits[key].content_hash,
                "fingerprint": provenance.fingerprint,
                "run_id": provenance.run_id,
                "write_id": provenance.write_id,
                "committed_at": datetime.now(UTC).replace(tzinfo=None),
            }
            for key in partitions
        ]

    def _record(
        self,
        connection: sa.Connection,
        contract: Contract,
        partitions: Sequence[str],
        rows: Sequence[dict[str, Any]],
    ) -> None:
        versions = self.tables.versions
        connection.execute(
            versions.delete().where(
                versions.c.asset == contract.asset_name, versions.c.partition.in_(partitions)
            )
        )
        connection.execute(versions.insert(), rows)

    def _was_applied(
        self,
        ticket: Ticket,
        partitions: Sequence[str],
        provenance: Provenance,
        lost: sa.exc.DBAPIError,
    ) -> bool:
        """Look up whether a COMMIT without reply was carried out; raise `lost` if nobody says."""
        contract = ticket.contract
        try:
            with self.dialect.settled(self.engine, contract.asset_name) as connection:
                versions = self._versions(connection, contract)
        except sa.exc.DBAPIError:
            raise lost from None
        return all(
            key in versions and versions[key].write_id == provenance.write_id for key in partitions
        )
