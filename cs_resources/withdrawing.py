"""Taking published partitions of the warehouse away again.

Belongs here: finding and withdrawing what a name stands for. Must not: publishing, deciding what is
no longer wanted.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from cs_assets.contracts import Contract
from cs_resources.warehouse import Warehouse


def published_under(warehouse: Warehouse, prefix: str) -> list[sa.Row[Any]]:
    """Return the rows of `partition_version` whose asset begins with a text, in order."""
    versions = warehouse.tables.versions
    query = (
        sa.select(versions)
        .where(versions.c.asset.startswith(prefix, autoescape=True))
        .order_by(versions.c.asset, versions.c.partition)
    )
    with warehouse.engine.connect() as connection:
        return list(connection.execute(query))


def withdraw(warehouse: Warehouse, contract: Contract) -> int:
    """Delete every published partition of a contract in one transaction; return the rows deleted.

    That they were published, and until when, stays in `partition_version_history`. A writer that
    had begun before is refused.
    """
    tables = warehouse.tables
    versions, past = tables.versions, tables.past_versions
    with warehouse.dialect.write_transaction(warehouse.engine) as connection:
        warehouse.dialect.lock(connection, contract.asset_name)
        own = versions.c.asset == contract.asset_name
        found = connection.execute(sa.select(versions.c.partition, versions.c.rows).where(own))
        rows = {row.partition: row.rows for row in found}
        table = tables.table(contract)
        connection.execute(table.delete().where(tables.scope(contract, list(rows))))
        connection.execute(versions.delete().where(own))
        connection.execute(
            past.update()
            .where(past.c.asset == contract.asset_name, past.c.known_until.is_(None))
            .values(known_until=datetime.now(UTC).replace(tzinfo=None))
        )
    return sum(rows.values())
