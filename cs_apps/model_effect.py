"""What a language model changes about the verdicts on calls: figures for people.

Belongs here: published verdicts beside those of the rules alone, counted. Must not: judging,
printing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import ibis.expr.types as ir

from cs_assets.calendar import Grain, periods_between
from cs_assets.calls.audit_contracts import LLM_RULE_AUDIT
from cs_assets.calls.audit_statistics import Confusion
from cs_assets.calls.contracts import CALL_RECORDS_CLEAN, CALL_TURNS_RAW
from cs_assets.calls.keywords import KINDS
from cs_assets.calls.sentiment import Rules, dialogues, judged_by_rules, mix
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT
from cs_resources.storage import Storage


@dataclass(frozen=True)
class Sides:
    """Calls at high risk by the rules only, by the model only, and by both."""

    rules_only: int
    model_only: int
    both: int


@dataclass(frozen=True)
class ModelEffect:
    """Verdicts with the model and without it.

    `published` and `by_rules` hold the counts of `sentiment.mix`; `high` and `kappa` are by kind of
    risk; a kappa is null where there is nothing to compare.
    """

    published: Mapping[str, int]
    by_rules: Mapping[str, int]
    high: Mapping[str, Sides]
    kappa: Mapping[str, float | None]


def model_effect(storage: Storage, rules: Rules, first: date, last: date) -> ModelEffect:
    """Compare what is published of the days with what the rules alone make of their calls.

    Agreement is that of the days' months. Raises MissingPartitionError for a day or month that was
    never published.
    """
    days, months = (
        [period.partition_key for period in periods_between(grain, first, last)]
        for grain in (Grain.DAY, Grain.MONTH)
    )
    verdicts = storage.read(CALL_SENTIMENT, days)
    spoken = dialogues(storage.read(CALL_RECORDS_CLEAN, days), storage.read(CALL_TURNS_RAW, days))
    audit = storage.read(LLM_RULE_AUDIT, months)
    return ModelEffect(
        _summed(mix(verdicts)),
        _summed(mix(judged_by_rules(spoken, rules))),
        {kind: _sides(verdicts, kind) for kind in KINDS},
        {kind: _kappa(audit, kind) for kind in KINDS},
    )


def _summed(daily: ir.Table) -> dict[str, int]:
    names = [name for name in daily.columns if name != "call_date"]
    return _row(daily.agg(**{name: daily[name].sum() for name in names}))


def _sides(verdicts: ir.Table, kind: str) -> Sides:
    by_rules = (verdicts[f"rules_{kind}_risk"] == "high").fill_null(False)
    by_model = (verdicts[f"llm_{kind}_risk"] == "high").fill_null(False)
    return Sides(
        **_row(
            verdicts.agg(
                rules_only=verdicts.count(where=by_rules & ~by_model),
                model_only=verdicts.count(where=by_model & ~by_rules),
                both=verdicts.count(where=by_rules & by_model),
            )
        )
    )


def _kappa(audit: ir.Table, kind: str) -> float | None:
    rows = audit.filter((audit.kind == kind) & (audit.keyword == ""))
    cells = {
        "both": rows.both_calls,
        "first_only": rows.rules_only_calls,
        "second_only": rows.model_only_calls,
        "neither": rows.neither_calls,
    }
    return Confusion(**_row(rows.agg(**{name: cell.sum() for name, cell in cells.items()}))).kappa


def _row(totals: ir.Table) -> dict[str, int]:
    (row,) = totals.to_pyarrow().to_pylist()
    return {name: int(value or 0) for name, value in row.items()}
