"""The incident log as landed files: the mapping, each defect, the account, the graph, the proof."""

import os
from collections import Counter
from datetime import date
from pathlib import Path
from zipfile import ZipFile

import pytest

from cs_resources.errors import SourceError
from examples.it_service.load import load, main
from examples.it_service.verify import compare, conserved, opened
from tests.calls.cases import Installation
from tests.examples.it_service_cases import USUAL, Landed, event, written

FIRST, LAST = date(2016, 3, 1), date(2016, 3, 4)
SCORECARDS = Path(__file__).parents[2] / "examples" / "it_service" / "scorecards"
EVENTS = (
    # a life: priority, caller and promise change, the last event tells the truth
    event(sys_mod_count="0", made_sla="true", priority="4 - Low", incident_state="New"),
    event(sys_mod_count="10", made_sla="false", priority="2 - High"),
    event(sys_mod_count="9", incident_state="-100", caller_id="Caller 1"),
    # no caller; closed without a solution; not solved at all; two events of one count
    event(number="INC2", caller_id="?"),
    event(number="INC3", opened_at="2/3/2016 09:00", resolved_at="?", closed_at="3/3/2016 10:00"),
    event(
        number="INC4",
        caller_id="Caller 7",
        opened_at="3/3/2016 23:59",
        resolved_at="?",
        closed_at="?",
    ),
    event(number="INC5", priority="1 - Critical", sys_updated_at="4/3/2016 12:00"),
    event(number="INC5", priority="3 - Moderate", sys_updated_at="3/3/2016 12:00"),
    # lines that are none
    "INC6,New,true",
    event(number="?"),
    event(number="INC7", sys_mod_count="?"),
)


def test_a_solved_incident_is_mapped_column_by_column(tmp_path: Path) -> None:
    landed = Landed(tmp_path, event())
    assert landed.ticket == {
        "ticket_id": "INC0000045",
        "customer_id": "Caller 2403",
        "created_date": "2016-03-01 01:16",
        "resolved_date": "2016-03-01 11:29",
        "priority": "medium",
        "category": "Category 55",
        "satisfaction_score": "",
        "agent_id": "Resolved by 149",
        "resolution_time": "10.2167",
        "sla_missed": "false",
    }
    (customer,) = landed.rows("customers/customers_2016-03-01")
    assert customer["name"] == "Caller 2403 [synthetic type]"
    assert customer["customer_type"] == "mid_market"
    invented = ("contract_date", "contract_length_months", "payment_status", "nps_score")
    assert [customer[name] for name in invented] == [""] * 4
    assert +landed.account.remarks == Counter()


def test_the_event_with_the_highest_count_is_the_truth(tmp_path: Path) -> None:
    landed = Landed(tmp_path, *EVENTS[:3])
    assert (landed.ticket["sla_missed"], landed.ticket["priority"]) == ("true", "high")
    assert landed.ticket["customer_id"] == "Caller 2403"
    assert landed.account.remarks["state_-100"] == 1
    assert landed.account.superseded == 2


def test_of_two_events_of_one_count_the_later_update_counts(tmp_path: Path) -> None:
    assert Landed(tmp_path, *EVENTS[6:8]).ticket["priority"] == "urgent"


@pytest.mark.parametrize(
    ("changes", "column", "expected"),
    [
        ({"resolved_at": "?"}, "resolved_date", "2016-03-05 12:00"),
        ({"resolved_at": "?"}, "resolution_time", ""),
        ({"resolved_at": "?", "closed_at": "?"}, "resolved_date", ""),
        ({"caller_id": "?"}, "customer_id", ""),
        ({"category": "?"}, "category", ""),
        ({"resolved_by": "?", "assigned_to": "Resolver 4"}, "agent_id", "Resolver 4"),
        ({"priority": "9 - Odd"}, "priority", "9 - Odd"),
        ({"made_sla": "maybe"}, "sla_missed", "maybe"),
        ({"opened_at": "31/2/2016 10:00"}, "created_date", "31/2/2016 10:00"),
        ({"opened_at": "01/03/2016 1:05"}, "created_date", "2016-03-01 01:05"),
    ],
)
def test_what_is_missing_stays_missing_and_what_is_odd_is_passed_on(
    tmp_path: Path, changes: dict[str, str], column: str, expected: str
) -> None:
    assert Landed(tmp_path, event(**changes)).ticket[column] == expected


def test_callers_are_customers_from_their_first_incident_on(tmp_path: Path) -> None:
    landed = Landed(tmp_path, *EVENTS)
    assert landed.customers("2016-03-01") == landed.customers("2016-03-02") == ["Caller 2403"]
    assert landed.customers("2016-03-03") == ["Caller 2403", "Caller 7"]


