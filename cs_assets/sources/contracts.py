"""The facts landed as CSV files: tables in the lake, one partition per day.

Belongs here: facts and their quarantines. Must not: what a health score makes of them.
"""

from cs_assets.calendar import Grain
from cs_assets.contracts import TENANT, Column, Contract, Place
from cs_assets.quarantine import Reason, quarantine_contract

SYSTEM = "sources"
CUSTOMER_TYPES = ("enterprise", "mid_market", "startup")
PAYMENT_STATUSES = ("current", "late", "overdue", "suspended")
DEAL_STAGES = ("prospect", "negotiation", "won", "lost", "renewed", "churned")
PRIORITIES = ("low", "medium", "high", "urgent")
ACTIVITY_TYPES = (
    "login",
    "feature_use",
    "training",
    "feedback",
    "onboarding",
    "api_call",
)

SOURCE_FILE = Column("source_file", "string", "Landed file that held the row.", is_provenance=True)
ROW_NUMBER = Column(
    "row_number", "int64", "Its row below the header, from 1.", minimum=1, is_provenance=True
)
CUSTOMER = Column("customer_id", "string", "Customer.", source="customer_id")

COMMON_REASONS = (
    Reason("unreadable_row", "The row could not be split into the header's columns."),
    Reason("no_customer_id", "customer_id is empty."),
    Reason(
        "unknown_customer",
        "The customer snapshot of the day does not have the customer.",
        is_retryable=True,
    ),
)
CUSTOMER_REASONS = (
    *COMMON_REASONS[:2],
    Reason("bad_customer_type", f"customer_type is not one of {', '.join(CUSTOMER_TYPES)}."),
    Reason("bad_contract_date", "contract_date is given and no date (YYYY-MM-DD)."),
    Reason("bad_contract_length", "contract_length_months is given and no whole number above 0."),
    Reason(
        "bad_payment_status",
        f"payment_status is given and not one of {', '.join(PAYMENT_STATUSES)}.",
    ),
    Reason("bad_nps_score", "nps_score is not a whole number from -100 to 100."),
    Reason("repeated_customer", "An earlier row of the snapshot has the same customer."),
)
SALES_REASONS = (
    *COMMON_REASONS,
    Reason("bad_deal_date", "deal_date is not a date; the row stands with its file's first day."),
    Reason("bad_deal_stage", f"deal_stage is not one of {', '.join(DEAL_STAGES)}."),
    Reason(
        "bad_deal_amount", "deal_amount is no amount, or not above 0 for a won or renewed deal."
    ),
    Reason(
        "bad_contract_length",
        "contract_length is no whole number, or not above 0 for a won or renewed deal.",
    ),
    Reason("bad_renewal_date", "renewal_date is not a date."),
)
SUPPORT_REASONS = (
    *COMMON_REASONS,
    Reason("no_ticket_id", "ticket_id is empty."),
    Reason("bad_created_date", "created_date is not a date; as for deal_date."),
    Reason("bad_resolved_date", "resolved_date is no date, or before created_date."),
    Reason("bad_priority", f"priority is not one of {', '.join(PRIORITIES)}."),
    Reason("bad_satisfaction_score", "satisfaction_score is not a whole number from 1 to 5."),
    Reason("bad_resolution_time", "resolution_time is not a number of hours from 0."),
    Reason("bad_sla_missed", "sla_missed is neither true nor false (yes, no, 1, 0)."),
)
ACTIVITY_REASONS = (
    *COMMON_REASONS,
    Reason("bad_date", "date is not a date; the row stands with its file's first day."),
    Reason("bad_activity_type", f"activity_type is not one of {', '.join(ACTIVITY_TYPES)}."),
    Reason("bad_usage_depth", "usage_depth is not a number from 0 to 1."),
    Reason("bad_number", "activity_value, user_count or session_duration is no number from 0."),
)

CUSTOMERS_RAW = Contract(
    system=SYSTEM,
    name="customers_raw",
    place=Place.LAKE,
    description="Who the customers were on the day: the last snapshot file dated on or before it. "
    "An undated file counts from the day on which it was first seen; before that it is backdated.",
    grain=Grain.DAY,
    partition_column="snapshot_date",
    key=("tenant_id", "snapshot_date", "customer_id"),
    kinds=frozenset({"csv"}),
    columns=(
        TENANT,
        Column("snapshot_date", "date", "Day for which the snapshot stands."),
        CUSTOMER,
        Column("name", "string", "Name.", nullable=True, is_personal=True),
        Column("industry", "string", "Industry.", nullable=True),
        Column("company_size", "string", "Size of the company.", nullable=True),
        Column("customer_type", "string", "Type of customer.", allowed=CUSTOMER_TYPES),
        Column("contract_date", "date", "When the contract began.", nullable=True),
        Column(
            "contract_length_months",
            "int64",
            "Its length.",
            nullable=True,
            minimum=1,
            unit="months",
        ),
        Column(
            "payment_status",
            "string",
            "How the customer pays.",
            nullable=True,
            allowed=PAYMENT_STATUSES,
        ),
        Column(
            "nps_score", "int64", "Net promoter score.", nullable=True, minimum=-100, maximum=100
        ),
        Column("is_backdated", "boolean", "The snapshot is of a later day."),
        SOURCE_FILE,
        ROW_NUMBER,
    ),
)

