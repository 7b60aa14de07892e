"""Jobs: which assets run together.

Belongs here: names and selections of jobs. Must not: times (see `schedules`), triggers (`sensors`).
"""

from collections.abc import Iterable, Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)

from cs_assets.calendar import PERIOD_GRAINS, Grain
from cs_assets.calls import audit_contracts as audit
from cs_assets.calls import contracts as facts
from cs_assets.calls import mart_contracts as marts
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT
from cs_assets.checks import CHECKS_OF_WHOLE_TABLES
from cs_assets.contracts import Contract
from cs_assets.health import contracts as health_measures
from cs_assets.health.marts import FACTS as HEALTH_FACTS
from cs_assets.health.marts import MARTS as HEALTH_MARTS
from cs_assets.sources import contracts as landed
from cs_assets.sources import quality_contracts as quality

SYNC = "calls_sync"
ANALYSE = "calls_analyse"
AUDIT = "calls_audit_month"
FRESH = "freshness_of_all_tables"


def system_job_name(system: str, grain: Grain) -> str:
    """Name of the job that makes all of a system's tables of a grain."""
    return f"{system}_{'days' if grain is Grain.DAY else grain}"


_READ = (
    facts.CALL_TASKS,
    facts.CALL_RECORDS_RAW,
    facts.CALL_TURNS_RAW,
    facts.CALL_RECORDS_CLEAN,
    facts.CALL_RECORDS_QUARANTINE,
)
_CALLS_DAYS = system_job_name(facts.SYSTEM, Grain.DAY)
_LANDED_DAYS = system_job_name(landed.SYSTEM, Grain.DAY)
_SAID = (CALL_SENTIMENT, marts.CALL_RECORD_ENRICHED)


def snapshots_job_name(grain: Grain) -> str:
    """Name of the job that makes a grain's customer snapshots."""
    return f"portrait_snapshots_{grain}"


def summaries_job_name(grain: Grain) -> str:
    """Name of the job that makes a grain's task summaries."""
    return f"task_summaries_{grain}"


def jobs() -> list[UnresolvedAssetJobDefinition]:
    """Return every job; a job's assets share one partitioning."""
    made = [
        _job(SYNC, "Read calls, dialogues and tasks; sort out what breaks a rule.", _READ),
        _job(ANALYSE, "Judge what was said and publish the calls.", _SAID),
        _job(_CALLS_DAYS, "Everything about calls that is made by day.", (*_READ, *_SAID)),
        _job(_LANDED_DAYS, "Read landed files; sort out what breaks a rule.", landed.FACTS),
        _job(
            system_job_name(landed.SYSTEM, Grain.MONTH),
            "How good landed data is: complete, valid, consistent, in time.",
            quality.MARTS,
        ),
        _job(
            system_job_name(health_measures.SYSTEM, Grain.DAY),
            "For which customers a rule of alerts holds.",
            HEALTH_FACTS,
        ),
        _job(
            AUDIT,
            "Read people's verdicts; hold rules and model against each other and against them.",
            (*audit.FACTS, *audit.MARTS),
        ),
    ]
    for grain in PERIOD_GRAINS:
        snapshot = marts.PORTRAIT_SNAPSHOT.for_grain(grain)
        summary = marts.TASK_SUMMARY.for_grain(grain)
        others = [mart for mart in audit.MARTS if mart.grain is grain]
        made += [
            _job(snapshots_job_name(grain), f"Customer snapshots by {grain}.", [snapshot]),
            _job(summaries_job_name(grain), f"Task summaries by {grain}.", [summary]),
            _job(
                system_job_name(facts.SYSTEM, grain),
                f"All marts of calls by {grain}.",
                [snapshot, summary, *others],
            ),
            _job(
                system_job_name(health_measures.SYSTEM, grain),
                f"Customers' health by {grain}: measures, scores, trends and their causes.",
                [mart for mart in HEALTH_MARTS if mart.grain is grain],
            ),
        ]
    return [*made, _freshness_job()]


def _freshness_job() -> UnresolvedAssetJobDefinition:
    contracts = (
        *facts.FACTS,
        CALL_SENTIMENT,
        *audit.FACTS,
        *marts.MARTS,
        *audit.MARTS,
        *landed.FACTS,
        *quality.MARTS,
        *HEALTH_FACTS,
        *HEALTH_MARTS,
    )
    return dg.define_asset_job(
        FRESH,
        selection=_checks_of_whole_tables(contracts),
        description="Checks for every table that the newest partition that is due is there, and "
        "that what is there is up to date.",
    )


def _checks_of_whole_tables(contracts: Iterable[Contract]) -> dg.AssetSelection:
    return dg.AssetSelection.checks(
        *(
            dg.AssetCheckKey(contract.asset_key, name)
            for contract in contracts
            for name in CHECKS_OF_WHOLE_TABLES
        )
    )


def _job(
    name: str, description: str, contracts: Sequence[Contract]
) -> UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(*(contract.asset_key for contract in contracts))
        - _checks_of_whole_tables(contracts),
        description=description,
    )
