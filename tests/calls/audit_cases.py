"""Judged calls and verdicts that the tests of the audit are built from."""

import random
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import ibis.expr.types as ir
import pandas as pd

from cs_assets.calendar import Grain, parse_period
from cs_assets.calls.audit import counted, keyword_hits, reviewed, risks
from cs_assets.calls.audit_contracts import (
    CALL_RISK_RATE,
    CALL_VERDICTS,
    LLM_REVIEW_QUEUE,
    LLM_RULE_AUDIT,
)
from cs_assets.calls.audit_rules import AuditRules
from cs_assets.calls.audit_tables import risk_rates, rule_audit
from cs_assets.calls.review_queue import allocation, review_queue
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT
from cs_assets.periods import LoadedPeriod, loaded_periods, period_days
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


RULES = AuditRules.load()

WORDS = {"complaint": ["投诉", "12315"], "churn": ["取消"]}
Drawn = Sequence[Row] | None
EIGHT = [
    judged(1, "high", "high"),
    judged(2, "high", "medium"),
    judged(3, "medium", "low", keywords="12315、投诉"),
    judged(4, None, "medium"),
    judged(5, None, "low"),
    judged(6, None, "low"),
    judged(7, "high", None),
    judged(8, None, None),
]


def spread(calls: Sequence[Row]) -> ir.Table:
    """Every call of the month once for each kind of risk."""
    return risks(sentiment(calls), period_days(periods()))


def rows(table: ir.Table) -> list[Row]:
    """The rows of a table."""
    return table.to_pyarrow().to_pylist()


def queue(calls: Sequence[Row], rules: AuditRules = RULES) -> list[Row]:
    """The review queue, by rank."""
    open_ = spread(calls)
    drawn = allocation(rows(counted(open_)), rules.file.queue)
    found = review_queue(open_, drawn, period_days(periods()))
    assert tuple(found.columns) == LLM_REVIEW_QUEUE.column_names
    return rows(found.order_by(["tenant_id", "kind", "rank"]))


def people(calls: Sequence[Row], said: Iterable[Row], drawn: Drawn = None) -> list[Row]:
    """What people said of calls of the queue."""
    queued = table_of(LLM_REVIEW_QUEUE, queue(calls) if drawn is None else drawn)
    return rows(reviewed(spread(calls), verdicts(said), queued))


def audit(
    calls: Sequence[Row], said: Iterable[Row] = (), drawn: Drawn = None
) -> dict[tuple[str, str], Row]:
    """The audit by kind and keyword."""
    open_ = spread(calls)
    seen = people(calls, said, drawn)
    found = rule_audit(rows(counted(open_)), rows(keyword_hits(open_)), seen, WORDS, periods())
    assert tuple(found.columns) == LLM_RULE_AUDIT.column_names
    return {(row["kind"], row["keyword"]): row for row in records(found)}


def rates(calls: Sequence[Row], said: Iterable[Row] = (), drawn: Drawn = None) -> dict[str, Row]:
    """The risk rates by kind."""
    seen = people(calls, said, drawn)
    found = risk_rates(rows(counted(spread(calls))), seen, 0.95, periods())
    assert tuple(found.columns) == CALL_RISK_RATE.column_names
    return {row["kind"]: row for row in records(found)}


def records(frame: pd.DataFrame) -> list[Row]:
    """The rows of a frame, unknown ones null."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")
