"""Ranges, pairs of tables and rival runs through Dagster: what is bad is refused, and only that."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)
from storage_cases import (
    ORDERS,
    TITLES,
    arrow,
    day_keys,
    opened,
    order,
    orders,
    publish,
    rows_of,
)

from cs_assets.calendar import Calendar, Grain
from cs_assets.contract_forms import MASK
from cs_assets.contracts import UNPARTITIONED, Contract, Place
from cs_assets.results import Tabular
from cs_assets.table_assets import CONTRACT_CHECK, same, table_asset
from cs_resources.errors import StaleWriterError
from cs_resources.io_managers import StorageIOManager
from cs_resources.storage import Storage

RETURNS = replace(ORDERS, name="returns", description="Returns of the day.")
LISTED = replace(ORDERS, name="listed", description="Orders listed.", place=Place.WAREHOUSE)
SHOP = (ORDERS, RETURNS, LISTED, TITLES)
DAYS = day_keys(180)
BAD = DAYS[77]
PARTITIONS = Calendar(
    history_start=date.fromisoformat(DAYS[0]), history_end=date.fromisoformat(DAYS[-1])
).partitions(Grain.DAY)
Planted = Mapping[str, Mapping[str, Any]]


def of_days(days: Sequence[str], planted: Planted, note: str | None = None) -> pa.Table:
    """Two orders a day; the second has the planted values of its day."""
    good = [order(day, 1, note=note) for day in days]
    return orders([*good, *(order(day, **{"order_id": 2, **planted.get(day, {})}) for day in days)])


def facts(
    *contracts: Contract, planted: Planted, meanwhile: Callable[[], object] = lambda: None
) -> dg.AssetsDefinition:
    """Tables by day made in one step; the last of them has the planted rows."""

    @table_asset(*contracts, partitions=PARTITIONS)
    def made(context: dg.AssetExecutionContext) -> tuple[Tabular, ...]:
        """Make the days' rows."""
        meanwhile()
        days, nothing = context.partition_keys, dict[str, Mapping[str, Any]]()
        good = [of_days(days, nothing).to_reader() for _ in contracts[1:]]
        return (*good, of_days(days, planted, context.run.tags.get("note")).to_reader())

    return made


def run(
    storage: Storage,
    instance: dg.DagsterInstance,
    assets: Sequence[dg.AssetsDefinition],
    days: Sequence[str] = (),
    note: str = "",
) -> dg.ExecuteInProcessResult:
    """Run the assets over a range of days."""
    range_tags = (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG)
    ends = dict(zip(range_tags, (days[0], days[-1]), strict=True)) if days else {}
    return dg.materialize(
        assets,
        resources={
            "storage": storage,
            **{place.value: StorageIOManager(storage, place) for place in Place},
        },
        instance=instance,
        tags={"note": note, **ends},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )


def failure(result: dg.ExecuteInProcessResult) -> str:
    """Everything that the failed step says."""
    (event,) = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data
    return f"{data.user_failure_data} {data.error and data.error.to_string()}"


def evaluations(
    instance: dg.DagsterInstance, contract: Contract
) -> dict[str | None, list[dg.AssetCheckEvaluation]]:
    """The evaluations of the contract check by partition, as the instance keeps them."""
    key = dg.AssetCheckKey(contract.asset_key, CONTRACT_CHECK)
    found: dict[str | None, list[Any]] = {}
    for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=1_000):
        evaluation = record.event and record.event.dagster_event.event_specific_data
        if isinstance(evaluation, dg.AssetCheckEvaluation):
            found.setdefault(evaluation.partition, []).append(evaluation)
    return found


def failed(instance: dg.DagsterInstance, contract: Contract) -> set[str | None]:
    found = evaluations(instance, contract)
    return {key for key, several in found.items() if not all(each.passed for each in several)}


