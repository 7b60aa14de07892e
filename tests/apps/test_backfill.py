"""Backfills: which runs a selection needs, in which order, and how they end."""

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from hypothesis import given
from hypothesis import strategies as st

from cs_apps.backfill import Wave, last_day, plan, run_waves, select_contracts
from cs_assets.calendar import Calendar, Grain
from cs_assets.contracts import Contract
from cs_assets.definitions import CONTRACTS, build_definitions
from cs_resources.errors import ConfigurationError
from cs_resources.settings import Settings

CALENDAR = Calendar(history_start=date(2025, 7, 1), history_end=date(2025, 12, 31))
WEDNESDAY, TUESDAY = date(2025, 11, 26), date(2025, 12, 2)
FACTS = {
    "call_tasks",
    "call_records_raw",
    "call_turns_raw",
    "call_records_clean",
    "call_records_quarantine",
    "call_record_enriched",
}


def settings_of(home: Path) -> Settings:
    return Settings(
        cs_home=home,
        cs_history_start=CALENDAR.history_start,
        cs_history_end=CALENDAR.history_end,
    )


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> AssetGraph:
    return build_definitions(settings_of(tmp_path_factory.mktemp("none"))).resolve_asset_graph()


def names(wave: Wave) -> set[str]:
    return {key.path[-1] for key in wave.assets}


def planned(
    graph: AssetGraph, select: str, first: date = WEDNESDAY, last: date = TUESDAY
) -> list[Wave]:
    return plan(select_contracts(select, CONTRACTS), graph, CALENDAR, first, last)


def test_facts_come_before_marts(graph: AssetGraph) -> None:
    facts, *marts = planned(graph, "calls")
    assert names(facts) >= FACTS
    assert facts.grain is Grain.DAY
    assert sorted(str(wave.grain) for wave in marts) == ["month", "quarter", "week"]
    for wave in marts:
        assert names(wave) >= {f"portrait_snapshot_{wave.grain}", f"task_summary_{wave.grain}"}


def test_each_wave_has_the_periods_that_overlap_the_days(graph: AssetGraph) -> None:
    keys = {wave.grain: wave.partitions for wave in planned(graph, "calls")}
    assert keys[Grain.DAY][0] == "2025-11-26"
    assert keys[Grain.DAY][-1] == "2025-12-02"
    assert len(keys[Grain.DAY]) == 7
    assert keys[Grain.WEEK] == ("2025-W48-1", "2025-W49-1")
    assert keys[Grain.MONTH] == ("2025-11", "2025-12")
    assert keys[Grain.QUARTER] == ("2025-10",)
    turn_of_the_year = planned(
        graph, "portrait_snapshot_week", date(2025, 12, 31), date(2025, 12, 31)
    )
    assert turn_of_the_year[0].partitions == ("2026-W01-1",)


def test_unpartitioned_assets_go_with_the_first_wave(graph: AssetGraph) -> None:
    (facts, marts) = planned(graph, "call_tasks,call_records_clean,task_summary_week")
    assert facts.unpartitioned == {dg.AssetKey(["calls", "call_tasks"])}
    assert facts.materializations == 1 + 2 * 7
    assert facts.label == "day 2025-11-26 … 2025-12-02"
    assert not marts.unpartitioned


def test_an_unpartitioned_asset_alone(graph: AssetGraph) -> None:
    (wave,) = planned(graph, "call_tasks")
    assert (wave.grain, wave.partitions, wave.materializations) == (None, (), 1)
    assert wave.label == "unpartitioned"


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_any_single_asset_can_be_made(graph: AssetGraph, contract: Contract) -> None:
    """With the assets of the same step, which cannot be had apart."""
    (wave,) = planned(graph, contract.asset_name)
    assert wave.assets == graph.get(contract.asset_key).execution_set_asset_keys
    assert wave.grain == contract.grain
    assert bool(wave.partitions) == bool(contract.grain)


