"""What a row of each landed source may say: rule sets, as data for `judging`.

Belongs here: values and rules by source. Must not: the machinery that applies them.
"""

from collections.abc import Mapping
from functools import reduce
from operator import or_

import ibis.expr.types as ir

from cs_assets.contracts import Contract
from cs_assets.sources import contracts as c
from cs_assets.sources import files
from cs_assets.sources.judging import (
    TEXT,
    SourceRules,
    first_of_customer,
    last_of_ticket,
    most_in_one_file,
)
from cs_assets.sources.values import day, flag, number, whole

Values = Mapping[str, ir.Value]
Broken = Mapping[str, ir.BooleanValue]


def _customer_values(rows: ir.Table) -> Values:
    return {
        **_texts(rows, "name", "industry", "company_size"),
        "customer_type": rows.text_customer_type.lower(),
        "contract_date": day(rows.text_contract_date),
        "contract_length_months": whole(rows.text_contract_length_months),
        "payment_status": rows.text_payment_status.lower(),
        "nps_score": whole(rows.text_nps_score),
    }


def _customer_broken(rows: ir.Table) -> Broken:
    return {
        "bad_customer_type": _is_none_of(rows.customer_type, c.CUSTOMER_TYPES),
        "bad_contract_date": _is_unreadable(rows, "contract_date"),
        "bad_contract_length": _is_unreadable(rows, "contract_length_months")
        | (rows.contract_length_months <= 0),
        "bad_payment_status": rows.payment_status.notin(c.PAYMENT_STATUSES),
        "bad_nps_score": _is_unreadable(rows, "nps_score") | ~rows.nps_score.between(-100, 100),
    }


def _sales_values(rows: ir.Table) -> Values:
    return {
        **_texts(rows, "account_manager", "product_type"),
        "deal_amount": _amount(rows, c.SALES_RAW, "deal_amount"),
        "deal_stage": rows.text_deal_stage.lower(),
        "contract_length_months": whole(rows.text_contract_length),
        "renewal_date": day(rows.text_renewal_date),
    }


def _sales_broken(rows: ir.Table) -> Broken:
    is_running = rows.deal_stage.isin(("won", "renewed"))
    is_worth, is_long = rows.deal_amount > 0, rows.contract_length_months > 0
    no_length = _is_unreadable(rows, "contract_length", "contract_length_months")
    return {
        "bad_deal_date": rows.own_day.isnull(),
        "bad_deal_stage": _is_none_of(rows.deal_stage, c.DEAL_STAGES),
        "bad_deal_amount": _is_unreadable(rows, "deal_amount")
        | (is_running & ~is_worth.fill_null(False)),
        "bad_contract_length": no_length | (is_running & ~is_long.fill_null(False)),
        "bad_renewal_date": _is_unreadable(rows, "renewal_date"),
    }


def _support_values(rows: ir.Table) -> Values:
    return {
        **_texts(rows, "ticket_id", "category", "agent_id"),
        "resolved_date": day(rows.text_resolved_date),
        "priority": rows.text_priority.lower(),
        "satisfaction_score": whole(rows.text_satisfaction_score),
        "resolution_hours": _amount(rows, c.SUPPORT_RAW, "resolution_hours", "resolution_time"),
        "is_sla_missed": flag(rows.text_sla_missed),
    }


def _support_broken(rows: ir.Table) -> Broken:
    hours = _is_unreadable(rows, "resolution_time", "resolution_hours")
    return {
        "no_ticket_id": rows.ticket_id.isnull(),
        "bad_created_date": rows.own_day.isnull(),
        "bad_resolved_date": _is_unreadable(rows, "resolved_date")
        | (rows.resolved_date < rows.own_day),
        "bad_priority": _is_none_of(rows.priority, c.PRIORITIES),
        "bad_satisfaction_score": _is_unreadable(rows, "satisfaction_score")
        | ~rows.satisfaction_score.between(1, 5),
        "bad_resolution_time": hours | (rows.resolution_hours < 0),
        "bad_sla_missed": _is_unreadable(rows, "sla_missed", "is_sla_missed"),
    }


def _activity_values(rows: ir.Table) -> Values:
    return {
        **_texts(rows, "feature_name"),
        "activity_type": rows.text_activity_type.lower(),
        "activity_value": _amount(rows, c.ACTIVITY_RAW, "activity_value"),
        "user_count": whole(rows.text_user_count),
        "session_minutes": _amount(rows, c.ACTIVITY_RAW, "session_minutes", "session_duration"),
        "usage_depth": _amount(rows, c.ACTIVITY_RAW, "usage_depth"),
    }


def _activity_broken(rows: ir.Table) -> Broken:
    numbers = {
        "activity_value": "activity_value",
        "user_count": "user_count",
        "session_duration": "session_minutes",
    }
    return {
        "bad_date": rows.own_day.isnull(),
        "bad_activity_type": _is_none_of(rows.activity_type, c.ACTIVITY_TYPES),
        "bad_usage_depth": _is_unreadable(rows, "usage_depth") | ~rows.usage_depth.between(0, 1),
        "bad_number": reduce(
            or_,
            (
                _is_unreadable(rows, text, value) | (rows[value] < 0).fill_null(False)
                for text, value in numbers.items()
            ),
        ),
    }


def _texts(rows: ir.Table, *names: str) -> Values:
    return {name: rows[TEXT + name] for name in names}


def _amount(rows: ir.Table, contract: Contract, column: str, text: str = "") -> ir.Value:
    dtype = next(item.dtype for item in contract.columns if item.name == column)
    return number(rows[TEXT + (text or column)], dtype)


def _is_unreadable(rows: ir.Table, text: str, value: str = "") -> ir.BooleanValue:
    return rows[TEXT + text].notnull() & rows[value or text].isnull()


def _is_none_of(value: ir.Value, allowed: tuple[str, ...]) -> ir.BooleanValue:
    return ~value.isin(allowed).fill_null(False)


CUSTOMERS = SourceRules(
    files.CUSTOMERS,
    c.CUSTOMERS_RAW,
    c.QUARANTINES["customers_raw"],
    c.CUSTOMER_REASONS,
    _customer_values,
    _customer_broken,
    first_of_customer,
)
SALES = SourceRules(
    files.SALES,
    c.SALES_RAW,
    c.QUARANTINES["sales_raw"],
    c.SALES_REASONS,
    _sales_values,
    _sales_broken,
    most_in_one_file,
)
SUPPORT = SourceRules(
    files.SUPPORT,
    c.SUPPORT_RAW,
    c.QUARANTINES["support_raw"],
    c.SUPPORT_REASONS,
    _support_values,
    _support_broken,
    last_of_ticket,
)
ACTIVITY = SourceRules(
    files.ACTIVITY,
    c.ACTIVITY_RAW,
    c.QUARANTINES["activity_raw"],
    c.ACTIVITY_REASONS,
    _activity_values,
    _activity_broken,
    most_in_one_file,
)
ALL = (CUSTOMERS, SALES, SUPPORT, ACTIVITY)
"""Every source; customers first, whom the others look up."""
