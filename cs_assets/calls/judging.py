"""Having the days' dialogues judged by a language model, and showing how that went.

Belongs here: the way from dialogues over questions and findings to verdicts. Must not: formulas
(see `model_answers`), the engine (see `LanguageModel`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import dagster as dg
import ibis
import ibis.expr.types as ir

from cs_assets.calls.judge import ModelJudge
from cs_assets.calls.model_answers import (
    FINDINGS,
    assignment,
    finding_batches,
    questions,
    unfinished,
    with_answers,
)
from cs_assets.calls.sentiment import Rules, judged_by_rules
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT, SENTIMENTS
from cs_resources.figures import days_figure
from cs_resources.language_model import LanguageModel, Progress, Session
from cs_resources.staging import Stager
from cs_resources.streams import reader

_BATCH_ROWS = 200
_MICROS = 1_000_000


@dataclass(frozen=True)
class Verdicts:
    """Verdicts in a table that may be read more than once, and how they came about.

    `explains`: the expression behind them; `unfinished`: days on which the model has still to be
    asked, with the reason; `used`: attempts, tokens and cost by day.
    """

    table: ir.Table
    explains: ir.Table
    unfinished: Mapping[str, str] = field(default_factory=dict)
    used: Mapping[str, dict[str, Any]] = field(default_factory=dict)


def judged_by_model(
    context: dg.AssetExecutionContext, spoken: ir.Table, rules: Rules, judge: ModelJudge
) -> Verdicts:
    """Ask the model about every dialogue of `spoken`; its answers go over the rules' verdict."""
    stager: Stager = context.resources.storage.stager
    model: LanguageModel = context.resources.language_model
    asked = assignment(judge.prompt)
    session = model.session(asked, context.run.run_id)
    talks = stager.kept(spoken)
    found = session.findings(
        questions(stager.batches(talks, _BATCH_ROWS), judge.prompt, judge.max_characters),
        context.partition_keys,
        lambda progress: context.log.info(_line(progress, session)),
    )
    findings = stager.held(reader(FINDINGS.to_pyarrow(), finding_batches(found)), CALL_SENTIMENT)
    context.log.info(_line(session.progress, session))

    def over(dialogues: ir.Table, answers: ir.Table) -> ir.Table:
        verdicts = judged_by_rules(dialogues, rules)
        return with_answers(verdicts, answers, judge.model, judge.prompt.version)

    missing = unfinished(findings).to_pyarrow().to_pylist()
    return Verdicts(
        stager.kept(over(talks, findings)),
        over(spoken, ibis.table(FINDINGS, name="findings")),
        {str(row["call_date"]): f"{row['calls']} calls: {row['error']}" for row in missing},
        _used_in_batches(session, context.partition_keys)
        if session.budget.is_batch
        else {key: _used(session, key) for key in context.partition_keys},
    )


def judging_picture(
    days: Mapping[date, dict[str, Any]], *, is_with_model: bool
) -> dg.MarkdownMetadataValue:
    """Return moods by day from figures of `mix`, and with a model how calls were judged."""
    figures = list(days.values())
    moods = {mood: [day[mood] for day in figures] for mood in SENTIMENTS}
    judged = ("share judged", [_share(day, "judged") for day in figures])
    picture = days_figure("moods of judged calls per day", list(days), moods, judged)
    if not is_with_model:
        return picture
    ways = {way: [day[way] for day in figures] for way in ("by_model", "from_cache", "by_rules")}
    open_ = ("share without an answer", [_share(day, "without_answer") for day in figures])
    methods = days_figure("how calls were judged per day", list(days), ways, open_)
    return dg.MetadataValue.md(f"{picture.value}\n\n{methods.value}")


def _share(day: Mapping[str, Any], name: str) -> float | None:
    return day[name] / day["dialogues"] if day["dialogues"] else None


def _used(session: Session, key: str) -> dict[str, Any]:
    account = session.accounts.get(key)
    if account is None:
        return {"requests": 0, "tokens": 0}
    used: dict[str, Any] = {"requests": account.attempts, "tokens": account.tokens}
    if session.budget.currency:
        used["cost"] = account.cost_micros / _MICROS
        used["currency"] = session.budget.currency
    return used


def _used_in_batches(session: Session, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what the days' batches used, of any run: answers come when the asking one is over."""
    model, version = session.model, session.assignment.prompt_version
    name = model.endpoint.model
    spent = model.store.spent(model.tenant_id, keys, name, version, purpose="batch")
    return {
        key: {
            "batch_requests": own.attempts,
            "batch_requests_open": own.unknown,
            "batch_requests_unpriced": own.unpriced,
            "batch_tokens": own.tokens,
            **{
                f"batch_cost_{currency.lower()}": micros / _MICROS
                for currency, micros in own.cost_micros.items()
            },
        }
        for key, own in spent.items()
    }


def _line(progress: Progress, session: Session) -> str:
    accounts = session.accounts.values()
    tokens = sum(account.tokens for account in accounts)
    cost = sum(account.cost_micros for account in accounts) / _MICROS
    money = f", {cost:.4f} {session.budget.currency}" if session.budget.currency else ""
    return f"language model: {progress}; {tokens:,} tokens{money}"
