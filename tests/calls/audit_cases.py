"""Judged calls and verdicts that the tests of the audit are built from."""

import random
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import ibis.expr.types as ir

from cs_assets.calendar import Grain, parse_period
from cs_assets.calls.audit_contracts import CALL_VERDICTS
from cs_assets.calls.contracts import CALL_SENTIMENT
from cs_assets.periods import LoadedPeriod, loaded_periods
from tests.calls.cases import Row, at, table_of

MONTH = parse_period(Grain.MONTH, "2025-11")
_ORDER = (None, "low", "medium", "high")


def judged(
    number: int = 1, rules: str | None = None, model: str | None = "low", **changes: Any
) -> Row:
    """A row of call_sentiment; `rules` and `model` are the risks of a complaint.

    The model, if it answered, sees a low risk of leaving.
    """
    row: Row = {
        "tenant_id": "default",
        "call_date": MONTH.start + timedelta(days=number % 30),
        "callid": f"k{number:05}",
        "rules_complaint_risk": rules,
        "llm_complaint_risk": model,
        "llm_churn_risk": model and "low",
        "keywords": rules and "投诉",
        "rules_version": "v",
    }
    row |= changes
    for kind in ("complaint", "churn"):
        own = (row.get(f"rules_{kind}_risk"), row.get(f"llm_{kind}_risk"))
        row[f"{kind}_risk"] = max(own, key=_ORDER.index)
    if row["complaint_risk"] or row["churn_risk"]:
        row |= {"method": "llm" if model else "rules"}
    return row


def verdict(call: Row, said: str = "yes", reviewer: str = "li", **changes: Any) -> Row:
    """A row of call_verdicts on a call."""
    row = {name: call[name] for name in ("tenant_id", "call_date", "callid")}
    row |= {
        "kind": "complaint",
        "verdict": said,
        "reviewer": reviewer,
        "reviewed_at": at("2025-12-02 10:00"),
        "source_file": "a.csv",
        "file_hash": "h",
        "row_number": 1,
    }
    return row | changes


def periods(*loaded: date) -> list[LoadedPeriod]:
    """The month, of which these days are loaded (none named: all)."""
    return loaded_periods([MONTH], loaded or MONTH.days())


def sentiment(calls: Sequence[Row]) -> ir.Table:
    """A table call_sentiment."""
    return table_of(CALL_SENTIMENT, calls)


def verdicts(rows: Iterable[Row] = ()) -> ir.Table:
    """A table call_verdicts."""
    return table_of(CALL_VERDICTS, list(rows))


def a_month(seed: int = 1, calls: int = 600) -> tuple[list[Row], set[str]]:
    """Calls that rules and model judge with errors, and the ids of those at risk in truth."""
    chance = random.Random(seed)
    rows, at_risk = [], set()
    for number in range(calls):
        is_at_risk = chance.random() < 0.15
        said = chance.random() < (0.5 if is_at_risk else 0.03)
        seen = chance.random() < (0.8 if is_at_risk else 0.05)
        model = chance.choice(["medium", "high"]) if seen else "low"
        row = judged(
            number,
            chance.choice(["medium", "high"]) if said else None,
            None if chance.random() < 0.05 else model,
            keywords=chance.choice(["投诉", "投诉、取消", "12315"]) if said else None,
        )
        rows.append(row)
        if is_at_risk:
            at_risk.add(row["callid"])
    return rows, at_risk