SALES_RAW = Contract(
    system=SYSTEM,
    name="sales_raw",
    place=Place.LAKE,
    description="The day's deals. A row that several files hold counts as often as the file that "
    "holds it most often.",
    grain=Grain.DAY,
    partition_column="deal_date",
    kinds=frozenset({"csv"}),
    columns=(
        TENANT,
        Column("deal_date", "date", "Day of the deal."),
        CUSTOMER,
        Column("deal_amount", "decimal(18, 2)", "Amount.", nullable=True, unit="currency"),
        Column("deal_stage", "string", "Stage.", allowed=DEAL_STAGES),
        Column("account_manager", "string", "Who looks after it.", nullable=True, is_personal=True),
        Column("product_type", "string", "Product.", nullable=True),
        Column(
            "contract_length_months",
            "int64",
            "Length.",
            nullable=True,
            unit="months",
            source="contract_length",
        ),
        Column("renewal_date", "date", "When it ends or is renewed.", nullable=True),
        SOURCE_FILE,
        ROW_NUMBER,
    ),
)

SUPPORT_RAW = Contract(
    system=SYSTEM,
    name="support_raw",
    place=Place.LAKE,
    description="Support tickets by the day on which they were created. Of a ticket that several "
    "rows hold, the last row of the last file (by name) counts.",
    grain=Grain.DAY,
    partition_column="created_date",
    key=("tenant_id", "created_date", "ticket_id"),
    kinds=frozenset({"csv"}),
    columns=(
        TENANT,
        Column("created_date", "date", "Day of the ticket."),
        Column("ticket_id", "string", "Ticket."),
        CUSTOMER,
        Column("resolved_date", "date", "When it was solved; null: it is open.", nullable=True),
        Column("priority", "string", "Priority.", allowed=PRIORITIES),
        Column("category", "string", "Category.", nullable=True),
        Column(
            "satisfaction_score", "int64", "Rating, 1 to 5.", nullable=True, minimum=1, maximum=5
        ),
        Column("agent_id", "string", "Who solved it.", nullable=True),
        Column(
            "resolution_hours",
            "decimal(12, 4)",
            "Hours to the solution.",
            nullable=True,
            minimum=0,
            unit="h",
            source="resolution_time",
        ),
        Column(
            "is_sla_missed",
            "boolean",
            "The agreed time was missed; null: not known.",
            nullable=True,
            source="sla_missed",
        ),
        SOURCE_FILE,
        ROW_NUMBER,
    ),
)

ACTIVITY_RAW = Contract(
    system=SYSTEM,
    name="activity_raw",
    place=Place.LAKE,
    description="What customers did with the product on the day. A row that several files hold "
    "counts as often as the file that holds it most often.",
    grain=Grain.DAY,
    partition_column="activity_date",
    kinds=frozenset({"csv"}),
    columns=(
        TENANT,
        Column("activity_date", "date", "Day of the activity.", source="date"),
        CUSTOMER,
        Column("activity_type", "string", "What was done.", allowed=ACTIVITY_TYPES),
        Column("activity_value", "decimal(18, 4)", "How much.", nullable=True, minimum=0),
        Column("user_count", "int64", "Users.", nullable=True, minimum=0),
        Column(
            "session_minutes",
            "decimal(12, 4)",
            "Length of the session.",
            nullable=True,
            minimum=0,
            unit="min",
            source="session_duration",
        ),
        Column("feature_name", "string", "Feature.", nullable=True),
        Column(
            "usage_depth", "decimal(9, 6)", "Depth of use.", nullable=True, minimum=0, maximum=1
        ),
        SOURCE_FILE,
        ROW_NUMBER,
    ),
)

_TABLES = (
    (CUSTOMERS_RAW, "Rows of customer snapshots", CUSTOMER_REASONS),
    (SALES_RAW, "Rows of deals", SALES_REASONS),
    (SUPPORT_RAW, "Rows of support tickets", SUPPORT_REASONS),
    (ACTIVITY_RAW, "Rows of activity", ACTIVITY_REASONS),
)
QUARANTINES = {
    contract.name: quarantine_contract(
        SYSTEM,
        contract.name.replace("_raw", "_quarantine"),
        rows,
        contract.partition_column,
        reasons,
    )
    for contract, rows, reasons in _TABLES
}
"""Quarantine tables by the name of their fact."""

FACTS = tuple(contract for contract, *_ in _TABLES) + tuple(QUARANTINES.values())
