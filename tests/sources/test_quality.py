"""Quality of landed rows: planted defects are found, counted exactly, and nowhere else."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
import pytest

from cs_assets.calendar import Grain, period_from_partition
from cs_assets.contracts import Contract
from cs_assets.periods import loaded_periods
from cs_assets.sources.contracts import QUARANTINES
from cs_assets.sources.quality import Arrival, Counts, bad_counts, fact_counts, quality
from cs_assets.sources.quality_contracts import ALL, DIMENSIONS
from cs_assets.sources.quality_pictures import REASON_WORDS, quality_picture
from cs_assets.sources.quality_rules import BY_NAME
from tests.sources.source_cases import (
    ACTIVITY,
    CUSTOMER,
    DEAL,
    SOURCES,
    TICKET,
    House,
    lines,
    staleness_of,
)

DAY = date(2025, 11, 24)
(NOVEMBER,) = loaded_periods([period_from_partition(Grain.MONTH, "2025-11")], [DAY])
Row = dict[str, Any]


def table(contract: Contract, *rows: Row) -> Any:
    schema = pa.schema([field.with_nullable(True) for field in contract.schema.to_pyarrow()])
    held = [{"tenant_id": "t", contract.partition_column: DAY} | row for row in rows]
    return ibis.memtable(pa.Table.from_pylist(held, schema=schema))


def judged(
    name: str, facts: list[Row], bad: list[Row], read: int | None = None, *arrivals: Arrival
) -> dict[tuple[str, str], Row]:
    """What is said of one source, by dimension and measure."""
    own = BY_NAME[name]
    counts = Counts(
        fact_counts(own, table(own.rules.fact, *facts)).to_pyarrow().to_pylist(),
        bad_counts(own, table(own.rules.quarantine, *bad)).to_pyarrow().to_pylist(),
        {("t", DAY): len(facts) + len(bad) if read is None else read},
        None if name == "customers" else arrivals,
    )
    found = quality([(own, counts)], [NOVEMBER], "t").to_dict("records")
    return {(row["dimension"], row["measure"]): row for row in found}


def counts(row: Row) -> tuple[int, int]:
    return row["judged"], row["passed"]


def reasons(row: Row) -> dict[str, int]:
    return {item["reason"]: item["rows"] for item in json.loads(row["reasons"])}


def ticket(**changes: Any) -> Row:
    return {
        "ticket_id": "a",
        "category": "login",
        "agent_id": "x",
        "resolved_date": DAY,
        "satisfaction_score": 5,
        "resolution_hours": 1,
    } | changes


def bad(reason: str, **record: Any) -> Row:
    return {"reason": reason, "record": json.dumps(record)}


def test_fields_are_asked_only_where_they_should_be_filled() -> None:
    open_ticket = ticket(
        resolved_date=None, agent_id=None, satisfaction_score=None, resolution_hours=None
    )
    found = judged("support", [ticket(), ticket(satisfaction_score=None), open_ticket], [])
    assert counts(found["completeness", "satisfaction_score"]) == (2, 1)
    assert counts(found["completeness", "category"]) == (3, 3)
    whole = found["completeness", ALL]
    assert counts(whole) == (3 + 2 + 2 + 2, 3 + 2 + 2 + 1)
    assert reasons(whole) == {"satisfaction_score": 1}
    assert whole["share"] == 8 / 9


def test_rules_on_fields_are_validity_all_others_consistency() -> None:
    crossed = bad("bad_resolved_date", resolved_date="2025-11-20")
    unreadable = bad("bad_resolved_date", resolved_date="soon")
    found = judged(
        "support",
        [ticket()],
        [crossed, unreadable, bad("bad_priority"), bad("unknown_customer"), bad("unreadable_row")],
    )
    assert counts(found["validity", "rules"]) == (6, 3)
    assert reasons(found["validity", ALL]) == {
        "bad_resolved_date": 1,
        "bad_priority": 1,
        "unreadable_row": 1,
    }
    assert counts(found["consistency", "known_customer"]) == (5, 4)
    assert counts(found["consistency", "dates_in_order"]) == (2, 1)
    assert reasons(found["consistency", ALL]) == {"known_customer": 1, "dates_in_order": 1}


def test_a_deal_that_ends_before_it_begins_is_found_among_loaded_rows() -> None:
    deal = {"deal_stage": "won", "account_manager": "li", "product_type": "basic"}
    found = judged(
        "sales",
        [
            deal | {"renewal_date": date(2026, 11, 24)},
            deal | {"renewal_date": date(2025, 11, 23)},
            deal | {"deal_stage": "prospect"},
        ],
        [],
    )
    assert counts(found["consistency", "dates_in_order"]) == (2, 1)
    assert counts(found["completeness", "renewal_date"]) == (2, 2)


def test_repeats_are_what_files_hold_beyond_what_became_of_it() -> None:
    found = judged("activity", [{"activity_type": "login"}], [bad("bad_number")], 4)
    assert counts(found["consistency", "not_repeated"]) == (3, 1)
    # files that have lost rows since the day was loaded say nothing
    changed = judged("activity", [{"activity_type": "login"}] * 2, [], 1)
    assert counts(changed["consistency", "not_repeated"]) == (0, 0)
    assert pd.isna(changed["consistency", "not_repeated"]["share"])


def test_customers_are_consistent_by_snapshot() -> None:
    own = {"customer_id": "c", "name": "n", "industry": None, "is_backdated": False}
    found = judged("customers", [own, own | {"is_backdated": True}], [bad("repeated_customer")])
    assert counts(found["consistency", "not_repeated"]) == (3, 2)
    assert counts(found["completeness", "industry"]) == (2, 0)
    assert counts(found["timeliness", "not_backdated"]) == (2, 1)
    assert ("consistency", "known_customer") not in found


def test_timeliness_knows_only_what_arrived_while_somebody_looked() -> None:
    rows = [{"activity_type": "login"}] * 10
    arrivals = [
        Arrival("t", DAY, date(2025, 11, 25), 4),
        Arrival("t", DAY, date(2025, 11, 27), 3),
        Arrival("t", DAY, date(2025, 11, 23), 1),
        Arrival("t", DAY, None, 2),
        Arrival("u", DAY, date(2025, 11, 25), 9),
    ]
    row = judged("activity", rows, [], None, *arrivals)["timeliness", ALL]
    assert (*counts(row), row["delay_days"]) == (8, 5, 4 + 9)
    unknown = judged("activity", rows, [], None, Arrival("t", DAY, None, 10))["timeliness", ALL]
    assert unknown["judged"] == 0
    assert pd.isna(unknown["share"])
    assert pd.isna(unknown["delay_days"])


def test_nothing_landed_has_no_share(tmp_path: Path) -> None:
    found = quality([(BY_NAME["sales"], Counts((), (), {}, ()))], [NOVEMBER], "own")
    assert set(found["tenant_id"]) == {"own"}
    rows = found[found["measure"] == ALL]
    assert set(rows["dimension"]) == set(DIMENSIONS)
    assert rows["share"].isna().all()
    days = found[found["measure"] == "days_with_rows"].iloc[0]
    assert (days["judged"], days["passed"]) == (1, 0)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Files that land on a Monday, whose deals grow on the next day; one customer is unknown."""
    made = House(tmp_path_factory.mktemp("quality"), quarantine_max_rows=100)
    made.land("customers_2025-11-24.csv", lines("customers", CUSTOMER))
    made.land("sales.csv", lines("sales", DEAL))
    made.land("support.csv", lines("support", TICKET, TICKET.replace("t1,c1", "t2,c9")))
    made.land("activity_a.csv", lines("activity", ACTIVITY, ACTIVITY))
    made.land("activity_b.csv", lines("activity", ACTIVITY))
    return made


