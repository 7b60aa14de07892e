"""The statistics of the audit: agreement of two judges, rates corrected by a sample of verdicts.

Belongs here: formulas over counts. Must not: tables, what the counts are about.

Counts are whole numbers and every division comes once, last, so that results do not depend on the
order of anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist


@dataclass(frozen=True)
class Confusion:
    """In how many cases two judges say yes: both, the first alone, the second alone, neither."""

    both: int
    first_only: int
    second_only: int
    neither: int

    @property
    def total(self) -> int:
        """All cases."""
        return self.both + self.first_only + self.second_only + self.neither

    @property
    def agreement(self) -> float | None:
        """Share of cases on which they agree; None without a case."""
        return (self.both + self.neither) / self.total if self.total else None

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa (1960); None where both always say the same one thing."""
        return weighted_kappa([[self.neither, self.second_only], [self.first_only, self.both]])


def weighted_kappa(counts: Sequence[Sequence[int]]) -> float | None:
    """Cohen's kappa (1968) with linear weights; of two levels it is the plain one.

    `counts[i][j]`: cases that the first judge puts on level i and the second on level j. None where
    chance alone leaves no room for disagreement.
    """
    levels = range(len(counts))
    rows = [sum(counts[i]) for i in levels]
    columns = [sum(counts[i][j] for i in levels) for j in levels]
    observed = sum(abs(i - j) * counts[i][j] for i in levels for j in levels)
    expected = sum(abs(i - j) * rows[i] * columns[j] for i in levels for j in levels)
    return (expected - sum(rows) * observed) / expected if expected else None


@dataclass(frozen=True)
class Stratum:
    """A group of `calls` of which `reviewed`, drawn at random, hold `positive` ones."""

    calls: int
    reviewed: int
    positive: int

    @property
    def share(self) -> float | None:
        """Share of positive calls among the reviewed; None without one."""
        return self.positive / self.reviewed if self.reviewed else None


@dataclass(frozen=True)
class Estimate:
    """A share with its interval; what cannot be said is None."""

    share: float | None
    low: float | None
    high: float | None


def stratified(strata: Sequence[Stratum], confidence: float) -> Estimate:
    """Estimate the share of positive calls over all strata from the reviewed ones.

    Each stratum weighs as its calls. Its own interval is Agresti and Coull's, corrected for a
    finite population; they are joined by the distances of their ends (MOVER: Zou and Donner 2008),
    which keeps them sensible where a share is near 0 or 1 and a normal interval is not. A stratum
    without a verdict may be anything from none to all: it moves the ends apart by its weight, and
    there is no share. Without any verdict nothing is said.
    """
    filled = [stratum for stratum in strata if stratum.calls]
    if not any(stratum.reviewed for stratum in filled):
        return Estimate(None, None, None)
    total = sum(stratum.calls for stratum in filled)
    middle = below = above = unknown = 0.0
    for stratum in filled:
        weight = stratum.calls / total
        if (share := stratum.share) is None:
            unknown += weight
            continue
        low, high = interval(stratum, confidence)
        middle += weight * share
        below += (weight * (share - low)) ** 2
        above += (weight * (high - share)) ** 2
    return Estimate(
        None if unknown else min(middle, 1.0),
        max(middle - sqrt(below), 0.0),
        min(middle + unknown + sqrt(above), 1.0),
    )


def interval(stratum: Stratum, confidence: float) -> tuple[float, float]:
    """Return Agresti and Coull's interval (1998) for the share of positive calls of one stratum.

    The sample counts for n(N - 1)/(N - n) calls: a stratum of which all are reviewed is known. The
    ends never contradict the calls that were seen.
    """
    calls, reviewed, positive = stratum.calls, stratum.reviewed, stratum.positive
    share = positive / reviewed
    if reviewed >= calls:
        return share, share
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    seen = reviewed * (calls - 1) / (calls - reviewed)
    size = seen + z * z
    middle = (seen * share + z * z / 2) / size
    reach = z * sqrt(middle * (1 - middle) / size)
    low = max(middle - reach, positive / calls)
    high = min(middle + reach, (calls - reviewed + positive) / calls)
    return min(low, share), max(high, share)


@dataclass(frozen=True)
class Flagged:
    """Calls that a judge does or does not flag, with the share of positive ones, if known."""

    is_flagged: bool
    calls: int
    share: float | None


def precision(groups: Sequence[Flagged]) -> float | None:
    """Share of positive calls among the flagged; None if unknown or none is flagged."""
    return _share([group for group in groups if group.is_flagged])


def recall(groups: Sequence[Flagged]) -> float | None:
    """Share of flagged calls among the positive; None if unknown or none is positive."""
    filled = [group for group in groups if group.calls]
    positive = [(g.is_flagged, g.calls * g.share) for g in filled if g.share is not None]
    total = sum(calls for _, calls in positive)
    if len(positive) < len(filled) or not total:
        return None
    return sum(calls for is_flagged, calls in positive if is_flagged) / total


def _share(groups: Sequence[Flagged]) -> float | None:
    filled = [group for group in groups if group.calls]
    shares = [group.calls * group.share for group in filled if group.share is not None]
    if len(shares) < len(filled) or not filled:
        return None
    return min(sum(shares) / sum(group.calls for group in filled), 1.0)
