"""What an incident of the log becomes: a support ticket, and its caller a customer.

Belongs here: every decision of the mapping. Must not: reading files, writing them, judging what the
platform judges itself: a value that cannot be read is passed on as it stands, so that the
platform's quarantine shows it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from examples.it_service.log import Event

UNKNOWN: Final = "?"
SYNTHETIC_TYPE: Final = "mid_market"
"""The log knows no types of customers; the platform needs one to choose weights."""
SYNTHETIC: Final = "[synthetic type]"
PRIORITIES: Final = {"1": "urgent", "2": "high", "3": "medium", "4": "low"}
TICKET_COLUMNS: Final = (
    "ticket_id",
    "customer_id",
    "created_date",
    "resolved_date",
    "priority",
    "category",
    "satisfaction_score",
    "agent_id",
    "resolution_time",
    "sla_missed",
)
CUSTOMER_COLUMNS: Final = (
    "customer_id",
    "name",
    "industry",
    "company_size",
    "customer_type",
    "contract_date",
    "contract_length_months",
    "payment_status",
    "nps_score",
)
_INSTANT: Final = "%d/%m/%Y %H:%M"
_FORM: Final = re.compile(r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4} [0-9]{1,2}:[0-9]{2}")
_HOUR: Final = timedelta(hours=1)
_MISSED: Final = {"true": "false", "false": "true"}


@dataclass(frozen=True)
class Ticket:
    """A row of `support.csv` by column, the day it was opened, and what was odd about it."""

    row: Mapping[str, str]
    day: date | None
    remarks: tuple[str, ...]


def refused(event: Event | None) -> str | None:
    """Return why an event cannot be put into the life of an incident; None if it can."""
    if event is None:
        return "wrong_number_of_fields"
    if event["number"] in ("", UNKNOWN):
        return "no_number"
    return None if re.fullmatch("[0-9]{1,9}", event["sys_mod_count"]) else "bad_sys_mod_count"


def order(line: int, event: Event) -> tuple[int, datetime, int]:
    """Order the events of an incident's life: the highest is the truth.

    Some counts are there twice: then the later update counts, then the later line.
    """
    updated = _instant(event["sys_updated_at"]) or datetime.min  # noqa: DTZ901 (local, as the log)
    return int(event["sys_mod_count"]), updated, line


def ticket(event: Event) -> Ticket:
    """Map the last event of an incident."""
    opened, resolved = _instant(event["opened_at"]), _instant(event["resolved_at"])
    remarks = []
    solved = event["resolved_at"]
    if _text(solved) == "" and _text(event["closed_at"]):
        # closed, so it is not open; when it was solved before that nobody wrote down
        solved = event["closed_at"]
        remarks.append("closing_stands_for_solution")
    if event["caller_id"] == UNKNOWN:
        remarks.append("no_caller")
    hours = "" if opened is None or resolved is None else f"{(resolved - opened) / _HOUR:.4f}"
    row = {
        "ticket_id": event["number"],
        "customer_id": _text(event["caller_id"]),
        "created_date": _written(event["opened_at"]),
        "resolved_date": _written(solved),
        "priority": PRIORITIES.get(event["priority"][:1], _text(event["priority"])),
        "category": _text(event["category"]),
        "satisfaction_score": "",
        "agent_id": _text(event["resolved_by"]) or _text(event["assigned_to"]),
        "resolution_time": hours,
        "sla_missed": _MISSED.get(event["made_sla"].lower(), _text(event["made_sla"])),
    }
    return Ticket(row, opened.date() if opened else None, tuple(remarks))


def customer(caller: str) -> dict[str, str]:
    """Return the row of a caller; of contract, payment and opinion the log knows nothing."""
    known = {"customer_id": caller, "name": f"{caller} {SYNTHETIC}"}
    return dict.fromkeys(CUSTOMER_COLUMNS, "") | known | {"customer_type": SYNTHETIC_TYPE}


def _text(value: str) -> str:
    return "" if value == UNKNOWN else value


def _instant(text: str) -> datetime | None:
    """Read day/month/year, with or without padding; None for what is none."""
    if not _FORM.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, _INSTANT)  # noqa: DTZ007 (local, as the log)
    except ValueError:
        return None


def _written(text: str) -> str:
    """Return an instant as the platform reads it; what is none stands as it is."""
    instant = _instant(text)
    return f"{instant:%Y-%m-%d %H:%M}" if instant else _text(text)
