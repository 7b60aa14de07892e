"""Measures as one table: who is in it, what is null, and that nothing of later days counts."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cs_assets.health.contracts import EVIDENCE, MEASURES
from cs_assets.health.features import Features
from cs_assets.health.measures import SOURCES, Facts, measures
from tests.health.measure_cases import (
    AS_OF,
    Landed,
    Row,
    activity,
    churn,
    customer,
    dates,
    day,
    deal,
    features,
    measured,
    one,
    ticket,
)

OF_SOURCE = {
    "activity": {
        "login_days",
        "depth",
        "engaged_events",
        "onboarding_steps",
        "core_rate",
        "advanced_rate",
        "days_since_login",
    },
    "support": {
        "tickets",
        "urgent_tickets",
        "open_tickets",
        "resolution_hours",
        "csat",
        "sla_breaches",
        "oldest_urgent_open_days",
    },
    "sales": {
        "renewals",
        "losses",
        "mrr",
        "mrr_90d_ago",
        "contract_value",
        "contract_changes",
    },
}
NOT_KNOWN_WITHOUT_ROWS = {
    "resolution_hours",
    "csat",
    "sla_breaches",
    "days_since_login",
    "oldest_urgent_open_days",
}
ALWAYS = {"nps", "payment_status", "tenure_months", "remaining_months", "contract_end"}


@pytest.fixture
def tiers(tmp_path: Path) -> Features:
    return features(tmp_path)


@pytest.fixture(scope="module")
def lasting_tiers(tmp_path_factory: pytest.TempPathFactory) -> Features:
    return features(tmp_path_factory.mktemp("tiers"))


def nulls(row: Row) -> set[str]:
    return {name for name, value in row.items() if value is None} - {"integration_rate"}


def test_columns_are_those_of_the_contract(tiers: Features) -> None:
    table = measures(Landed().facts(), dates(AS_OF), tiers)
    columns = (*MEASURES, *EVIDENCE)
    assert table.columns == (
        *("tenant_id", "customer_id", "as_of", "customer_type"),
        *(column.name for column in columns),
    )
    for column in columns:
        assert table[column.name].type() == ibis.dtype(column.dtype), column.name


def test_only_customers_of_the_day_whose_contract_has_begun(tiers: Features) -> None:
    tomorrow = AS_OF + timedelta(days=1)
    customers = [
        customer("today", contract_date=AS_OF, customer_type="enterprise", nps_score=None),
        customer("to come", contract_date=tomorrow),
        customer("of another day", as_of=tomorrow),
    ]
    (row,) = measured(Landed(customers), tiers)
    kept = {name: row[name] for name in ("customer_id", "customer_type", "nps", "payment_status")}
    assert kept == {
        "customer_id": "today",
        "customer_type": "enterprise",
        "nps": None,
        "payment_status": "current",
    }


def test_a_customer_of_whose_contract_nothing_is_known_is_measured(tiers: Features) -> None:
    unknown = dict.fromkeys(["contract_date", "contract_length_months", "payment_status"])
    contract = ("payment_status", "tenure_months", "remaining_months", "contract_end")
    landed = Landed(customers=[customer(**unknown)])
    row = one(landed, tiers)
    assert [row[name] for name in (*contract, "onboarding_steps")] == [None] * 5
    assert row["tickets"] == 0
    without_deals = one(replace(landed, sales=None), tiers)
    assert [without_deals[name] for name in contract] == [None] * 4
    # a deal tells when the contract ends, whenever it began
    dealt = one(replace(landed, sales=[deal("2025-03-31")]), tiers)
    assert (dealt["contract_end"], dealt["tenure_months"]) == (day("2026-03-31"), None)
    assert dealt["remaining_months"] == pytest.approx(274 / 30.4375)


def test_a_source_without_rows_counts_nothing(tiers: Features) -> None:
    row = one(Landed(), tiers)
    assert nulls(row) == NOT_KNOWN_WITHOUT_ROWS
    counted = set().union(*OF_SOURCE.values()) - NOT_KNOWN_WITHOUT_ROWS
    assert {row[name] for name in counted} == {0}


@pytest.mark.parametrize("source", SOURCES)
def test_an_absent_source_is_not_known(tiers: Features, source: str) -> None:
    row = one(replace(Landed(), **{source: None}), tiers)
    assert nulls(row) == OF_SOURCE[source] | NOT_KNOWN_WITHOUT_ROWS
    assert ALWAYS.isdisjoint(nulls(row))


WINDOWS = {
    1: {"open_tickets", "mrr", "contract_value"},
    28: {"login_days", "depth", "engaged_events"},
    90: {"core_rate", "advanced_rate", "tickets", "urgent_tickets"},
    91: {"mrr_90d_ago"},
    365: {"renewals", "losses", "contract_changes"},
}


@pytest.mark.parametrize("days", WINDOWS)
def test_a_window_that_begins_before_history_is_not_known(tiers: Features, days: int) -> None:
    first = AS_OF - timedelta(days=days - 1)
    # onboarding is known because the contract began with history
    landed = Landed([customer(contract_date=AS_OF)], since=first)
    whole = nulls(one(landed, tiers))
    cut = nulls(one(replace(landed, since=first + timedelta(days=1)), tiers))
    longer = set().union(*(names for length, names in WINDOWS.items() if length > days))
    assert whole == longer | NOT_KNOWN_WITHOUT_ROWS
    assert cut - whole - {"onboarding_steps"} == WINDOWS[days]


def test_rows_do_not_make_a_cut_window_whole(tiers: Features) -> None:
    landed = Landed(
        support=[ticket("2025-06-30", "2025-06-30", satisfaction_score=4, is_sla_missed=True)],
        activity=[activity("2025-06-30"), activity("2025-06-30", "feature_use", depth="1")],
        since=AS_OF,
    )
    row = one(landed, tiers)
    for name in ("login_days", "depth", "tickets", "sla_breaches"):
        assert row[name] is None, name
    assert (row["csat"], row["resolution_hours"], row["days_since_login"]) == (4, 0, 0)


def test_a_source_needs_its_history() -> None:
    facts = Landed(sales=None).facts()
    known = {"support": AS_OF, "activity": AS_OF}
    Facts(facts.customers, None, facts.support, facts.activity, known)
    with pytest.raises(ValueError, match="support: history lacks"):
        Facts(facts.customers, None, facts.support, facts.activity, {"activity": AS_OF})


FULL = Landed(
    [customer(who, as_of=AS_OF + timedelta(days=n)) for who in "ab" for n in (-91, -1, 0)]
    + [customer("a", as_of=AS_OF - timedelta(days=400), contract_date=date(2024, 1, 1))],
    sales=[
        deal("2024-02-29"),
        deal("2025-01-31", "renewed", 900, contract_length_months=7),
        deal("2025-03-01", product_type="q"),
        churn("2025-06-29", None),
        deal("2025-04-01", customer_id="b"),
    ],
    support=[
        ticket("2025-03-30", "2025-04-05", satisfaction_score=5, priority="urgent"),
        ticket("2025-06-28", "2025-06-30", satisfaction_score=2, is_sla_missed=True, hours="1.5"),
        ticket("2025-05-01", customer_id="b", priority="urgent"),
        ticket("2024-05-01", priority="urgent"),
    ],
    activity=[
        activity("2025-03-30"),
        activity("2025-06-29"),
        activity("2025-06-30", customer_id="b"),
        activity("2025-06-29", "feature_use", feature_name="reports", depth="0.7"),
        activity("2025-03-29", "api_call", feature_name="segments"),
        activity("2025-06-30", "training"),
        activity("2025-03-31", "onboarding", feature_name="invite"),
        activity("2025-06-30", "onboarding", feature_name="import"),
    ],
)
AS_OFS = (AS_OF, AS_OF - timedelta(days=1), AS_OF - timedelta(days=91), AS_OF - timedelta(days=400))


def test_several_dates_at_once_are_as_one_by_one(tiers: Features) -> None:
    together = measured(FULL, tiers, *AS_OFS)
    assert together == [row for as_of in sorted(AS_OFS) for row in measured(FULL, tiers, as_of)]
    assert len(together) == 7


LATER = st.integers(1, 400).map(lambda days: AS_OF + timedelta(days=days))
WHO = st.sampled_from(["a", "b"])
PLANTED_SALES = st.builds(
    lambda who, on, stage, product, months: (
        deal("2025-07-01", stage, 7)
        | {"customer_id": who, "deal_date": on, "product_type": product}
        | {"contract_length_months": months}
    ),
    WHO,
    LATER,
    st.sampled_from(["won", "renewed", "churned", "lost"]),
    st.sampled_from(["p", "q", None]),
    st.integers(1, 24),
)
PLANTED_TICKETS = st.builds(
    lambda who, on, solved, missed: (
        ticket("2025-07-01", priority="urgent", satisfaction_score=1, is_sla_missed=missed)
        | {"customer_id": who, "created_date": on, "resolved_date": solved}
    ),
    WHO,
    LATER,
    st.none() | LATER,
    st.none() | st.booleans(),
)
PLANTED_ACTIVITY = st.builds(
    lambda who, on, kind, name: (
        activity("2025-07-01", kind, feature_name=name, depth="1")
        | {"customer_id": who, "activity_date": on}
    ),
    WHO,
    LATER,
    st.sampled_from(["login", "feature_use", "training", "feedback", "onboarding", "api_call"]),
    st.sampled_from(["reports", "search", "forecasts", None]),
)
PLANTED_CUSTOMERS = st.builds(
    lambda who, on: customer(who, as_of=on, payment_status="overdue"), WHO, LATER
)


@pytest.fixture(scope="module")
def unplanted(lasting_tiers: Features) -> list[Row]:
    return measured(FULL, lasting_tiers)


@settings(max_examples=10)
@given(
    st.lists(PLANTED_CUSTOMERS, max_size=3),
    st.lists(PLANTED_SALES, max_size=6),
    st.lists(PLANTED_TICKETS, max_size=6),
    st.lists(PLANTED_ACTIVITY, max_size=6),
)
def test_rows_of_later_days_move_nothing(
    lasting_tiers: Features,
    unplanted: list[Row],
    customers: list[Row],
    sales: list[Row],
    support: list[Row],
    activity: list[Row],
) -> None:
    planted = FULL.with_rows(customers=customers, sales=sales, support=support, activity=activity)
    assert measured(planted, lasting_tiers) == unplanted


def test_a_missed_time_of_later_days_does_not_make_the_source_known(tiers: Features) -> None:
    later = [ticket("2025-07-01", "2025-07-01", is_sla_missed=True)]
    assert one(Landed(support=later), tiers)["sla_breaches"] is None


SAME_DAY = [
    deal("2025-05-05", amount=n, contract_length_months=n, product_type=product)
    for n, product in ((3, "p"), (7, "q"), (11, None), (7, "q"))
]
MIXED = FULL.with_rows(sales=SAME_DAY)


@pytest.fixture(scope="module")
def in_order(lasting_tiers: Features) -> list[Row]:
    return measured(MIXED, lasting_tiers)


@settings(max_examples=8)
@given(
    st.permutations(MIXED.customers),
    st.permutations(MIXED.sales or ()),
    st.permutations(MIXED.support or ()),
    st.permutations(MIXED.activity or ()),
)
def test_the_order_of_rows_does_not_matter(
    lasting_tiers: Features,
    in_order: list[Row],
    customers: list[Row],
    sales: list[Row],
    support: list[Row],
    activity: list[Row],
) -> None:
    assert measured(Landed(customers, sales, support, activity), lasting_tiers) == in_order


def test_a_day_before_history_knows_no_state(tiers: Features) -> None:
    row = one(Landed(since=AS_OF + timedelta(days=1)), tiers)
    assert {"open_tickets", "mrr", "contract_value"} <= nulls(row)
    assert row["contract_end"] == day("2026-01-31")


def test_measures_can_be_read_through_a_view(tiers: Features) -> None:
    table = measures(FULL.facts(), dates(AS_OF), tiers)
    backend = ibis.duckdb.connect()
    backend.create_view("view_of_measures", table)
    found = backend.table("view_of_measures").order_by("customer_id").to_pyarrow().to_pylist()
    assert found == measured(FULL, tiers)
