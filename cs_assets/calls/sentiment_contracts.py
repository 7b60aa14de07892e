"""What was said in the calls, as a fact: a table in the lake, one partition per day.

Belongs here: moods, levels of risk, and the table that holds them. Must not: judging (see
`sentiment`).
"""

import ibis
import ibis.expr.types as ir

from cs_assets.calendar import Grain
from cs_assets.calls.contracts import CALL_DATE, SYSTEM
from cs_assets.contracts import TENANT, Column, Contract, Place, Rule

SENTIMENTS = ("positive", "neutral", "negative")
RISK_LEVELS = ("high", "medium", "low")


def _risk(name: str, description: str) -> Column:
    return Column(name, "string", description, nullable=True, allowed=RISK_LEVELS)


def risk_rank(risk: ir.Value) -> ir.IntegerValue:
    """Return the rank of a risk: 3 high, 2 medium, 1 low, 0 none named."""
    return ibis.cases((risk == "high", 3), (risk == "medium", 2), (risk == "low", 1), else_=0)


CALL_SENTIMENT = Contract(
    system=SYSTEM,
    name="call_sentiment",
    place=Place.LAKE,
    description="What was said in each connected call that has a dialogue: the customer's mood and "
    "the risks that its words name. What cannot be judged stays null, with no method.",
    grain=Grain.DAY,
    partition_column="call_date",
    key=("tenant_id", "call_date", "callid"),
    rules=(
        Rule(
            "judged without a method",
            "A call with a mood or a risk names the method, one without names none.",
            lambda calls: (
                calls.method.notnull()
                == (
                    calls.sentiment.notnull()
                    | calls.complaint_risk.notnull()
                    | calls.churn_risk.notnull()
                )
            ),
        ),
        Rule(
            "mood and score apart",
            "Without a model the mood follows from the score: positive from 0.6, negative up to "
            "0.4. A model's mood does not contradict its score.",
            lambda calls: (
                (
                    calls.sentiment
                    == ibis.cases(
                        (calls.model.notnull(), calls.sentiment),
                        (calls.sentiment_score >= 0.6, "positive"),
                        (calls.sentiment_score <= 0.4, "negative"),
                        else_="neutral",
                    )
                )
                & ~((calls.sentiment == "positive") & (calls.sentiment_score < 0.5))
                & ~((calls.sentiment == "negative") & (calls.sentiment_score > 0.5))
            ),
        ),
        Rule(
            "risk below its sources",
            "A risk is the higher of what the rules and the model say.",
            lambda calls: (
                (
                    risk_rank(calls.complaint_risk)
                    == ibis.greatest(
                        risk_rank(calls.rules_complaint_risk), risk_rank(calls.llm_complaint_risk)
                    )
                )
                & (
                    risk_rank(calls.churn_risk)
                    == ibis.greatest(
                        risk_rank(calls.rules_churn_risk), risk_rank(calls.llm_churn_risk)
                    )
                )
            ),
        ),
    ),
    columns=(
        TENANT,
        CALL_DATE,
        Column("callid", "string", "Call id."),
        Column("sentiment", "string", "The customer's mood.", nullable=True, allowed=SENTIMENTS),
        Column(
            "sentiment_score",
            "float64",
            "0 very negative .. 1 very positive.",
            nullable=True,
            minimum=0,
            maximum=1,
        ),
        _risk("complaint_risk", "Risk of a complaint."),
        _risk("churn_risk", "Risk of leaving."),
        Column(
            "risk_source",
            "string",
            "Who decided the risks: rules where a keyword raised one above the model's answer, or "
            "there is no answer.",
            nullable=True,
            allowed=("rules", "llm"),
        ),
        Column("reason", "string", "What decided, at most 50 characters.", nullable=True),
        _risk(
            "rules_complaint_risk", "Risk of a complaint by keywords alone; null: none was said."
        ),
        _risk("rules_churn_risk", "Risk of leaving by keywords alone; null: none was said."),
        _risk("llm_complaint_risk", "Risk of a complaint by the model alone; null: no answer."),
        _risk("llm_churn_risk", "Risk of leaving by the model alone; null: no answer."),
        Column("keywords", "string", "Keywords that were said and meant, joined by 、.", True),
        Column(
            "is_truncated", "boolean", "The model saw the end only; null: it was not asked.", True
        ),
        Column(
            "method",
            "string",
            "How the call was judged: by a model's answer of this run, by one kept from an earlier "
            "run, by rules; null: it could not be.",
            nullable=True,
            allowed=("llm", "cache", "rules"),
            is_provenance=True,
        ),
        Column("model", "string", "Language model.", nullable=True),
        Column("prompt_version", "string", "Version of the prompt.", nullable=True),
        Column("rules_version", "string", "Keywords and lexicon used.", is_provenance=True),
        Column("llm_analyzed_at", "timestamp(6)", "When, UTC.", True, is_provenance=True),
        Column(
            "prompt_tokens",
            "int64",
            "Tokens sent for the answer, when it was asked for.",
            nullable=True,
            is_provenance=True,
        ),
        Column("completion_tokens", "int64", "Tokens of the answer.", True, is_provenance=True),
        Column(
            "error",
            "string",
            "Why the model that was to judge did not.",
            nullable=True,
            is_provenance=True,
        ),
    ),
)
