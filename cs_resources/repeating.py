"""Transactions that survive a lost connection.

Belongs here: doing repeatable work once more. Must not: which work.
"""

from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from cs_resources.warehouse import Warehouse

Found = TypeVar("Found")


def repeatable(warehouse: Warehouse, work: Callable[[sa.Connection], Found]) -> Found:
    """Do work in a write transaction; where its connection was lost, once more on a new one.

    The first one may have been committed and only its reply lost: the work must be such that
    doing it twice is doing it once. Raises SQLAlchemy's DBAPIError when it fails again.
    """
    try:
        return _done(warehouse, work)
    except sa.exc.DBAPIError as error:
        if not error.connection_invalidated:
            raise
    return _done(warehouse, work)


def _done(warehouse: Warehouse, work: Callable[[sa.Connection], Found]) -> Found:
    with warehouse.dialect.write_transaction(warehouse.engine) as connection:
        return work(connection)
