"""The marts of the health system: tables in the warehouse.

Belongs here: marts and the names of measures. Must not: formulas.
"""

from cs_assets.contracts import PERIOD_COLUMNS, TENANT, Column, Contract, Place
from cs_assets.sources.contracts import CUSTOMER, CUSTOMER_TYPES, PAYMENT_STATUSES

SYSTEM = "health"
OF_A_CUSTOMER = ("tenant_id", "customer_id", "period_type", "period_key")
OF_A_CARD = ("tenant_id", "customer_id", "scorecard", "period_type", "period_key")
"""Keys of what is said of a customer in a period, as such or under a scorecard."""


def _count(name: str, description: str) -> Column:
    return Column(name, "int64", description, nullable=True, minimum=0)


def _share(name: str, description: str) -> Column:
    return Column(name, "float64", description, nullable=True, minimum=0, maximum=1)


def _number(name: str, description: str, unit: str, minimum: float | None = 0) -> Column:
    return Column(name, "float64", description, nullable=True, minimum=minimum, unit=unit)


MEASURES = (
    _count("login_days", "Days with a login in the last 28 days."),
    _share("depth", "Mean usage depth of the last 28 days; 0 without use."),
    _count("engaged_events", "Trainings and feedback in the last 28 days."),
    _count("onboarding_steps", "Distinct onboarding steps ever taken."),
    _share("core_rate", "Share of the core features used in the last 90 days."),
    _share("advanced_rate", "Share of the advanced features used in the last 90 days."),
    _share("integration_rate", "Share of the integration features used in the last 90 days."),
    _count("tickets", "Tickets created in the last 90 days."),
    _count("urgent_tickets", "Urgent tickets created in the last 90 days."),
    _count("open_tickets", "Tickets that were not solved at as_of."),
    _number(
        "resolution_hours",
        "Median of hours to the solution in the last 90 days; open tickets count with their age.",
        "h",
    ),
    Column(
        "csat",
        "float64",
        "Mean rating of tickets solved in the last 180 days.",
        nullable=True,
        minimum=1,
        maximum=5,
    ),
    Column("nps", "int64", "Net promoter score.", nullable=True, minimum=-100, maximum=100),
    Column(
        "payment_status",
        "string",
        "How the customer pays.",
        nullable=True,
        allowed=PAYMENT_STATUSES,
    ),
    _count("renewals", "Deals renewed in the last 365 days."),
    _count("losses", "Deals churned in the last 365 days."),
    _number("mrr", "Monthly revenue of the deals active at as_of.", "currency/month"),
    _number("mrr_90d_ago", "The same 90 days before.", "currency/month"),
    _count("sla_breaches", "Tickets of the last 90 days whose agreed time was missed."),
    _number("contract_value", "Amount of the deals active at as_of.", "currency"),
    _number("tenure_months", "Since the contract began.", "months"),
    _number("remaining_months", "Until the contract ends.", "months"),
    _count("contract_changes", "Deals of the last 365 days with another product or amount."),
)
"""Section by section as the specification has them; null where a measure cannot be computed."""
EVIDENCE = (
    _count("days_since_login", "Days from the last login to as_of; null: no login is known."),
    _count("oldest_urgent_open_days", "Age of the oldest urgent ticket open at as_of, in days."),
    Column("contract_end", "date", "Last of contract's and deals' ends.", nullable=True),
)
"""What alerts tell besides the measures."""

CUSTOMER_MEASURES = Contract(
    system=SYSTEM,
    name="customer_measures",
    place=Place.WAREHOUSE,
    description="What is known of each customer as of the last loaded day of the period: the one "
    "table that every scorecard reads.",
    partition_column="period_key",
    key=OF_A_CUSTOMER,
    kinds=frozenset({"duckdb"}),
    keeps_history=True,
    columns=(
        TENANT,
        *PERIOD_COLUMNS,
        CUSTOMER,
        Column("customer_type", "string", "Type of customer.", allowed=CUSTOMER_TYPES),
        *MEASURES,
        *EVIDENCE,
    ),
)

THIRTY_DAYS_BEFORE, PREVIOUS_PERIOD = BASES = ("30_days_before", "previous_period")
"""The earlier days to which a period's score is compared."""

CUSTOMER_MEASURES_BEFORE = Contract(
    system=SYSTEM,
    name="customer_measures_before",
    place=Place.WAREHOUSE,
    description="The measures of the customers at the two earlier days to which the period is "
    "compared, computed in the same run from the same facts: 30 days before as_of, and the last "
    "day of the previous period.",
    partition_column="period_key",
    key=(*OF_A_CUSTOMER, "basis"),
    kinds=frozenset({"duckdb"}),
    columns=(
        TENANT,
        *PERIOD_COLUMNS,
        Column("basis", "string", "Which earlier day.", allowed=BASES),
        Column("basis_date", "date", "That day."),
        CUSTOMER,
        Column("customer_type", "string", "Type of customer then.", allowed=CUSTOMER_TYPES),
        *MEASURES,
        *EVIDENCE,
    ),
)