@given(st.sets(st.sampled_from(CONTRACTS), min_size=1))
def test_no_wave_comes_before_what_it_reads(graph: AssetGraph, chosen: set[Contract]) -> None:
    waves = plan(chosen, graph, CALENDAR, WEDNESDAY, TUESDAY)
    made: set[dg.AssetKey] = set()
    wanted = {contract.asset_key for contract in chosen}
    everything = {key for wave in waves for key in wave.assets}
    for wave in waves:
        for key in wave.assets:
            upstream = graph.get(key).parent_keys & everything
            assert upstream <= made | wave.assets
            grain = next(c.grain for c in CONTRACTS if c.asset_key == key)
            assert grain in (None, wave.grain)
        assert not made & wave.assets
        made |= wave.assets
    assert made >= wanted


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (date(2025, 6, 30), date(2025, 7, 1), "begins before CS_HISTORY_START"),
        (date(2025, 12, 1), date(2026, 1, 1), "ends after CS_HISTORY_END"),
        (date(2025, 7, 2), date(2025, 7, 1), "lies after"),
    ],
)
def test_days_outside_of_history_are_refused(
    graph: AssetGraph, first: date, last: date, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        planned(graph, "calls", first, last)


def test_days_that_are_not_over_are_refused(graph: AssetGraph) -> None:
    """Else they would be published as days without calls."""
    still_open = Calendar(history_start=date(2025, 7, 1))
    noon = datetime(2025, 11, 26, 12, tzinfo=ZoneInfo("Asia/Shanghai"))
    tasks = select_contracts("call_records_raw", CONTRACTS)
    with dg.partition_loading_context(noon):
        assert last_day(still_open) == date(2025, 11, 25)
        assert plan(tasks, graph, still_open, date(2025, 11, 24), date(2025, 11, 25))
        with pytest.raises(ValueError, match="2025-11-26 is not over yet"):
            plan(tasks, graph, still_open, date(2025, 11, 24), WEDNESDAY)
    with dg.partition_loading_context(datetime(2025, 6, 1, tzinfo=ZoneInfo("UTC"))):
        assert last_day(still_open) is None


def test_a_selection_names_systems_and_assets() -> None:
    calls = [contract for contract in CONTRACTS if contract.system == "calls"]
    assert select_contracts("calls", CONTRACTS) == calls
    both = select_contracts(" call_tasks , calls/call_tasks,,task_summary_week ", CONTRACTS)
    assert [contract.name for contract in both] == ["call_tasks", "task_summary_week"]


@pytest.mark.parametrize(
    ("selection", "suggested"),
    [
        ("cals", "calls"),
        ("portrait_snapshot_weak", "portrait_snapshot_week"),
        ("call_task", "call_tasks"),
        ("call_tasks,task_sumary_month", "task_summary_month"),
        ("zzz", "systems are calls, health, sources"),
    ],
)
def test_an_unknown_name_gets_suggestions(selection: str, suggested: str) -> None:
    wrong = selection.split(",")[-1]
    with pytest.raises(ConfigurationError, match=f"no system or asset {wrong}.*{suggested}"):
        select_contracts(selection, CONTRACTS)


@pytest.mark.parametrize("selection", ["", " ", ",", " , "])
def test_an_empty_selection_is_refused(selection: str) -> None:
    with pytest.raises(ConfigurationError, match="name at least one"):
        select_contracts(selection, CONTRACTS)


def test_a_failing_wave_is_the_last(tmp_path: Path) -> None:
    """The problem is said as the source said it, once per failed step."""
    settings = settings_of(tmp_path)
    definitions = build_definitions(settings)
    waves = plan(
        CONTRACTS, definitions.resolve_asset_graph(), settings.calendar, WEDNESDAY, WEDNESDAY
    )
    with dg.DagsterInstance.ephemeral() as instance:
        (result,) = run_waves(definitions, instance, waves)
    assert not result.success
    assert len(result.problems) == 4
    customers = next(problem for problem in result.problems if problem.startswith("customers_raw"))
    assert "customers.csv" in customers
    tasks = next(problem for problem in result.problems if problem.startswith("call_tasks: "))
    assert tasks.startswith("call_tasks: CALL_SOURCE_URL: there is no file")
