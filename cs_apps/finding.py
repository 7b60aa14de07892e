"""What `cs doctor` finds.

Belongs here: the form of a finding. Must not: looking.
"""

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How a part is."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True)
class Finding:
    """One part of the installation: how it is, what was seen, what to do."""

    part: str
    health: Health
    seen: str
    remedy: str = ""
