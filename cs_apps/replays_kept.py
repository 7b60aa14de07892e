"""The replays that lie in the warehouse.

Belongs here: listing and removing them. Must not: making them (see `replay`), printing.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cs_assets.calendar import Grain
from cs_assets.health.replay_contracts import HEALTH_REPLAY, candidate_of, replay_contract
from cs_resources.errors import ConfigurationError
from cs_resources.storage import Storage
from cs_resources.withdrawing import published_under, withdraw


@dataclass(frozen=True)
class Kept:
    """A replay that lies in the warehouse."""

    scorecard: str
    fingerprint: str
    periods: Mapping[Grain, int]
    rows: int
    last: str


def kept(storage: Storage) -> list[Kept]:
    """Return the replays that lie in the warehouse, the newest first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in published_under(storage.warehouse, f"{HEALTH_REPLAY.asset_name}_"):
        if own := candidate_of(row.asset):
            grain, fingerprint = own
            found.setdefault(fingerprint, []).append({**row._mapping, "grain": grain})
    replays = [
        Kept(
            rows[-1]["fingerprint"].partition("+")[0],
            fingerprint,
            Counter(row["grain"] for row in rows),
            sum(row["rows"] for row in rows),
            max(f"{row['committed_at']:%Y-%m-%d %H:%M:%S}" for row in rows),
        )
        for fingerprint, rows in found.items()
    ]
    return sorted(replays, key=lambda item: (item.last, item.fingerprint), reverse=True)


def remove(storage: Storage, fingerprint: str) -> int:
    """Remove a replay; return its rows. Raises ConfigurationError if there is none."""
    replays = {item.fingerprint: item for item in kept(storage)}
    if fingerprint not in replays:
        there = ", ".join(replays) or "none at all"
        raise ConfigurationError(f"--remove: there is no replay {fingerprint}, only {there}")
    return sum(
        withdraw(storage.warehouse, replay_contract(grain, fingerprint))
        for grain in replays[fingerprint].periods
    )
