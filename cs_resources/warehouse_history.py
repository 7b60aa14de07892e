"""What was published before: contents of partitions, replaced rows, restatements.

Belongs here: keeping them in the publishing transaction, finding what was known at an instant.
Must not: deciding what is published.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from cs_assets.contracts import UNPARTITIONED, Contract
from cs_resources.errors import ConfigurationError, MissingPartitionError
from cs_resources.warehouse_tables import KNOWN_FROM, KNOWN_UNTIL, VERSION, WarehouseTables
from cs_resources.writing import Restatement

_HALF = 2**32
_TICK = timedelta(microseconds=1)
Sums = dict[str, int]


@dataclass(frozen=True)
class Replacement:
    """What a publication replaces: partitions with other content, and their figures before."""

    at: datetime
    changed: Mapping[str, sa.Row[Any]]
    sums: Mapping[str, Sums]


@dataclass(frozen=True)
class History:
    """The memory of a warehouse."""

    tables: WarehouseTables

    def last_versions(self, connection: sa.Connection, contract: Contract) -> dict[str, int]:
        """Map partitions to the highest version that they ever had."""
        past = self.tables.past_versions
        query = (
            sa.select(past.c.partition, sa.func.max(past.c.version))
            .where(past.c.asset == contract.asset_name)
            .group_by(past.c.partition)
        )
        return {row.partition: row[1] for row in connection.execute(query)}

    def begin(
        self, connection: sa.Connection, contract: Contract, hashes: Mapping[str, str]
    ) -> Replacement:
        """Look at what will be replaced by content of these hashes, and keep its rows."""
        published = self._contents(connection, contract, hashes)
        changed = {key: row for key, row in published.items() if row.content_hash != hashes[key]}
        times = [row.known_from + _TICK for row in changed.values()]
        at = max([datetime.now(UTC).replace(tzinfo=None), *times])
        if contract.keeps_history:
            for key, row in changed.items():
                self._keep(connection, contract, key, row, at)
        return Replacement(at, changed, self._sums(connection, contract, list(changed)))

    def end(
        self,
        connection: sa.Connection,
        contract: Contract,
        rows: Iterable[Mapping[str, Any]],
        replacement: Replacement,
    ) -> None:
        """Note the new contents and restatements; `rows` are those of `partition_version`."""
        past, asset = self.tables.past_versions, contract.asset_name
        there = self._contents(connection, contract, [row["partition"] for row in rows])
        new = [
            row
            for row in rows
            if row["partition"] in replacement.changed or row["partition"] not in there
        ]
        for row in new:
            connection.execute(
                past.update()
                .where(past.c.asset == asset, past.c.partition == row["partition"])
                .where(past.c.known_until.is_(None))
                .values(known_until=replacement.at)
            )
        if new:
            kept = set(past.c.keys())
            spans = {KNOWN_FROM: replacement.at, KNOWN_UNTIL: None}
            connection.execute(
                past.insert(),
                [{name: row[name] for name in row if name in kept} | spans for row in new],
            )
        if replacement.changed:
            sums = self._sums(connection, contract, list(replacement.changed))
            restated = [
                _restatement(row, replacement, sums)
                for row in new
                if row["partition"] in replacement.changed
            ]
            connection.execute(self.tables.restatements.insert(), restated)

    def restatements(
        self, connection: sa.Connection, asset: str, since: datetime | None = None
    ) -> list[Restatement]:
        """Return an asset's restatements since an instant (with a time zone), oldest first."""
        table = self.tables.restatements
        query = sa.select(table).where(table.c.asset == asset)
        if since is not None:
            query = query.where(table.c.restated_at >= _utc(since))
        query = query.order_by(table.c.restated_at, table.c.partition)
        return [_read(row._mapping) for row in connection.execute(query)]

    def query_at(
        self,
        connection: sa.Connection,
        contract: Contract,
        partitions: Sequence[str],
        known_at: datetime,
    ) -> sa.Select[Any] | sa.CompoundSelect[Any]:
        """Return the query of the rows that readers found at an instant.

        Raises MissingPartitionError where nothing was published then, ConfigurationError where it
        was replaced later and the contract keeps no history.
        """
        found = self._contents(connection, contract, partitions, _utc(known_at))
        if missing := [key for key in partitions if key not in found]:
            raise MissingPartitionError(
                f"{contract.asset_name} had not published {', '.join(missing[:5])} by "
                f"{known_at.isoformat()}; ask for a later instant"
            )
        current = [key for key, row in found.items() if row.known_until is None]
        past = {key: row.version for key, row in found.items() if row.known_until is not None}
        table = self.tables.table(contract)
        query = _columns(contract, table).where(self.tables.scope(contract, current))
        if not past:
            return query if current else query.where(sa.false())
        if not contract.keeps_history:
            raise ConfigurationError(
                f"{contract.asset_name} was restated since {known_at.isoformat()} and its contract "
                "keeps no history: what was known then is gone"
            )
        history = self.tables.history(contract)
        kept = [
            self.tables.scope(contract, [key], history) & (history.c.version == version)
            for key, version in past.items()
        ]
        replaced = _columns(contract, history).where(sa.or_(*kept))
        return sa.union_all(query, replaced) if current else replaced

    def _contents(
        self,
        connection: sa.Connection,
        contract: Contract,
        partitions: Collection[str],
        at: datetime | None = None,
    ) -> dict[str, sa.Row[Any]]:
        """Map partitions to the content that is published now, or was at an instant."""
        past = self.tables.past_versions
        query = sa.select(past).where(past.c.asset == contract.asset_name)
        if at is None:
            query = query.where(past.c.known_until.is_(None))
        else:
            ended = past.c.known_until <= at
            query = query.where(past.c.known_from <= at, sa.not_(sa.func.coalesce(ended, False)))
        rows = {row.partition: row for row in connection.execute(query)}
        return {key: rows[key] for key in partitions if key in rows}

    def _keep(
        self,
        connection: sa.Connection,
        contract: Contract,
        partition: str,
        content: sa.Row[Any],
        until: datetime,
    ) -> None:
        table, history = self.tables.table(contract), self.tables.history(contract)
        rows = _columns(contract, table).add_columns(
            sa.literal(content.version, sa.BigInteger),
            sa.literal(content.known_from, sa.DateTime),
            sa.literal(until, sa.DateTime),
        )
        names = [*contract.column_names, VERSION, KNOWN_FROM, KNOWN_UNTIL]
        query = rows.where(self.tables.scope(contract, [partition]))
        connection.execute(history.insert().from_select(names, query))

    def _sums(
        self, connection: sa.Connection, contract: Contract, partitions: Sequence[str]
    ) -> dict[str, Sums]:
        """Map partitions to the sums of their integer columns, the key's left out.

        In two halves, as SQLite adds up 64 bits only.
        """
        table = self.tables.table(contract)
        names = [c.name for c in contract.columns if c.type.is_integer()]
        names = [name for name in names if name not in contract.key]
        if not partitions or not names:
            return {}
        value: sa.ColumnElement[Any] = (
            table.c[contract.partition_column]
            if contract.partition_column
            else sa.literal(UNPARTITIONED)
        )
        halves = [
            sa.func.coalesce(sa.func.sum(half), 0)
            for name in names
            for half in (table.c[name] // _HALF, table.c[name] % _HALF)
        ]
        query = sa.select(value, *halves).where(self.tables.scope(contract, partitions))
        found = {}
        for key, *sums in connection.execute(query.group_by(value)):
            whole = [int(a) * _HALF + int(b) for a, b in zip(sums[::2], sums[1::2], strict=True)]
            found[contract.partition_key(key)] = dict(zip(names, whole, strict=True))
        return {key: found.get(key, dict.fromkeys(names, 0)) for key in partitions}


def _columns(contract: Contract, table: sa.Table) -> sa.Select[Any]:
    return sa.select(*(table.c[name] for name in contract.column_names))


def _utc(instant: datetime) -> datetime:
    if instant.utcoffset() is None:
        raise ValueError(f"{instant}: an instant needs a time zone, e.g. datetime.now(UTC)")
    return instant.astimezone(UTC).replace(tzinfo=None)


def _restatement(
    row: Mapping[str, Any], replacement: Replacement, sums: Mapping[str, Sums]
) -> dict[str, Any]:
    key = row["partition"]
    old, before, after = replacement.changed[key], replacement.sums.get(key, {}), sums.get(key, {})
    headline = {name: (before[name], after[name]) for name in before}
    return {
        "asset": row["asset"],
        "partition": key,
        "old_version": old.version,
        "new_version": row[VERSION],
        "old_hash": old.content_hash,
        "new_hash": row["content_hash"],
        "old_rows": old.rows,
        "new_rows": row["rows"],
        "headline": json.dumps(headline, sort_keys=True),
        "run_id": row["run_id"],
        "restated_at": replacement.at,
    }


def _read(row: Mapping[Any, Any]) -> Restatement:
    headline = {name: tuple(sums) for name, sums in json.loads(row["headline"]).items()}
    at = row["restated_at"].replace(tzinfo=UTC)
    return Restatement(**{**row, "headline": headline, "restated_at": at})
