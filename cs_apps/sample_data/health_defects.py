"""Defects planted in the health sample: rows that must go to quarantine, by reason.

Belongs here: the spoiled rows. Must not: rows that are right.

They stand behind all others and are the same for every number of customers.
"""

from dataclasses import dataclass
from typing import Final

from cs_apps.sample_data.health_plan import SamplePeriod, customer_id

UNKNOWN_CUSTOMER: Final = "C0000"
"""No customer has this id: they are counted from 1."""


@dataclass(frozen=True)
class Defect:
    """A spoiled row of a source, and the reason for which it is set aside."""

    source: str
    reason: str
    row: dict[str, str]


def planted(period: SamplePeriod) -> tuple[Defect, ...]:
    """Return the defects; all dates that can be read lie in the last month of the period."""
    day = str(period.end.replace(day=10))
    known = customer_id(0)
    deal = {
        "customer_id": known,
        "deal_date": day,
        "deal_amount": "12000",
        "deal_stage": "won",
        "product_type": "analytics",
        "contract_length": "12",
    }
    ticket = {
        "ticket_id": "T-unknown-customer",
        "customer_id": UNKNOWN_CUSTOMER,
        "created_date": day,
        "priority": "low",
        "category": "login",
    }
    use = {
        "customer_id": known,
        "date": day,
        "activity_type": "feature_use",
        "activity_value": "10",
        "user_count": "1",
        "session_duration": "12",
        "feature_name": "dashboard",
        "usage_depth": "0.50",
    }
    earlier = {"ticket_id": "T-solved-before", "customer_id": known}
    earlier["resolved_date"] = str(period.end.replace(day=9))
    return (
        Defect("sales", "bad_deal_amount", deal | {"deal_amount": "0"}),
        Defect("support", "unknown_customer", ticket),
        Defect("support", "bad_resolved_date", ticket | earlier),
        Defect("activity", "bad_usage_depth", use | {"usage_depth": "1.4"}),
        Defect("activity", "bad_activity_type", use | {"activity_type": "export"}),
        Defect("activity", "bad_date", use | {"date": f"{period.end.year}-13-45"}),
    )
