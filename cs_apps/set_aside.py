"""Rows that a backfill could not load, as its last words.

Belongs here: counting what lies in quarantine. Must not: printing, judging rows.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cs_apps.backfill import Wave
from cs_assets.contracts import UNPARTITIONED
from cs_assets.quarantine import is_quarantine
from cs_resources.storage import Storage


@dataclass(frozen=True)
class SetAside:
    """Rows in a quarantine table that share their first broken rule."""

    table: str
    reason: str
    rows: int


def set_aside(storage: Storage, waves: Iterable[Wave]) -> Iterator[SetAside]:
    """Count the quarantined rows of the partitions that the waves made, table by table."""
    for wave in waves:
        for contract in storage.contracts:
            if contract.asset_key not in wave.assets or not is_quarantine(contract):
                continue
            keys = [UNPARTITIONED] if contract.grain is None else wave.partitions
            rows = storage.read(contract, keys)
            counted = rows.group_by("reason").agg(rows=rows.count())
            for row in sorted(counted.to_pyarrow().to_pylist(), key=lambda row: -row["rows"]):
                yield SetAside(contract.name, row["reason"], row["rows"])
