"""Is what readers of reports find what the warehouse says was published?

Belongs here: this question and its checks. Must not: mending (making the report again does).
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from cs_assets.checks import range_of_run
from cs_assets.contracts import Contract
from cs_assets.health.report_assets import published_version
from cs_assets.health.report_contracts import MARTS
from cs_assets.health.report_writing import place_of
from cs_resources.report_files import sha256_of, version_of
from cs_resources.storage import Storage

FILES_CHECK = "files"
_SHOWN = 10


def report_checks() -> list[dg.AssetChecksDefinition]:
    """Return one check per grain of reports."""
    return [_check(contract) for contract in MARTS]


def _check(contract: Contract) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=f"{contract.name}_files",
        specs=[
            dg.AssetCheckSpec(
                FILES_CHECK,
                asset=contract.asset_key,
                description="Readers are shown the version that the warehouse names, and its files "
                "hold what was written, byte by byte.",
            )
        ],
        required_resource_keys={"storage"},
    )
    def run(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        storage: Storage = context.resources.storage
        keys = _published(storage, contract, range_of_run(context.run.tags))
        wrong = {key: text for key in keys if (text := problem(storage, contract, key))}
        shown = "; ".join(f"{key}: {text}" for key, text in list(wrong.items())[:_SHOWN])
        yield dg.AssetCheckResult(
            asset_key=contract.asset_key,
            check_name=FILES_CHECK,
            passed=not wrong,
            severity=dg.AssetCheckSeverity.ERROR,
            description=shown or f"{len(keys)} reports are as they were written",
            metadata={"reports": len(keys), "wrong": len(wrong)},
        )

    return run


def problem(storage: Storage, contract: Contract, key: str) -> str:
    """Say what is wrong with the files of a published period; empty: nothing."""
    version = published_version(storage, contract, key)
    place = place_of(contract, str(contract.partition_value(key)))
    if (shown := storage.reports.shown(place)) != version:
        return f"readers are shown version {shown or 'none'}, published is {version}"
    folder = storage.reports.path(place)
    found = ((str(p.relative_to(folder)), sha256_of(p)) for p in folder.rglob("*") if p.is_file())
    return "" if version_of(found) == version else "the files are not what was written"


def _published(storage: Storage, contract: Contract, span: tuple[str, str] | None) -> Sequence[str]:
    """Return the run's published partitions; all of them if the run names none."""
    published = storage.warehouse.published(contract)
    return [key for key in published if span is None or span[0] <= key <= span[1]]
