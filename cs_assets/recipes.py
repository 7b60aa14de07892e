"""Recipes: of what the tables of a step are made, read off the asset definitions.

Belongs here: code and configuration versions, inputs, which of an input's partitions a partition
reads. Must not: storage (what those partitions hold is asked in `cs_resources.fingerprints`).
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from cs_assets.calendar import Grain, period_from_partition, periods_between
from cs_assets.contracts import UNPARTITIONED, Contract

LOOKUP = "lookup"
"""Input metadata: only the rows that a lookup finds count as the input's content."""
SINCE = "since"
"""Input metadata: all days from this one (ISO) to the end of the reader's period are read."""
OUTSIDE = "cs/outside"
"""Tag of a step: the source outside of the stores that it reads."""


@dataclass(frozen=True)
class Lookup:
    """A table that is only looked up: `columns` of the rows whose `on` occurs in the input `of`.

    A row that nobody looks up may come or go without making anything stale.
    """

    on: str
    of: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Input:
    """A table that a step reads: the same partitions (and those of `periods_before` periods before
    them), all of it, the days of a period and of `periods_before` periods before it, or all days
    from `since` to the period's end.
    """

    name: str
    contract: Contract
    periods_before: int = 0
    lookup: Lookup | None = None
    since: date | None = None

    def keys(self, grain: Grain | None, key: str) -> list[str]:
        """Return the input's partitions that the partition `key` of a table of `grain` reads.

        Days outside of history, or not yet loaded, are among them.
        """
        if self.contract.grain is None:
            return [UNPARTITIONED]
        if grain is None:
            raise ValueError(f"{self.contract.asset_name} has partitions, its reader has none")
        if self.since:
            last_day = period_from_partition(grain, key).end
            return [str(day.start) for day in periods_between(Grain.DAY, self.since, last_day)]
        if self.contract.grain not in (grain, Grain.DAY):
            raise ValueError(f"{self.contract.asset_name}: only days make up other periods")
        last = first = period_from_partition(grain, key)
        for _ in range(self.periods_before):
            first = first.previous()
        periods = [first]
        while periods[-1] != last:
            periods.append(periods[-1].next())
        if self.contract.grain == grain:
            return [period.partition_key for period in periods]
        return [str(day) for period in periods for day in period.days()]


@dataclass(frozen=True)
class Recipe:
    """How the tables of one step are made; `code` and `configuration` are version texts.

    `outside` names a source outside of the stores whose state counts as an input; empty: none.
    """

    contracts: tuple[Contract, ...]
    code: str
    configuration: str
    inputs: tuple[Input, ...]
    outside: str = ""

    @property
    def grain(self) -> Grain | None:
        """The grain that its tables share."""
        return self.contracts[0].grain

    def input(self, name: str) -> Input:
        """Return an input by its name."""
        return next(item for item in self.inputs if item.name == name)


def code_version(code: str, configuration: str) -> str:
    """Join both versions into the one that Dagster shows."""
    return f"{code}+{configuration}" if configuration else code


def recipe_of(assets: dg.AssetsDefinition, contracts: Mapping[dg.AssetKey, Contract]) -> Recipe:
    """Return the recipe of a step; `contracts` are all tables that it may read or write."""
    made = tuple(contracts[key] for key in sorted(assets.keys))
    version = assets.code_versions_by_key[made[0].asset_key] or ""
    code, _, configuration = version.partition("+")
    described = hashlib.md5(
        "".join(map(_description, made)).encode(), usedforsecurity=False
    ).hexdigest()
    return Recipe(
        made,
        f"{code}/{described[:12]}",
        configuration,
        tuple(_inputs(assets, contracts)),
        assets.node_def.tags.get(OUTSIDE, ""),
    )


def recipes_in_order(
    all_assets: Iterable[dg.AssetsDefinition], contracts: Mapping[dg.AssetKey, Contract]
) -> list[Recipe]:
    """Return the recipes of all steps, every one after those whose tables it reads."""
    left = [recipe_of(assets, contracts) for assets in all_assets]
    ordered: list[Recipe] = []
    while left:
        waiting = {contract.asset_key for recipe in left for contract in recipe.contracts}
        ready = [
            recipe
            for recipe in left
            if not any(item.contract.asset_key in waiting for item in recipe.inputs)
        ]
        ordered += ready
        left = [recipe for recipe in left if recipe not in ready]
    return ordered


def _inputs(
    assets: dg.AssetsDefinition, contracts: Mapping[dg.AssetKey, Contract]
) -> Iterator[Input]:
    for name, key in sorted(assets.keys_by_input_name.items()):
        definition = assets.node_def.input_dict[name]
        if definition.dagster_type.is_nothing:
            continue  # an order of steps, nothing that is read
        mapping = assets.get_partition_mapping_for_dep(key)
        before = -mapping.start_offset if isinstance(mapping, dg.TimeWindowPartitionMapping) else 0
        found: Any = definition.metadata.get(LOOKUP)
        since: Any = definition.metadata.get(SINCE)
        yield Input(
            name,
            contracts[key],
            0 if since else before,
            Lookup(**found) if found else None,
            date.fromisoformat(since) if since else None,
        )


def _description(contract: Contract) -> str:
    """Return what a contract demands, so that a table made under an older one is noticed."""
    columns = [
        (c.name, c.dtype, c.nullable, c.minimum, c.maximum, c.allowed, c.is_provenance)
        for c in contract.columns
    ]
    rules = [(rule.name, rule.description) for rule in contract.rules]
    return repr((contract.asset_name, columns, contract.key, contract.partition_column, rules))
