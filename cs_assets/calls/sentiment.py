"""Sentiment and risk of calls, from what the customer said.

Belongs here: which calls are judged, by rules and lexicon, and what is said of each. Must not:
matching words (see `keywords`, `lexicon`), talking to a model.

Without a model nothing is invented: no keyword, no risk; no word of mood, no sentiment; a call of
which nothing can be said has no method either.
"""

from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa

from cs_assets.calls.answers import REASON_LENGTH
from cs_assets.calls.keywords import Keywords, risk
from cs_assets.calls.lexicon import Lexicon
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT, SENTIMENTS

POSITIVE_FROM = 0.6
NEGATIVE_UP_TO = 0.4
_VERDICT = dt.Struct(
    {
        "score": "float64",
        "complaint": "string",
        "churn": "string",
        "keywords": "string",
        "reason": "string",
    }
)


@dataclass(frozen=True)
class Rules:
    """Keywords and lexicon together: the judge that needs no model."""

    keywords: Keywords
    lexicon: Lexicon

    @property
    def fingerprint(self) -> str:
        """What the verdicts depend on."""
        return f"{self.keywords.fingerprint}-{self.lexicon.fingerprint}"

    def verdict(self, utterances: list[str | None] | None) -> dict[str, object]:
        """Judge what the customer said: score or None, risks or None, the words that decided."""
        said = [utterance for utterance in utterances or [] if utterance]
        hits = self.keywords.hits(said)
        mood = self.lexicon.judge("\n".join(said))
        words = [hit.word for hit in hits] + (list(mood.terms) if mood else [])
        return {
            "score": mood.score if mood else None,
            "complaint": risk(hits, "complaint"),
            "churn": risk(hits, "churn"),
            "keywords": "、".join(hit.word for hit in hits) or None,
            "reason": _shortened(words) if words else None,
        }


def dialogues(calls: ir.Table, turns: ir.Table) -> ir.Table:
    """Return the connected calls that have a dialogue: their key, `said` and `robot`.

    `said` holds the customer's utterances in order, null where nothing was understood, `robot` what
    the robot said in the same turns.
    """
    talked = calls.filter(calls.is_connected & (calls.dialogue_turns > 0))
    spoken = turns.group_by(["tenant_id", "call_date", "source_table", "record_id"]).agg(
        said=turns.question.collect(order_by=turns.sequence, include_null=True),
        robot=turns.answer_content.collect(order_by=turns.sequence, include_null=True),
    )
    joined = talked.left_join(
        spoken,
        [
            talked.tenant_id == spoken.tenant_id,
            talked.call_date == spoken.call_date,
            # two monthly tables may hold the same id
            talked.source_table == spoken.source_table,
            talked.id == spoken.record_id,
        ],
    )
    return joined.select(
        tenant_id=talked.tenant_id,
        call_date=talked.call_date,
        callid=talked.callid,
        said=spoken.said,
        robot=spoken.robot,
    )


def judged_by_rules(spoken: ir.Table, rules: Rules) -> ir.Table:
    """Return the verdict of the rules on each of `dialogues`, as `call_sentiment`."""
    verdict = _function(rules)(spoken.said)
    rows = spoken.mutate(
        sentiment_score=verdict["score"],
        complaint_risk=verdict["complaint"],
        churn_risk=verdict["churn"],
        rules_complaint_risk=verdict["complaint"],
        rules_churn_risk=verdict["churn"],
        keywords=verdict["keywords"],
        reason=verdict["reason"],
    )
    score = rows.sentiment_score
    is_at_risk = rows.complaint_risk.notnull() | rows.churn_risk.notnull()
    return rows.mutate(
        sentiment=ibis.cases(
            (score >= POSITIVE_FROM, "positive"),
            (score <= NEGATIVE_UP_TO, "negative"),
            (score.notnull(), "neutral"),
        ),
        risk_source=ibis.ifelse(is_at_risk, "rules", ibis.null("string")),
        method=ibis.ifelse(is_at_risk | score.notnull(), "rules", ibis.null("string")),
        rules_version=ibis.literal(rules.fingerprint),
        **{
            name: ibis.null(CALL_SENTIMENT.schema[name])
            for name in (
                "llm_complaint_risk",
                "llm_churn_risk",
                "is_truncated",
                "model",
                "prompt_version",
                "llm_analyzed_at",
                "prompt_tokens",
                "completion_tokens",
                "error",
            )
        },
    ).select(*CALL_SENTIMENT.column_names)


def mix(judged: ir.Table) -> ir.Table:
    """Count per day: dialogues, how they were judged, moods, calls at high risk, tokens."""
    return judged.group_by("call_date").agg(
        dialogues=judged.count(),
        judged=judged.method.count(),
        by_model=judged.count(where=judged.method == "llm"),
        from_cache=judged.count(where=judged.method == "cache"),
        by_rules=judged.count(where=judged.method == "rules"),
        truncated=judged.count(where=judged.is_truncated),
        without_answer=judged.error.count(),
        **{mood: judged.count(where=judged.sentiment == mood) for mood in SENTIMENTS},
        high_complaint_risk=judged.count(where=judged.complaint_risk == "high"),
        high_churn_risk=judged.count(where=judged.churn_risk == "high"),
    )


def _function(rules: Rules) -> Any:
    @ibis.udf.scalar.pyarrow(  # type: ignore[untyped-decorator]
        signature=((dt.Array(dt.string),), _VERDICT)
    )
    def verdict_of_rules(said: pa.Array) -> pa.Array:
        values = [rules.verdict(utterances) for utterances in said.to_pylist()]
        return pa.array(values, _VERDICT.to_pyarrow())

    return verdict_of_rules


def _shortened(words: list[str]) -> str:
    text = "、".join(dict.fromkeys(words))
    return text if len(text) <= REASON_LENGTH else text[: REASON_LENGTH - 1] + "…"
