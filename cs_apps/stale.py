"""`cs stale`: what is out of date, why, and making it again.

Belongs here: the list in words, the rounds of a repair. Must not: comparing (see `staleness`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from cs_apps.backfill import EventListener, Wave, WaveResult, run_waves
from cs_assets.calendar import Calendar
from cs_assets.contracts import Contract
from cs_assets.recipes import Recipe, recipes_in_order
from cs_resources.errors import PlatformError
from cs_resources.fingerprints import UNFINISHED
from cs_resources.staleness import Repair, Stale, followers, next_round, stale_partitions
from cs_resources.storage import Storage


@dataclass(frozen=True)
class Line:
    """Partitions of one table that are stale for the same reasons."""

    contract: Contract
    partitions: int
    first: str
    last: str
    why: str


@dataclass(frozen=True)
class Staleness:
    """What is stale in an installation, the runs to begin with, and what may have to follow."""

    stale: tuple[Stale, ...]
    repairs: tuple[Repair, ...]
    may_follow: dict[Contract, list[str]]

    def lines(self) -> Iterator[Line]:
        """Describe what is stale, table by table and reason by reason."""
        for item in self.stale:
            for reasons in dict.fromkeys(item.reasons.values()):
                keys = [key for key, own in item.reasons.items() if own == reasons]
                for contract in item.recipe.contracts:
                    yield Line(contract, len(keys), keys[0], keys[-1], ", ".join(reasons))


def recipes_of(definitions: dg.Definitions, storage: Storage) -> list[Recipe]:
    """Return the recipes of every asset of an installation."""
    assets = [item for item in definitions.assets or () if isinstance(item, dg.AssetsDefinition)]
    return recipes_in_order(assets, storage.by_key)


def staleness(storage: Storage, recipes: Sequence[Recipe], calendar: Calendar) -> Staleness:
    """Compare every published partition with what would be made now."""
    stale = stale_partitions(storage, recipes, calendar)
    return Staleness(
        tuple(stale),
        tuple(next_round(stale, calendar)),
        followers(storage, recipes, stale, calendar),
    )


def repair(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    storage: Storage,
    calendar: Calendar,
    listener: EventListener | None = None,
) -> Iterator[WaveResult]:
    """Make what is stale again, round by round; what turns out as it was is followed by nothing.

    Stops after the first run that fails. Raises PlatformError if a round leaves what it made stale:
    somebody else is at work on the same partitions.
    """
    recipes = recipes_of(definitions, storage)
    made: set[Repair] = set()
    while (found := staleness(storage, recipes, calendar)).repairs:
        if again := made.intersection(found.repairs):
            names = sorted(asset.to_user_string() for item in again for asset in item.assets)
            raise PlatformError(f"{', '.join(names)}: {_why_still(found)}")
        made.update(found.repairs)
        waves = [wave_of(item) for item in found.repairs]
        for result in run_waves(definitions, instance, waves, listener):
            yield result
            if not result.success:
                return


def _why_still(found: Staleness) -> str:
    """Say why partitions are stale that were made a moment ago."""
    reasons = {reason for item in found.stale for own in item.reasons.values() for reason in own}
    if unfinished := sorted(reason for reason in reasons if reason.startswith(UNFINISHED)):
        return f"made again, and still {unfinished[0]}"
    return (
        "still stale after having been made again; is another run writing the same tables? Wait "
        "for it and call `cs stale` again."
    )


def wave_of(item: Repair) -> Wave:
    """Return the repair as a run of a backfill."""
    unpartitioned = frozenset() if item.partitions else item.assets
    return Wave(item.assets, item.grain, item.partitions, unpartitioned)
