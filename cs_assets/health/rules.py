"""What health is made of, as an installation has it.

Belongs here: sources, features, scorecards and alert rules together. Must not: reading files.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import ibis.expr.types as ir

from cs_assets.calendar import Calendar
from cs_assets.contracts import Contract
from cs_assets.health.alert_rules import AlertRules
from cs_assets.health.features import Features
from cs_assets.health.measures import Facts
from cs_assets.health.recommendation_rules import RecommendationRules
from cs_assets.health.report_rows import ReportRules
from cs_assets.health.scorecard import Scorecard
from cs_assets.sources.contracts import ACTIVITY_RAW, CUSTOMERS_RAW, SALES_RAW, SUPPORT_RAW

SOURCES = {"sales": SALES_RAW, "support": SUPPORT_RAW, "activity": ACTIVITY_RAW}
"""The landed sources that an installation may have besides customers."""


@dataclass(frozen=True)
class HealthRules:
    """Landed sources besides customers, features by tier, scorecards, alerts and advice."""

    sources: tuple[str, ...]
    features: Features
    scorecards: tuple[Scorecard, ...]
    alerts: AlertRules
    recommendations: RecommendationRules

    @property
    def facts(self) -> tuple[Contract, ...]:
        """The facts that are read."""
        return (CUSTOMERS_RAW, *(SOURCES[name] for name in self.sources))

    @property
    def of_measures(self) -> str:
        """What measures depend on besides facts, as one text."""
        return f"{self.features.fingerprint}/{','.join(sorted(self.sources))}"

    @property
    def of_scores(self) -> str:
        """What scores depend on besides measures, as one text."""
        return "/".join(card.fingerprint for card in self.scorecards)

    @property
    def of_days(self) -> str:
        """What scores and signals of a day depend on besides facts, as one text."""
        return f"{self.of_measures}/{self.of_scores}/{self.alerts.fingerprint}"

    def of_report(self, locale: str, tenant_id: str) -> ReportRules:
        """What reports depend on besides marts."""
        sources = tuple(name for name in SOURCES if name in self.sources)
        return ReportRules(self.alert_card, locale, sources, tenant_id)

    @property
    def alert_card(self) -> Scorecard:
        """The scorecard that the rules of alerts look at."""
        return next(card for card in self.scorecards if card.name == self.alerts.scorecard)

    def named(self, tables: Mapping[str, ir.Table], calendar: Calendar) -> Facts:
        """Name facts by asset name as formulas know them; all of them begin with history."""
        found = {name: tables.get(contract.name) for name, contract in SOURCES.items()}
        return Facts(
            customers=tables[CUSTOMERS_RAW.name],
            sales=found["sales"],
            support=found["support"],
            activity=found["activity"],
            history=dict.fromkeys(["customers", *self.sources], calendar.history_start),
        )
