"""Time limits of database servers.

Belongs here: their names and defaults. Must not: setting them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Timeouts:
    """Seconds after which a database server ends what takes too long.

    `statement`: any statement; `lock`: waiting for another writer; `idle`: a writer's transaction
    in which nothing happens.
    """

    statement: int = 50
    lock: int = 40
    idle: int = 60


DEFAULT = Timeouts()
