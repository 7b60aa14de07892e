"""The landed facts as they run: from files of every form to published days."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cs_assets.sources import judging
from cs_resources.landed_rows import LandedSource, RowFiles
from tests.sources.source_cases import (
    ACTIVITY,
    CUSTOMER,
    DEAL,
    FIRST,
    OTHER_CUSTOMER,
    TICKET,
    House,
    lines,
    reasons,
    staleness_of,
)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_file_of_each_source_becomes_published_facts(house: House) -> None:
    house.land_all()
    assert house.load() == ""
    (deal,) = house.rows("sales_raw")
    assert (deal["deal_date"], deal["deal_amount"]) == (date(2025, 11, 24), Decimal("1200.50"))
    assert (deal["source_file"], deal["row_number"]) == ("sales.csv", 1)
    assert house.table("support_raw", "ticket_id", "resolution_hours", "is_sla_missed") == [
        ("t1", Decimal("20.5"), None)
    ]
    assert house.table("activity_raw", "session_minutes", "usage_depth") == [
        (Decimal("12.5"), Decimal("0.5"))
    ]
    customers = house.table("customers_raw", "snapshot_date", "customer_id", "is_backdated")
    assert len(customers) == 10
    assert {backdated for *_, backdated in customers} == {True}
    for source in ("customers", "sales", "support", "activity"):
        assert house.rows(f"{source}_quarantine") == []


def test_files_of_every_form_and_what_is_wrong_with_them(house: House) -> None:
    bad = ["c1,not a day,1,won,li,basic,12,", "c1,2025-11-25", "c9,2025-11-25,1,won,li,basic,12,"]
    extra = lines("activity", ACTIVITY).replace("usage_depth\n", "usage_depth,mood,mood\n")
    house.land("customers.csv", lines("customers", CUSTOMER).encode("gb18030"))
    house.land("sales/north.csv", b"\xef\xbb\xbf" + lines("sales", DEAL, *bad).encode())
    house.land("sales_south.csv.gz", lines("sales", DEAL, DEAL))
    house.land("support.csv.gz", lines("support", TICKET).encode("utf-8-sig"))
    house.land("activity.csv", extra.replace(",0.5\n", ",0.5,glad,\n"))
    assert house.load() == ""
    assert {name for (name,) in house.table("customers_raw", "name")} == {"甲公司"}
    # one of the three equal deals is in both files: the file with two of them counts
    assert len(house.rows("sales_raw")) == 2
    assert reasons(house, "sales") == [
        ("2025-11-24", "bad_deal_date"),
        ("2025-11-24", "unreadable_row"),
        ("2025-11-25", "unknown_customer"),
    ]
    assert len(house.rows("activity_raw")) == len(house.rows("support_raw")) == 1

    before = house.hashes()
    house.land("activity/again.csv.gz", extra.replace(",0.5\n", ",0.5,glad,\n"))  # in two names
    house.land("customers.csv", lines("customers", CUSTOMER, CUSTOMER.replace("c1", "c9")))
    assert house.load() == ""
    assert len(house.rows("activity_raw")) == 1
    assert (
        house.hashes()["sources/activity_raw", "2025-11-24"]
        == (before["sources/activity_raw", "2025-11-24"])
    )


def test_an_unknown_customer_is_cured_by_a_later_snapshot(house: House) -> None:
    house.land("customers_2025-11-20.csv", lines("customers", CUSTOMER))
    house.land("sales.csv", lines("sales", DEAL, DEAL.replace("c1", "c2")))
    assert house.load("customers_raw,sales_raw") == ""
    assert reasons(house, "sales") == [("2025-11-24", "unknown_customer")]
    house.land("customers_2025-11-22.csv", lines("customers", CUSTOMER, OTHER_CUSTOMER))
    assert house.load("customers_raw") == ""
    stale = {
        (own.name, key)
        for item in staleness_of(house)
        for own in item.recipe.contracts
        for key in item.reasons
    }
    days = [str(FIRST + timedelta(days=n)) for n in range(5)]
    assert stale == {(name, day) for name in ("sales_raw", "sales_quarantine") for day in days}
    assert house.load("sales_raw") == ""
    assert reasons(house, "sales") == []
    assert house.table("sales_raw", "customer_id") == [("c1",), ("c2",)]
    assert staleness_of(house) == ()


def test_snapshots_stand_from_their_day_and_overwritten_ones_for_theirs(house: House) -> None:
    """The clock moves; names, contents and days are what counts."""

    def paid(status: str) -> str:
        return lines("customers", CUSTOMER.replace("current", status))

    for day, status in ((25, "late"), (27, "overdue")):
        house.now = datetime(2025, 11, day, 2, tzinfo=UTC)
        house.land("customers.csv", paid(status))
        house.landed.look("customers")
    house.land("customers_2025-11-28.csv", paid("suspended"))
    assert house.load("customers_raw") == ""
    found = house.table("customers_raw", "snapshot_date", "payment_status", "is_backdated")
    assert [(day.day, status, early) for day, status, early in found] == [
        (24, "late", True),
        (25, "late", False),
        (26, "late", False),
        (27, "overdue", False),
        (28, "suspended", False),
    ]


def test_another_tenant_has_all_contents_parsed_anew(tmp_path: Path) -> None:
    house = House(tmp_path)
    for day in (25, 27):
        house.now = datetime(2025, 11, day, 2, tzinfo=UTC)
        house.land("customers.csv", lines("customers", CUSTOMER.replace("甲", str(day))))
        house.landed.look("customers")
    other = House(tmp_path, cs_tenant="t2")
    assert other.load("customers_raw") == ""
    found = other.table("customers_raw", "tenant_id", "name")
    assert found == [("t2", "25公司")] * 3 + [("t2", "27公司")] * 2


def test_a_snapshot_of_no_date_is_refused(house: House) -> None:
    house.land("customers_2025-13-01.csv", lines("customers", CUSTOMER))
    assert "2025-13-01 in its name is not a date" in house.load("customers_raw")


def test_a_range_equals_day_by_day_and_files_are_parsed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []
    original = RowFiles._write_rows

    def counted(self: RowFiles, source: LandedSource, *rest: Any) -> None:
        parsed.append(source.name)
        original(self, source, *rest)

    monkeypatch.setattr(RowFiles, "_write_rows", counted)
    span, single = House(tmp_path / "range"), House(tmp_path / "days")
    for house in (span, single):
        for number, day in enumerate(("25", "26", "25", "nonsense")):
            rows = (TICKET.replace("t1", f"t{number}"), TICKET.replace("24", day, 1))
            house.land(f"support/{number}.csv", lines("support", *rows))
        house.land("customers.csv", lines("customers", CUSTOMER, OTHER_CUSTOMER))
    assert span.load("customers_raw,support_raw") == ""
    for number in range(5):
        day = FIRST + timedelta(days=number)
        assert single.load("customers_raw,support_raw", day, day) == ""
    assert span.hashes() == single.hashes()
    assert parsed.count("support") == 2 * 4
    assert parsed.count("customers") == 2
    assert reasons(span, "support") == [
        ("2025-11-24", "bad_created_date"),  # stands with the first day of its file
        ("2025-11-26", "bad_resolved_date"),
    ]


def test_a_day_over_the_limit_does_not_hide_the_others(tmp_path: Path) -> None:
    house = House(tmp_path)
    bad = DEAL.replace("2025-11-24", "2025-11-26").replace("won", "perhaps")
    house.land("customers.csv", lines("customers", CUSTOMER))
    house.land("sales.csv", lines("sales", DEAL, *[bad] * 11))
    problems = house.load("customers_raw,sales_raw")
    assert "1 of 5 partitions break their contract" in problems
    assert "2025-11-26: sales_raw: 11 of 11 rows (100.0%) would go to quarantine" in problems
    published = {day for name, day in house.hashes() if name == "sources/sales_raw"}
    assert published == {"2025-11-24", "2025-11-25", "2025-11-27", "2025-11-28"}


def test_what_cannot_be_read_is_refused_by_name(house: House) -> None:
    assert "no file of customers has ever landed: expected is" in house.load("customers_raw")
    house.land("customers.csv", lines("customers", CUSTOMER))
    problems = house.load("customers_raw,sales_raw")
    assert "no file of sales has ever landed" in problems
    assert str(house.landing / "sales.csv") in problems
    house.land("sales.csv", "customer_id,deal_date\nc1,2025-11-24\n")
    assert "sales.csv: column deal_amount is missing" in house.load("sales_raw")
    assert [name for name, _ in house.hashes() if "sales" in name] == []
    path = house.land("sales.csv", lines("sales", DEAL))
    assert house.load("sales_raw") == ""
    path.unlink()
    assert "no file of sales is left" in house.load("sales_raw")
    assert len(house.rows("sales_raw")) == 1


def test_a_row_that_gets_lost_on_the_way_is_noticed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.land("customers.csv", lines("customers", CUSTOMER))
    house.land("sales.csv", lines("sales", DEAL, DEAL.replace("won", "perhaps")))
    kept = judging.quarantine
    monkeypatch.setattr(judging, "quarantine", lambda *given: kept(*given).limit(0))
    assert "every bad row is kept: number of rows is 0, expected 1" in house.load(
        "customers_raw,sales_raw"
    )
    monkeypatch.setattr(judging, "quarantine", kept)
    fact = judging.fact
    monkeypatch.setattr(judging, "fact", lambda *given: fact(*given).limit(0))
    lost = "rows read = loaded + duplicates + quarantined: number of rows is 0, expected 1"
    assert lost in house.load("sales_raw")
