"""The month's snapshot as others would write it: plain DuckDB SQL, plain pandas.

Belongs here: what the platform's own expression is compared with; the same columns from the same
files. Must not: anything of the platform but its names.
"""

from collections.abc import Sequence

import pandas as pd

from cs_assets.calendar import Period
from cs_assets.calls.contracts import INTENTION_LEVELS
from cs_assets.calls.mart_contracts import RISK_LEVELS, SENTIMENTS

_KEYS = ["tenant_id", "customer_id", "task_id"]
_RISKS = [(kind, level) for kind in ("complaint", "churn") for level in RISK_LEVELS]
_READ = [
    *_KEYS,
    "called_at",
    "talk_ms",
    "total_ms",
    "is_connected",
    "rounds",
    "intention_level",
    "hangup_by",
]


def snapshot_sql(files: Sequence[str], month: Period) -> str:
    """Return the snapshot of a whole month as one statement.

    The sentiment of a call is asked for like every other column, though no made call has one.
    """
    names = ", ".join(f"'{file}'" for file in files)
    counts = {
        **{f"{mood}_count": f"sentiment = '{mood}'" for mood in SENTIMENTS},
        **{f"{level}_{kind}_risk": f"{kind}_risk = '{level}'" for kind, level in _RISKS},
        **{
            f"intention_{level.lower()}": f"intention_level = '{level}'"
            for level in INTENTION_LEVELS
        },
        "robot_hangup": "hangup_by = 'robot'",
        "customer_hangup": "hangup_by = 'customer'",
    }
    counted = ", ".join(f"count(*) FILTER ({rule}) AS {name}" for name, rule in counts.items())
    return f"""
        WITH calls AS (
            SELECT *, NULL::VARCHAR AS sentiment, NULL::DOUBLE AS sentiment_score,
                NULL::VARCHAR AS complaint_risk, NULL::VARCHAR AS churn_risk
            FROM read_parquet([{names}], hive_partitioning = true)
            WHERE call_date BETWEEN '{month.start}' AND '{month.end}'
        ), sums AS (
            SELECT tenant_id, customer_id, task_id, count(*) AS total_calls,
                count(*) FILTER (is_connected) AS connected_calls,
                sum(total_ms)::BIGINT AS total_ms, sum(talk_ms)::BIGINT AS talk_ms,
                sum(rounds)::BIGINT AS rounds, count(rounds) AS rounds_known,
                count(sentiment) AS analysed_calls,
                sum(round(sentiment_score * 1000000)::BIGINT)::BIGINT AS score_units,
                {counted}, min(called_at) AS first_call, max(called_at) AS last_call
            FROM calls GROUP BY ALL
        )
        SELECT tenant_id, '{month.grain}' AS period_type, '{month.key}' AS period_key,
            DATE '{month.start}' AS period_start, DATE '{month.end}' AS period_end,
            DATE '{month.end}' AS as_of, true AS is_complete, customer_id, task_id, total_calls,
            connected_calls, connected_calls / total_calls AS connect_rate,
            total_ms / (total_calls * 1000) AS avg_duration,
            talk_ms / nullif(connected_calls * 1000, 0) AS avg_talk_duration,
            total_ms / 1000 AS total_duration, rounds / nullif(rounds_known, 0) AS avg_rounds,
            analysed_calls,
            score_units / nullif(analysed_calls * 1000000, 0) AS avg_sentiment_score,
            {", ".join(counts)}, first_call, last_call
        FROM sums"""


def snapshot_frame(files: Sequence[str], month: Period) -> pd.DataFrame:
    """Return the snapshot of a whole month computed with pandas."""
    calls = pd.concat([pd.read_parquet(file, columns=_READ) for file in files], ignore_index=True)
    flags = {
        **{
            f"intention_{level.lower()}": calls.intention_level == level
            for level in INTENTION_LEVELS
        },
        "robot_hangup": calls.hangup_by == "robot",
        "customer_hangup": calls.hangup_by == "customer",
    }
    calls = calls.drop(columns=["intention_level", "hangup_by"]).assign(**flags)
    sums = calls.groupby(_KEYS, sort=False, as_index=False).agg(
        total_calls=("total_ms", "size"),
        connected_calls=("is_connected", "sum"),
        total_ms=("total_ms", "sum"),
        talk_ms=("talk_ms", "sum"),
        rounds=("rounds", "sum"),
        rounds_known=("rounds", "count"),
        first_call=("called_at", "min"),
        last_call=("called_at", "max"),
        **{name: (name, "sum") for name in flags},
    )
    unknown = [f"{mood}_count" for mood in SENTIMENTS]
    unknown += [f"{level}_{kind}_risk" for kind, level in _RISKS]
    return sums.assign(
        period_type=str(month.grain),
        period_key=month.key,
        period_start=pd.Timestamp(month.start),
        period_end=pd.Timestamp(month.end),
        as_of=pd.Timestamp(month.end),
        is_complete=True,
        connect_rate=sums.connected_calls / sums.total_calls,
        avg_duration=sums.total_ms / (sums.total_calls * 1000),
        avg_talk_duration=(sums.talk_ms / (sums.connected_calls * 1000)).where(
            sums.connected_calls > 0
        ),
        total_duration=sums.total_ms / 1000,
        avg_rounds=(sums.rounds / sums.rounds_known).where(sums.rounds_known > 0),
        analysed_calls=0,
        avg_sentiment_score=float("nan"),
        **dict.fromkeys(unknown, 0),
    )
