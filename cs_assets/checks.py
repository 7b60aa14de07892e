"""Checks beyond the contract, for every system: is the newest partition there, is its size usual,
is what is there up to date.

Belongs here: these questions and the checks that ask them. Must not: a system's own rules, the
clock (it is a resource).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median

import dagster as dg

from cs_assets.calendar import Calendar, Grain, current_period, period_of
from cs_assets.contracts import UNPARTITIONED, Contract
from cs_assets.recipes import Recipe
from cs_resources.staleness import Reasons, stale_partitions
from cs_resources.storage import Storage

FRESHNESS, VOLUME, UP_TO_DATE = "freshness", "volume", "up_to_date"
CHECKS_OF_WHOLE_TABLES = (FRESHNESS, UP_TO_DATE)
"""Checks about all of a table's history: a run over some partitions leaves them out."""
_WEEKS = 8
_SHOWN = 100
_FEWEST = 4
_RANGE_START, _RANGE_END = (
    "dagster/asset_partition_range_start",
    "dagster/asset_partition_range_end",
)


@dataclass(frozen=True)
class Verdict:
    """What a check found, in words and figures."""

    passed: bool
    description: str
    figures: Mapping[str, float | str | dg.MarkdownMetadataValue]


def expected_day(now: datetime, calendar: Calendar, due: timedelta) -> date | None:
    """Return the last day that must be loaded: yesterday, once `due` after midnight has passed."""
    today = current_period(Grain.DAY, now - due, calendar.timezone).start
    last = today - timedelta(days=1)
    if calendar.history_end:
        last = min(last, calendar.history_end)
    return last if last >= calendar.history_start else None


def volume_verdict(counts: Mapping[date, int], day: date, factor: float) -> Verdict:
    """Compare a day's rows with the same weekday of the weeks before; the day itself is left out.

    Fewer than four such days say nothing, and the check passes saying so.
    """
    before = [day - timedelta(weeks=week) for week in range(1, _WEEKS + 1)]
    usual = [counts[other] for other in before if other in counts]
    rows = counts.get(day, 0)
    if len(usual) < _FEWEST:
        text = f"{day}: {rows} rows; {len(usual)} comparable days are too few to judge"
        return Verdict(True, text, {"rows": rows, "comparable_days": len(usual)})
    middle = median(usual)
    passed = middle / factor <= rows <= middle * factor
    text = f"{day}: {rows} rows, the {len(usual)} {day:%A}s before had {middle:g} in the middle"
    return Verdict(passed, text, {"rows": rows, "median_before": middle, "allowed_factor": factor})


