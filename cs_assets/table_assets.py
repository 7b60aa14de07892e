"""`table_asset`: how every asset of the platform is declared.

Belongs here: what all assets share: names, owners, checks, fences, staging, the report of a range
in which some partitions are bad. Must not: anything about one asset.

The decorated function is pure orchestration: it gets the context and its inputs and returns a
`Result` (or a table) per contract. Everything is audited before anything is published; partitions
that keep every law are published and reported even when others of the same run are refused.
"""

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg
import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir

from cs_assets.calendar import Calendar, Grain
from cs_assets.contract_forms import dagster_schema
from cs_assets.contracts import UNPARTITIONED, Contract
from cs_assets.lineage import column_lineage
from cs_assets.recipes import LOOKUP, OUTSIDE, SINCE, code_version
from cs_assets.results import Result
from cs_resources.duckdb_session import selects_fused
from cs_resources.failures import lasting, may_pass
from cs_resources.io_managers import (
    COLUMNS,
    EARLIER_IF_THERE,
    OPEN_END,
    begin,
    partition_keys,
    publish,
)
from cs_resources.metadata import check_metadata, partition_metadata
from cs_resources.staging import Staged
from cs_resources.storage import Storage

CONTRACT_CHECK = "contract"
_READABLE = 1_000
"""Of an expression of more nodes no SQL is shown: it is many pages long, and takes long to make."""


def table_asset(
    *contracts: Contract,
    partitions: dg.PartitionsDefinition[str] | None = None,
    ins: Mapping[str, dg.AssetIn] | None = None,
    deps: Sequence[dg.AssetDep] = (),
    resources: Sequence[str] = (),
    code: str = "1",
    configuration: str = "",
    pool: str | None = None,
    retry_policy: dg.RetryPolicy | None = None,
    outside: str = "",
    fuse_selects: bool = True,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Declare the asset (or the assets, made in one step) of one or more contracts.

    The function's parameters are the context and its inputs by the names in `ins`; its return
    value is a table or `Result`, or a tuple of them in the order of the contracts. `code` is to be
    raised when the same inputs give another result; `configuration` stands for the rules in use.
    Either makes every partition stale (`cs stale`). `outside` names a source outside of the stores
    (one of `Storage.outside`) whose state by partition counts as an input. `fuse_selects`: see
    `selects_fused`; steps over rows by customer do without.
    """
    version = code_version(code, configuration)

    def decorate(function: Callable[..., Any]) -> dg.AssetsDefinition:
        return dg.multi_asset(
            name="_and_".join(contract.name for contract in contracts),
            outs={contract.name: _out(contract, version, function) for contract in contracts},
            ins=dict(ins or {}),
            deps=list(deps),
            partitions_def=partitions,
            backfill_policy=dg.BackfillPolicy.single_run() if partitions else None,
            check_specs=[_check_spec(contract, partitions) for contract in contracts],
            required_resource_keys={"storage", *resources},
            description=inspect.getdoc(function),
            pool=pool,
            retry_policy=retry_policy,
            op_tags={OUTSIDE: outside} if outside else None,
        )(_step(function, contracts, fuse_selects))

    return decorate


def same(contract: Contract) -> dg.AssetIn:
    """Input: the same partitions of another asset, or all of an unpartitioned one."""
    return dg.AssetIn(key=contract.asset_key)


def lookup(contract: Contract, on: str, of: str, columns: Sequence[str]) -> dg.AssetIn:
    """Input: a table in which only what occurs in the column `on` of the input `of` is looked up.

    Only changes of `columns` in those rows make the asset stale.
    """
    found = {"on": on, "of": of, "columns": tuple(columns)}
    return dg.AssetIn(key=contract.asset_key, metadata={LOOKUP: found})


def days(contract: Contract, mapping: dg.PartitionMapping) -> dg.AssetIn:
    """Input: the days of a period; the newest of a running period may not be loaded yet."""
    return dg.AssetIn(key=contract.asset_key, partition_mapping=mapping, metadata={OPEN_END: True})


def all_days(contract: Contract, calendar: Calendar, grain: Grain) -> dg.AssetIn:
    """Input: all days of history up to the end of a period, as far as they are loaded."""
    return dg.AssetIn(
        key=contract.asset_key,
        partition_mapping=calendar.since_start(grain),
        metadata={OPEN_END: True, SINCE: str(calendar.history_start)},
    )


def with_earlier(
    contract: Contract, calendar: Calendar, periods: int, columns: Sequence[str]
) -> dg.AssetIn:
    """Input: some columns of the same partitions, and of up to so many periods before them.

    Earlier periods that are not published are left out.
    """
    return dg.AssetIn(
        key=contract.asset_key,
        partition_mapping=calendar.with_periods_before(periods),
        metadata={EARLIER_IF_THERE: True, COLUMNS: ",".join(columns)},
    )


def _out(contract: Contract, version: str, function: Callable[..., Any]) -> dg.AssetOut:
    return dg.AssetOut(
        key=contract.asset_key,
        description=contract.description,
        io_manager_key=contract.place.value,
        group_name=contract.system,
        owners=list(contract.owners),
        kinds={*contract.kinds, "delta" if contract.place.value == "lake" else "sql"},
        code_version=version,
        metadata={
            "dagster/column_schema": dagster_schema(contract),
            "dagster/table_name": f"{contract.system}/{contract.table_name}"
            if contract.place.value == "lake"
            else contract.table_name,
            "key": ", ".join(contract.key),
            "dictionary": dg.MetadataValue.path(f"docs/data-dictionary.md#{contract.table_name}"),
            "dagster/code_references": _source(function),
        },
    )


def _source(function: Callable[..., Any]) -> dg.CodeReferencesMetadataValue:
    """Return where the asset's function stands; a deployment may map files to its repository."""
    code = function.__code__
    with warnings.catch_warnings():
        # code references are announced as beta in the pinned version
        warnings.simplefilter("ignore", dg.BetaWarning)
        place = dg.LocalFileCodeReference(
            file_path=code.co_filename, line_number=code.co_firstlineno, label=function.__name__
        )
        return dg.CodeReferencesMetadataValue(code_references=[place])


def _check_spec(
    contract: Contract, partitions: dg.PartitionsDefinition[str] | None
) -> dg.AssetCheckSpec:
    with warnings.catch_warnings():
        # partitioned checks are announced as preview in the pinned version
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            name=CONTRACT_CHECK,
            asset=contract.asset_key,
            blocking=True,
            partitions_def=partitions,
            description="Types, missing values, ranges, keys, and the totals that must agree with "
            "the tables before it. Audited before publishing: a partition that fails never "
            "replaces a good one.",
        )


