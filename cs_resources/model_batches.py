"""Batches of requests to a language model, which its endpoint answers within a day.

Belongs here: which batches there are, how far each one got, which calls they hold. Must not:
uploading, asking, reading results.

A batch is written down before anything is uploaded, under an id of our own that the endpoint is
told as metadata: a submitter that comes after one that was killed finds the batch there and goes on
where it stopped, so that none is lost and none is sent twice. A call is in one open batch at most.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from cs_resources.model_answers import portions
from cs_resources.repeating import repeatable
from cs_resources.warehouse import Warehouse

Status = Literal["preparing", "uploaded", "submitted", "collected", "failed"]
OPEN: tuple[Status, ...] = ("preparing", "uploaded", "submitted")
_SUBMITTING = "llm_batch"
"""The name under which submitters wait for each other."""


@dataclass(frozen=True)
class Batch:
    """A batch; `batch_id` is our own UUID in hex, `partitions` the days of its calls.

    `status`: preparing, uploaded (`input_file` is known), submitted (`provider_id` is known), then
    collected (every result is kept) or failed (`error`). Files and `provider_id` are the endpoint's
    names. Instants are UTC without a zone.
    """

    batch_id: str
    endpoint: str
    model: str
    prompt_version: str
    mode: Literal["json_schema", "json_object", "text"]
    run_id: str
    partitions: tuple[str, ...]
    requests: int
    status: Status
    opened_at: datetime
    input_file: str | None = None
    provider_id: str | None = None
    provider_status: str | None = None
    submitted_at: datetime | None = None
    checked_at: datetime | None = None
    output_file: str | None = None
    error_file: str | None = None
    closed_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True)
class BatchItem:
    """A request of a batch: `custom_id` is the answer's key, `attempt_id` its row in the ledger."""

    batch_id: str
    custom_id: str
    attempt_id: str
    tenant_id: str
    partition: str
    dialogue_hash: str