def freshness_checks(
    contracts: Sequence[Contract],
    calendar: Calendar,
    due: timedelta,
    is_in_use: Callable[[Contract], bool] = lambda contract: True,
) -> dg.AssetChecksDefinition:
    """Return one check per table: the partition that holds the last day due is published.

    A table that is not in use, as nothing was ever given to it, passes saying so.
    """

    @dg.multi_asset_check(
        name="freshness_checks",
        specs=[
            dg.AssetCheckSpec(
                FRESHNESS,
                asset=contract.asset_key,
                description="The newest partition that should be there is there (not merely any "
                "partition made recently).",
            )
            for contract in contracts
        ],
        required_resource_keys={"storage", "clock"},
        can_subset=True,
    )
    def run(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        day = expected_day(context.resources.clock(), calendar, due)
        wanted = {key.asset_key for key in context.selected_asset_check_keys}
        for contract in contracts:
            if contract.asset_key in wanted:
                found = (
                    _freshness(context.resources.storage, contract, day)
                    if is_in_use(contract)
                    else Verdict(True, "not in use: no file of its source has landed", {})
                )
                yield _result(contract, FRESHNESS, found)

    return run


def volume_check(contract: Contract, factor: float) -> dg.AssetChecksDefinition:
    """Return the check that a day partition's size is usual; it warns, and stops nothing."""

    @dg.multi_asset_check(
        name=f"{contract.name}_volume",
        specs=[
            dg.AssetCheckSpec(
                VOLUME,
                asset=contract.asset_key,
                description=f"Rows lie within a factor of {factor:g} of the middle of the same "
                f"weekdays of the {_WEEKS} weeks before; the tested day is no part of it.",
            )
        ],
        required_resource_keys={"storage"},
    )
    def run(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        counts = context.resources.storage.lake.rows_by_day(contract)
        verdicts = [volume_verdict(counts, day, factor) for day in _days(context.run.tags, counts)]
        yield _result(contract, VOLUME, _worst(verdicts))

    return run


def up_to_date_checks(recipes: Sequence[Recipe], calendar: Calendar) -> dg.AssetChecksDefinition:
    """Return one check per table: every partition is what code, rules and inputs of now give."""

    @dg.multi_asset_check(
        name="up_to_date_checks",
        specs=[
            dg.AssetCheckSpec(
                UP_TO_DATE,
                asset=contract.asset_key,
                description="No published partition was made by other code, other rules or from "
                "other inputs than those of now. `cs stale --repair` makes again what was.",
            )
            for recipe in recipes
            for contract in recipe.contracts
        ],
        required_resource_keys={"storage"},
        can_subset=True,
    )
    def run(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        wanted = {key.asset_key for key in context.selected_asset_check_keys}
        for recipe in recipes:
            contracts = [own for own in recipe.contracts if own.asset_key in wanted]
            stale = stale_partitions(context.resources.storage, [recipe], calendar, contracts)
            reasons = stale[0].reasons if stale else {}
            for contract in contracts:
                yield _result(contract, UP_TO_DATE, _age(reasons))

    return run


def _age(reasons: Mapping[str, Reasons]) -> Verdict:
    if not reasons:
        return Verdict(True, "every published partition is up to date", {"stale": 0})
    lines = [f"| {key} | {', '.join(why)} |" for key, why in list(reasons.items())[:_SHOWN]]
    more = [f"| … {len(reasons) - _SHOWN} more | |"] if len(reasons) > _SHOWN else []
    table = "\n".join(["| partition | changed since |", "|---|---|", *lines, *more])
    keys = list(reasons)
    return Verdict(
        False,
        f"{len(keys)} partitions are stale, {keys[0]} … {keys[-1]}",
        {"stale": len(keys), "partitions": dg.MetadataValue.md(table)},
    )


def _freshness(storage: Storage, contract: Contract, day: date | None) -> Verdict:
    if day is None:
        return Verdict(True, "history has not begun", {})
    key = period_of(contract.grain, day).partition_key if contract.grain else UNPARTITIONED
    if storage.store(contract).published(contract, [key]):
        return Verdict(True, f"{key} is published", {"expected": key})
    return Verdict(False, f"{key} should be published and is not", {"expected": key})


def _days(tags: Mapping[str, str], counts: Mapping[date, int]) -> list[date]:
    """Return the run's own days; the last loaded one if the run names none."""
    if span := range_of_run(tags):
        return [day for day in sorted(counts) if span[0] <= str(day) <= span[1]]
    return [max(counts)] if counts else []


def range_of_run(tags: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the first and the last partition of the run that has these tags, if it names some."""
    first = tags.get(_RANGE_START, tags.get("dagster/partition"))
    return (first, tags.get(_RANGE_END, first)) if first else None


def _worst(verdicts: Iterable[Verdict]) -> Verdict:
    judged = list(verdicts)
    odd = [verdict for verdict in judged if not verdict.passed]
    if not judged:
        return Verdict(True, "no day holds rows", {})
    if not odd:
        return judged[-1]
    shown = "; ".join(verdict.description for verdict in odd[:10])
    return Verdict(False, f"{len(odd)} of {len(judged)} days: {shown}", odd[-1].figures)


def _result(contract: Contract, name: str, verdict: Verdict) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=contract.asset_key,
        check_name=name,
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=verdict.description,
        metadata=dict(verdict.figures),
    )
