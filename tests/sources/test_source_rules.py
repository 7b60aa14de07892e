"""Every landed row gets one fate: each rule alone, repeats, and what a row of text means."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cs_assets.sources import judging, rules, values
from cs_assets.sources.contracts import CUSTOMERS_RAW
from cs_assets.sources.judging import SourceRules
from cs_resources.landed_csv import landed_schema
from tests.calls.cases import table_of
from tests.sources.source_cases import ACTIVITY, CUSTOMER, DEAL, FIRST, HEADERS, TICKET

Row = dict[str, Any]
GOOD = {"customers": CUSTOMER, "sales": DEAL, "support": TICKET, "activity": ACTIVITY}
BY_NAME = {own.source.name: own for own in rules.ALL}


def landed(source: str, **changes: Any) -> Row:
    """A good landed row, or with `changes` perhaps a bad one."""
    texts = dict(zip(HEADERS[source].split(","), GOOD[source].split(","), strict=True))
    place = {"tenant_id": "default", "source_file": "a.csv", "file_hash": "h", "row_number": 1}
    return place | texts | changes


def judge(own: SourceRules, *rows: Row, known: str = "c1") -> list[Row]:
    """Judge rows; those whose day cannot be read stand with the first one."""
    schema = landed_schema(["tenant_id", *own.source.columns])
    table = ibis.memtable(pa.Table.from_pylist(list(rows), schema=schema))
    own_day = own.source.day(table) if own.source.day else ibis.null("date")
    table = table.mutate(own_day=own_day, is_backdated=ibis.literal(False))
    table = table.mutate(day=table.own_day.coalesce(ibis.literal(FIRST)))
    snapshot = {"tenant_id": "default", "snapshot_date": FIRST, "customer_id": known}
    customers = None if own is rules.CUSTOMERS else table_of(CUSTOMERS_RAW, [snapshot])
    judged = judging.judge(own, table, customers).to_pyarrow().to_pylist()
    return sorted(judged, key=lambda row: (row["source_file"], row["row_number"]))


def reason(source: str, **changes: str | None) -> str | None:
    (row,) = judge(BY_NAME[source], landed(source, **changes))
    found: str | None = row["reason"]
    return found


BROKEN = [
    ("customers", {"customer_id": " "}, "no_customer_id"),
    ("customers", {"customer_type": "giant"}, "bad_customer_type"),
    ("customers", {"contract_date": "2025-02-30"}, "bad_contract_date"),
    ("customers", {"contract_length_months": "0"}, "bad_contract_length"),
    ("customers", {"contract_length_months": "1.5"}, "bad_contract_length"),
    ("customers", {"payment_status": "paid"}, "bad_payment_status"),
    ("customers", {"nps_score": "101"}, "bad_nps_score"),
    ("customers", {"nps_score": "good"}, "bad_nps_score"),
    ("sales", {"customer_id": None}, "no_customer_id"),
    ("sales", {"customer_id": "c9"}, "unknown_customer"),
    ("sales", {"deal_date": "24.11.2025"}, "bad_deal_date"),
    ("sales", {"deal_stage": "maybe"}, "bad_deal_stage"),
    ("sales", {"deal_amount": "1,200"}, "bad_deal_amount"),
    ("sales", {"deal_amount": None}, "bad_deal_amount"),
    ("sales", {"deal_amount": "0", "deal_stage": "renewed"}, "bad_deal_amount"),
    ("sales", {"contract_length": ""}, "bad_contract_length"),
    ("sales", {"contract_length": "x", "deal_stage": "lost"}, "bad_contract_length"),
    ("sales", {"renewal_date": "soon"}, "bad_renewal_date"),
    ("support", {"ticket_id": None}, "no_ticket_id"),
    ("support", {"created_date": "2025-11"}, "bad_created_date"),
    ("support", {"resolved_date": "2025-11-23"}, "bad_resolved_date"),
    ("support", {"resolved_date": "never"}, "bad_resolved_date"),
    ("support", {"priority": "huge"}, "bad_priority"),
    ("support", {"satisfaction_score": "4.5"}, "bad_satisfaction_score"),
    ("support", {"satisfaction_score": "6"}, "bad_satisfaction_score"),
    ("support", {"resolution_time": "-1"}, "bad_resolution_time"),
    ("support", {"resolution_time": "1 day"}, "bad_resolution_time"),
    ("support", {"sla_missed": "perhaps"}, "bad_sla_missed"),
    ("activity", {"date": "2025-11-24T10:00:00Z"}, "bad_date"),
    ("activity", {"activity_type": "sleep"}, "bad_activity_type"),
    ("activity", {"usage_depth": "1.01"}, "bad_usage_depth"),
    ("activity", {"usage_depth": "deep"}, "bad_usage_depth"),
    ("activity", {"activity_value": "-1"}, "bad_number"),
    ("activity", {"user_count": "2.5"}, "bad_number"),
    ("activity", {"session_duration": "1e99"}, "bad_number"),
]


@pytest.mark.parametrize(("source", "changes", "expected"), BROKEN)
def test_a_broken_rule_is_named(source: str, changes: dict[str, str | None], expected: str) -> None:
    assert reason(source, **changes) == expected


def test_every_reason_has_a_case() -> None:
    tried = {(source, code) for source, _, code in BROKEN}
    tried |= {(source, "unreadable_row") for source in BY_NAME} | {
        ("customers", "repeated_customer")
    }
    shared = ("no_customer_id", "unknown_customer")
    wanted = {
        (name, item.code)
        for name, own in BY_NAME.items()
        for item in own.reasons
        if item.code not in shared
    }
    assert wanted <= tried


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("customers", {"nps_score": None, "industry": "", "name": None}),
        ("customers", {"nps_score": "-100.0", "customer_type": "Startup"}),
        (
            "customers",
            {"contract_date": "", "contract_length_months": None, "payment_status": " "},
        ),
        ("sales", {"deal_amount": None, "contract_length": None, "deal_stage": "prospect"}),
        ("sales", {"deal_amount": "-5", "deal_stage": "churned", "renewal_date": None}),
        ("sales", {"deal_date": "2025/11/24 9:05", "deal_amount": "0.01"}),
        ("support", {"resolved_date": None, "satisfaction_score": None, "resolution_time": None}),
        ("support", {"resolved_date": "2025-11-24 18:00:00", "sla_missed": "是"}),
        ("activity", {"usage_depth": None, "activity_value": None, "user_count": "3.0"}),
    ],
)
def test_what_may_be_missing_or_written_otherwise_is_loaded(
    source: str, changes: dict[str, str | None]
) -> None:
    assert reason(source) is None
    assert reason(source, **changes) is None


def test_the_first_rule_broken_counts_and_the_row_is_kept_as_landed() -> None:
    bad = landed("sales", customer_id="c9", deal_date="?", deal_amount=" x ")
    ragged = landed("sales", problem="ragged_row", cells='["c1", "2025"]', row_number=2)
    ragged |= dict.fromkeys(HEADERS["sales"].split(","))
    first, second = judge(rules.SALES, bad, ragged)
    assert (first["reason"], first["deal_date"]) == ("unknown_customer", FIRST)
    assert json.loads(first["record"])["deal_amount"] == "x"
    assert (second["reason"], second["record"]) == ("unreadable_row", '["c1", "2025"]')


def test_a_repeated_customer_is_set_aside_behind_the_first_good_row() -> None:
    rows = [
        landed("customers", row_number=n, nps_score=nps) for n, nps in enumerate(["x", "1", "2"], 1)
    ]
    found = [row["reason"] for row in judge(rules.CUSTOMERS, *rows)]
    assert found == ["bad_nps_score", None, "repeated_customer"]


def test_of_a_ticket_the_last_good_row_of_the_last_file_counts() -> None:
    rows = [
        landed("support", source_file="b.csv", row_number=1, category="b1"),
        landed("support", source_file="b.csv", row_number=2, category="b2"),
        landed("support", source_file="b.csv", row_number=3, priority="?"),
        landed("support", source_file="a.csv", row_number=9, category="a"),
    ]
    found = judge(rules.SUPPORT, *rows)
    kept = [row["category"] for row in found if not row["reason"] and not row["is_duplicate"]]
    assert kept == ["b2"]
    assert [row["reason"] for row in found] == [None, None, None, "bad_priority"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("12")), min_size=1, max_size=12))
def test_equal_rows_count_as_often_as_in_the_file_that_has_most(
    held: list[tuple[str, str]],
) -> None:
    rows = [
        landed("activity", source_file=file, row_number=n, user_count=users)
        for n, (file, users) in enumerate(held, 1)
    ]
    found = judge(rules.ACTIVITY, *rows)
    for users in "12":
        kept = [r for r in found if str(r["user_count"]) == users and not r["is_duplicate"]]
        assert len(kept) == max(held.count((file, users)) for file in "abc")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-11-24", date(2025, 11, 24)),
        ("2025/1/2", date(2025, 1, 2)),
        ("2025-11-24 23:59", date(2025, 11, 24)),
        ("2025-11-24T23:59:59.123", date(2025, 11, 24)),
        ("2025-11/24", None),
        ("2025-02-29", None),
        ("20251124", None),
        ("2025-11-24 23:59+08:00", None),
        ("", None),
    ],
)
def test_dates(text: str, expected: date | None) -> None:
    query = ibis.to_sql(values.day(ibis.literal(text)).name("day"), dialect="duckdb")
    assert duckdb.sql(str(query)).fetchone() == (expected,)


def test_numbers_are_rounded_to_the_decimals_of_their_column() -> None:
    (row,) = judge(rules.SALES, landed("sales", deal_amount="10.005"))
    assert row["deal_amount"] == Decimal("10.01")