@dataclass(frozen=True)
class Batches:
    """The batches, in the warehouse's database."""

    warehouse: Warehouse

    def add_batch(self, batch: Batch, items: Sequence[BatchItem]) -> Batch | None:
        """Write down a batch of the items whose calls no open batch holds; None: there are none.

        Returns the batch as it was written: `requests` counts its items (see `batch_items`), to
        `partitions` their days are added. A batch that is there already is returned as it is.
        """
        tables, dialect = self.warehouse.tables.models, self.warehouse.dialect

        def work(connection: sa.Connection) -> Batch | None:
            # two submitters must not take the same calls
            dialect.lock(connection, _SUBMITTING)
            found = connection.execute(
                sa.select(tables.batches).where(tables.batches.c.batch_id == batch.batch_id)
            ).one_or_none()
            if found:
                return _batch(found)
            taken = self._pending(connection, [item.custom_id for item in items])
            free = [item for item in items if item.custom_id not in taken]
            if not free:
                return None
            days = {*batch.partitions, *(item.partition for item in free)}
            written = replace(batch, requests=len(free), partitions=tuple(sorted(days)))
            connection.execute(tables.batches.insert(), _row(written))
            connection.execute(tables.batch_items.insert(), [vars(item) for item in free])
            return written

        return repeatable(self.warehouse, work)

    def open_batches(self) -> list[Batch]:
        """Return the batches that are neither collected nor failed, the oldest first."""
        table = self.warehouse.tables.models.batches
        query = (
            sa.select(table)
            .where(table.c.status.in_(OPEN))
            .order_by(table.c.opened_at, table.c.batch_id)
        )
        with self.warehouse.engine.connect() as connection:
            return [_batch(row) for row in connection.execute(query)]

    def add_days(self, batch_id: str, days: Collection[str]) -> bool:
        """Note that calls of more days wait for an open batch; False: it is open no more."""
        table = self.warehouse.tables.models.batches
        # whoever closes it comes before, and is seen, or after, and sees the days
        query = (
            sa.select(table.c.partitions)
            .where(table.c.batch_id == batch_id, table.c.status.in_(OPEN))
            .with_for_update()
        )

        def work(connection: sa.Connection) -> bool:
            known = connection.scalars(query).one_or_none()
            if known is None:
                return False
            both = {*json.loads(known), *days}
            update = table.update().where(table.c.batch_id == batch_id)
            connection.execute(update.values(partitions=json.dumps(sorted(both))))
            return True

        return repeatable(self.warehouse, work)

    def closed_batches(self, endpoint: str, after: datetime) -> list[Batch]:
        """Return an endpoint's batches that were closed after an instant (UTC), the last first."""
        table = self.warehouse.tables.models.batches
        query = (
            sa.select(table)
            .where(table.c.endpoint == endpoint, table.c.closed_at > after)
            .order_by(table.c.closed_at.desc(), table.c.batch_id)
        )
        with self.warehouse.engine.connect() as connection:
            return [_batch(row) for row in connection.execute(query)]

    def update_batch(self, batch: Batch, expected: Status) -> bool:
        """Write a batch's new state, its days left out (see `add_days`).

        False: another one has brought it beyond `expected`.
        """
        table = self.warehouse.tables.models.batches
        # a repeated update finds what it wrote itself
        update = table.update().where(
            table.c.batch_id == batch.batch_id, table.c.status.in_({expected, batch.status})
        )
        values = {name: value for name, value in _row(batch).items() if name != "partitions"}

        def work(connection: sa.Connection) -> bool:
            return connection.execute(update.values(values)).rowcount == 1

        return repeatable(self.warehouse, work)

    def batch_items(self, batch_id: str) -> list[BatchItem]:
        """Return the requests of a batch in the order of their ids."""
        table = self.warehouse.tables.models.batch_items
        query = sa.select(table).where(table.c.batch_id == batch_id).order_by(table.c.custom_id)
        with self.warehouse.engine.connect() as connection:
            return [BatchItem(*row) for row in connection.execute(query)]

    def outcomes(self, batch_id: str, tenant_id: str | None = None) -> dict[str, int]:
        """Count the requests of a batch, or a tenant's, by what came of them.

        Those without an end are left out.
        """
        tables = self.warehouse.tables.models
        outcome, tenant = tables.attempts.c.outcome, tables.batch_items.c.tenant_id
        query = (
            sa.select(outcome, sa.func.count())
            .select_from(self._asked())
            .where(tables.batch_items.c.batch_id == batch_id, outcome.is_not(None))
            .group_by(outcome)
        )
        if tenant_id is not None:
            query = query.where(tenant == tenant_id)
        with self.warehouse.engine.connect() as connection:
            return {str(name): count for name, count in connection.execute(query)}

    def asked_in_vain(self, keys: Iterable[str], outcomes: Collection[str]) -> dict[str, str]:
        """Map those keys that a batch has asked for, with one of the outcomes, to the reason."""
        tables, dialect = self.warehouse.tables.models, self.warehouse.dialect
        attempts, items = tables.attempts, tables.batch_items
        query = (
            sa.select(items.c.custom_id, attempts.c.error)
            .select_from(self._asked())
            .where(attempts.c.outcome.in_(outcomes))
        )
        found: dict[str, str] = {}
        with self.warehouse.engine.connect() as connection:
            for some in portions(keys):
                for key, error in connection.execute(
                    query.where(dialect.among(items.c.custom_id, some))
                ):
                    found[key] = error or "no answer"
        return found

    def pending(self, keys: Iterable[str]) -> dict[str, str]:
        """Map those of the answers' keys that an open batch will bring to the batch's id."""
        with self.warehouse.engine.connect() as connection:
            return self._pending(connection, keys)

    def _pending(self, connection: sa.Connection, keys: Iterable[str]) -> dict[str, str]:
        tables, dialect = self.warehouse.tables.models, self.warehouse.dialect
        batches, items = tables.batches, tables.batch_items
        query = (
            sa.select(items.c.custom_id, items.c.batch_id)
            .select_from(items.join(batches, items.c.batch_id == batches.c.batch_id))
            .where(batches.c.status.in_(OPEN))
        )
        found: dict[str, str] = {}
        for some in portions(keys):
            within = query.where(dialect.among(items.c.custom_id, some))
            found.update((row.custom_id, row.batch_id) for row in connection.execute(within))
        return found

    def _asked(self) -> sa.Join:
        tables = self.warehouse.tables.models
        items, attempts = tables.batch_items, tables.attempts
        return items.join(attempts, items.c.attempt_id == attempts.c.attempt_id)


def _row(batch: Batch) -> dict[str, Any]:
    return vars(batch) | {"partitions": json.dumps(batch.partitions)}


def _batch(row: sa.Row[Any]) -> Batch:
    values = dict(row._mapping)
    return Batch(**values | {"partitions": tuple(json.loads(values["partitions"]))})
