"""The pace of a language model: the log of starts that all processes share.

Belongs here: reserving starts, holding everybody back, the endpoint's structured output. Must not:
the law (see `model_window`), waiting, sending.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from cs_resources.model_window import SPAN, Limits, Slot, slot_of, slots, wait_for
from cs_resources.repeating import repeatable
from cs_resources.warehouse import Warehouse


@dataclass(frozen=True)
class Correction:
    """What a request really used; `started` is when it did, in epoch seconds of the store."""

    started: float
    estimated: int
    actual: int


@dataclass(frozen=True)
class Pace:
    """The log of starts, one for each endpoint and model, shared by all processes."""

    warehouse: Warehouse

    def clock(self) -> float:
        """Return epoch seconds on the clock that all processes share: PostgreSQL's own."""
        return self.warehouse.dialect.clock(self.warehouse.engine)

    def reserve(
        self, endpoint: str, model: str, limits: Limits, tokens: Sequence[int], now: float
    ) -> list[float]:
        """Return for each request, by its estimated tokens, the seconds from `now` to its start.

        `now` comes from `clock`. Starts are given out in the order in which they are asked for; the
        law holds if none comes more than LATENESS_SECONDS after its time. A connection that is lost
        may cost a reservation that nobody uses, never one too many.
        """
        if not tokens:
            return []
        if limits == Limits():
            row = self._endpoint(endpoint, model)
            held_until = row.held_until if row else None
            return [max(0.0, (held_until or now) - now)] * len(tokens)

        def work(connection: sa.Connection) -> list[float]:
            held_until = self._locked(connection, endpoint, model)
            first = slot_of(now)
            if held_until is not None and held_until > now:
                first = slot_of(held_until) + 1
            log = self._log(connection, endpoint, model)
            given = slots(log, limits, tokens, first)
            self._add(connection, endpoint, model, given, tokens)
            if any(entry.slot <= slot_of(now) - SPAN for entry in log):
                self._forget(connection, endpoint, model, slot_of(now) - SPAN)
            return [wait_for(slot, now) for slot in given]

        return repeatable(self.warehouse, work)

    def hold(self, endpoint: str, model: str, until: float) -> None:
        """Let nobody start before an instant in epoch seconds; an earlier one changes nothing.

        Those that were told their start before are not reached.
        """
        table = self.warehouse.tables.models.endpoints
        insert = self.warehouse.dialect.insert(table)
        later = sa.or_(table.c.held_until.is_(None), table.c.held_until < until)
        upsert = insert.on_conflict_do_update(
            index_elements=list(table.primary_key), set_={"held_until": until}, where=later
        )
        row = {"endpoint": endpoint, "model": model, "held_until": until}
        repeatable(self.warehouse, lambda connection: connection.execute(upsert, row))

    def correct(self, endpoint: str, model: str, corrections: Sequence[Correction]) -> None:
        """Count the tokens that requests really used instead of the estimated ones.

        Of a request that has left the window nothing is counted any more.
        """
        table = self.warehouse.tables.models.starts
        update = (
            table.update()
            .where(
                table.c.endpoint == endpoint,
                table.c.model == model,
                table.c.slot == sa.bindparam("started"),
            )
            .values(tokens=table.c.tokens + sa.bindparam("more"))
        )
        rows = [
            {"started": slot_of(each.started), "more": each.actual - each.estimated}
            for each in sorted(corrections, key=lambda each: each.started)
            if each.actual != each.estimated
        ]
        if rows:
            with self.warehouse.dialect.write_transaction(self.warehouse.engine) as connection:
                self._locked(connection, endpoint, model)
                connection.execute(update, rows)

    def mode(self, endpoint: str, model: str) -> str | None:
        """Return the structured output that worked last; None: not yet known."""
        row = self._endpoint(endpoint, model)
        return row.mode if row else None

    def remember_mode(self, endpoint: str, model: str, mode: str) -> None:
        """Remember the structured output that works now."""
        table = self.warehouse.tables.models.endpoints
        row: dict[str, Any] = {"mode": mode, "mode_at": datetime.now(UTC).replace(tzinfo=None)}
        upsert = self.warehouse.dialect.insert(table).on_conflict_do_update(
            index_elements=list(table.primary_key), set_=row
        )
        row = {"endpoint": endpoint, "model": model, **row}
        repeatable(self.warehouse, lambda connection: connection.execute(upsert, row))

    def _endpoint(self, endpoint: str, model: str) -> sa.Row[Any] | None:
        """Return what is known, without a lock."""
        table = self.warehouse.tables.models.endpoints
        query = sa.select(table).where(table.c.endpoint == endpoint, table.c.model == model)
        with self.warehouse.engine.connect() as connection:
            return connection.execute(query).one_or_none()

    def _locked(self, connection: sa.Connection, endpoint: str, model: str) -> float | None:
        """Let no one else reserve until the transaction ends; return until when all are held."""
        table = self.warehouse.tables.models.endpoints
        insert = self.warehouse.dialect.insert(table)
        lock = insert.on_conflict_do_update(
            index_elements=list(table.primary_key), set_={"model": insert.excluded.model}
        ).returning(table.c.held_until)
        row = {"endpoint": endpoint, "model": model}
        held_until: float | None = connection.scalars(lock, row).one()
        return held_until

    def _log(self, connection: sa.Connection, endpoint: str, model: str) -> list[Slot]:
        table = self.warehouse.tables.models.starts
        query = sa.select(table.c.slot, table.c.requests, table.c.tokens).where(
            table.c.endpoint == endpoint, table.c.model == model
        )
        return [Slot(*row) for row in connection.execute(query)]

    def _add(
        self,
        connection: sa.Connection,
        endpoint: str,
        model: str,
        given: Sequence[int],
        tokens: Sequence[int],
    ) -> None:
        table = self.warehouse.tables.models.starts
        insert = self.warehouse.dialect.insert(table)
        counts = ("requests", "tokens")
        upsert = insert.on_conflict_do_update(
            index_elements=list(table.primary_key),
            set_={name: table.c[name] + insert.excluded[name] for name in counts},
        )
        totals = Counter[int]()
        for slot, wanted in zip(given, tokens, strict=True):
            totals[slot] += wanted
        key = {"endpoint": endpoint, "model": model}
        rows = [
            {**key, "slot": slot, "requests": requests, "tokens": totals[slot]}
            for slot, requests in Counter(given).items()
        ]
        connection.execute(upsert, rows)

    def _forget(self, connection: sa.Connection, endpoint: str, model: str, until: int) -> None:
        table = self.warehouse.tables.models.starts
        connection.execute(
            table.delete().where(
                table.c.endpoint == endpoint, table.c.model == model, table.c.slot <= until
            )
        )
