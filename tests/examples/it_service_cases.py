"""An incident log of a few events with every defect, and what it becomes."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from examples.it_service.load import Account, load

USUAL = {
    "number": "INC0000045",
    "incident_state": "Closed",
    "active": "false",
    "sys_mod_count": "4",
    "made_sla": "true",
    "caller_id": "Caller 2403",
    "opened_at": "1/3/2016 01:16",
    "sys_updated_at": "5/3/2016 12:00",
    "category": "Category 55",
    "priority": "3 - Moderate",
    "assigned_to": "?",
    "resolved_by": "Resolved by 149",
    "resolved_at": "1/3/2016 11:29",
    "closed_at": "5/3/2016 12:00",
}


def event(**changes: str) -> dict[str, str]:
    """A line of the log: the last event of an incident that was solved in time."""
    return USUAL | changes


def written(path: Path, *events: Mapping[str, str] | str, member: str = "log.csv") -> Path:
    """The log with these lines, each as values by column or as it stands."""
    rows = [row if isinstance(row, str) else ",".join(row.values()) for row in events]
    with ZipFile(path, "w") as archive:
        archive.writestr(member, "\r\n".join([",".join(USUAL), *rows, ""]))
    return path


class Landed:
    """A log written as landed files."""

    def __init__(self, folder: Path, *events: Mapping[str, str] | str) -> None:
        self.path = folder / "landing"
        self.account: Account = load(written(folder / "log.zip", *events), self.path)

    def rows(self, name: str = "support") -> list[dict[str, Any]]:
        with (self.path / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    @property
    def ticket(self) -> dict[str, Any]:
        (only,) = self.rows()
        return only

    def customers(self, day: str) -> list[str]:
        return [row["customer_id"] for row in self.rows(f"customers/customers_{day}")]
