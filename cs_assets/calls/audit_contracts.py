"""The tables of the audit of rules and model: people's verdicts, who is right, corrected rates.

Belongs here: their contracts. Must not: how they are computed (see `verdicts`, `audit`,
`review_queue`, `risk_rates`).
"""

from cs_assets.calendar import Grain
from cs_assets.calls.contracts import CALL_DATE, SYSTEM
from cs_assets.calls.keywords import KINDS
from cs_assets.calls.sentiment_contracts import RISK_LEVELS
from cs_assets.contracts import PERIOD_COLUMNS, TENANT, Column, Contract, Place, Rule
from cs_assets.quarantine import Reason, quarantine_contract

YES, NO = "yes", "no"
CELLS = ("rules_only", "model_only", "both", "no_answer", "neither")
"""By rules at risk? and by the model at risk?; where they disagree first: people look there first.
`no_answer`: the model gave none."""
REVIEW_REASONS = (
    "model_sees_no_risk",
    "rules_see_no_risk",
    "levels_differ",
    "no_model_answer",
    "control_at_risk",
    "control_no_risk",
)
"""Why a call is in the queue, as codes; the texts for people stand in `audit.yaml`."""

_KIND = Column("kind", "string", "Kind of risk.", allowed=KINDS)
_CALLID = Column("callid", "string", "Call id.")


def _count(name: str, description: str) -> Column:
    return Column(name, "int64", description, minimum=0)


def _share(name: str, description: str, minimum: float = 0) -> Column:
    return Column(name, "float64", description, nullable=True, minimum=minimum, maximum=1)


CALL_VERDICTS = Contract(
    system=SYSTEM,
    name="call_verdicts",
    place=Place.LAKE,
    description="What people who looked at a call say: is there the risk of a complaint, of "
    "leaving? One row per reviewer, the latest; all of it is read again from the landed files.",
    key=("tenant_id", "call_date", "callid", "kind", "reviewer"),
    kinds=frozenset({"csv"}),
    columns=(
        TENANT,
        CALL_DATE,
        _CALLID,
        _KIND,
        Column("verdict", "string", "Is there the risk?", allowed=(YES, NO)),
        Column("reviewer", "string", "Who looked at the call.", is_personal=True),
        Column("reviewed_at", "timestamp(6)", "When, local time; a day alone is its midnight."),
        Column("note", "string", "Remark.", nullable=True, is_personal=True),
        Column("source_file", "string", "File in landing/verdicts.", is_provenance=True),
        Column("file_hash", "string", "SHA-256 of the file.", is_provenance=True),
        Column("row_number", "int64", "Row below the header.", is_provenance=True, minimum=1),
    ),
)

VERDICT_REASONS = (
    Reason("unreadable_row", "more or fewer values than columns, a NUL, or an oversized value"),
    Reason("no_callid", "the row names no call"),
    Reason("bad_call_date", "call_date is no day such as 2025-11-24 or 2025/11/24"),
    Reason("bad_kind", "kind is neither complaint nor churn"),
    Reason("bad_verdict", "verdict is none of yes, no, 是, 否"),
    Reason("no_reviewer", "the row names no reviewer"),
    Reason("bad_reviewed_at", "reviewed_at is no instant such as 2025-12-01 09:30 or 2025-12-01"),
    Reason("reviewed_before_the_call", "reviewed_at lies before the day of the call"),
)

CALL_VERDICTS_QUARANTINE = quarantine_contract(
    SYSTEM, "call_verdicts_quarantine", "Rows of landed verdicts", None, VERDICT_REASONS
)

_RULE_AUDIT = Contract(
    system=SYSTEM,
    name="llm_rule_audit",
    place=Place.WAREHOUSE,
    description="Rules against model over the calls of which the model gave an answer, and both "
    "against people. One row per kind of risk (keyword empty) and one per keyword, as if it were "
    "the only rule. At risk is medium or high. What verdicts do not tell is null; a month without "
    "any answer has no rows.",
    partition_column="period_key",
    key=("tenant_id", "period_type", "period_key", "kind", "keyword"),
    rules=(
        Rule(
            "confusion does not add up",
            "Calls at risk by both, by one and by none add up to the calls.",
            lambda rows: (
                rows.both_calls + rows.rules_only_calls + rows.model_only_calls + rows.neither_calls
                == rows.calls
            ),
        ),
    ),
    columns=(
        TENANT,
        *PERIOD_COLUMNS,
        _KIND,
        Column("keyword", "string", "Keyword; empty: all rules of the kind together."),
        Column("calls", "int64", "Calls with a model's answer.", minimum=1),
        _count("both_calls", "At risk by rules and model."),
        _count("rules_only_calls", "At risk by rules alone."),
        _count("model_only_calls", "At risk by the model alone."),
        _count("neither_calls", "At risk by none."),
        Column("agreement_rate", "float64", "Both and neither / calls.", minimum=0, maximum=1),
        _share("kappa", "Cohen's kappa; null where chance alone agrees always.", -1),
        _share(
            "weighted_kappa",
            "Kappa over none or low < medium < high, weights linear; kind rows only.",
            -1,
        ),
        _count(
            "reviewed_calls",
            "Queued calls with an answer and people's verdict; of a keyword, those that hold it.",
        ),
        _share(
            "rules_precision", "Of calls at risk by rules, those at risk by people; null: unknown."
        ),
        _share("rules_recall", "Of calls at risk by people, those at risk by rules."),
        _share("model_precision", "The same of the model; kind rows only."),
        _share("model_recall", "The same of the model; kind rows only."),
    ),
)

