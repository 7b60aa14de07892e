"""The candidate of a replay: a scorecard that is tried in the place of one in use.

Belongs here: reading it as the installation would, what it replaces, which alerts go with it. Must
not: replaying (see `replay`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cs_assets.health.alert_rules import AlertRules
from cs_assets.health.recommendation_rules import RecommendationRules
from cs_assets.health.rules import HealthRules
from cs_assets.health.scorecard import Scorecard, load_scorecard
from cs_resources.errors import ConfigurationError
from cs_resources.settings import Settings

Alerting: TypeAlias = tuple[AlertRules, Scorecard]
"""Rules of alerts, and the scorecard that they look at."""


@dataclass(frozen=True)
class Candidate:
    """A scorecard to be tried, the one that it would replace, and the alerts of either."""

    card: Scorecard
    replaces: Scorecard
    alerts_was: Alerting
    alerts_now: Alerting

    @property
    def cards(self) -> tuple[Scorecard, ...]:
        """Every scorecard that a replay scores by; some may be the same."""
        return (self.card, self.replaces, self.alerts_was[1], self.alerts_now[1])

    @property
    def moves_alerts(self) -> bool:
        """Alerts can differ at all."""
        was, now = self.alerts_was, self.alerts_now
        prints = [(rules.fingerprint, card.fingerprint) for rules, card in (was, now)]
        return prints[0] != prints[1]


def candidate(
    settings: Settings,
    rules: HealthRules,
    scorecard: Path,
    against: str | None = None,
    alerts: Path | None = None,
) -> Candidate:
    """Read a candidate as the installation would read it, in the place of `against`.

    Default: the scorecard of its name, or the only one. Raises YamlFileError for a wrong file,
    ConfigurationError if it is not clear what it replaces.
    """
    card = load_scorecard(scorecard)
    cards = {own.name: own for own in rules.scorecards}
    name = against or (card.name if card.name in cards else None)
    if name is None and len(cards) == 1:
        (name,) = cards
    if name not in cards:
        given = f"there is no scorecard {name}" if name else f"{card.name} replaces none by name"
        raise ConfigurationError(f"--against: {given}; name one of {', '.join(cards)}")
    loaded = {**cards, card.name: card}
    RecommendationRules.load(settings.health_recommendations_file, loaded.values())
    found = rules.alerts if alerts is None else AlertRules.load(alerts, loaded.values())
    looked_at = card if found.scorecard in (card.name, name) else cards[found.scorecard]
    found.require_words_of(looked_at, scorecard)
    return Candidate(card, cards[name], (rules.alerts, rules.alert_card), (found, looked_at))
