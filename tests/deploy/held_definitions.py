"""The installation's definitions, whose writers can be made to wait: what the code server serves.

The first run that comes to the write point named in `CS_HOME/hold` ("lake: audited 2": the second
time it comes there) takes the file away, leaves its process id in `CS_HOME/held` and waits for
`CS_HOME/go`.
"""

import os
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import dagster as dg

from cs_assets.definitions import CONTRACTS, build_definitions
from cs_resources.settings import load_settings
from cs_resources.storage import storage_of

HOLD, HELD, GO = "hold", "held", "go"


class Hold:
    """Counts the write points of a process and waits at the one that is asked for."""

    def __init__(self, home: Path) -> None:
        self._home, self._seen = home, Counter[str]()

    def __call__(self, point: str) -> None:
        self._seen[point] += 1
        hold = self._home / HOLD
        if not hold.exists() or hold.read_text() != f"{point} {self._seen[point]}":
            return
        hold.unlink()
        note = self._home / f"{HELD}.new"
        note.write_text(str(os.getpid()))
        note.rename(self._home / HELD)
        while not (self._home / GO).exists():
            time.sleep(0.05)


@dg.definitions
def defs() -> dg.Definitions:
    settings = load_settings()
    storage = replace(storage_of(settings, CONTRACTS), reached=Hold(settings.cs_home))
    return build_definitions(settings, storage)