_REVIEW_QUEUE = Contract(
    system=SYSTEM,
    name="llm_review_queue",
    place=Place.WAREHOUSE,
    description="The calls that people should look at, in this order: drawn at random within cells "
    "(rules at risk? model at risk?), most where a verdict tells most. It follows from the calls "
    "alone, never from verdicts. A month without any model's answer has no rows.",
    partition_column="period_key",
    key=("tenant_id", "period_type", "period_key", "kind", "call_date", "callid"),
    columns=(
        TENANT,
        *PERIOD_COLUMNS,
        _KIND,
        Column("rank", "int64", "Order in which to look, from 1.", minimum=1),
        CALL_DATE,
        _CALLID,
        Column("cell", "string", "Cell that the call was drawn from.", allowed=CELLS),
        Column("reason", "string", "Why it is here.", allowed=REVIEW_REASONS),
        Column("keywords", "string", "Keywords that were said, joined by 、.", nullable=True),
        Column("rules_risk", "string", "Risk by rules.", nullable=True, allowed=RISK_LEVELS),
        Column("model_risk", "string", "Risk by model.", nullable=True, allowed=RISK_LEVELS),
        Column(
            "inclusion_probability",
            "float64",
            "Calls drawn from the cell / calls in the cell.",
            minimum=0,
            maximum=1,
        ),
    ),
)

_RISK_RATE = Contract(
    system=SYSTEM,
    name="call_risk_rate",
    place=Place.WAREHOUSE,
    keeps_history=True,
    description="How many calls are at risk: as published, and as people's verdicts on queued "
    "calls correct it, with a 95 % interval (or as audit.yaml says).",
    partition_column="period_key",
    key=("tenant_id", "period_type", "period_key", "kind"),
    rules=(
        Rule(
            "rate outside of its interval",
            "A corrected rate lies in its interval.",
            lambda rows: rows.corrected_rate.between(rows.corrected_low, rows.corrected_high),
        ),
    ),
    columns=(
        TENANT,
        *PERIOD_COLUMNS,
        _KIND,
        Column("calls", "int64", "Connected calls with a dialogue.", minimum=1),
        _count("answered_calls", "Calls with a model's answer."),
        _count("at_risk_calls", "Calls of medium or high risk, as published."),
        _count("high_risk_calls", "Calls of high risk, as published."),
        Column("published_rate", "float64", "at_risk_calls / calls.", minimum=0, maximum=1),
        Column("published_high_rate", "float64", "high_risk_calls / calls.", minimum=0, maximum=1),
        _share(
            "corrected_rate",
            "Share of calls at risk by people; null unless every cell with calls has a verdict.",
        ),
        _share("corrected_low", "Lower end of the interval; null without any verdict."),
        _share("corrected_high", "Upper end of the interval; null without any verdict."),
        _count("verdicts_used", "Queued calls with a verdict that counts."),
        _count("verdicts_tied", "Queued calls on which reviewers are tied: not used."),
        _count("verdicts_outside", "Calls with a verdict outside of the queue: not used."),
        _count("conflicts", "Queued calls on which reviewers disagree, ties among them."),
    ),
)

LLM_RULE_AUDIT = _RULE_AUDIT.for_grain(Grain.MONTH)
LLM_REVIEW_QUEUE = _REVIEW_QUEUE.for_grain(Grain.MONTH)
CALL_RISK_RATE = _RISK_RATE.for_grain(Grain.MONTH)

FACTS = (CALL_VERDICTS, CALL_VERDICTS_QUARANTINE)
MARTS = (LLM_REVIEW_QUEUE, LLM_RULE_AUDIT, CALL_RISK_RATE)