@pytest.mark.parametrize("contract", [ORDERS, LISTED], ids=["lake", "warehouse"])
def test_one_bad_day_of_a_range_is_refused_and_reported(
    tmp_path: Path, instance: dg.DagsterInstance, contract: Contract
) -> None:
    others = set(DAYS) - {BAD}
    with opened(tmp_path, *SHOP) as storage:
        good = facts(contract, planted={BAD: {"state": "lost", "phone": "13812345678"}})
        result = run(storage, instance, [good], DAYS)
        assert not result.success
        assert "1 of 180 partitions" in failure(result)
        assert f"{BAD}: {contract.name}: state not in open, done: 1 rows" in failure(result)
        assert set(storage.store(contract).published(contract, DAYS)) == others
        assert len(rows_of(storage, contract, sorted(others))) == 2 * 179
    assert set(instance.get_materialized_partitions(contract.asset_key)) == others
    assert failed(instance, contract) == {BAD}
    assert set(evaluations(instance, contract)) == set(DAYS)
    (bad,) = evaluations(instance, contract)[BAD]
    assert "state not in open, done: 1 rows" in bad.metadata["broken"].value
    assert "lost" in bad.metadata["sample"].value
    assert "138" not in bad.metadata["sample"].value


def test_the_bad_day_is_cured_by_a_run_of_its_own(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    with opened(tmp_path, *SHOP) as storage:
        run(storage, instance, [facts(ORDERS, planted={DAYS[1]: {"state": "lost"}})], DAYS[:3])
        result = run(storage, instance, [facts(ORDERS, planted={})], DAYS[1:2])
        assert result.success
        assert len(rows_of(storage, ORDERS, DAYS[:3])) == 6
    assert set(instance.get_materialized_partitions(ORDERS.asset_key)) == set(DAYS[:3])


def test_a_day_that_is_bad_in_one_table_of_a_step_is_published_in_none(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    with opened(tmp_path, *SHOP) as storage:
        pair = facts(ORDERS, LISTED, planted={DAYS[1]: {"state": "lost"}})
        result = run(storage, instance, [pair], DAYS[:3])
        assert "listed: state not in open, done: 1 rows" in failure(result)
        for contract in (ORDERS, LISTED):
            assert set(storage.store(contract).published(contract, DAYS)) == {DAYS[0], DAYS[2]}
            found = instance.get_materialized_partitions(contract.asset_key)
            assert set(found) == {DAYS[0], DAYS[2]}
            assert failed(instance, contract) == {DAYS[1]}
        assert not list(storage.scratch.glob("*.parquet"))


def test_a_range_of_bad_days_only_publishes_nothing(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    with opened(tmp_path, *SHOP) as storage:
        planted = {day: {"state": "lost"} for day in DAYS[:3]}
        assert not run(storage, instance, [facts(ORDERS, planted=planted)], DAYS[:3]).success
        assert storage.lake.published(ORDERS, DAYS) == {}
    assert failed(instance, ORDERS) == set(DAYS[:3])
    assert not instance.get_materialized_partitions(ORDERS.asset_key)


def test_a_good_range_is_reported_partition_by_partition(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    with opened(tmp_path, *SHOP) as storage:
        result = run(storage, instance, [facts(ORDERS, LISTED, planted={})], DAYS[:3])
    assert result.success
    for contract in (ORDERS, LISTED):
        assert set(instance.get_materialized_partitions(contract.asset_key)) == set(DAYS[:3])
        assert failed(instance, contract) == set()
        events = [
            e
            for e in result.get_asset_materialization_events()
            if e.asset_key == contract.asset_key
        ]
        for event in events:
            metadata = event.materialization.metadata
            assert metadata["dagster/partition_row_count"].value == 2
            assert MASK in metadata["preview"].value


@pytest.mark.parametrize("contract", [ORDERS, LISTED], ids=["lake", "warehouse"])
def test_of_two_runs_of_one_partition_at_once_the_later_to_begin_wins(
    tmp_path: Path, instance: dg.DagsterInstance, contract: Contract
) -> None:
    def rival() -> None:
        with opened(tmp_path, *SHOP) as storage:
            assert run(storage, instance, [facts(contract, planted={})], DAYS[:1], "rival").success

    with opened(tmp_path, *SHOP) as storage:
        slow = facts(contract, planted={}, meanwhile=rival)
        result = run(storage, instance, [slow], DAYS[:1], "slow")
        assert not result.success
        assert StaleWriterError.__name__ in failure(result)
        assert {row["note"] for row in rows_of(storage, contract, DAYS[:1])} == {"rival", None}
        assert not list(storage.scratch.glob("*.parquet"))
    assert len(instance.fetch_materializations(contract.asset_key, limit=5).records) == 1


def test_tables_made_together_come_from_one_run(tmp_path: Path) -> None:
    days, tables = DAYS[:1], (ORDERS, RETURNS)
    with opened(tmp_path, *SHOP) as first, opened(tmp_path, *SHOP) as second:
        first.begin("first", [(contract, days) for contract in tables])
        publish(first, ORDERS, of_days(days, {}, "first"), days, "first")
        # begins when the other one has published one of its two tables
        second.begin("second", [(contract, days) for contract in tables])
        publish(second, ORDERS, of_days(days, {}, "second"), days, "second")
        with pytest.raises(StaleWriterError, match="shop/orders"):
            publish(first, RETURNS, of_days(days, {}, "first"), days, "first")
        publish(second, RETURNS, of_days(days, {}, "second"), days, "second")
        for contract in tables:
            notes = {row["note"] for row in rows_of(second, contract, days)}
            assert notes == {"second", None}


def test_a_rival_between_two_tables_is_noticed_at_the_latest_at_the_end(tmp_path: Path) -> None:
    days, rivals = DAYS[:1], list[Storage]()

    def overtake(point: str) -> None:
        if point == "lake: audited" and rivals:
            publish(rivals.pop(), ORDERS, of_days(days, {}, "second"), days, "second")

    with opened(tmp_path, *SHOP, reached=overtake) as first, opened(tmp_path, *SHOP) as second:
        first.begin("first", [(ORDERS, days), (RETURNS, days)])
        publish(first, ORDERS, of_days(days, {}, "first"), days, "first")
        second.begin("second", [(ORDERS, days), (RETURNS, days)])
        rivals.append(second)
        with pytest.raises(StaleWriterError, match="shop/returns was published, but another run"):
            publish(first, RETURNS, of_days(days, {}, "first"), days, "first")


def test_a_stale_second_table_keeps_the_first_back(tmp_path: Path) -> None:
    days = DAYS[:1]
    with opened(tmp_path, *SHOP) as first, opened(tmp_path, *SHOP) as second:
        first.begin("first", [(ORDERS, days), (LISTED, days)])
        publish(second, LISTED, of_days(days, {}, "second"), days, "second")
        with pytest.raises(StaleWriterError, match="shop/listed"):
            publish(first, ORDERS, of_days(days, {}, "first"), days, "first")
        assert first.lake.published(ORDERS, days) == {}


def test_a_bad_unpartitioned_table_keeps_its_old_version(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    found: list[list[dict[str, Any]]] = []

    @table_asset(TITLES)
    def titles(context: dg.AssetExecutionContext) -> pa.RecordBatchReader:
        """Return the titles found."""
        return arrow(TITLES, found[-1]).to_reader()

    @table_asset(RETURNS, partitions=PARTITIONS, ins={"titles": same(TITLES)})
    def downstream(context: dg.AssetExecutionContext, titles: Any) -> Tabular:
        """Never runs in the run of a bad table."""
        raise AssertionError("a bad table was handed on")

    with opened(tmp_path, *SHOP) as storage:
        found.append([{"title_id": 1, "title": "good"}])
        assert run(storage, instance, [titles]).success
        found.append([{"title_id": 1, "title": "bad"}, {"title_id": 1, "title": "worse"}])
        result = run(storage, instance, [titles, downstream], DAYS[:1])
        assert not result.success
        assert "titles: key (title_id) repeated: 1 rows" in failure(result)
        assert rows_of(storage, TITLES, [UNPARTITIONED]) == found[0]
    assert [evaluation.passed for evaluation in evaluations(instance, TITLES)[None]] == [
        False,
        True,
    ]
    assert "worse" in evaluations(instance, TITLES)[None][0].metadata["sample"].value