def test_every_event_is_accounted_for(tmp_path: Path) -> None:
    account = Landed(tmp_path, *EVENTS).account
    reasons = "bad_sys_mod_count 1, no_number 1, wrong_number_of_fields 1"
    first, callers, *_ = account.lines()
    assert first == f"events read 11 = incidents 5 + superseded 3 + refused 3 ({reasons})"
    assert callers == "callers 2"
    assert account.remarks["closing_stands_for_solution"] == account.remarks["no_caller"] == 1


def test_the_same_events_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    for name, events in (("a", EVENTS), ("b", EVENTS[::-1])):
        (tmp_path / name).mkdir()
        Landed(tmp_path / name, *events)
    files = [
        {path.relative_to(tmp_path / name / "landing"): path.read_bytes() for path in found}
        for name in ("a", "b")
        for found in [sorted((tmp_path / name / "landing").rglob("*.csv"))]
    ]
    assert files[0] == files[1]
    assert len(files[0]) == 4


def test_a_log_that_cannot_be_read_is_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    landing = tmp_path / "landing"
    (tmp_path / "no.zip").write_bytes(b"PK")
    with ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", "")
        archive.writestr("b.csv", "")
    for name, message in (
        ("gone.zip", "No such file"),
        ("no.zip", "is not a whole zip file"),
        ("two.zip", "is to hold one CSV file; it holds 2"),
    ):
        with pytest.raises(SourceError, match=message):
            load(tmp_path / name, landing)
    bad = written(tmp_path / "bad.zip", event())
    with ZipFile(bad, "w") as archive:
        archive.writestr("a.csv", "number,priority")
    assert main([str(bad), str(landing)]) == 1
    assert "has no column incident_state, sys_mod_count" in capsys.readouterr().err
    assert not landing.exists()


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    log, landing = written(tmp_path / "log.zip", event()), tmp_path / "landing"
    landing.mkdir()
    (landing / "sales.csv").touch()
    with pytest.raises(SourceError, match=r"holds sales\.csv; name an empty folder"):
        load(log, landing)
    (landing / "sales.csv").unlink()
    load(log, landing)
    load(log, landing)
    with pytest.raises(SourceError, match=r"log\.zip is no folder"):
        load(log, log)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The small log in the graph, the month alone."""
    folder = tmp_path_factory.mktemp("it_service")
    events = [line if isinstance(line, str) else USUAL | line for line in EVENTS[:-3]]
    load(written(folder / "log.zip", *events), folder / "landing")
    made = Installation(
        folder, FIRST, LAST, health_sources=("support",), health_scorecards=SCORECARDS
    )
    marts = "customer_measures_month,customer_health_month"
    assert made.run(f"customers_raw,support_raw,{marts}", FIRST, LAST) == ""
    return made


def test_the_graph_makes_of_the_log_what_sql_makes_of_it(home: Installation) -> None:
    folder = home.settings.cs_home
    database = opened(folder / "log.zip", folder)
    assert conserved(database)
    assert compare(database) == 0
    database.execute("UPDATE incidents SET missed = NOT missed WHERE number = 'INC3'")
    assert compare(database) == 2


def test_scores_say_how_little_is_known(home: Installation) -> None:
    rows = {(r["scorecard"], r["customer_id"]): r for r in home.rows("customer_health_month")}
    assert {card for card, _ in rows} == {"saas_8", "service_4", "it_service"}
    own = rows["it_service", "Caller 2403"]
    # 4 days of history tell no count of 90 days
    assert (own["coverage"], own["is_certain"]) == (0.7, False)
    assert own["score_high"] - own["score_low"] == pytest.approx(0.3, abs=2e-6)
    # their pieces ask for counts first, or for what no log of incidents has
    for card in ("saas_8", "service_4"):
        row = rows[card, "Caller 2403"]
        assert (row["coverage"], row["overall"], row["grade"]) == (0, None, None)
        assert (row["score_low"], row["score_high"], row["is_certain"]) == (0, 1, False)


@pytest.mark.skipif("INCIDENT_LOG" not in os.environ, reason="INCIDENT_LOG names no incident log")
def test_the_real_log_is_accounted_for(tmp_path: Path) -> None:
    account = load(Path(os.environ["INCIDENT_LOG"]), tmp_path / "landing")
    assert (account.read, account.incidents, account.superseded) == (119_998, 20_769, 99_229)
    assert account.callers == 4_828
    assert account.remarks["no_caller"] == 3
