"""Quarantine: where rows that break a rule go, the same way in every system.

Belongs here: the contract of a quarantine table, its rows, and the limit above which a partition is
refused. Must not: any system's rules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir

from cs_assets.calendar import Grain
from cs_assets.contracts import TENANT, Column, Contract, Place


@dataclass(frozen=True)
class Reason:
    """Why a row is set aside; a retryable one may be cured by a later load of something else."""

    code: str
    description: str
    is_retryable: bool = False


@dataclass(frozen=True)
class QuarantineLimit:
    """A partition is refused if more than `share` of its rows *and* more than `rows` are bad.

    The second figure keeps one poison row from blocking a quiet day.
    """

    share: float = 0.04
    rows: int = 10

    def refused(self, figures: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
        """Map partitions over the limit to the reason; `figures` hold `read` and `quarantined`."""
        refused = {}
        for key, counts in figures.items():
            read, bad = counts["read"], counts["quarantined"]
            if bad > self.rows and bad > self.share * read:
                refused[key] = (
                    f"{bad} of {read} rows ({bad / read:.1%}) would go to quarantine, the limit is "
                    f"{self.share:.1%} (QUARANTINE_MAX_SHARE): mend the source or raise the limit"
                )
        return refused


def quarantine_contract(
    system: str, name: str, rows: str, day: str | None, reasons: Sequence[Reason]
) -> Contract:
    """Return the contract of a quarantine table for `rows` (in words), partitioned by `day`.

    Without a day the table is replaced as a whole.
    """
    described = "; ".join(
        f"`{reason.code}`{' (retryable)' if reason.is_retryable else ''}: {reason.description}"
        for reason in reasons
    )
    return Contract(
        system=system,
        name=name,
        place=Place.LAKE,
        description=f"{rows} that break a rule, with the first rule broken. {described}",
        grain=Grain.DAY if day else None,
        partition_column=day,
        columns=(
            TENANT,
            *([Column(day, "date", "Day with which the row is read.")] if day else []),
            Column("source_table", "string", "Where the row was read from."),
            Column("record_id", "string", "Id of the row in its source.", nullable=True),
            Column(
                "reason",
                "string",
                "First rule broken.",
                allowed=tuple(reason.code for reason in reasons),
            ),
            Column("is_retryable", "boolean", "A later load may cure the row."),
            Column("record", "string", "The row as read, JSON.", is_personal=True),
        ),
    )


def is_quarantine(contract: Contract) -> bool:
    """Say whether a table is one of those that `quarantine_contract` describes."""
    return {"reason", "is_retryable", "record"} <= set(contract.column_names)


def quarantined(
    judged: ir.Table, contract: Contract, reasons: Sequence[Reason], record: Sequence[str], id_: str
) -> ir.Table:
    """Return the rows of `judged` that have a `reason`, in the columns of a quarantine table.

    `record` names the columns kept as JSON, `id_` the one that identifies a row in its source.
    """
    bad = judged.filter(judged.reason.notnull())
    retryable = [reason.code for reason in reasons if reason.is_retryable]
    kept = ibis.struct({name: bad[name] for name in record})
    return bad.mutate(
        record_id=bad[id_],
        is_retryable=bad.reason.isin(retryable),
        record=kept.cast("json").cast("string"),
    ).select(*contract.column_names)


def counted_by_reason(judged: ir.Table, day: str) -> ir.Table:
    """Count quarantined rows by day and reason: columns `day`, `reason`, `rows`."""
    bad = judged.filter(judged.reason.notnull())
    return bad.group_by([day, "reason"]).agg(rows=bad.count())
