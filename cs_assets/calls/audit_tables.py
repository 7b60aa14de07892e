"""The audit's tables: who is right, rules or model, and how many calls are at risk in truth.

Belongs here: rows of the marts from counts and verdicts. Must not: queries (see `audit`), formulas
(see `audit_statistics`).

Verdicts count by groups within which queued calls were drawn at random, each group weighing as its
calls in the facts; what the verdicts do not reach is null.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import pandas as pd

from cs_assets.calls.audit import GROUP, LEVEL, SEPARATOR
from cs_assets.calls.audit_contracts import CALL_RISK_RATE, CELLS, LLM_RULE_AUDIT
from cs_assets.calls.audit_statistics import (
    Confusion,
    Estimate,
    Flagged,
    Stratum,
    precision,
    recall,
    stratified,
    weighted_kappa,
)
from cs_assets.calls.keywords import KINDS, Keywords
from cs_assets.contracts import Contract
from cs_assets.periods import LoadedPeriod

Row: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = Sequence[Row]
_BY_RULES, _BY_MODEL = ("both", "rules_only"), ("both", "model_only")
_ANSWERED = tuple(cell for cell in CELLS if cell != "no_answer")
_LEVELS = (0, *LEVEL.values())


def rule_audit(
    counts: Rows,
    hits: Rows,
    reviewed: Rows,
    keywords: Mapping[str, Sequence[str]],
    periods: Iterable[LoadedPeriod],
) -> pd.DataFrame:
    """Return `llm_rule_audit` from the rows of `audit.counted`, `keyword_hits` and `reviewed`.

    `keywords` maps the kinds of risk to their keywords (see `keywords_by_kind`).
    """
    rows: list[dict[str, Any]] = []
    said, looked_at = _grouped(hits), _grouped(_used(reviewed))
    for group, cells in _grouped(counts).items():
        answered = [row for row in cells if row["model_level"] is not None]
        if not answered:
            continue
        known = dict(zip(GROUP, group, strict=True))
        people = [row for row in looked_at.get(group, []) if row["model_level"] is not None]
        rows.append(known | _of_kind(answered, people))
        for keyword in keywords[known["kind"]]:
            own = [row for row in said.get(group, []) if row["keyword"] == keyword]
            rows.append(known | _of_keyword(keyword, answered, own, people))
    return _frame(rows, periods, LLM_RULE_AUDIT)


def risk_rates(
    counts: Rows, reviewed: Rows, confidence: float, periods: Iterable[LoadedPeriod]
) -> pd.DataFrame:
    """Return `call_risk_rate` from the rows of `audit.counted` and `audit.reviewed`."""
    looked_at = _grouped(reviewed)
    rows = [
        dict(zip(GROUP, group, strict=True)) | _rate(cells, looked_at.get(group, []), confidence)
        for group, cells in _grouped(counts).items()
    ]
    return _frame(rows, periods, CALL_RISK_RATE)


def keywords_by_kind(keywords: Keywords) -> dict[str, list[str]]:
    """Map the kinds of risk to their keywords."""
    return {kind: [keyword.word for keyword in getattr(keywords.file, kind)] for kind in KINDS}


def _rate(cells: Rows, people: Rows, confidence: float) -> dict[str, Any]:
    used, queued = _used(people), [row for row in people if row["is_queued"]]
    found: Estimate = stratified([_stratum(cell, cells, used) for cell in CELLS], confidence)
    calls, at_risk, high = (_sum(cells, name) for name in ("calls", "at_risk", "high"))
    return {
        "calls": calls,
        "answered_calls": _sum((c for c in cells if c["model_level"] is not None), "calls"),
        "at_risk_calls": at_risk,
        "high_risk_calls": high,
        "published_rate": at_risk / calls,
        "published_high_rate": high / calls,
        "corrected_rate": found.share,
        "corrected_low": found.low,
        "corrected_high": found.high,
        "verdicts_used": len(used),
        "verdicts_tied": len(queued) - len(used),
        "verdicts_outside": len(people) - len(queued),
        "conflicts": sum(bool(row["yes"] and row["no"]) for row in queued),
    }


def _of_kind(cells: Rows, people: Rows) -> dict[str, Any]:
    matrix = [
        [
            _sum((c for c in cells if (c["rules_level"], c["model_level"]) == (i, j)), "calls")
            for j in _LEVELS
        ]
        for i in _LEVELS
    ]
    strata = {cell: _stratum(cell, cells, people) for cell in _ANSWERED}
    rules, model = (
        [Flagged(cell in flagged, own.calls, own.share) for cell, own in strata.items()]
        for flagged in (_BY_RULES, _BY_MODEL)
    )
    confusion = Confusion(
        strata["both"].calls,
        strata["rules_only"].calls,
        strata["model_only"].calls,
        strata["neither"].calls,
    )
    return {
        **_confused("", confusion),
        "weighted_kappa": weighted_kappa(matrix),
        "reviewed_calls": len(people),
        "rules_precision": precision(rules),
        "rules_recall": recall(rules),
        "model_precision": precision(model),
        "model_recall": recall(model),
    }


def _of_keyword(keyword: str, cells: Rows, hits: Rows, people: Rows) -> dict[str, Any]:
    groups: list[Flagged] = []
    confused = {True: [0, 0], False: [0, 0]}
    for cell in _ANSWERED:
        said = _sum((hit for hit in hits if hit["cell"] == cell), "calls")
        others = _stratum(cell, cells, []).calls - said
        own = [row for row in people if row["cell"] == cell]
        for is_said, calls in ((True, said), (False, others)):
            seen = [row for row in own if _holds(row, keyword) == is_said]
            groups.append(Flagged(is_said, calls, _judged(calls, seen).share))
            confused[is_said][cell in _BY_MODEL] += calls
    (rules_only, both), (neither, model_only) = confused[True], confused[False]
    return {
        **_confused(keyword, Confusion(both, rules_only, model_only, neither)),
        "weighted_kappa": None,
        "reviewed_calls": sum(_holds(row, keyword) for row in people),
        "rules_precision": precision(groups),
        "rules_recall": recall(groups),
        "model_precision": None,
        "model_recall": None,
    }


def _confused(keyword: str, confusion: Confusion) -> dict[str, Any]:
    return {
        "keyword": keyword,
        "calls": confusion.total,
        "both_calls": confusion.both,
        "rules_only_calls": confusion.first_only,
        "model_only_calls": confusion.second_only,
        "neither_calls": confusion.neither,
        "agreement_rate": confusion.agreement,
        "kappa": confusion.kappa,
    }


def _stratum(cell: str, cells: Rows, people: Rows) -> Stratum:
    calls = _sum((row for row in cells if row["cell"] == cell), "calls")
    return _judged(calls, [row for row in people if row["cell"] == cell])


def _judged(calls: int, people: Rows) -> Stratum:
    return Stratum(calls, len(people), sum(row["yes"] > row["no"] for row in people))


def _used(people: Iterable[Row]) -> list[Row]:
    """Keep queued calls on which a majority of reviewers agrees."""
    return [row for row in people if row["is_queued"] and row["yes"] != row["no"]]


def _holds(row: Row, keyword: str) -> bool:
    return keyword in (row["keywords"] or "").split(SEPARATOR)


def _sum(rows: Iterable[Row], name: str) -> int:
    return sum(row[name] for row in rows)


def _grouped(rows: Iterable[Row]) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in GROUP), []).append(row)
    return groups


def _frame(
    rows: Iterable[dict[str, Any]], periods: Iterable[LoadedPeriod], contract: Contract
) -> pd.DataFrame:
    columns = {item.period.key: item.columns for item in periods}
    made: Iterator[dict[str, Any]] = (row | columns[row["period_key"]] for row in rows)
    types = {name: "float64" for name, type_ in contract.schema.items() if type_.is_floating()}
    return pd.DataFrame(list(made), columns=list(contract.column_names)).astype(types)
