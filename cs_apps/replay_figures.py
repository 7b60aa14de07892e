"""What a replay tells people: figures by period, and the customers that differ most.

Belongs here: the vocabulary between `replay` and `replay_report`. Must not: computing, printing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cs_apps.replay_candidate import Candidate
from cs_assets.calendar import Grain


@dataclass(frozen=True)
class PeriodFigures:
    """What a period's customers would be: counts, and the sum of differences in millionths.

    `both` counts those with a score on both sides, `stale` those that the scorecard in use would
    not give what was published. `grades` counts by (published, candidate's) grade, null: no score;
    `alerts` by (rule, side).
    """

    grain: Grain
    key: str
    customers: int
    both: int
    rescored: int
    regraded: int
    gap: int
    stale: int
    grades: Mapping[tuple[str | None, str | None], int]
    alerts: Mapping[tuple[str, str], int]

    def alerts_that(self, side: str) -> int:
        """How many alerts open, or end."""
        return sum(n for (_, own), n in self.alerts.items() if own == side)


@dataclass(frozen=True)
class Difference:
    """One customer whose score would differ: `causes` by kind of step, `dimensions` by name.

    Both sum to `now` - `was`, but for the rounding of dimensions. The cause `stale` is what the
    scorecard in use would change already.
    """

    tenant_id: str
    customer_id: str
    grain: Grain
    key: str
    was: float
    now: float
    grade_was: str
    grade_now: str
    causes: Mapping[str, float]
    dimensions: Mapping[str, float]


@dataclass(frozen=True)
class Replay:
    """What a candidate would have made of past periods.

    `largest` holds the customers that differ most; `missing` maps grains to periods that were not
    published and so not replayed.
    """

    candidate: Candidate
    periods: tuple[PeriodFigures, ...]
    largest: tuple[Difference, ...]
    missing: Mapping[Grain, Sequence[str]] = field(default_factory=dict)
