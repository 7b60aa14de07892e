"""What a line of the log becomes in the call database, and what was odd about it.

Belongs here: every decision of the mapping. Must not: reading files, writing tables, judging what
the platform judges itself: a value that cannot be read is passed on as it stands, so that the
platform's quarantine shows it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from cs_apps.sample_data.call_records import RECORD_COLUMNS
from examples.call_centre.log import LogRow

NAMESPACE: Final = uuid5(NAMESPACE_URL, "https://ie.technion.ac.il/serveng/callcenterdata")
SUFFIX: Final = "_1999_08"
TASK_CREATED_AT: Final = "1999-08-01 00:00:00"
TASK_NAMES: Final = {
    "PS": "regular activity",
    "PE": "regular activity in English",
    "IN": "internet support",
    "NE": "stock exchange activity",
    "NW": "potential customers asking for information",
    "TT": "calls returned to customers who left a message",
}
"""Service types of the log, in the words of its documentation."""

SYNTHETIC: Final = "[synthetic dialogues]"
ANONYMOUS: Final = "anonymous-"

_NATURAL: Final = re.compile(r"[0-9]{1,9}")
_CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])")
_ROUNDED_ID: Final = re.compile(r"[0-9]{6,}0{6}")
_ONE_HOUR: Final = 3600
_OVER_MIDNIGHT: Final = {
    "queue_over_midnight": ("q_start", "q_exit"),
    "service_over_midnight": ("ser_start", "ser_exit"),
}


class Unidentified(StrEnum):
    """Who is the customer of a call whose caller the log could not identify."""

    ANONYMOUS = "anonymous"
    QUARANTINE = "quarantine"


@dataclass(frozen=True)
class Call:
    """A record by column, `rounds` left out, and what was odd about it."""

    record: dict[str, Any]
    remarks: tuple[str, ...]

    @property
    def has_talk(self) -> bool:
        """An agent spoke with the customer, for some time."""
        talk = self.record["bill"]
        return isinstance(talk, int) and talk > 0

    def values(self, rounds: int | None) -> tuple[Any, ...]:
        """Return the record's row with its number of dialogue turns."""
        row = self.record | {"rounds": rounds}
        return tuple(row[name] for name in RECORD_COLUMNS)


def tasks() -> list[tuple[str, str, str]]:
    """Return the rows of `autodialer_task`: one task per service type."""
    return [
        (_task_id(kind), f"{kind} {name} {SYNTHETIC}", TASK_CREATED_AT)
        for kind, name in TASK_NAMES.items()
    ]


def dropped(row: LogRow | None) -> str | None:
    """Return why a line is no call at all; None if it is one."""
    if row is None:
        return "wrong_number_of_fields"
    if row["outcome"] == "PHANTOM":
        return "phantom"
    return None if row["outcome"] in ("AGENT", "HANG") else "unknown_outcome"


def call(number: int, row: LogRow, unidentified: Unidentified) -> Call:
    """Map line `number` of the log, an AGENT or HANG call.

    The log counts calls per line (`vru+line`), so neither number identifies a call alone. The
    record's id holds the line's number: a line that is there twice makes two records of one call.
    """
    key = f"{row['vru+line']}/{row['call_id']}/{row['date']}"
    record_id = _uuid("record", f"{number}/{key}")
    callid = _uuid("call", key) if row["vru+line"] and row["call_id"] else None
    customer, who = _customer(row["customer_id"], callid or record_id, unidentified)
    is_answered = row["outcome"] == "AGENT"
    duration, talk, stages = _stages(row, is_answered)
    record = {
        "id": record_id,
        "task_id": _task_id(row["type"]) if row["type"] else None,
        "customer_id": customer,
        "callee": None,
        "callid": callid,
        "calldate": _instant(row["date"], row["vru_entry"]),
        "duration": duration,
        "bill": talk,
        "hangup_disposition": None if is_answered else 2,
        "intention_results": None,
    }
    return Call(record, (*who, *stages, *_clock_remarks(row), *_contradictions(row)))


def _customer(
    text: str, identity: str, unidentified: Unidentified
) -> tuple[str | None, Sequence[str]]:
    """Return the customer of a call and a remark if that is nobody in particular."""
    if not text.strip("0"):
        remark = "customer_unidentified"
    elif _ROUNDED_ID.fullmatch(text):
        remark = "customer_id_rounded"
    else:
        return text, ()
    return (f"{ANONYMOUS}{identity}" if unidentified == Unidentified.ANONYMOUS else None), (remark,)


def _stages(row: LogRow, is_answered: bool) -> tuple[int | str, int | str, Sequence[str]]:
    """Return duration and talk time in milliseconds, or what stands in their place, and remarks."""
    texts = [row["vru_time"], row["q_time"], row["ser_time"]]
    remarks = []
    if texts[0].startswith("-") and _NATURAL.fullmatch(texts[0][1:]):
        remarks.append("vru_ends_before_it_starts")
        texts[0] = "0"
    if not all(_NATURAL.fullmatch(text) for text in texts):
        return " + ".join(texts), 0, [*remarks, "time_unreadable"]
    stages = [int(text) for text in texts]
    if stages[2] > _ONE_HOUR:
        remarks.append("service_over_one_hour")
    return sum(stages) * 1000, stages[2] * 1000 if is_answered else 0, remarks


def _clock_remarks(row: LogRow) -> list[str]:
    """Return what is odd about the clocks; of a stage over midnight the seconds are right."""
    remarks = []
    for remark, (start, end) in _OVER_MIDNIGHT.items():
        clocks = [_padded(row[start]), _padded(row[end])]
        if None not in clocks and str(clocks[1]) < str(clocks[0]):
            remarks.append(remark)
    names = ("vru_entry", *(name for pair in _OVER_MIDNIGHT.values() for name in pair))
    if not all(_padded(row[name]) for name in names):
        remarks.append("clock_unreadable")
    return remarks


def _contradictions(row: LogRow) -> list[str]:
    """Return where outcome, service time and server do not agree."""
    is_answered, has_service = row["outcome"] == "AGENT", row["ser_time"].strip("0") != ""
    found = {
        "agent_without_service_time": is_answered and not has_service,
        "agent_without_server": is_answered and row["server"] in ("", "NO_SERVER"),
        "hang_with_service_time": not is_answered and has_service,
    }
    return [name for name, is_so in found.items() if is_so]


def _instant(day: str, clock: str) -> str | None:
    """Return date and time as the database writes them; what is no time stays as it stands.

    A missing half is marked: a date alone would be read as its midnight.
    """
    if not day and not clock:
        return None
    return f"{day or '?'} {_padded(clock) or clock or '?'}"


def _padded(clock: str) -> str | None:
    match = _CLOCK.fullmatch(clock)
    return f"{int(match[1]):02d}:{match[2]}:{match[3]}" if match else None


def _task_id(kind: str) -> str:
    return _uuid("task", kind)


def _uuid(kind: str, name: str) -> str:
    return str(uuid5(NAMESPACE, f"{kind}:{name}"))
