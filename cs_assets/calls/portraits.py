"""Portraits: what a period's calls say about each customer, and about each task.

Belongs here: the formulas of snapshots and summaries, for every grain alike. Must not: reading.

Sums are taken on whole milliseconds and on scores in millionths; every division comes once, last.
"""

import ibis
import ibis.expr.types as ir

from cs_assets.calls.contracts import INTENTION_LEVELS
from cs_assets.calls.mart_contracts import PORTRAIT_SNAPSHOT, TASK_SUMMARY
from cs_assets.calls.sentiment_contracts import RISK_LEVELS, SENTIMENTS
from cs_assets.periods import COLUMNS as PERIOD_NAMES

_MS = 1000
_SCORE_UNITS = 1_000_000


def customer_totals(calls: ir.Table, period_days: ir.Table) -> ir.Table:
    """Whole-number sums per period, customer and task.

    `calls` comes from `with_sentiment`; `period_days` is `periods.period_days`. Adds the period
    columns, `total_ms, talk_ms, rounds, rounds_known, score_units`, `judged_calls` (with a mood or
    a risk) and the counts of the snapshot.
    """
    rows = calls.inner_join(period_days, calls.call_date == period_days.day)
    score = (rows.sentiment_score * _SCORE_UNITS).round().cast("int64")
    sums = rows.group_by(["tenant_id", "period_key", "customer_id", "task_id"]).agg(
        total_calls=rows.count(),
        connected_calls=rows.count(where=rows.is_connected),
        total_ms=rows.total_ms.sum(),
        talk_ms=rows.talk_ms.sum(),
        rounds=rows.rounds.sum(),
        rounds_known=rows.rounds.count(),
        analysed_calls=rows.sentiment.count(),
        judged_calls=rows.method.count(),
        score_units=score.sum(),
        **{f"{mood}_count": rows.count(where=rows.sentiment == mood) for mood in SENTIMENTS},
        **{
            f"{level}_{kind}_risk": rows.count(where=rows[f"{kind}_risk"] == level)
            for kind in ("complaint", "churn")
            for level in RISK_LEVELS
        },
        **{
            f"intention_{level.lower()}": rows.count(where=rows.intention_level == level)
            for level in INTENTION_LEVELS
        },
        robot_hangup=rows.count(where=rows.hangup_by == "robot"),
        customer_hangup=rows.count(where=rows.hangup_by == "customer"),
        first_call=rows.called_at.min(),
        last_call=rows.called_at.max(),
    )
    # cheaper than carrying the period's other columns through the aggregation
    return sums.inner_join(period_days.drop("day").distinct(), "period_key")


def portrait_snapshot(totals: ir.Table) -> ir.Table:
    """Return the snapshot of each customer and task from `customer_totals`."""
    return totals.mutate(
        connect_rate=totals.connected_calls / totals.total_calls,
        avg_duration=totals.total_ms / (totals.total_calls * _MS),
        avg_talk_duration=totals.talk_ms / (totals.connected_calls * _MS).nullif(0),
        total_duration=totals.total_ms / _MS,
        avg_rounds=totals.rounds / totals.rounds_known.nullif(0),
        avg_sentiment_score=totals.score_units / (totals.analysed_calls * _SCORE_UNITS).nullif(0),
    ).select(*PORTRAIT_SNAPSHOT.column_names)


def task_summary(totals: ir.Table, tasks: ir.Table) -> ir.Table:
    """Return the summary of each task from `customer_totals` and `call_tasks`.

    A customer's mood is that of most of its analysed calls; a tie goes to the more negative.
    """
    negative, neutral, positive = (
        totals.negative_count,
        totals.neutral_count,
        totals.positive_count,
    )
    mood = ibis.cases(
        (totals.analysed_calls == 0, ibis.null("string")),
        ((negative >= neutral) & (negative >= positive), "negative"),
        (neutral >= positive, "neutral"),
        else_="positive",
    )
    customers = totals.mutate(mood=mood)
    sums = customers.group_by(["tenant_id", "period_key", "task_id"]).agg(
        **{name: customers[name].arbitrary() for name in PERIOD_NAMES if name != "period_key"},
        total_customers=customers.count(),
        total_calls=customers.total_calls.sum(),
        connected_calls=customers.connected_calls.sum(),
        total_ms=customers.total_ms.sum(),
        analysed_calls=customers.analysed_calls.sum(),
        judged_calls=customers.judged_calls.sum(),
        positive_calls=customers.positive_count.sum(),
        satisfied_count=customers.count(where=customers.mood == "positive"),
        neutral_count=customers.count(where=customers.mood == "neutral"),
        unsatisfied_count=customers.count(where=customers.mood == "negative"),
        high_complaint_customers=customers.count(where=customers.high_complaint_risk > 0),
        high_churn_customers=customers.count(where=customers.high_churn_risk > 0),
    )
    names = tasks.select("tenant_id", "task_id", "task_name")
    named = sums.left_join(names, ["tenant_id", "task_id"])
    in_a_mood = named.satisfied_count + named.neutral_count + named.unsatisfied_count
    # without a judged call nobody knows whether there is a risk
    customers_known = ibis.ifelse(named.judged_calls > 0, named.total_customers, ibis.null("int64"))
    return named.mutate(
        connect_rate=named.connected_calls / named.total_calls,
        avg_duration=named.total_ms / (named.total_calls * _MS),
        satisfied_rate=named.satisfied_count / in_a_mood.nullif(0),
        positive_call_rate=named.positive_calls / named.analysed_calls.nullif(0),
        high_complaint_rate=named.high_complaint_customers / customers_known,
        high_churn_rate=named.high_churn_customers / customers_known,
    ).select(*TASK_SUMMARY.column_names)
