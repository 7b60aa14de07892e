"""The month's snapshot as others would write it: plain DuckDB SQL, plain pandas.

Belongs here: what the platform's own expression is compared with; the same columns from the same
files. Must not: anything of the platform but its names.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cs_assets.calendar import Period
from cs_assets.calls.contracts import INTENTION_LEVELS
from cs_assets.calls.mart_contracts import RISK_LEVELS, SENTIMENTS

_KEYS = ["tenant_id", "customer_id", "task_id"]
_RISKS = [(kind, level) for kind in ("complaint", "churn") for level in RISK_LEVELS]
_CALL = ["tenant_id", "call_date", "callid"]
_SAID = ["sentiment", "sentiment_score", "complaint_risk", "churn_risk"]
_READ = [
    *_KEYS,
    "callid",
    "called_at",
    "talk_ms",
    "total_ms",
    "is_connected",
    "rounds",
    "intention_level",
    "hangup_by",
]


def snapshot_sql(calls: Sequence[str], sentiment: Sequence[str], month: Period) -> str:
    """Return the snapshot of a whole month as one statement."""
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
            SELECT * FROM {_parquet(calls)} AS called LEFT JOIN {_parquet(sentiment)} AS said
            USING ({", ".join(_CALL)})
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


def _parquet(files: Sequence[str]) -> str:
    names = ", ".join(f"'{file}'" for file in files)
    return f"read_parquet([{names}], hive_partitioning = true)"


def snapshot_frame(calls: Sequence[str], sentiment: Sequence[str], month: Period) -> pd.DataFrame:
    """Return the snapshot of a whole month computed with pandas."""
    rows = _frame(calls, _READ).merge(
        _frame(sentiment, ["tenant_id", "callid", *_SAID]), on=_CALL, how="left"
    )
    flags = {
        **{f"{mood}_count": rows.sentiment == mood for mood in SENTIMENTS},
        **{f"{level}_{kind}_risk": rows[f"{kind}_risk"] == level for kind, level in _RISKS},
        **{
            f"intention_{level.lower()}": rows.intention_level == level
            for level in INTENTION_LEVELS
        },
        "robot_hangup": rows.hangup_by == "robot",
        "customer_hangup": rows.hangup_by == "customer",
        "analysed_calls": rows.sentiment.notna(),
        "score_units": (rows.sentiment_score * 1_000_000).round(),
    }
    columns = [*_KEYS, "total_ms", "talk_ms", "rounds", "is_connected", "called_at"]
    groups = rows[columns].assign(**flags).groupby(_KEYS, sort=False, as_index=False)
    sums = groups.agg(
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
    return sums.assign(
        period_type=str(month.grain),
        period_key=month.key,
        period_start=pd.Timestamp(month.start),
        period_end=pd.Timestamp(month.end),
        as_of=pd.Timestamp(month.end),
        is_complete=True,
        connect_rate=sums.connected_calls / sums.total_calls,
        avg_duration=sums.total_ms / (sums.total_calls * 1000),
        avg_talk_duration=_ratio(sums.talk_ms, sums.connected_calls * 1000),
        total_duration=sums.total_ms / 1000,
        avg_rounds=_ratio(sums.rounds, sums.rounds_known),
        avg_sentiment_score=_ratio(sums.score_units, sums.analysed_calls * 1_000_000),
    )


def _frame(files: Sequence[str], columns: list[str]) -> pd.DataFrame:
    """Read files whose folder names the day."""
    parts = (
        pd.read_parquet(file, columns=columns).assign(call_date=Path(file).parent.name[-10:])
        for file in files
    )
    return pd.concat(parts, ignore_index=True)


def _ratio(part: pd.Series, whole: pd.Series) -> pd.Series:
    return (part / whole).where(whole > 0)