def _step(
    function: Callable[..., Any], contracts: Sequence[Contract], fuse_selects: bool
) -> Callable[..., Iterator[Any]]:
    @functools.wraps(function)
    def run(context: dg.AssetExecutionContext, **inputs: object) -> Iterator[Any]:
        storage: Storage = context.resources.storage
        step = context.get_step_execution_context()
        keys = partition_keys(step)
        made: list[Staged] = []
        try:
            begin(storage, step)
            with selects_fused(fuse_selects):
                outcome = function(context, **inputs)
                results = outcome if isinstance(outcome, tuple) else (outcome,)
                for contract, result in zip(contracts, results, strict=True):
                    made.append(_staged(storage, _as_result(result), contract, keys))
            staged = _agreed(made)
        except Exception as error:
            for table in made:
                table.discard()
            if may_pass(error) or isinstance(error, dg.Failure):
                raise
            raise lasting(error) from error
        if staged[0].failures:
            _publish_good(context, storage, staged)
            raise _failure(staged)
        for table in staged:
            yield dg.Output(table, output_name=table.contract.name)
            for key in keys:
                yield _evaluation(table, key)
            spec = _check_spec(table.contract, None)
            yield dg.Output(None, output_name=spec.get_python_identifier())

    run.__annotations__ = {
        name: note for name, note in function.__annotations__.items() if name != "return"
    }
    return run


def _staged(storage: Storage, result: Result, contract: Contract, keys: Sequence[str]) -> Staged:
    """Stage a result; what explains it gives the SQL and the column lineage that are shown."""
    staged = storage.stager.stage(result, contract, keys)
    explains = result.table if result.explains is None else result.explains
    if not isinstance(explains, ir.Table):
        return staged
    inputs = {other.name: other for other in storage.contracts}
    origins = storage.session.origins
    explains = origins.get(explains.op(), explains.op()).to_expr()
    sql = ""
    if len(explains.op().find(ops.Node)) <= _READABLE:
        with selects_fused(True):  # shorter
            sql = str(ibis.to_sql(explains, dialect="duckdb"))
    return replace(staged, sql=sql, lineage=column_lineage(explains, inputs, origins))


def _as_result(outcome: object) -> Result:
    return outcome if isinstance(outcome, Result) else Result(outcome)


def _agreed(staged: Sequence[Staged]) -> list[Staged]:
    """A partition that fails in one of the step's tables is published in none of them."""
    failures: dict[str, tuple[str, ...]] = {}
    for table in staged:
        for key, laws in table.failures.items():
            words = tuple(f"{table.contract.name}: {law}" for law in laws)
            failures[key] = failures.get(key, ()) + words
    return [replace(table, failures=failures) for table in staged]


def _publish_good(
    context: dg.AssetExecutionContext, storage: Storage, staged: Sequence[Staged]
) -> None:
    """Publish and report the good partitions of a run that is about to fail."""
    step = context.get_step_execution_context()
    for table in staged:
        publish(storage, step, table)
        sizes = storage.stored_bytes(table.contract)
        for key in table.good:
            context.instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    asset_key=table.contract.asset_key,
                    partition=None if key == UNPARTITIONED else key,
                    metadata={
                        **partition_metadata(table, key, sizes.get(key)),
                        "published_by_run": context.run.run_id,
                    },
                    tags={"dagster/data_version": table.audits[key].content_hash},
                )
            )
        for key in table.audits:
            context.instance.report_runless_asset_event(_evaluation(table, key))


def _evaluation(staged: Staged, key: str) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=staged.contract.asset_key,
        check_name=CONTRACT_CHECK,
        passed=key not in staged.failures,
        metadata=check_metadata(staged, key),
        partition=None if key == UNPARTITIONED else key,
        blocking=True,
    )


def _failure(staged: Sequence[Staged]) -> dg.Failure:
    failures = staged[0].failures
    lines = [f"{key}: {'; '.join(laws)}" for key, laws in list(failures.items())[:20]]
    good = len(staged[0].good)
    return dg.Failure(
        description=f"{len(failures)} of {len(staged[0].audits)} partitions break their contract "
        f"and were not published; {good} were.\n" + "\n".join(lines),
        allow_retries=False,
    )
