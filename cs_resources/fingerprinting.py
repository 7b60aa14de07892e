"""What a partition's fingerprint would be if it were made now.

Belongs here: asking the stores what the inputs of partitions hold. Must not: keeping fingerprints.
"""

import hashlib
from collections.abc import Iterable, Mapping

from cs_assets.audit import PARTITION, partition_hashes
from cs_assets.contracts import UNPARTITIONED
from cs_assets.recipes import Input, Lookup, Recipe
from cs_resources.fingerprints import Fingerprint
from cs_resources.storage import Storage


def fingerprints_now(
    storage: Storage, recipe: Recipe, keys: Iterable[str]
) -> dict[str, Fingerprint]:
    """Return the fingerprint that each of a step's partitions would get.

    Partitions of inputs that are not published are left out. A source outside of the stores counts
    as it was when it was last looked at.
    """
    wanted = list(keys)
    read: dict[str, dict[str, str]] = {key: {} for key in wanted}
    for item in recipe.inputs:
        source = recipe.input(item.lookup.of) if item.lookup else item
        keys_read = {key: source.keys(recipe.grain, key) for key in wanted}
        together = sorted({own for owns in keys_read.values() for own in owns})
        versions = _versions(storage, item, source, together)
        for key, owns in keys_read.items():
            read[key][item.contract.asset_name] = _digest(versions, owns)
    if recipe.outside:
        states = storage.outside[recipe.outside].states(wanted)
        for key in wanted:
            read[key][recipe.outside] = states.get(key, "")
    return {key: Fingerprint(recipe.code, recipe.configuration, read[key]) for key in wanted}


def _versions(storage: Storage, item: Input, source: Input, keys: list[str]) -> Mapping[str, str]:
    published = storage.versions(source.contract, keys)
    if item.lookup is None:
        return published
    return _found_by(storage, item.lookup, item, source, sorted(published))


def _found_by(
    storage: Storage, lookup: Lookup, item: Input, source: Input, keys: list[str]
) -> dict[str, str]:
    """Map the source's partitions to a hash of the rows that their lookups find."""
    if not keys or not storage.versions(item.contract, [UNPARTITIONED]):
        return {}
    by = [source.contract.partition_column] if source.contract.partition_column else []
    searched = storage.read(source.contract, keys).select(*by, lookup.on).distinct()
    table = storage.read(item.contract, [UNPARTITIONED]).select(*lookup.columns)
    columns = [column for column in item.contract.columns if column.name in lookup.columns]
    hashes = partition_hashes(searched.inner_join(table, lookup.on), source.contract, columns)
    found = {
        source.contract.partition_key(row[PARTITION]): row["hash_sum"]
        for row in storage.session.backend.to_pyarrow(hashes).to_pylist()
    }
    return {key: found.get(key, "") for key in keys}


def _digest(versions: Mapping[str, str], keys: Iterable[str]) -> str:
    text = ";".join(f"{key}={versions[key]}" for key in sorted(keys) if key in versions)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
