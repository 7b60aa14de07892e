"""What `cs doctor` finds in the landing folder.

Belongs here: files of each source, and rows that no day of history holds. Must not: landing files.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from cs_apps.finding import Finding, Health
from cs_assets.definitions import CONTRACTS, landed_of
from cs_assets.sources.files import LANDED
from cs_resources.settings import Settings
from cs_resources.storage import storage_of

_PART = "landed files"


def look_at_landing(settings: Settings) -> Iterator[Finding]:
    """Tell of each source how many files lie there, and of rows outside of history."""
    landed = landed_of(settings, storage_of(settings, CONTRACTS), lambda: datetime.now(UTC))
    files = {name: len(landed.landing.found(name)) for name in LANDED}
    there = [name for name, count in files.items() if count]
    missing = [name for name in ("customers", *settings.health_sources) if not files[name]]
    seen = ", ".join(f"{name} {count}" for name, count in files.items())
    if there and missing:
        yield Finding(
            _PART,
            Health.WARNING,
            f"{settings.landing}: {seen}",
            f"land {', '.join(missing)}, or take what does not exist out of HEALTH_SOURCES",
        )
    else:
        yield Finding(_PART, Health.OK, f"{settings.landing}: {seen}")
    first, last = settings.cs_history_start, settings.cs_history_end
    for name in there:
        if rows := landed.outside(name, first, last):
            yield Finding(
                _PART,
                Health.WARNING,
                f"{rows} rows of {name} are dated outside of history ({first} to {last or 'now'})",
                "they count nowhere: move CS_HISTORY_START or CS_HISTORY_END if they should",
            )
