"""Backfills from the command line: real Dagster runs in the installation's own instance.

Belongs here: which runs a selection and a span of days need, and running them. Must not: printing.

Facts come before marts: assets are taken in waves, each wave being the assets of one partitioning
whose upstream assets are done; one wave is one run over a range of partitions.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import TypeAlias

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    REPOSITORY_LABEL_TAG,
)
from dagster._core.utils import make_new_run_id
from dagster_shared.error import SerializableErrorInfo

from cs_assets.calendar import Calendar, Grain, periods_between
from cs_assets.checks import CHECKS_OF_WHOLE_TABLES
from cs_assets.contracts import Contract
from cs_resources.errors import ConfigurationError, PlatformError

_LOCATION = "__repository__@customer_success"
_FOR_THE_OPERATOR = {kind.__name__ for kind in PlatformError.__subclasses__()}
EventListener: TypeAlias = Callable[[dg.DagsterEvent], None]


@dataclass(frozen=True)
class Wave:
    """Assets of one grain (None: unpartitioned only) that are made in one run over a range."""

    assets: frozenset[dg.AssetKey]
    grain: Grain | None
    partitions: tuple[str, ...]
    unpartitioned: frozenset[dg.AssetKey] = frozenset()

    @property
    def materializations(self) -> int:
        """How many partitions of assets the run makes."""
        return len(self.unpartitioned) + len(self.assets - self.unpartitioned) * len(
            self.partitions
        )

    @property
    def label(self) -> str:
        """The wave in words."""
        if not self.partitions:
            return "unpartitioned"
        return f"{self.grain} {self.partitions[0]} … {self.partitions[-1]}"


@dataclass(frozen=True)
class WaveResult:
    """How a run ended; `problems` holds the message of every failed step."""

    wave: Wave
    run_id: str
    success: bool
    problems: tuple[str, ...]


def select_contracts(selection: str, contracts: Sequence[Contract]) -> list[Contract]:
    """Resolve `SYSTEM|ASSET[,…]`; raises ConfigurationError naming what there is."""
    chosen: list[Contract] = []
    for word in (part.strip() for part in selection.split(",") if part.strip()):
        found = [
            contract
            for contract in contracts
            if word in (contract.system, contract.name, contract.asset_name)
        ]
        if not found:
            names = sorted({name for c in contracts for name in (c.system, c.name)})
            systems = ", ".join(sorted({c.system for c in contracts}))
            close = ", ".join(get_close_matches(word, names, n=3))
            hint = f"did you mean {close}?" if close else f"systems are {systems}"
            raise ConfigurationError(f"--select: no system or asset {word}; {hint}")
        chosen += [contract for contract in found if contract not in chosen]
    if not chosen:
        raise ConfigurationError("--select: name at least one system or asset")
    return chosen


def last_day(calendar: Calendar) -> date | None:
    """Return the last day of history that is over; None if there is none yet."""
    key = calendar.partitions(Grain.DAY).get_last_partition_key()
    return date.fromisoformat(key) if key else None


def plan(
    contracts: Iterable[Contract], graph: AssetGraph, calendar: Calendar, first: date, last: date
) -> list[Wave]:
    """Return the runs that make these assets for every period that overlaps the days.

    Raises ValueError if one of the days lies outside of history or is not over yet.
    """
    days = calendar.clip(first, last)
    newest = last_day(calendar)
    if newest is None or last > newest:
        raise ValueError(f"{last} is not over yet; the last day that can be made is {newest}")
    # assets that one step makes cannot be had apart
    left = {
        key: contract.grain
        for contract in contracts
        for key in graph.get(contract.asset_key).execution_set_asset_keys
    }
    waves = []
    while left:
        ready = _next_wave(left, graph)
        grain = next((left[key] for key in ready if left[key]), None)
        periods = periods_between(grain, days[0], days[-1]) if grain else []
        keys = tuple(period.partition_key for period in periods)
        unpartitioned = frozenset(key for key in ready if left[key] is None)
        waves.append(Wave(frozenset(ready), grain, keys, unpartitioned))
        for key in ready:
            del left[key]
    return waves


def _next_wave(left: dict[dg.AssetKey, Grain | None], graph: AssetGraph) -> set[dg.AssetKey]:
    """Return the largest set that can run together: one grain, upstream done or inside of it."""
    candidates = [_ready(left, graph, grain) for grain in Grain if grain in left.values()]
    return max(candidates, key=len, default=set()) or set(left)


def _ready(
    left: dict[dg.AssetKey, Grain | None], graph: AssetGraph, grain: Grain
) -> set[dg.AssetKey]:
    ready = {key for key, own in left.items() if own in (grain, None)}
    while True:
        blocked = {
            key for key in ready if any(up in left and up not in ready for up in _up(key, graph))
        }
        if not blocked:
            # unpartitioned assets alone are no wave while partitioned ones are left
            return ready if any(left[key] for key in ready) else set()
        ready -= blocked


def _up(key: dg.AssetKey, graph: AssetGraph) -> Iterable[dg.AssetKey]:
    # assets made in one step stand and fall together
    together = graph.get(key).execution_set_asset_keys
    return {up for made in together for up in graph.get(made).parent_keys} - together


def run_waves(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    waves: Sequence[Wave],
    listener: EventListener | None = None,
) -> Iterator[WaveResult]:
    """Run the waves in order; stop after the first that fails."""
    for wave in waves:
        result = _run(definitions, instance, wave, listener)
        yield result
        if not result.success:
            return


def _run(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    wave: Wave,
    listener: EventListener | None,
) -> WaveResult:
    job = _job(definitions, wave)
    run_id = make_new_run_id()
    tags = {REPOSITORY_LABEL_TAG: _LOCATION, "cs/command": "backfill"}
    if wave.partitions:
        tags |= {
            ASSET_PARTITION_RANGE_START_TAG: wave.partitions[0],
            ASSET_PARTITION_RANGE_END_TAG: wave.partitions[-1],
        }
    if listener:
        instance.add_event_listener(
            run_id, lambda entry: entry.dagster_event and listener(entry.dagster_event)
        )
    result = job.execute_in_process(
        instance=instance,
        run_id=run_id,
        tags=tags,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )
    return WaveResult(wave, run_id, result.success, tuple(_problems(result)))


def _job(definitions: dg.Definitions, wave: Wave) -> dg.JobDefinition:
    job = definitions.resolve_implicit_job_def_def_for_assets(sorted(wave.assets))
    if job is None:
        raise RuntimeError(f"no job can hold {sorted(key.to_user_string() for key in wave.assets)}")
    checks = {
        key
        for key in job.asset_layer.asset_graph.asset_check_keys
        if key.asset_key in wave.assets and key.name not in CHECKS_OF_WHOLE_TABLES
    }
    return job.get_subset(asset_selection=set(wave.assets), asset_check_selection=checks)


def _problems(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data:
                text = data.user_failure_data.description
            else:
                text = _message(data.error)
            yield f"{event.step_key}: {text}"


def _message(error: SerializableErrorInfo | None) -> str:
    """Return what was said for the operator; if nothing was, the first cause of the failure."""
    text = "failed"
    while error:
        text = error.message.strip()
        if error.cls_name in _FOR_THE_OPERATOR:
            return text.removeprefix(f"{PlatformError.__module__}.{error.cls_name}: ")
        error = error.cause
    return text
