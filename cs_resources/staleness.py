"""Which published partitions are no longer what would be made now, and what repairs them.

Belongs here: comparing fingerprints, the runs of the next round. Must not: running anything.

Repair goes in rounds: a partition made again may turn out as it was, and then nothing that reads it
has to follow. So each round makes only partitions whose inputs are up to date.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import dagster as dg

from cs_assets.calendar import Calendar, Grain
from cs_assets.contracts import UNPARTITIONED, Contract
from cs_assets.recipes import Recipe
from cs_resources.fingerprinting import fingerprints_now
from cs_resources.fingerprints import CODE, CONFIGURATION, UNFINISHED, UNKNOWN
from cs_resources.storage import Storage

Reasons: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Stale:
    """The stale partitions of a step's tables, each with what has changed since it was made.

    `now` holds the digests of the fingerprints that they would get.
    """

    recipe: Recipe
    reasons: Mapping[str, Reasons]
    now: Mapping[str, str]

    def only(self, keys: Iterable[str]) -> "Stale":
        """Return the part of it that is about these partitions."""
        wanted = [key for key in self.reasons if key in set(keys)]
        return Stale(
            self.recipe,
            {key: self.reasons[key] for key in wanted},
            {key: self.now[key] for key in wanted},
        )


@dataclass(frozen=True)
class Repair:
    """A run that makes an unbroken range of partitions of some assets again."""

    assets: frozenset[dg.AssetKey]
    grain: Grain | None
    partitions: tuple[str, ...]
    expected: tuple[str, ...] = ()

    @property
    def materializations(self) -> int:
        """How many partitions of assets it makes."""
        return len(self.assets) * max(len(self.partitions), 1)


def stale_partitions(
    storage: Storage,
    recipes: Iterable[Recipe],
    calendar: Calendar,
    only: Collection[Contract] | None = None,
) -> list[Stale]:
    """Return what is published and stale, in the order of `recipes`; `only` of these tables."""
    found = []
    for recipe in recipes:
        published = {
            contract: content
            for contract, content in _published(storage, recipe, calendar).items()
            if only is None or contract in only
        }
        keys = sorted({key for content in published.values() for key in content})
        now = fingerprints_now(storage, recipe, keys) if keys else {}
        reasons: dict[str, Reasons] = {}
        for contract, content in published.items():
            made = storage.fingerprints.recorded(contract, content)
            for key in keys:
                differences = now[key].differences(made.get(key))
                together = dict.fromkeys((*reasons.get(key, ()), *differences))
                if together:
                    reasons[key] = tuple(together)
        if reasons:
            digests = {key: now[key].digest for key in reasons}
            found.append(Stale(recipe, dict(sorted(reasons.items())), digests))
    return found


def because_of_inputs(stale: Iterable[Stale]) -> list[Stale]:
    """Return the partitions that are stale only because what they read was published anew.

    New code or rules may make all of history stale; whether that is to be made again, perhaps at a
    model's price, is for a person to say. What a model left undone is asked again by the nightly
    analysis.
    """
    chosen = []
    for item in stale:
        keys = [
            key
            for key, reasons in item.reasons.items()
            if not {CODE, CONFIGURATION, UNKNOWN} & set(reasons)
            and not all(reason.startswith(UNFINISHED) for reason in reasons)
        ]
        if keys:
            chosen.append(item.only(keys))
    return chosen


def next_round(stale: Sequence[Stale], calendar: Calendar) -> list[Repair]:
    """Return the runs that make every stale partition whose own inputs are not stale."""
    ready = _ready(stale)
    ranges: dict[tuple[Grain | None, tuple[str, ...]], list[Stale]] = {}
    for item in ready:
        for keys in _unbroken(item, calendar):
            ranges.setdefault((item.recipe.grain, keys), []).append(item)
    return [
        Repair(
            frozenset(contract.asset_key for item in items for contract in item.recipe.contracts),
            grain,
            keys,
            tuple(item.now[key] for item in items for key in keys or (UNPARTITIONED,)),
        )
        for (grain, keys), items in ranges.items()
    ]


def followers(
    storage: Storage, recipes: Iterable[Recipe], stale: Iterable[Stale], calendar: Calendar
) -> dict[Contract, list[str]]:
    """Return the published partitions that may have to follow: they read, at whatever distance,
    from stale ones, and are not stale themselves so far.
    """
    touched = {
        (contract.asset_key, key)
        for item in stale
        for contract in item.recipe.contracts
        for key in item.reasons
    }
    own = set(touched)
    found: dict[Contract, list[str]] = {}
    for recipe in recipes:
        for contract, content in _published(storage, recipe, calendar).items():
            keys = [
                key
                for key in content
                if (contract.asset_key, key) not in own and _reads(recipe, key, touched)
            ]
            touched |= {(contract.asset_key, key) for key in keys}
            if keys:
                found[contract] = sorted(keys)
    return found


def _published(
    storage: Storage, recipe: Recipe, calendar: Calendar
) -> dict[Contract, dict[str, str]]:
    keys = (
        calendar.partitions(recipe.grain).get_partition_keys() if recipe.grain else [UNPARTITIONED]
    )
    return {contract: storage.versions(contract, keys) for contract in recipe.contracts}


def _ready(stale: Sequence[Stale]) -> Iterator[Stale]:
    touched = {
        (contract.asset_key, key)
        for item in stale
        for contract in item.recipe.contracts
        for key in item.reasons
    }
    for item in stale:
        keys = [key for key in item.reasons if not _reads(item.recipe, key, touched)]
        if keys:
            yield item.only(keys)


def _reads(recipe: Recipe, key: str, partitions: set[tuple[dg.AssetKey, str]]) -> bool:
    return any(
        (item.contract.asset_key, own) in partitions
        for item in recipe.inputs
        for own in item.keys(recipe.grain, key)
    )


def _unbroken(stale: Stale, calendar: Calendar) -> Iterator[tuple[str, ...]]:
    """Return the stale partitions as ranges without gaps; empty for an unpartitioned table."""
    if stale.recipe.grain is None:
        yield ()
        return
    current: list[str] = []
    for key in calendar.partitions(stale.recipe.grain).get_partition_keys():
        if key in stale.reasons:
            current.append(key)
        elif current:
            yield tuple(current)
            current = []
    if current:
        yield tuple(current)
