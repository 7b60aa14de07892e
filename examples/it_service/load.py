"""Write the incident log as landed files: `python -m examples.it_service.load`.

Belongs here: the command, which event of an incident counts, the account of every event. Must not:
what an incident becomes (see `mapping`).
"""

import csv
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from cs_resources.errors import PlatformError, SourceError
from examples.it_service import mapping
from examples.it_service.log import Event, read_log
from examples.it_service.mapping import CUSTOMER_COLUMNS, TICKET_COLUMNS, Ticket

SUPPORT, CUSTOMERS = "support", "customers"
_CHANGES = ("priority", "made_sla", "caller_id")


@dataclass
class Account:
    """What became of the log's events: each is an incident's last, superseded, or refused.

    `remarks` counts incidents (`state_-100`: events) with something odd; one may have several.
    """

    read: int = 0
    incidents: int = 0
    superseded: int = 0
    callers: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        """Yield the account in words."""
        reasons = ", ".join(f"{name} {events:,}" for name, events in sorted(self.refused.items()))
        yield (
            f"events read {self.read:,} = incidents {self.incidents:,} + superseded "
            f"{self.superseded:,} + refused {self.refused.total():,} ({reasons or 'none'})"
        )
        yield f"callers {self.callers:,}"
        for name, count in sorted(self.remarks.items()):
            yield f"of them: {name} {count:,}"


def load(log: Path, landing: Path) -> Account:
    """Write `support.csv` and a snapshot of customers for every day; return the account.

    A caller is a customer from the day of the first incident on. The same input gives the same
    bytes. Raises SourceError for a log that cannot be read and for a folder that holds other files.
    """
    _check_target(landing)
    account = Account()
    tickets = [mapping.ticket(event) for event in _last_events(log, account)]
    tickets.sort(key=lambda ticket: (str(ticket.day), ticket.row["ticket_id"]))
    for ticket in tickets:
        account.remarks.update(ticket.remarks)
    first = _first_days(tickets)
    account.callers = len(first)
    try:
        _write(landing / f"{SUPPORT}.csv", TICKET_COLUMNS, (ticket.row for ticket in tickets))
        for day in _days(tickets):
            rows = [mapping.customer(caller) for caller in sorted(first) if first[caller] <= day]
            _write(landing / CUSTOMERS / f"{CUSTOMERS}_{day}.csv", CUSTOMER_COLUMNS, rows)
    except OSError as error:
        raise SourceError(f"{landing} cannot be written: {error}") from error
    if account.read != account.incidents + account.superseded + account.refused.total():
        raise RuntimeError(f"events were lost: {account}")
    return account


def _last_events(log: Path, account: Account) -> Iterable[Event]:
    """Return the event that tells the truth of each incident."""
    last: dict[str, tuple[int, Event]] = {}
    changed: dict[str, set[str]] = {name: set() for name in _CHANGES}
    for line, event in read_log(log):
        account.read += 1
        reason = mapping.refused(event)
        if event is None or reason:
            account.refused[reason or ""] += 1
            continue
        number = event["number"]
        account.remarks["state_-100"] += event["incident_state"] == "-100"
        if number not in last:
            last[number] = (line, event)
            continue
        account.superseded += 1
        for name, numbers in changed.items():
            if event[name] != last[number][1][name]:
                numbers.add(number)
        if mapping.order(line, event) > mapping.order(*last[number]):
            last[number] = (line, event)
    account.incidents = len(last)
    account.remarks.update({f"{name}_changed": len(own) for name, own in changed.items()})
    return [event for _, event in last.values()]


def _first_days(tickets: Iterable[Ticket]) -> dict[str, date]:
    """Map callers to the day of their first incident; `tickets` are in the order of days."""
    first: dict[str, date] = {}
    for ticket in tickets:
        if ticket.day and ticket.row["customer_id"]:
            first.setdefault(ticket.row["customer_id"], ticket.day)
    return first


def _days(tickets: Iterable[Ticket]) -> list[date]:
    days = [ticket.day for ticket in tickets if ticket.day]
    if not days:
        return []
    return [min(days) + timedelta(days=n) for n in range((max(days) - min(days)).days + 1)]


def _write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _check_target(landing: Path) -> None:
    """Refuse a folder with other landed files, which would be read beside these."""
    if landing.exists() and not landing.is_dir():
        raise SourceError(f"{landing} is no folder; name one for the landed files.")
    ours = {f"{SUPPORT}.csv", CUSTOMERS}
    there = sorted(path.name for path in landing.iterdir()) if landing.exists() else []
    if others := [name for name in there if name not in ours]:
        raise SourceError(f"{landing} holds {', '.join(others[:3])}; name an empty folder.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = ArgumentParser(
        "python -m examples.it_service.load",
        description="Write the incident log of an IT service as landed files.",
    )
    parser.add_argument("log", type=Path, help="the log: a zip of one CSV file")
    parser.add_argument("landing", type=Path, help="landing folder to write")
    given = parser.parse_args(arguments)
    try:
        account = load(given.log, given.landing)
    except PlatformError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(*account.lines(), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
