"""The marts of the calls system: tables in the warehouse.

Belongs here: marts. The facts stand in `contracts`.
"""

from cs_assets.calendar import PERIOD_GRAINS, Grain
from cs_assets.calls.contracts import CALL_DATE, HANGUP_SIDES, INTENTION_LEVELS, SYSTEM
from cs_assets.calls.sentiment_contracts import RISK_LEVELS, SENTIMENTS
from cs_assets.contracts import PERIOD_COLUMNS, TENANT, Column, Contract, Place, Rule


def _count(name: str, description: str, **more: object) -> Column:
    return Column(name, "int64", description, minimum=0, **more)  # type: ignore[arg-type]


def _rate(name: str, description: str, *, nullable: bool = False) -> Column:
    return Column(name, "float64", description, nullable=nullable, minimum=0, maximum=1)


def _seconds(name: str, description: str, *, nullable: bool = False) -> Column:
    return Column(name, "float64", description, nullable=nullable, minimum=0, unit="s")


_TASK = Column("task_id", "string", "Task (call campaign).")
_CUSTOMER = Column("customer_id", "string", "Called customer.")

CALL_RECORD_ENRICHED = Contract(
    system=SYSTEM,
    name="call_record_enriched",
    place=Place.WAREHOUSE,
    description="The day's calls with what was said in them: the table that applications read.",
    grain=Grain.DAY,
    partition_column="call_date",
    key=("tenant_id", "call_date", "callid"),
    columns=(
        TENANT,
        CALL_DATE,
        Column("callid", "string", "Call id."),
        Column("id", "string", "Record id of the call."),
        _CUSTOMER,
        _TASK,
        Column("called_at", "timestamp(6)", "When the call was placed, local time."),
        _count("duration", "Total duration, rounded half up.", unit="s"),
        _count("duration_ms", "Total duration.", unit="ms"),
        _count("talk_ms", "Talk time.", unit="ms"),
        Column("is_connected", "boolean", "Somebody answered."),
        _count("rounds", "Turns counted by the dialler.", nullable=True),
        Column(
            "intention_level", "string", "Intention grade.", nullable=True, allowed=INTENTION_LEVELS
        ),
        Column("hangup_by", "string", "Who hung up.", allowed=HANGUP_SIDES),
        Column(
            "sentiment", "string", "Mood; null: not analysed.", nullable=True, allowed=SENTIMENTS
        ),
        _rate("sentiment_score", "0 very negative .. 1 very positive.", nullable=True),
        Column(
            "complaint_risk", "string", "Risk of a complaint.", nullable=True, allowed=RISK_LEVELS
        ),
        Column("churn_risk", "string", "Risk of leaving.", nullable=True, allowed=RISK_LEVELS),
        Column(
            "llm_analyzed_at",
            "timestamp(6)",
            "When a model analysed it, UTC.",
            nullable=True,
            is_provenance=True,
        ),
        Column("risk_source", "string", "Who decided the risks.", nullable=True),
        Column("reason", "string", "What decided.", nullable=True),
        Column(
            "method", "string", "llm, cache or rules; null: not judged.", True, is_provenance=True
        ),
        Column("model", "string", "Language model.", nullable=True),
        Column("prompt_version", "string", "Version of the prompt.", nullable=True),
    ),
)

