"""IO managers: the bridge between Dagster's steps and the stores.

Belongs here: which partitions a step reads and writes, in which form it gets them, and what Dagster
is told about a publication. Must not: storage itself.
"""

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
from dagster._core.execution.context.system import StepExecutionContext

from cs_assets.contracts import UNPARTITIONED, Contract, Place
from cs_assets.recipes import recipe_of
from cs_resources.errors import MissingPartitionError, PlatformError
from cs_resources.failures import lasting
from cs_resources.fingerprinting import fingerprints_now
from cs_resources.lake import Lake
from cs_resources.metadata import partition_metadata
from cs_resources.staging import Staged
from cs_resources.storage import Storage
from cs_resources.writing import Provenance, missing_text

OPEN_END = "open_end"
"""Input metadata: the newest days of a running period may not be loaded yet; gaps are errors."""
EARLIER_IF_THERE = "earlier_if_there"
"""Input metadata: of periods before the step's own only those that are published are read."""
COLUMNS = "columns"
"""Input metadata: only these columns, joined by commas, are read."""


@dataclass(frozen=True)
class StorageIOManager(dg.IOManager):
    """Publishes staged tables to one place and loads partitions from it."""

    storage: Storage
    place: Place

    def handle_output(self, context: dg.OutputContext, obj: Staged) -> None:
        """Publish an audited table; every partition gets its own metadata."""
        if not isinstance(obj, Staged):
            raise TypeError(
                f"{context.asset_key.to_user_string()}: declare assets with `table_asset`, which "
                f"audits a table before it is published; got {type(obj).__name__}"
            )
        step = context.step_context
        publish(self.storage, step, obj)
        sizes = self.storage.stored_bytes(obj.contract)
        for key in obj.audits:
            metadata = partition_metadata(obj, key, sizes.get(key))
            if key == UNPARTITIONED:
                step.add_asset_metadata(metadata, asset_key=context.asset_key)
            else:
                step.add_asset_metadata(metadata, asset_key=context.asset_key, partition_key=key)
        step.set_data_version(context.asset_key, dg.DataVersion(_joint_hash(obj)))

    def load_input(self, context: dg.InputContext) -> Any:
        """Return the wanted partitions in the form that the parameter's annotation asks for."""
        begin(self.storage, context.step_context)
        contract = self.storage.by_key[context.asset_key]
        keys = (
            list(context.asset_partition_keys) if context.has_asset_partitions else [UNPARTITIONED]
        )
        metadata = context.definition_metadata or {}
        if metadata.get(OPEN_END):
            keys = loaded_keys(self.storage.lake, contract, keys)
        if metadata.get(EARLIER_IF_THERE):
            there = self.storage.versions(contract, keys)
            own = partition_keys(context.step_context)
            keys = [key for key in keys if key in there or key in own]
        if columns := metadata.get(COLUMNS):
            contract = contract.only(columns.split(","))
        return self._in_form(contract, keys, context.dagster_type.typing_type)

    def _in_form(self, contract: Contract, keys: list[str], form: object) -> object:
        if form is pa.RecordBatchReader or form is pd.DataFrame:
            reader = self.storage.stream(contract, keys)
            return to_pandas(reader, contract) if form is pd.DataFrame else reader
        return self.storage.read(contract, keys)


def to_pandas(reader: pa.RecordBatchReader, contract: Contract) -> pd.DataFrame:
    """Return rows as a frame that keeps the contract's pandera schema.

    Integers and flags that may be missing get pandas' nullable types: as floats, the large ones
    would lose digits.
    """
    frame: pd.DataFrame = reader.read_all().to_pandas(types_mapper=_nullable_type)
    plain = {
        column.name: "int64" if column.type.is_integer() else "bool"
        for column in contract.columns
        if not column.nullable and (column.type.is_integer() or column.type.is_boolean())
    }
    return frame.astype(plain)


def _nullable_type(type_: pa.DataType) -> pd.api.extensions.ExtensionDtype | None:
    if pa.types.is_integer(type_):
        return pd.Int64Dtype()
    return pd.BooleanDtype() if pa.types.is_boolean(type_) else None


def loaded_keys(lake: Lake, contract: Contract, keys: list[str]) -> list[str]:
    """Return the days up to the last one loaded; a missing day before a loaded one is an error."""
    published = lake.published(contract, keys)
    last = max([*published, str(lake.last_day(contract) or date.min)])
    missing = [key for key in keys if key not in published and (key < last or not published)]
    if missing:
        raise MissingPartitionError(missing_text(contract, missing))
    return [key for key in keys if key in published]


def step_name(step: StepExecutionContext) -> str:
    """Name one attempt of one step of one run."""
    return f"{step.run_id}/{step.step.key}/{step.previous_attempt_count}"


def partition_keys(step: StepExecutionContext) -> list[str]:
    """Return the partitions that the step writes (its assets all have the same)."""
    asset = next(iter(step.get_output_asset_keys()))
    partitions = step.job_def.asset_layer.get(asset).partitions_def
    if partitions is None:
        return [UNPARTITIONED]
    return list(partitions.get_partition_keys_in_range(step.partition_key_range))


def begin(storage: Storage, step: StepExecutionContext) -> None:
    """Open the writes of the step's outputs, once, before anything is read."""
    name = step_name(step)
    if storage.has_begun(name):
        return
    keys, outputs = partition_keys(step), step.get_output_asset_keys()
    storage.begin(name, [(storage.by_key[key], keys) for key in outputs])
    assets = step.job_def.asset_layer.get(next(iter(outputs))).assets_def
    recipe = recipe_of(assets, storage.by_key)
    if recipe.outside:
        storage.outside[recipe.outside].look()
    storage.made_from(name, fingerprints_now(storage, recipe, keys))


def publish(storage: Storage, step: StepExecutionContext, staged: Staged) -> None:
    """Publish a staged table in the name of the step.

    A refused publication is final: tried again, a run that was overtaken while it was frozen, and
    is long marked as failed, would begin anew and replace what its successor published.
    """
    code_version = step.job_def.asset_layer.get(staged.contract.asset_key).code_version
    provenance = Provenance(
        run_id=step.run_id, write_id=step_name(step), fingerprint=code_version or ""
    )
    try:
        storage.publish(step_name(step), staged, provenance)
    except PlatformError as error:
        raise lasting(error) from error


def _joint_hash(staged: Staged) -> str:
    """A single partition's content hash; for a range, the hash of all of its hashes."""
    hashes = [audit.content_hash for audit in staged.audits.values()]
    if len(hashes) == 1:
        return hashes[0]
    return hashlib.md5("".join(sorted(hashes)).encode(), usedforsecurity=False).hexdigest()
