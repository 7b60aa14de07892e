"""Signals and alerts: which rule holds for which customer on which day, and since when.

Belongs here: their tables. Must not: conditions.
"""

from cs_assets.calendar import PERIOD_GRAINS, Grain
from cs_assets.contracts import PERIOD_COLUMNS, TENANT, Column, Contract, Place, Rule
from cs_assets.health.alert_rules import SEVERITIES
from cs_assets.health.contracts import SYSTEM
from cs_assets.sources.contracts import CUSTOMER

_RULE = Column("rule", "string", "Id of the rule.")
_SEVERITY = Column("severity", "string", "How bad it is.", allowed=SEVERITIES)
_OWNER = Column(
    "owner",
    "string",
    "Account manager of the customer's latest deal; null: none is known.",
    nullable=True,
    is_personal=True,
)
_MESSAGES = (
    Column("message_zh", "string", "What is the matter, in Chinese."),
    Column("message_en", "string", "What is the matter, in English."),
)
_EVIDENCE = Column("evidence", "string", "The values that the rule looked at, JSON.")

RISK_SIGNALS = Contract(
    system=SYSTEM,
    name="risk_signals",
    place=Place.LAKE,
    description="The rules that hold for customers on the day. Alerts are unbroken runs of them.",
    grain=Grain.DAY,
    partition_column="signal_date",
    key=("tenant_id", "signal_date", "customer_id", "rule"),
    kinds=frozenset({"duckdb"}),
    columns=(
        TENANT,
        Column("signal_date", "date", "Day on which the rule holds."),
        CUSTOMER,
        _RULE,
        _SEVERITY,
        *_MESSAGES,
        _EVIDENCE,
        _OWNER,
    ),
)

RISK_ALERT = Contract(
    system=SYSTEM,
    name="risk_alerts",
    table="risk_alert",
    place=Place.WAREHOUSE,
    description="The alerts that are open at as_of: one per customer and rule, from the first day "
    "of the unbroken run of days on which the rule has held.",
    partition_column="period_key",
    key=("tenant_id", "customer_id", "rule", "period_type", "period_key"),
    kinds=frozenset({"duckdb"}),
    keeps_history=True,
    rules=(
        Rule(
            "seen last before first",
            "first_seen is not after last_seen.",
            lambda rows: rows.first_seen <= rows.last_seen,
        ),
    ),
    columns=(
        TENANT,
        *PERIOD_COLUMNS,
        Column("alert_id", "string", "The same as long as the alert is open."),
        CUSTOMER,
        _RULE,
        _SEVERITY,
        *_MESSAGES,
        _EVIDENCE,
        _OWNER,
        Column("first_seen", "date", "First day of the run."),
        Column("last_seen", "date", "Last day on which the rule held: as_of."),
    ),
)

MARTS = tuple(RISK_ALERT.for_grain(grain) for grain in PERIOD_GRAINS)
