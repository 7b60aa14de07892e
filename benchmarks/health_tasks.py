"""The pieces of work that `benchmarks.health` measures; each is run in a process of its own.

Belongs here: the query and the path of a month's health, and proof that results are right. Must
not: printing, Dagster (see `health_runs`).
"""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import ibis
import ibis.expr.types as ir
from deltalake import DeltaTable

from benchmarks.call_tasks import Outcome, require, watched
from benchmarks.health_data import (
    FACTS,
    LOADED_SINCE,
    MEASURED,
    MEASURED_BEFORE,
    MONTH,
    OF_DAYS,
    SCORED,
    as_of_dates,
    facts,
    last_days,
    month,
    storage,
)
from benchmarks.health_peers import measures_sql
from benchmarks.measure import Stopwatch
from cs_assets.contracts import Contract
from cs_assets.definitions import health_rules_of
from cs_assets.health.alert_contracts import RISK_SIGNALS
from cs_assets.health.bases import before, measured_periods, now
from cs_assets.health.contracts import EVIDENCE, MEASURES
from cs_assets.health.features import Features
from cs_assets.health.forecast_contracts import DAILY_SCORES
from cs_assets.health.health import health
from cs_assets.health.made_of_days import made_of_days
from cs_assets.health.measures import measures
from cs_assets.health.scorecard import load_scorecards
from cs_assets.health.scoring import scores
from cs_assets.results import ExpectedTotal, Result
from cs_resources.duckdb_session import selects_fused
from cs_resources.settings import Settings
from cs_resources.storage import Storage
from cs_resources.writing import Provenance

_QUERY = "query"
_WEEK = 7
_KEY = ("tenant_id", "customer_id", "as_of")
_WRITER = Provenance(run_id="benchmark", write_id="benchmark")


def query_ours(folder: Path, memory_limit: str, dates: int, proven: bool) -> Outcome:
    """Measure at the first `dates` days by the platform's expression, building it included."""
    place = storage(folder, memory_limit)
    backend = place.session.backend
    backend.compile(_expression(place, as_of_dates()[:1]))  # the first one loads modules

    def compute() -> None:
        backend.create_table("measured", _expression(place, as_of_dates()[:dates]))

    return _timed(place, compute, proven)


def query_sql(folder: Path, memory_limit: str, dates: int, proven: bool) -> Outcome:
    """Measure by plain SQL, looking up the lake's files included."""
    place = storage(folder, memory_limit)

    def compute() -> None:
        files = {
            name: sorted(DeltaTable(str(place.lake.uri(contract))).file_uris())
            for name, contract in FACTS.items()
        }
        query = measures_sql(files, as_of_dates()[:dates], Features.load(), LOADED_SINCE)
        place.session.backend.con.execute(f"CREATE TABLE measured AS {query}")

    return _timed(place, compute, proven)


def _expression(place: Storage, dates: Sequence[date]) -> ir.Table:
    as_ofs = ibis.memtable([{"as_of": day} for day in dates], schema={"as_of": "date"})
    return measures(facts(place), as_ofs, Features.load())


def _timed(place: Storage, compute: Callable[[], object], proven: bool) -> Outcome:
    """Compute the table `measured`; return its number of rows and the sum of their hashes."""
    backend = place.session.backend
    watch = Stopwatch()
    watch.start(_QUERY)
    compute()
    laps = watch.stop()
    if not proven:
        return laps, ""
    types = {column.name: column.type for column in (*MEASURES, *EVIDENCE)}
    casts = ", ".join(
        f"CAST({name} AS {backend.compiler.type_mapper.to_string(type_)})"
        for name, type_ in types.items()
    )
    named = ", ".join((*_KEY, "customer_type"))
    rows, hashes = backend.con.execute(
        f"SELECT count(*), sum(hash({named}, {casts}))::VARCHAR FROM measured"
    ).fetchall()[0]
    return laps, f"{rows:,} {hashes}"


def write_measures(folder: Path, memory_limit: str) -> Outcome:
    """Go from the lake to the month's measures in an empty warehouse, as the asset's step does."""
    for file in folder.glob("warehouse.sqlite*"):
        file.unlink()
    place = storage(folder, memory_limit)
    place.begin("measures", [(own, [MONTH.partition_key]) for own in (MEASURED, MEASURED_BEFORE)])
    with watched() as watch:
        watch.start("measure")
        of_days = measured_periods(facts(place), month(), LOADED_SINCE, Features.load())
        measured = place.stager.kept(of_days)
        for contract, table in ((MEASURED, now(measured)), (MEASURED_BEFORE, before(measured))):
            _publish(place, "measures", contract, Result(table), watch)
        laps = watch.stop()
    return laps, _hash(place, MEASURED, MEASURED_BEFORE)


def write_scores(folder: Path, memory_limit: str) -> Outcome:
    """Score the month's measures by every packaged scorecard, publish the scores."""
    place = storage(folder, memory_limit)
    key = MONTH.partition_key
    place.begin("scores", [(SCORED, [key])])
    cards = load_scorecards()
    # as the asset compiles them
    with watched() as watch, selects_fused(False):
        watch.start("read measures")
        measured = place.read(MEASURED, [key])
        watch.start("score")
        scored = [(card, place.stager.kept(scores(measured, card))) for card in cards]
        found = place.stager.kept(health(scored))
        customers = place.inventory(MEASURED, [key]).rows
        total = ExpectedTotal("every customer, every scorecard", {key: customers * len(cards)})
        _publish(place, "scores", SCORED, Result(found, totals=(total,)), watch)
        laps = watch.stop()
    require(place.inventory(SCORED, [key]).rows == customers * len(cards), "scores")
    return laps, _hash(place, SCORED)


def write_days(folder: Path, memory_limit: str) -> Outcome:
    """Score the customers on the month's last week, find signals, publish both to the lake."""
    place = storage(folder, memory_limit)
    days = last_days(_WEEK)
    keys = [item.period.partition_key for item in days]
    place.begin("days", [(own, keys) for own in OF_DAYS])
    rules = health_rules_of(Settings())
    with watched() as watch, selects_fused(False):
        watch.start("measure and score")
        made = made_of_days(place.stager, facts(place), days, LOADED_SINCE, rules)
        scores_each = {day: rows * len(rules.scorecards) for day, rows in made.customers.items()}
        total = ExpectedTotal("every customer, every scorecard", scores_each)
        _publish(place, "days", RISK_SIGNALS, Result(made.signals), watch, keys)
        _publish(place, "days", DAILY_SCORES, Result(made.scores, totals=(total,)), watch, keys)
        laps = watch.stop()
    require(len(made.customers) == _WEEK, "daily scores")
    return laps, " ".join(place.inventory(own, keys).content_hash for own in OF_DAYS)


def _publish(
    place: Storage,
    step: str,
    contract: Contract,
    result: Result,
    watch: Stopwatch,
    keys: Sequence[str] = (MONTH.partition_key,),
) -> None:
    watch.start(f"stage {contract.name}")
    staged = place.stager.stage(result, contract, keys)
    require(not staged.failures, f"the contract: {staged.failures}")
    watch.start(f"publish {contract.name}")
    place.publish(step, staged, _WRITER)


def _hash(place: Storage, *contracts: Contract) -> str:
    return " ".join(
        place.inventory(contract, [MONTH.partition_key]).content_hash for contract in contracts
    )
