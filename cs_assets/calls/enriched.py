"""Calls with what was said in them.

Belongs here: joining calls and their sentiment. Must not: judging a dialogue.
"""

import ibis.expr.types as ir

from cs_assets.calls.mart_contracts import CALL_RECORD_ENRICHED
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT

_KEY = CALL_SENTIMENT.key
_SAID = [name for name in CALL_SENTIMENT.column_names if name not in _KEY]


def with_sentiment(calls: ir.Table, sentiment: ir.Table) -> ir.Table:
    """Add the columns of `call_sentiment` to `call_records_clean`; null where there are none."""
    joined = calls.left_join(sentiment, list(_KEY))
    return joined.select(
        **{name: calls[name] for name in calls.columns},
        **{name: sentiment[name] for name in _SAID},
    )


def enriched(calls: ir.Table) -> ir.Table:
    """Return calls `with_sentiment` in the columns of `call_record_enriched`.

    `duration` is in whole seconds, rounded half up.
    """
    return calls.mutate(duration=(calls.total_ms + 500) // 1000, duration_ms=calls.total_ms).select(
        *CALL_RECORD_ENRICHED.column_names
    )
