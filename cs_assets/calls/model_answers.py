"""What a language model says of calls: the questions, and its answers beside the rules' verdict.

Belongs here: turning dialogues into questions and findings into rows, which of model and rules
decides. Must not: asking (see `LanguageModel`), the prompt's words.

A risk is the higher of both; a mood is the model's. A call without an answer is judged by the rules
as if there were no model, and says why.
"""

from collections.abc import Iterable, Iterator, Sequence

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from cs_assets.calls.answers import ANSWER_SCHEMA, Answer, parse_answer
from cs_assets.calls.prompt import Prompt
from cs_assets.calls.redaction import Turn
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT, risk_rank
from cs_resources.model_questions import Assignment, Finding, Question

_KEY = CALL_SENTIMENT.key
_RISKS = ("complaint_risk", "churn_risk")
_OF_FINDINGS = ("is_truncated", "llm_analyzed_at", "prompt_tokens", "completion_tokens", "error")
_OF_MODEL = (*_OF_FINDINGS, "llm_complaint_risk", "llm_churn_risk", "model", "prompt_version")
_ANSWERED = tuple(Answer.model_fields)
FINDINGS = ibis.schema(
    {name: CALL_SENTIMENT.schema[name] for name in (*_KEY, *_ANSWERED, "method", *_OF_FINDINGS)}
    | {"is_unfinished": ibis.dtype("boolean")}
)
"""The columns of findings; those of the answer are null where there is none."""


def assignment(prompt: Prompt) -> Assignment:
    """Return what a model is asked about calls."""
    return Assignment(prompt.version, ANSWER_SCHEMA, _canonical, prompt.file.correction)


def questions(
    batches: Iterable[pa.RecordBatch], prompt: Prompt, max_characters: int
) -> Iterator[Question]:
    """Return a question for each of `dialogues`; personal identifiers are left out of it."""
    for batch in batches:
        for row in batch.to_pylist():
            turns = [
                Turn(said, robot) for said, robot in zip(row["said"], row["robot"], strict=True)
            ]
            rendered = prompt.render(turns, max_characters)
            yield Question(
                id=tuple(row[name] for name in _KEY),
                partition=str(row["call_date"]),
                dialogue_hash=rendered.dialogue_hash,
                messages=rendered.messages,
                is_truncated=rendered.is_truncated,
            )


def finding_batches(found: Iterable[Sequence[Finding]]) -> Iterator[pa.RecordBatch]:
    """Return findings as rows of `FINDINGS`."""
    schema = FINDINGS.to_pyarrow()
    for findings in found:
        yield pa.RecordBatch.from_pylist([_row(finding) for finding in findings], schema)


def with_answers(judged: ir.Table, findings: ir.Table, model: str, version: str) -> ir.Table:
    """Return what the rules `judged` (as `call_sentiment`) with the model's findings over it."""
    both = judged.drop(*_OF_MODEL).left_join(findings, list(_KEY), rname="llm_{name}")
    is_answered = both.llm_sentiment.notnull()
    is_raised = {
        kind: risk_rank(both[f"rules_{kind}"]) > risk_rank(both[f"llm_{kind}"]) for kind in _RISKS
    }
    return both.mutate(
        sentiment=is_answered.ifelse(both.llm_sentiment, both.sentiment),
        sentiment_score=is_answered.ifelse(both.llm_sentiment_score, both.sentiment_score),
        reason=is_answered.ifelse(both.llm_reason, both.reason),
        method=is_answered.ifelse(both.llm_method, both.method),
        risk_source=is_answered.ifelse(
            (is_raised["complaint_risk"] | is_raised["churn_risk"]).ifelse("rules", "llm"),
            both.risk_source,
        ),
        model=is_answered.ifelse(model, ibis.null("string")),
        prompt_version=is_answered.ifelse(version, ibis.null("string")),
        is_truncated=is_answered.ifelse(both.is_truncated, ibis.null("boolean")),
        **{
            kind: is_raised[kind].ifelse(both[f"rules_{kind}"], both[f"llm_{kind}"])
            for kind in _RISKS
        },
    ).select(*CALL_SENTIMENT.column_names)


def unfinished(findings: ir.Table) -> ir.Table:
    """Return the days on which the model has still to be asked: `calls`, one `error` of them."""
    left = findings.filter(findings.is_unfinished)
    return left.group_by("call_date").agg(calls=left.count(), error=left.error.min())


def _canonical(text: str, is_free_text: bool) -> str:
    return parse_answer(text, "text" if is_free_text else "json_schema").model_dump_json()


def _row(finding: Finding) -> dict[str, object]:
    answer = Answer.model_validate_json(finding.answer) if finding.answer else None
    return {
        **dict(zip(_KEY, finding.question.id, strict=True)),
        **(answer.model_dump() if answer else {}),
        "is_truncated": finding.question.is_truncated,
        "method": finding.method,
        "llm_analyzed_at": finding.analyzed_at,
        "prompt_tokens": finding.prompt_tokens,
        "completion_tokens": finding.completion_tokens,
        "error": finding.error,
        "is_unfinished": finding.is_unfinished,
    }
