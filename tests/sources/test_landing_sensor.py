"""What is noticed in the landing folder, at pinned times: exactly the days whose rows differ."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from cs_resources.landed_csv import LandedFile
from cs_resources.landing import Found, Landing
from tests.sources.source_cases import (
    CUSTOMER,
    DEAL,
    FIRST,
    LAST,
    OTHER_CUSTOMER,
    TICKET,
    House,
    lines,
    staleness_of,
)

_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
DAYS = [str(FIRST + timedelta(days=n)) for n in range(5)]
LOADED = "customers_raw,sales_raw"


def look(house: House) -> Sequence[dg.RunRequest]:
    repository = house.definitions.get_repository_def()
    resources = {"storage": house.storage, "landed": house.landed, "clock": lambda: house.now}
    with dg.build_sensor_context(repository_def=repository, resources=resources) as context:
        tick = repository.get_sensor_def("landed_files").evaluate_tick(context)
    return tick.run_requests or []


def spans(requests: Sequence[dg.RunRequest]) -> list[tuple[str, ...]]:
    return [tuple(request.tags[name] for name in _RANGE) for request in requests]


def on(day: str, **changes: str) -> str:
    row = DEAL.replace("2025-11-24", f"2025-11-{day}")
    for old, new in changes.items():
        row = row.replace(old, new)
    return row


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    house.land("customers.csv", lines("customers", CUSTOMER, OTHER_CUSTOMER))
    house.land("sales.csv", lines("sales", on("24"), on("26")))
    assert house.load(LOADED) == ""
    return house


def test_nothing_landed_and_nothing_changed_ask_for_nothing(house: House, tmp_path: Path) -> None:
    assert look(House(tmp_path / "empty")) == []
    assert look(house) == []


def test_a_file_asks_for_its_days_and_the_run_settles_it(house: House) -> None:
    house.land("sales/more.csv.gz", lines("sales", on("25"), on("28")))
    (request, other), again = look(house), look(house)
    assert [item.run_key for item in again] == [request.run_key, other.run_key]
    assert spans([request, other]) == [(DAYS[1],) * 2, (DAYS[4],) * 2]
    job = house.definitions.get_repository_def().get_job("sources_days")
    with dg.DagsterInstance.ephemeral() as instance:
        for item in (request, other):
            result = job.execute_in_process(
                instance=instance,
                tags=dict(item.tags),
                asset_selection=list(item.asset_selection or ()),
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
            assert result.success
    assert look(house) == []
    assert staleness_of(house) == ()
    assert len(house.rows("sales_raw")) == 4


def test_changed_and_removed_files_ask_for_the_days_whose_rows_differ(house: House) -> None:
    house.land("sales.csv", lines("sales", on("26"), on("24", won="lost")))
    assert spans(look(house)) == [(DAYS[0], DAYS[0])]
    assert [list(item.reasons) for item in staleness_of(house)] == [[DAYS[0]]]
    more = house.land("sales/more.csv", lines("sales", on("24"), on("27")))
    assert house.load(LOADED) == ""
    more.unlink()
    assert spans(look(house)) == [(DAYS[0], DAYS[0]), (DAYS[3], DAYS[3])]


def test_what_holds_the_same_rows_asks_for_nothing(house: House) -> None:
    path = house.landing / "sales.csv"
    os.utime(path, (1, 1))
    assert look(house) == []
    path.unlink()
    house.land("sales/renamed.csv.gz", "\ufeff" + lines("sales", on("26"), on("24")))
    assert look(house) == []


def test_a_dated_snapshot_asks_for_its_day_and_those_after_it(house: House) -> None:
    house.land("customers_2025-11-20.csv", lines("customers", CUSTOMER))
    assert house.load(LOADED) == ""
    house.land("customers_2025-11-27.csv", lines("customers", CUSTOMER, OTHER_CUSTOMER))
    assert spans(look(house)) == [(DAYS[3], DAYS[4])]


def test_a_day_that_is_over_is_asked_for_once_it_is_due(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.land("customers.csv", lines("customers", CUSTOMER))
    house.land("support.csv", lines("support", TICKET))
    house.now = datetime(2025, 11, 25, 17, 59, tzinfo=UTC)  # 01:59 in Shanghai
    assert spans(look(house)) == [(DAYS[0], DAYS[0])]
    house.now = datetime(2025, 11, 25, 18, 0, tzinfo=UTC)
    (request,) = look(house)
    assert spans([request]) == [(DAYS[0], DAYS[1])]
    names = {key.path[-1] for key in request.asset_selection or ()}
    assert names == {
        *("customers_raw", "customers_quarantine", "support_raw", "support_quarantine")
    }


def test_a_file_that_cannot_be_read_stops_its_own_source_only(house: House) -> None:
    house.land("support.csv", "ticket_id\nt1\n")
    house.land("sales/more.csv", lines("sales", on("25")))
    assert spans(look(house)) == [(DAYS[1], DAYS[1])]
    house.land("sales/more.csv", "customer_id\nc1\n")
    assert look(house) == []
    assert [list(item.reasons) for item in staleness_of(house)] == [[DAYS[1]]]


def test_an_untouched_file_is_not_read_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    archived = Landing.archived

    def counted(self: Landing, found: Found, source: str) -> LandedFile:
        read.append(found.name)
        return archived(self, found, source)

    monkeypatch.setattr(Landing, "archived", counted)
    assert look(house) == []
    assert read == []
    os.utime(house.landing / "sales.csv", (1, 1))
    assert look(house) == []
    assert read == ["sales.csv"]


def test_the_clock_is_the_installation_s(house: House) -> None:
    (seen,) = house.landed.ledger("sales").read()
    assert (seen.first_seen, seen.is_there) == (LAST + timedelta(days=3), True)
