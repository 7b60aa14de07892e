"""What the landed files hold: columns, and the column that tells a row's day.

Belongs here: the form of the files. Must not: what a row may say (see `rules`).
"""

from collections.abc import Callable

import ibis.expr.types as ir

from cs_assets.sources.values import cleaned, day
from cs_resources.landed_rows import LandedSource


def _day_of(column: str) -> Callable[[ir.Table], ir.Value]:
    return lambda landed: day(cleaned(landed[column]))


CUSTOMERS = LandedSource(
    "customers",
    (
        "customer_id",
        "name",
        "industry",
        "company_size",
        "customer_type",
        "contract_date",
        "contract_length_months",
        "payment_status",
        "nps_score",
    ),
)
SALES = LandedSource(
    "sales",
    (
        "customer_id",
        "deal_date",
        "deal_amount",
        "deal_stage",
        "account_manager",
        "product_type",
        "contract_length",
        "renewal_date",
    ),
    day=_day_of("deal_date"),
)
SUPPORT = LandedSource(
    "support",
    (
        "ticket_id",
        "customer_id",
        "created_date",
        "resolved_date",
        "priority",
        "category",
        "satisfaction_score",
        "agent_id",
        "resolution_time",
    ),
    ("sla_missed",),
    day=_day_of("created_date"),
    replaced_by=("ticket_id",),
)
ACTIVITY = LandedSource(
    "activity",
    (
        "customer_id",
        "date",
        "activity_type",
        "activity_value",
        "user_count",
        "session_duration",
        "feature_name",
        "usage_depth",
    ),
    day=_day_of("date"),
)
LANDED = {source.name: source for source in (CUSTOMERS, SALES, SUPPORT, ACTIVITY)}
