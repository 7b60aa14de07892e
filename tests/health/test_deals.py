"""When deals run: worked out by hand, and against a fold over one deal after the other."""

import calendar
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cs_assets.health import deals
from cs_assets.health.deals import deal_terms, plus_months
from cs_assets.sources.contracts import SALES_RAW
from tests.health.measure_cases import churn, day, deal, table_of

Row = dict[str, Any]
Term = tuple[date, date, date, date | None]


def terms(rows: Sequence[Row]) -> list[Term]:
    """deal_date, start, end and churn of all deals, sorted."""
    found = deal_terms(table_of(SALES_RAW, rows)).to_pyarrow().to_pylist()
    named = ("deal_date", "start_date", "end_date", "churn_date")
    return sorted((tuple(row[name] for name in named) for row in found), key=str)


def expected(*texts: str) -> list[Term]:
    """'deal_date start end [churn]', each."""
    split = [[day(part) for part in text.split()] for text in texts]
    return [(part[0], part[1], part[2], part[3] if part[3:] else None) for part in split]


def months(count: int) -> Row:
    return {"contract_length_months": count}


def test_a_deal_runs_from_its_day_for_its_length() -> None:
    assert terms([deal("2025-01-15")]) == expected("2025-01-15 2025-01-15 2026-01-15")


@pytest.mark.parametrize(
    ("on", "length", "end"),
    [
        ("2025-01-31", 1, "2025-02-28"),
        ("2024-01-31", 1, "2024-02-29"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2025-10-31", 4, "2026-02-28"),
        ("2025-12-31", 12, "2026-12-31"),
    ],
)
def test_the_day_is_clipped_to_the_month(on: str, length: int, end: str) -> None:
    assert terms([deal(on, **months(length))]) == expected(f"{on} {on} {end}")


def test_a_renewal_date_after_the_start_is_the_end() -> None:
    rows = [
        deal("2025-01-01", renewal_date=day("2025-03-01")),
        deal("2025-02-01", renewal_date=day("2025-02-01"), product_type="q"),
    ]
    assert terms(rows) == expected(
        "2025-01-01 2025-01-01 2025-03-01", "2025-02-01 2025-02-01 2026-02-01"
    )


def test_renewals_made_ahead_follow_each_other() -> None:
    # each one starts where the one before ends, 31 January being lost on the way
    rows = [
        deal("2025-01-31", **months(1)),
        deal("2025-02-01", "renewed", **months(1)),
        deal("2025-02-02", "renewed", **months(12)),
        deal("2027-01-01", "renewed", **months(6)),
    ]
    assert terms(rows) == expected(
        "2025-01-31 2025-01-31 2025-02-28",
        "2025-02-01 2025-02-28 2025-03-28",
        "2025-02-02 2025-03-28 2026-03-28",
        "2027-01-01 2027-01-01 2027-07-01",
    )


def test_a_renewal_waits_for_the_latest_end_not_the_last_deal() -> None:
    rows = [
        deal("2025-01-01", **months(24)),
        deal("2025-02-01", **months(1)),
        deal("2025-03-01", "renewed", **months(1)),
    ]
    assert terms(rows)[2] == expected("2025-03-01 2027-01-01 2027-02-01")[0]


def test_a_renewal_date_before_the_late_start_does_not_count() -> None:
    late = deal("2025-06-01", "renewed", renewal_date=day("2026-01-01"))
    assert terms([deal("2025-01-01"), late])[1:] == expected("2025-06-01 2026-01-01 2027-01-01")


def test_other_products_and_customers_do_not_matter() -> None:
    rows = [
        deal("2025-01-01", product_type="q"),
        deal("2025-01-01", product_type=None),
        deal("2025-01-01", customer_id="b"),
        deal("2025-01-01", tenant_id="u"),
        deal("2025-02-01", "renewed"),
    ]
    assert terms(rows)[-1] == expected("2025-02-01 2025-02-01 2026-02-01")[0]


def test_deals_without_a_product_follow_each_other() -> None:
    rows = [deal("2025-01-01", product_type=None), deal("2025-02-01", "renewed", product_type=None)]
    assert terms(rows)[1:] == expected("2025-02-01 2026-01-01 2027-01-01")


def test_deals_of_one_day_run_side_by_side() -> None:
    rows = [deal("2025-01-01"), *[deal("2025-02-01", "renewed", **months(n)) for n in (1, 2)]]
    assert terms(rows)[1:] == expected(
        "2025-02-01 2026-01-01 2026-02-01", "2025-02-01 2026-01-01 2026-03-01"
    )


@pytest.mark.parametrize(
    ("product", "ended"), [("p", "2025-03-01"), (None, "2025-03-01"), ("q", None)]
)
def test_a_churn_ends_its_product_or_all(product: str | None, ended: str | None) -> None:
    rows = [deal("2025-01-01"), churn("2025-03-01", product), churn("2025-05-01", product)]
    assert terms(rows) == expected(f"2025-01-01 2025-01-01 2026-01-01 {ended or ''}")


def test_a_churn_does_not_end_deals_of_its_day_or_later() -> None:
    rows = [churn("2025-01-01"), deal("2025-01-01"), deal("2025-01-02")]
    assert terms(rows) == expected(
        "2025-01-01 2025-01-01 2026-01-01", "2025-01-02 2025-01-02 2026-01-02"
    )


@pytest.mark.parametrize("back", ["2025-03-01", "2025-04-01"])
def test_a_customer_won_back_does_not_wait(back: str) -> None:
    rows = [deal("2025-01-01"), churn("2025-03-01", None), deal(back, "renewed")]
    end = day(back).replace(year=2026)
    assert terms(rows)[1:] == expected(f"{back} {back} {end}")


def test_a_later_churn_moves_no_earlier_renewal() -> None:
    rows = [deal("2025-01-01"), deal("2025-02-01", "renewed"), churn("2025-03-01")]
    assert terms(rows) == expected(
        "2025-01-01 2025-01-01 2026-01-01 2025-03-01",
        "2025-02-01 2026-01-01 2027-01-01 2025-03-01",
    )


def test_only_won_and_renewed_deals_run() -> None:
    rows = [deal("2025-01-01", stage) for stage in ("prospect", "negotiation", "lost")]
    assert terms([*rows, churn("2025-01-02")]) == []


@given(
    st.dates(date(1900, 1, 1), date(2199, 12, 31)),
    st.integers(min_value=1, max_value=1200),
)
def test_adding_months_is_what_a_calendar_says(start: date, count: int) -> None:
    epoch = date(1970, 1, 1)
    moved = plus_months(np.array([(start - epoch).days]), np.array([count]))
    assert epoch + timedelta(days=int(moved[0])) == added(start, count)


def added(start: date, count: int) -> date:
    year, month = divmod(start.year * 12 + start.month - 1 + count, 12)
    return date(year, month + 1, min(start.day, calendar.monthrange(year, month + 1)[1]))


def folded(rows: Sequence[Row]) -> list[Term]:
    """The rule word for word: for each deal all earlier ones are looked at."""
    found: list[Term] = []
    ran: list[tuple[Row, date]] = []
    deals = [row for row in rows if row["deal_stage"] in ("won", "renewed")]
    churns = [row for row in rows if row["deal_stage"] == "churned"]
    for row in sorted(deals, key=lambda row: row["deal_date"]):
        on = row["deal_date"]
        ending = [
            item["deal_date"]
            for item in churns
            if item["customer_id"] == row["customer_id"]
            and item["product_type"] in (None, row["product_type"])
        ]
        earlier = [
            min([end, *[c for c in ending if other["deal_date"] < c <= on]])
            for other, end in ran
            if other["customer_id"] == row["customer_id"]
            and other["product_type"] == row["product_type"]
            and other["deal_date"] < on
        ]
        start = max([on, *earlier]) if row["deal_stage"] == "renewed" else on
        told = row["renewal_date"]
        by_length = added(start, row["contract_length_months"])
        end = told if told and told > start else by_length
        term = (on, start, end, min([c for c in ending if c > on], default=None))
        ran.append((row, end))
        found.append(term)
    return sorted(found, key=str)


DAYS = st.dates(date(2024, 1, 25), date(2024, 3, 5))
SALES = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from("ab"),
        "deal_date": DAYS,
        "deal_stage": st.sampled_from(["won", "renewed", "renewed", "churned", "lost"]),
        "product_type": st.sampled_from(["p", "q", None]),
        "contract_length_months": st.integers(1, 5),
        "renewal_date": st.none() | st.dates(date(2024, 1, 1), date(2024, 9, 1)),
    }
)


