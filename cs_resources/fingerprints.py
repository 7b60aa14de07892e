"""Fingerprints: from which code, configuration and inputs a published partition was made.

Belongs here: keeping them, naming the difference between two. Must not: computing them (see
`fingerprinting`), deciding what is run again.

They lie in one SQL table for lake and warehouse alike, and are written right after a publication.
A fingerprint counts only while its content is that of the published partition: where a writer died
in between, or another one came after it, there is none, and the partition is made again.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from cs_assets.contracts import Contract
from cs_resources.warehouse import Warehouse

CODE, CONFIGURATION, UNKNOWN = "code", "configuration", "fingerprint not recorded"
UNFINISHED = "unfinished: "
"""With this a configuration begins whose work was not done to the end; what is missing follows."""


@dataclass(frozen=True)
class Fingerprint:
    """Code version, configuration, and by asset a digest of the partitions that were read."""

    code: str
    configuration: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """All of it in 32 hex digits."""
        text = repr((self.code, self.configuration, sorted(self.inputs.items())))
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    @property
    def missing(self) -> str:
        """What is missing of a partition whose work was not done to the end; empty: nothing."""
        is_unfinished = self.configuration.startswith(UNFINISHED)
        return self.configuration.removeprefix(UNFINISHED) if is_unfinished else ""

    def unfinished(self, missing: str) -> "Fingerprint":
        """Return the fingerprint of a partition of which something is missing."""
        return replace(self, configuration=UNFINISHED + missing)

    def differences(self, made: "Fingerprint | None") -> tuple[str, ...]:
        """Name what has changed since a partition was `made`: code, configuration, assets."""
        if made is None:
            return (UNKNOWN,)
        changed = [CODE] if made.code != self.code else []
        if made.missing:
            changed.append(made.configuration)
        elif made.configuration != self.configuration:
            changed.append(CONFIGURATION)
        names = sorted({*made.inputs, *self.inputs})
        changed += [name for name in names if made.inputs.get(name) != self.inputs.get(name)]
        return tuple(changed)


@dataclass(frozen=True)
class FingerprintTable:
    """The recorded fingerprints, in the warehouse's database."""

    warehouse: Warehouse

    def record(
        self,
        contract: Contract,
        content: Mapping[str, str],
        fingerprints: Mapping[str, Fingerprint],
    ) -> None:
        """Keep the fingerprints of partitions that now hold `content` (key -> content version)."""
        table, asset = self._table, contract.asset_name
        rows = [
            {
                "asset": asset,
                "partition": key,
                "content": version,
                "code": fingerprints[key].code,
                "configuration": fingerprints[key].configuration,
                "inputs": json.dumps(fingerprints[key].inputs, sort_keys=True),
            }
            for key, version in content.items()
        ]
        if not rows:
            return
        dialect = self.warehouse.dialect
        with dialect.write_transaction(self.warehouse.engine) as connection:
            dialect.lock(connection, f"{table.name} {asset}")
            connection.execute(
                table.delete().where(table.c.asset == asset, table.c.partition.in_(content))
            )
            connection.execute(table.insert(), rows)

    def recorded(self, contract: Contract, content: Mapping[str, str]) -> dict[str, Fingerprint]:
        """Return the fingerprints of partitions, as far as they belong to `content`."""
        table = self._table
        query = sa.select(table).where(table.c.asset == contract.asset_name)
        with self.warehouse.engine.connect() as connection:
            return {
                row.partition: Fingerprint(row.code, row.configuration, json.loads(row.inputs))
                for row in connection.execute(query)
                if content.get(row.partition) == row.content
            }

    @property
    def _table(self) -> sa.Table:
        return self.warehouse.tables.fingerprints
