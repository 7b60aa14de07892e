"""What the lake and the warehouse share about a write.

Belongs here: the ticket of a write that has begun, who writes, shared messages. Must not: storage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cs_assets.contracts import Contract


@dataclass(frozen=True)
class Ticket:
    """A write that has begun.

    `base` is what the store needs to notice that somebody else published in between: the lake keeps
    the table as it was, the warehouse the partitions' version numbers.
    """

    contract: Contract
    partitions: tuple[str, ...]
    base: Any


@dataclass(frozen=True)
class Provenance:
    """Who writes: the Dagster run, this attempt of it, and the fingerprint of code and inputs."""

    run_id: str
    write_id: str
    fingerprint: str = ""


@dataclass(frozen=True)
class Restatement:
    """A published partition was replaced by different content.

    Versions are the store's own (of the Delta table, or the partition's publications). `headline`
    maps integer columns to their sums before and after, where the store keeps them. What the lake's
    log no longer holds about the old content is None.
    """

    asset: str
    partition: str
    restated_at: datetime
    run_id: str
    old_version: int | None
    new_version: int
    old_hash: str | None
    new_hash: str
    old_rows: int | None
    new_rows: int
    headline: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def version_number(content_hash: str) -> int:
    """Return the leading 63 bits of a content hash, which fit every database's integer."""
    return int(content_hash[:16], 16) >> 1


def missing_text(contract: Contract, missing: Sequence[str]) -> str:
    """Say which partitions were never published, and how to publish them."""
    shown = ", ".join(missing[:5]) + (f" … ({len(missing)} in all)" if len(missing) > 5 else "")
    return (
        f"{contract.asset_name} has no published partition {shown}. Materialize it first, e.g. "
        f"`cs backfill --select {contract.system} --from {missing[0]} --to {missing[-1]}`; where "
        "there is nothing so early, let history begin later (CS_HISTORY_START)."
    )
