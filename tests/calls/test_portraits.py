"""Portraits: every formula against figures worked out by hand."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from cs_assets.calendar import Calendar, Grain, Period, parse_period, periods_between
from cs_assets.calls.contracts import CALL_RECORDS_CLEAN, CALL_TASKS
from cs_assets.calls.enriched import enriched, with_sentiment
from cs_assets.calls.mart_contracts import CALL_RECORD_ENRICHED, PORTRAIT_SNAPSHOT, TASK_SUMMARY
from cs_assets.calls.portraits import customer_totals, portrait_snapshot, task_summary
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT
from cs_assets.periods import loaded_periods, period_days
from tests.calls.cases import Row, at, call, table_of, tasks_table

WEEK = parse_period(Grain.WEEK, "2025-W48")


def days_of(periods: Iterable[Period], until: date | None = None) -> ir.Table:
    """The periods with every day up to `until` loaded."""
    listed = list(periods)
    loaded = [day for period in listed for day in period.days() if until is None or day <= until]
    return period_days(loaded_periods(listed, loaded))


def unjudged(calls: ir.Table) -> ir.Table:
    """Calls of which nothing could be said."""
    return with_sentiment(calls, table_of(CALL_SENTIMENT, []))


def totals(*calls: Row, period: Period = WEEK, until: date | None = None) -> ir.Table:
    calls_ = unjudged(table_of(CALL_RECORDS_CLEAN, calls))
    return customer_totals(calls_, days_of([period], until))


def snapshots(table: ir.Table) -> list[Row]:
    found = portrait_snapshot(table)
    assert tuple(found.columns) == PORTRAIT_SNAPSHOT.column_names
    order = ["tenant_id", "period_key", "customer_id", "task_id"]
    return found.order_by(order).to_pyarrow().to_pylist()


def summaries(table: ir.Table, tasks: ir.Table | None = None) -> list[Row]:
    found = task_summary(table, tasks_table("t1") if tasks is None else tasks)
    assert tuple(found.columns) == TASK_SUMMARY.column_names
    return found.order_by(["tenant_id", "period_key", "task_id"]).to_pyarrow().to_pylist()


def customers(*rows: Row) -> ir.Table:
    """A table as `customer_totals` makes it, one row per customer: given counts, else none."""
    base = totals(call()).to_pyarrow()
    usual = {name: 0 for name in base.column_names if base.schema.field(name).type == pa.int64()}
    usual |= {"total_calls": 1, "total_ms": 10_000}
    first = base.to_pylist()[0]
    made = [first | usual | {"customer_id": f"c{n}"} | row for n, row in enumerate(rows)]
    for row in made:
        moods = (row["positive_count"], row["neutral_count"], row["negative_count"])
        row["analysed_calls"] = row["judged_calls"] = sum(moods)
    return ibis.memtable(pa.Table.from_pylist(made, schema=base.schema))


def moods(positive: int, neutral: int, negative: int) -> Row:
    return {"positive_count": positive, "neutral_count": neutral, "negative_count": negative}


def test_a_snapshot_worked_out_by_hand() -> None:
    unknown = {"hangup_by": "unknown", "intention_level": None, "rounds": None}
    refused = {"hangup_by": "customer", "intention_level": "F", "rounds": 4}
    (row,) = snapshots(
        totals(
            call(1, "2025-11-24 10:00:00", total_ms=10_000, talk_ms=4_000, rounds=3),
            call(2, "2025-11-30 23:59:59", total_ms=20_001, talk_ms=0, **unknown),
            call(3, "2025-11-25 09:00:00", total_ms=500, talk_ms=250, **refused),
        )
    )
    expected: Row = {
        "tenant_id": "default",
        "customer_id": "c1",
        "task_id": "t1",
        "period_type": "week",
        "period_key": "2025-W48",
        "as_of": date(2025, 11, 30),
        "is_complete": True,
        "total_calls": 3,
        "connected_calls": 2,
        "connect_rate": 2 / 3,
        "avg_duration": 10.167,  # (10.000 + 20.001 + 0.500) / 3, over all calls
        "avg_talk_duration": 2.125,  # (4.000 + 0.250) / 2, over connected calls
        "total_duration": 30.501,
        "avg_rounds": 3.5,  # (3 + 4) / 2, over calls that count them
        "avg_sentiment_score": None,
        "robot_hangup": 1,
        "customer_hangup": 1,
        "first_call": at("2025-11-24 10:00:00"),
        "last_call": at("2025-11-30 23:59:59"),
        "intention_a": 1,
        "intention_f": 1,
    }
    counts = set(row) - set(expected) - {"period_start", "period_end"}
    assert {name: row[name] for name in expected} == expected
    assert {row[name] for name in counts} == {0}


def test_means_of_nothing_are_null() -> None:
    (row,) = snapshots(totals(call(talk_ms=0, rounds=None)))
    assert (row["avg_talk_duration"], row["avg_rounds"]) == (None, None)
    assert (row["connect_rate"], row["avg_duration"]) == (0, 10)
    assert snapshots(totals(call(rounds=0)))[0]["avg_rounds"] == 0


@pytest.mark.parametrize(
    ("milliseconds", "seconds"),
    [(0, 0), (499, 0), (500, 1), (1_499, 1), (1_500, 2), (2_500, 3), (3_600_000, 3_600)],
)
def test_whole_seconds_are_rounded_half_up(milliseconds: int, seconds: int) -> None:
    rows = enriched(
        unjudged(table_of(CALL_RECORDS_CLEAN, [call(total_ms=milliseconds, talk_ms=0)]))
    )
    (row,) = rows.to_pyarrow().to_pylist()
    assert (row["duration"], row["duration_ms"]) == (seconds, milliseconds)
    assert tuple(row) == CALL_RECORD_ENRICHED.column_names
    assert row["sentiment"] is row["sentiment_score"] is row["complaint_risk"] is None


def test_customers_tasks_and_tenants_are_kept_apart() -> None:
    rows = [("a", "c1", "t1"), ("a", "c1", "t2"), ("a", "c2", "t1"), ("b", "c1", "t1")]
    calls = [
        call(n, tenant_id=tenant, customer_id=customer, task_id=task)
        for n, (tenant, customer, task) in enumerate(rows * 2)
    ]
    found = snapshots(totals(*calls))
    keys = [(row["tenant_id"], row["customer_id"], row["task_id"]) for row in found]
    assert sorted(keys) == sorted(rows)
    assert {row["total_calls"] for row in found} == {2}


def test_totals_count_sentiments_and_risks() -> None:
    """Three thirds of 0.1 are 0.1: scores are summed as whole numbers."""
    judged = [("negative", 0.1, "high", "low", "llm")] * 3 + [(None,) * 5]
    names = ("sentiment", "sentiment_score", "complaint_risk", "churn_risk", "method")
    made = [call(n) | dict(zip(names, values, strict=True)) for n, values in enumerate(judged)]
    calls = ibis.memtable(pa.Table.from_pylist(made))
    (row,) = snapshots(customer_totals(calls, days_of([WEEK])))
    assert (row["total_calls"], row["analysed_calls"], row["avg_sentiment_score"]) == (4, 3, 0.1)
    assert (row["positive_count"], row["neutral_count"], row["negative_count"]) == (0, 0, 3)
    assert (row["high_complaint_risk"], row["low_complaint_risk"]) == (3, 0)
    assert (row["high_churn_risk"], row["low_churn_risk"], row["medium_churn_risk"]) == (0, 3, 0)


@pytest.mark.parametrize(
    ("counts", "mood"),
    [
        ((5, 0, 0), "satisfied_count"),
        ((2, 1, 1), "satisfied_count"),
        ((1, 1, 0), "neutral_count"),
        ((2, 2, 1), "neutral_count"),
        ((0, 1, 0), "neutral_count"),
        ((1, 0, 1), "unsatisfied_count"),
        ((0, 1, 1), "unsatisfied_count"),
        ((1, 1, 1), "unsatisfied_count"),
        ((1, 2, 2), "unsatisfied_count"),
        ((0, 0, 0), None),
    ],
)
def test_a_customers_mood_is_the_commonest_ties_to_the_worse(
    counts: tuple[int, int, int], mood: str | None
) -> None:
    (row,) = summaries(customers(moods(*counts)))
    for name in ("satisfied_count", "neutral_count", "unsatisfied_count"):
        assert row[name] == (name == mood)


def test_a_summary_counts_customers_not_calls() -> None:
    """c0 was called ten times and content; c1 and c2 once and not; c3 was not analysed."""
    (row,) = summaries(
        customers(
            moods(10, 0, 0) | {"total_calls": 10, "connected_calls": 10, "total_ms": 50_000},
            moods(0, 0, 1) | {"connected_calls": 1, "high_complaint_risk": 1},
            moods(0, 0, 1) | {"high_churn_risk": 1},
            moods(0, 0, 0) | {"total_calls": 3, "total_ms": 500},
        )
    )
    expected: Row = {
        "task_id": "t1",
        "task_name": "任务 t1",
        "total_customers": 4,
        "total_calls": 15,
        "connected_calls": 11,
        "connect_rate": 11 / 15,  # not the mean of 1, 1, 0 and 0
        "avg_duration": 4.7,  # (50 + 10 + 10 + 0.5) / 15
        "analysed_calls": 12,
        "satisfied_count": 1,
        "neutral_count": 0,
        "unsatisfied_count": 2,
        "satisfied_rate": 1 / 3,  # of the customers with an analysed call
        "positive_call_rate": 10 / 12,
        "high_complaint_customers": 1,
        "high_complaint_rate": 1 / 4,  # of all customers
        "high_churn_customers": 1,
        "high_churn_rate": 1 / 4,
    }
    assert {name: row[name] for name in expected} == expected


def test_one_call_of_high_risk_makes_a_customer_high_risk() -> None:
    risky = moods(0, 9, 0) | {"high_complaint_risk": 1, "low_complaint_risk": 8}
    many = moods(0, 3, 0) | {"high_complaint_risk": 3, "high_churn_risk": 2}
    (row,) = summaries(customers(risky, many))
    assert (row["high_complaint_customers"], row["high_complaint_rate"]) == (2, 1)
    assert (row["high_churn_customers"], row["high_churn_rate"]) == (1, 0.5)


def test_rates_are_null_where_nobody_was_analysed() -> None:
    (row,) = summaries(totals(call(1), call(2, customer_id="c2", talk_ms=0)))
    null = ("satisfied_rate", "positive_call_rate", "high_complaint_rate", "high_churn_rate")
    assert {row[name] for name in null} == {None}
    zero = ("analysed_calls", "satisfied_count", "high_complaint_customers")
    assert {row[name] for name in zero} == {0}
    assert (row["total_customers"], row["total_calls"], row["connect_rate"]) == (2, 2, 0.5)


def test_a_summary_without_a_name_stays() -> None:
    names = table_of(CALL_TASKS, [{"tenant_id": "b", "task_id": "t1", "task_name": "b's"}])
    found = summaries(totals(call(1), call(2, tenant_id="b")), names)
    assert [(row["tenant_id"], row["task_name"]) for row in found] == [
        ("b", "b's"),
        ("default", None),
    ]


def test_a_quarters_customers_are_no_sum_of_weeks() -> None:
    calls = [call(n, f"2025-{month}-12 10:00:00") for n, month in enumerate((10, 11, 12))]
    table = table_of(CALL_RECORDS_CLEAN, [*calls, call(9, "2025-12-31 23:59:59", customer_id="c2")])
    quarter = [parse_period(Grain.QUARTER, "2025-Q4")]
    weeks = periods_between(Grain.WEEK, quarter[0].start, quarter[0].end)
    (row,) = summaries(customer_totals(unjudged(table), days_of(quarter)))
    by_week = summaries(customer_totals(unjudged(table), days_of(weeks)))
    assert (row["total_customers"], row["total_calls"]) == (2, 4)
    assert sum(week["total_customers"] for week in by_week) == 4
    assert sum(week["total_calls"] for week in by_week) == 4
    assert [week["period_key"] for week in by_week][-1] == "2026-W01"


@pytest.mark.parametrize("grain", [Grain.WEEK, Grain.MONTH, Grain.QUARTER])
def test_periods_together_are_as_each_alone(grain: Grain) -> None:
    first = date(2025, 9, 20)
    spread: list[dict[str, Any]] = [
        {"called_at": f"{first + timedelta(days=3 * n)} 08:00:00", "customer_id": f"c{n % 4}"}
        for n in range(40)
    ]
    calls = [call(n, **changes, total_ms=7_919 * n) for n, changes in enumerate(spread)]
    table = table_of(CALL_RECORDS_CLEAN, calls)
    periods = periods_between(grain, first, first + timedelta(days=120))
    together = customer_totals(unjudged(table), days_of(periods))
    alone = [customer_totals(unjudged(table), days_of([period])) for period in periods]
    assert snapshots(together) == [row for one in alone for row in snapshots(one)]
    assert summaries(together) == [row for one in alone for row in summaries(one)]
    assert sum(row["total_calls"] for row in snapshots(together)) == len(calls)


def test_a_running_period_is_counted_up_to_its_last_loaded_day() -> None:
    """A call planted after as_of moves nothing."""
    wednesday = date(2025, 11, 26)
    calls = [call(1, "2025-11-24 10:00:00"), call(2, "2025-11-26 23:59:59")]
    planted = call(3, "2025-11-27 00:00:00", total_ms=999_000, customer_id="c9")
    before = totals(*calls, until=wednesday)
    after = totals(*calls, planted, until=wednesday)
    assert snapshots(after) == snapshots(before)
    assert summaries(after) == summaries(before)
    (row,) = summaries(after)
    assert (row["as_of"], row["is_complete"], row["total_calls"]) == (wednesday, False, 2)
    assert (row["period_start"], row["period_end"]) == (WEEK.start, WEEK.end)


def test_calls_outside_of_the_period_do_not_count() -> None:
    around = [call(1, "2025-11-23 23:59:59.999999"), call(2, "2025-12-01 00:00:00")]
    assert not snapshots(totals(*around))
    assert snapshots(totals(*around, call(3, "2025-11-24 00:00:00")))[0]["total_calls"] == 1


def test_a_history_that_starts_in_the_middle_has_its_first_periods() -> None:
    wednesday = date(2025, 11, 19)
    calendar = Calendar(history_start=wednesday, history_end=date(2025, 12, 31))
    loaded = calendar.clip(wednesday, date(2025, 11, 23))
    for grain, key in (
        (Grain.WEEK, "2025-W47"),
        (Grain.MONTH, "2025-11"),
        (Grain.QUARTER, "2025-Q4"),
    ):
        period = parse_period(grain, key)
        assert calendar.partitions(grain).get_first_partition_key() == period.partition_key
        found = period_days(loaded_periods([period], loaded))
        table = table_of(CALL_RECORDS_CLEAN, [call(1, "2025-11-19 08:00:00")])
        (row,) = snapshots(customer_totals(unjudged(table), found))
        assert (row["period_key"], row["period_start"]) == (key, period.start)
        assert (row["as_of"], row["is_complete"]) == (date(2025, 11, 23), False)


def test_a_period_without_a_loaded_day_is_left_out() -> None:
    later = parse_period(Grain.WEEK, "2025-W49")
    (found,) = loaded_periods([WEEK, later], WEEK.days())
    assert (found.period, found.as_of, found.is_complete) == (WEEK, WEEK.end, True)