@settings(max_examples=60)
@given(st.lists(SALES, max_size=14))
def test_terms_are_what_a_fold_over_all_deals_finds(rows: list[Row]) -> None:
    assert terms(rows) == folded(rows)


def test_many_groups_are_kept_apart() -> None:
    rows = [
        row | {"customer_id": f"c{n}"}
        for n in range(3000)
        for row in (deal("2025-01-31", **months(n % 5 + 1)), deal("2025-02-01", "renewed"))
    ]
    found = deal_terms(table_of(SALES_RAW, rows)).to_pyarrow().to_pylist()
    renewals = {row["customer_id"]: row for row in found if row["deal_date"] == day("2025-02-01")}
    assert (len(found), len(renewals)) == (6000, 3000)
    for n in range(3000):
        start = added(day("2025-01-31"), n % 5 + 1)
        renewal = renewals[f"c{n}"]
        assert (renewal["start_date"], renewal["end_date"]) == (start, added(start, 12))


@pytest.mark.parametrize("rows_at_once", [1, 2, 3, 5])
def test_customers_are_never_torn_apart(rows_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        deal(on, stage, customer_id=customer, **months(12))
        for customer in "abcd"
        for on, stage in (("2025-01-01", "won"), ("2025-06-01", "renewed"), ("2025-07-01", "won"))
    ]
    rows += [churn("2025-08-01", customer_id="b"), churn("2025-06-15", customer_id="e")]
    whole = terms(rows)
    assert {term[3] for term in whole} == {None, day("2025-08-01")}
    in_order = deals._in_order(table_of(SALES_RAW, rows)).to_pyarrow()
    schema = deals._SCHEMA.to_pyarrow()
    torn = in_order.combine_chunks().to_batches(max_chunksize=rows_at_once)
    parts = [deals._terms(part).cast(schema) for part in deals._of_whole_customers(torn)]
    monkeypatch.setattr(deals, "_of_whole_customers", lambda _: parts)
    monkeypatch.setattr(deals, "_terms", lambda part: part)
    assert terms(rows) == whole