PORTRAIT_SNAPSHOT = Contract(
    system=SYSTEM,
    name="portrait_snapshot",
    table="user_portrait_snapshot",
    keeps_history=True,
    place=Place.WAREHOUSE,
    description="One customer in one task over a period: how often called and reached, how long, "
    "in what mood, at what risk.",
    partition_column="period_key",
    key=("tenant_id", "customer_id", "task_id", "period_type", "period_key"),
    rules=(
        Rule(
            "more connected than calls",
            "Connected calls never exceed calls.",
            lambda rows: rows.connected_calls <= rows.total_calls,
        ),
        Rule(
            "sentiments do not add up",
            "Positive, neutral and negative calls add up to the analysed ones.",
            lambda rows: (
                rows.positive_count + rows.neutral_count + rows.negative_count
                == rows.analysed_calls
            ),
        ),
        Rule(
            "call outside of the period",
            "First and last call lie in the period, not after as_of.",
            lambda rows: (
                (rows.first_call.date() >= rows.period_start)
                & (rows.last_call.date() <= rows.as_of)
            ),
        ),
    ),
    columns=(
        TENANT,
        *PERIOD_COLUMNS,
        _CUSTOMER,
        _TASK,
        Column("total_calls", "int64", "Calls.", minimum=1),
        _count("connected_calls", "Calls with talk time."),
        _rate("connect_rate", "connected_calls / total_calls."),
        _seconds("avg_duration", "Sum of durations of all calls / total_calls."),
        _seconds("avg_talk_duration", "Mean talk time of connected calls.", nullable=True),
        _seconds("total_duration", "Sum of durations."),
        Column(
            "avg_rounds",
            "float64",
            "Mean turns of calls that count them.",
            nullable=True,
            minimum=0,
        ),
        _count("analysed_calls", "Calls with a sentiment."),
        _count("positive_count", "Positive calls."),
        _count("neutral_count", "Neutral calls."),
        _count("negative_count", "Negative calls."),
        _rate("avg_sentiment_score", "Mean score of analysed calls.", nullable=True),
        *(
            _count(f"{level}_{kind}_risk", f"Calls of {level} {kind} risk.")
            for kind in ("complaint", "churn")
            for level in RISK_LEVELS
        ),
        *(
            _count(f"intention_{level.lower()}", f"Calls of intention {level}.")
            for level in INTENTION_LEVELS
        ),
        _count("robot_hangup", "Calls that the robot ended."),
        _count("customer_hangup", "Calls that the customer ended."),
        Column("first_call", "timestamp(6)", "First call, local time."),
        Column("last_call", "timestamp(6)", "Last call, local time."),
    ),
)

TASK_SUMMARY = Contract(
    system=SYSTEM,
    name="task_summary",
    table="task_portrait_summary",
    keeps_history=True,
    place=Place.WAREHOUSE,
    description="One task over a period. Customers are counted, not calls: a customer's mood is "
    "that of most of its analysed calls (ties: the more negative), its risk the highest of any.",
    partition_column="period_key",
    key=("tenant_id", "task_id", "period_type", "period_key"),
    rules=(
        Rule(
            "more connected than calls",
            "Connected calls never exceed calls.",
            lambda rows: rows.connected_calls <= rows.total_calls,
        ),
        Rule(
            "more customers in a mood than customers",
            "Satisfied, neutral and unsatisfied customers never exceed the customers.",
            lambda rows: (
                rows.satisfied_count + rows.neutral_count + rows.unsatisfied_count
                <= rows.total_customers
            ),
        ),
    ),
    columns=(
        TENANT,
        *PERIOD_COLUMNS,
        _TASK,
        Column("task_name", "string", "Name of the task.", nullable=True),
        Column("total_customers", "int64", "Customers called.", minimum=1),
        Column("total_calls", "int64", "Calls.", minimum=1),
        _count("connected_calls", "Calls with talk time."),
        _rate("connect_rate", "connected_calls / total_calls."),
        _seconds("avg_duration", "Sum of durations of all calls / total_calls."),
        _count("analysed_calls", "Calls with a sentiment."),
        _count("satisfied_count", "Customers in a positive mood."),
        _rate("satisfied_rate", "satisfied / customers with an analysed call.", nullable=True),
        _count("neutral_count", "Customers in a neutral mood."),
        _count("unsatisfied_count", "Customers in a negative mood."),
        _rate("positive_call_rate", "Positive calls / analysed calls.", nullable=True),
        _count("high_complaint_customers", "Customers with a call of high complaint risk."),
        _rate(
            "high_complaint_rate",
            "high_complaint_customers / total_customers; null if no call is judged.",
            nullable=True,
        ),
        _count("high_churn_customers", "Customers with a call of high churn risk."),
        _rate(
            "high_churn_rate",
            "high_churn_customers / total_customers; null if no call is judged.",
            nullable=True,
        ),
    ),
)

MARTS = (
    CALL_RECORD_ENRICHED,
    *(PORTRAIT_SNAPSHOT.for_grain(grain) for grain in PERIOD_GRAINS),
    *(TASK_SUMMARY.for_grain(grain) for grain in PERIOD_GRAINS),
)
