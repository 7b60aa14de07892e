"""The ledger of a language model: every HTTP request, what came of it and what it cost.

Belongs here: opening and closing attempts, sums over them. Must not: sending, prices.

An attempt is opened before it is sent and closed after: where the process died in between its
outcome stays unknown, and it is counted as that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

import sqlalchemy as sa

from cs_resources.sql_dialects import Dialect
from cs_resources.warehouse import Warehouse

Purpose = Literal["live", "batch"]


@dataclass(frozen=True)
class OpenedAttempt:
    """A request about to be sent, the `number`-th (from 1) for its call.

    `attempt_id` is a UUID in hex, `partition` the day of the call (`2025-11-24`), `opened_at` UTC
    without a zone.
    """

    attempt_id: str
    answer_key: str
    tenant_id: str
    partition: str
    run_id: str
    purpose: Purpose
    endpoint: str
    model: str
    prompt_version: str
    structured_output: str
    number: int
    opened_at: datetime


@dataclass(frozen=True)
class ClosedAttempt:
    """What came of a request; null: unknown. Costs in millionths of the currency.

    `outcome` is one of `model_client.Outcome`.
    """

    attempt_id: str
    outcome: str
    http_status: int | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_micros: int | None
    currency: str | None
    latency_ms: int | None
    request_id: str | None
    error: str | None
    closed_at: datetime


@dataclass(frozen=True)
class Spent:
    """What the attempts for one partition used, as far as it is known.

    `unknown`: attempts without an outcome; `unpriced`: attempts whose tokens are known and whose
    price is not. `cost_micros`: millionths by currency.
    """

    attempts: int = 0
    unknown: int = 0
    unpriced: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_micros: Mapping[str, int] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Tokens of prompts and completions."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class CostLine:
    """The attempts for one tenant's calls of a day with one model, purpose and currency.

    `cost_micros` and `currency` are null for attempts whose cost is unknown.
    """

    tenant_id: str
    call_date: date
    model: str
    purpose: str
    currency: str | None
    attempts: int
    answered: int
    unknown: int
    prompt_tokens: int
    completion_tokens: int
    cost_micros: int | None


@dataclass(frozen=True)
class Ledger:
    """Every attempt, in the warehouse's database."""

    warehouse: Warehouse

    def spent(
        self,
        tenant_id: str,
        partitions: Sequence[str],
        model: str,
        prompt_version: str,
        purpose: Purpose | None = None,
    ) -> dict[str, Spent]:
        """Map each partition to what attempts for it used, of any run; `purpose` None: of both."""
        table = self.warehouse.tables.models.attempts
        query = (
            sa.select(table.c.partition, table.c.currency, *_sums(table))
            .where(
                table.c.tenant_id == tenant_id,
                table.c.partition.in_(partitions),
                table.c.model == model,
                table.c.prompt_version == prompt_version,
                *([table.c.purpose == purpose] if purpose else []),
            )
            .group_by(table.c.partition, table.c.currency)
        )
        spent = dict.fromkeys(partitions, Spent())
        with self.warehouse.engine.connect() as connection:
            for row in connection.execute(query):
                spent[row.partition] = _with(spent[row.partition], row)
        return spent

    def costs(self, first: date, last: date) -> list[CostLine]:
        """Return the costs of calls from the first day to the last, by day."""
        table = self.warehouse.tables.models.attempts
        names = ("partition", "tenant_id", "model", "purpose", "currency")
        by = [table.c[name] for name in names]
        columns: list[sa.ColumnElement[Any]] = [*by, *_sums(table)]
        query = (
            sa.select(*columns)
            .where(table.c.partition.between(first.isoformat(), last.isoformat()))
            .group_by(*by)
            .order_by(*by)
        )
        with self.warehouse.engine.connect() as connection:
            return [_line(row) for row in connection.execute(query)]


def record_opened(
    connection: sa.Connection, dialect: Dialect, table: sa.Table, opened: Sequence[OpenedAttempt]
) -> None:
    """Open attempts in an open transaction; those that are there already stay as they are."""
    if opened:
        insert = dialect.insert(table).on_conflict_do_nothing()
        connection.execute(insert, [vars(attempt) for attempt in opened])


def record_closed(
    connection: sa.Connection, table: sa.Table, closed: Sequence[ClosedAttempt]
) -> None:
    """Close attempts in an open transaction; raises LookupError if one was never opened."""
    if not closed:
        return
    update = table.update().where(table.c.attempt_id == sa.bindparam("closed_id"))
    rows = [{**vars(attempt), "closed_id": attempt.attempt_id} for attempt in closed]
    found = connection.execute(update, rows).rowcount
    if found != len(rows):
        raise LookupError(
            f"{len(rows) - found} of {len(rows)} attempts were never opened in {table.name}; "
            "open an attempt before it is sent"
        )


def _sums(table: sa.Table) -> list[sa.ColumnElement[Any]]:
    count, total = sa.func.count, sa.func.sum
    has_tokens = sa.func.coalesce(table.c.prompt_tokens, table.c.completion_tokens).is_not(None)
    return [
        count().label("attempts"),
        count().filter(table.c.outcome == "answered").label("answered"),
        count().filter(table.c.outcome.is_(None)).label("unknown"),
        count().filter(has_tokens, table.c.cost_micros.is_(None)).label("unpriced"),
        sa.func.coalesce(total(table.c.prompt_tokens), 0).label("prompt_tokens"),
        sa.func.coalesce(total(table.c.completion_tokens), 0).label("completion_tokens"),
        total(table.c.cost_micros).label("cost_micros"),
    ]


def _with(spent: Spent, row: sa.Row[Any]) -> Spent:
    """Add a currency's sums to those of the partition's other currencies."""
    costs = {} if row.currency is None else {row.currency: int(row.cost_micros)}
    return Spent(
        attempts=spent.attempts + row.attempts,
        unknown=spent.unknown + row.unknown,
        unpriced=spent.unpriced + row.unpriced,
        prompt_tokens=spent.prompt_tokens + int(row.prompt_tokens),
        completion_tokens=spent.completion_tokens + int(row.completion_tokens),
        cost_micros={**spent.cost_micros, **costs},
    )


def _line(row: sa.Row[Any]) -> CostLine:
    return CostLine(
        tenant_id=row.tenant_id,
        call_date=date.fromisoformat(row.partition),
        model=row.model,
        purpose=row.purpose,
        currency=row.currency,
        attempts=row.attempts,
        answered=row.answered,
        unknown=row.unknown,
        prompt_tokens=int(row.prompt_tokens),
        completion_tokens=int(row.completion_tokens),
        cost_micros=None if row.cost_micros is None else int(row.cost_micros),
    )
