"""What a replay found, in the reader's language.

Belongs here: tables and sentences. Must not: figures (see `replay`), words (see `replay_texts`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table

from cs_apps.model_texts import Locale
from cs_apps.replay_figures import Difference, PeriodFigures, Replay
from cs_apps.replay_texts import say
from cs_apps.replays_kept import Kept
from cs_assets.calendar import Grain
from cs_assets.health.replay import SIDES
from cs_assets.health.scorecard import Scorecard

_PARTS = 3
"""How many dimensions are named of a difference."""


@dataclass(frozen=True)
class ReplayReport:
    """A replay for one reader."""

    replay: Replay
    locale: Locale

    def shown(self) -> Group:
        """Return everything that is worth telling."""
        return Group(*self._parts())

    def _say(self, code: str, **values: object) -> str:
        return say(code, self.locale, **values)

    def _parts(self) -> Iterator[RenderableType]:
        new, old = self.replay.candidate.card, self.replay.candidate.replaces
        prints = {"new_print": new.fingerprint, "old_print": old.fingerprint}
        yield self._say("title", new=new.name, old=old.name, **prints)
        whole = _Sums.of(self.replay.periods)
        if whole.differs:
            yield from self._differences(whole)
        else:
            yield self._say("same", scores=whole.customers)
        if whole.stale:
            yield self._say("is_stale", stale=whole.stale)
        for grain, keys in self.replay.missing.items():
            if keys:
                yield self._say("missing", grain=self._say(grain), periods=_some(keys))
        if not self.replay.candidate.moves_alerts and new.fingerprint != old.fingerprint:
            yield self._say("other_alerts", card=self.replay.candidate.alerts_was[1].name)
        yield self._say("lies", **prints)

    def _differences(self, whole: "_Sums") -> Iterator[RenderableType]:
        by_grain: dict[Grain, list[PeriodFigures]] = {}
        for period in self.replay.periods:
            by_grain.setdefault(period.grain, []).append(period)
        for grain, periods in by_grain.items():
            yield self._periods(grain, periods)
            if any(period.regraded for period in periods):
                yield self._grades(grain, periods)
        if self.replay.largest:
            yield self._largest()
        if whole.opens or whole.ends:
            yield self._alerts(by_grain)
        yield self._say(
            "total",
            scores=whole.customers,
            rescored=whole.rescored,
            regraded=whole.regraded,
            opens=whole.opens,
            ends=whole.ends,
        )

    def _periods(self, grain: Grain, periods: Sequence[PeriodFigures]) -> Table:
        table = Table(title=self._say(grain), title_justify="left")
        table.add_column(self._say("period"))
        for heading in ("customers", "rescored", "mean", "regraded", *SIDES):
            table.add_column(self._say(heading), justify="right")
        for period in periods:
            table.add_row(period.key, *_figures(_Sums.of([period])))
        if len(periods) > 1:
            table.add_section()
            table.add_row(self._say("all"), *_figures(_Sums.of(periods)))
        return table

    def _grades(self, grain: Grain, periods: Sequence[PeriodFigures]) -> Table:
        counts: Counter[tuple[str | None, str | None]] = Counter()
        for period in periods:
            counts.update(period.grades)
        new, old = self.replay.candidate.card, self.replay.candidate.replaces
        downs, across = ({pair[side] for pair in counts} for side in (0, 1))
        title = self._say("grades", grain=self._say(grain))
        table = Table(title=title, title_justify="left")
        table.add_column("")
        columns = _in_order(new, across)
        for name in columns:
            table.add_column(self._grade(new, name), justify="right")
        for was in _in_order(old, downs):
            numbers = [counts[was, now] for now in columns]
            table.add_row(self._grade(old, was), *(f"{n:,}" if n else "" for n in numbers))
        return table

    def _largest(self) -> Table:
        table = Table(title=self._say("largest"), title_justify="left")
        for heading in ("customer", "period"):
            table.add_column(self._say(heading), overflow="fold")
        for heading in ("was", "now", "difference"):
            table.add_column(self._say(heading), justify="right")
        for heading in ("causes", "dimensions"):
            table.add_column(self._say(heading), overflow="fold")
        for item in self.replay.largest:
            table.add_row(*self._line(item))
        return table

    def _line(self, item: Difference) -> Iterator[str]:
        new, old = self.replay.candidate.card, self.replay.candidate.replaces
        yield from (item.customer_id, item.key)
        yield f"{item.was:.3f} {self._grade(old, item.grade_was)}"
        yield f"{item.now:.3f} {self._grade(new, item.grade_now)}"
        yield f"{item.now - item.was:+.3f}"
        yield _summed({self._say(kind): delta for kind, delta in item.causes.items()})
        order = sorted(item.dimensions, key=lambda name: -abs(item.dimensions[name]))
        titles = {
            name: getattr(dimension.title, self.locale)
            for card in (old, new)
            for name, dimension in card.dimensions.items()
        }
        yield _summed({titles[name]: item.dimensions[name] for name in order[:_PARTS]})

    def _alerts(self, by_grain: Mapping[Grain, Sequence[PeriodFigures]]) -> Table:
        table = Table(title=self._say("alerts"), title_justify="left")
        for heading in ("rule", "periods"):
            table.add_column(self._say(heading))
        for side in SIDES:
            table.add_column(self._say(side), justify="right")
        for grain, periods in by_grain.items():
            counts: Counter[tuple[str, str]] = Counter()
            for period in periods:
                counts.update(period.alerts)
            for rule in sorted({rule for rule, _ in counts}):
                numbers = [f"{counts[rule, side]:,}" for side in SIDES]
                table.add_row(rule, self._say(grain), *numbers)
        return table

    def _grade(self, card: Scorecard, name: str | None) -> str:
        if name is None:
            return self._say("unknown")
        titles: dict[str, str] = {g.name: getattr(g.title, self.locale) for g in card.grades}
        # a stale period may have grades that the scorecard had before
        return titles.get(name, name)


def kept_replays(replays: Sequence[Kept], locale: Locale) -> RenderableType:
    """List the replays that lie in the warehouse."""
    if not replays:
        return say("none_kept", locale)
    table = Table(title=say("kept", locale), title_justify="left")
    for heading in ("candidate", "scorecard", "periods", "rows", "at"):
        table.add_column(say(heading, locale), overflow="fold")
    for item in replays:
        periods = ", ".join(f"{n} {say(grain, locale)}" for grain, n in item.periods.items())
        table.add_row(item.fingerprint, item.scorecard, periods, f"{item.rows:,}", item.last)
    return table


@dataclass(frozen=True)
class _Sums:
    """Figures of periods, added up."""

    customers: int
    both: int
    rescored: int
    regraded: int
    gap: int
    stale: int
    opens: int
    ends: int

    @classmethod
    def of(cls, periods: Sequence[PeriodFigures]) -> "_Sums":
        names = ("customers", "both", "rescored", "regraded", "gap", "stale")
        sums = {name: sum(getattr(period, name) for period in periods) for name in names}
        alerts = {side: sum(period.alerts_that(side) for period in periods) for side in SIDES}
        return cls(**sums, **alerts)

    @property
    def differs(self) -> bool:
        return bool(self.rescored or self.regraded or self.opens or self.ends)


def _figures(sums: _Sums) -> list[str]:
    mean = f"{sums.gap / 1_000_000 / sums.both:+.4f}" if sums.both else ""
    counts = [sums.customers, sums.rescored, sums.regraded, sums.opens, sums.ends]
    texts = [f"{count:,}" for count in counts]
    return [*texts[:2], mean, *texts[2:]]


def _summed(parts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:+.3f}" for name, value in parts.items())


def _in_order(card: Scorecard, names: set[str | None]) -> list[str | None]:
    """Order grades from the best to the worst; unknown ones, and none at all, come last."""
    falling = sorted(card.grades, key=lambda grade: grade.from_, reverse=True)
    order = [grade.name for grade in falling if grade.name in names]
    others = sorted(name for name in names if name is not None and name not in order)
    return [*order, *others, *([None] if None in names else [])]


def _some(keys: Sequence[str]) -> str:
    return ", ".join(keys[:5]) + (f" … ({len(keys)})" if len(keys) > 5 else "")