def load(house: House, select: str) -> None:
    assert house.run(select, date(2025, 11, 24), date(2025, 11, 28)) == ""


def said(house: House) -> dict[tuple[str, str, str], Row]:
    rows = house.rows("landed_quality_month")
    return {(row["source"], row["dimension"], row["measure"]): row for row in rows}


def test_a_month_is_judged_from_what_landed(house: House) -> None:
    house.now = datetime(2025, 11, 25, 2, tzinfo=UTC)
    load(house, SOURCES)
    load(house, "landed_quality_month")
    found = said(house)
    assert counts(found["support", "consistency", "known_customer"]) == (2, 1)
    assert counts(found["activity", "consistency", "not_repeated"]) == (3, 2)
    assert counts(found["support", "completeness", "days_with_rows"]) == (5, 1)
    # the first look was on the 25th: when rows of the 24th arrived is not known
    assert found["sales", "timeliness", ALL]["share"] is None
    before = house.hashes()
    load(house, "landed_quality_month")
    assert house.hashes() == before

    late = [DEAL.replace("2025-11-24", "2025-11-25"), DEAL.replace("2025-11-24,1", "2025-11-26,9")]
    house.now = datetime(2025, 11, 28, 2, tzinfo=UTC)
    house.land("sales.csv", lines("sales", DEAL, *late))
    load(house, SOURCES)
    assert "landed_quality_month" in {
        contract.name for item in staleness_of(house) for contract in item.recipe.contracts
    }
    load(house, "landed_quality_month")
    row = said(house)["sales", "timeliness", "landed_in_time"]
    assert (*counts(row), row["delay_days"]) == (2, 0, 3 + 2)
    picture = str(house.told("landed_quality_month")["picture"])
    assert "data:image/png" in picture
    assert "| 工单 | 一致性 |" in picture
    assert "客户不存在 1" in picture


def test_every_reason_of_a_quarantine_is_a_word_in_both_languages() -> None:
    for contract in QUARANTINES.values():
        (reason,) = (column for column in contract.columns if column.name == "reason")
        for code in reason.allowed or ():
            assert any(letter > "\u2e80" for letter in REASON_WORDS[code]["zh"])
            assert REASON_WORDS[code]["en"].isascii()


def test_the_picture_speaks_both_languages(house: House) -> None:
    rows = pd.DataFrame(house.rows("landed_quality_month"))
    for locale, word in (("zh", "完整性"), ("en", "completeness")):
        shown = quality_picture(rows, locale)  # type: ignore[arg-type]
        assert word in str(shown.value)  # type: ignore[attr-defined]
    assert quality_picture(rows.iloc[:0], "zh") is None
