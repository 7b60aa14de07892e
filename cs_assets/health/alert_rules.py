"""The rules of alerts: conditions on measures and scores, as data.

Belongs here: reading and validating `alert_rules.yaml`. Must not: finding customers (see `alerts`).
"""

import hashlib
import string
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cs_assets.health.contracts import EVIDENCE, MEASURES
from cs_assets.health.scorecard import Scorecard
from cs_assets.health.scorecard_parts import RISK_LEVELS
from cs_assets.yaml_files import YamlFileError, load_yaml

DEFAULT = Path(__file__).with_name("alert_rules.yaml")
SEVERITIES = ("critical", "high", "medium", "low")
SCORES = ("overall", "score_low", "score_high", "is_certain", "grade", "risk_level", "coverage")
CHANGES = ("score_30d_ago", "change_30d")
DERIVED = ("contract_days_left",)
NUMBERS = (
    *(c.name for c in (*MEASURES, *EVIDENCE) if c.type.is_numeric()),
    *("overall", "score_low", "score_high", "coverage"),
    *CHANGES,
    *DERIVED,
)
COLUMNS = (*(c.name for c in (*MEASURES, *EVIDENCE)), *SCORES, *CHANGES, *DERIVED)
"""What rules may name."""
_WORDS: Mapping[str, tuple[str, ...]] = {
    **{c.name: c.allowed for c in (*MEASURES, *EVIDENCE) if c.allowed},
    "risk_level": RISK_LEVELS,
}
"""The words that a column may be equal to, as far as they are the same under every scorecard."""
Text = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Condition(_Part):
    """Holds if the column's value keeps every bound that is given; an unknown value keeps none."""

    column: str
    equals: tuple[str, ...] | None = None
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> "Condition":
        _require_known([self.column])
        bounds = (self.at_least, self.at_most, self.above, self.below)
        is_bounded = any(bound is not None for bound in bounds)
        if bool(self.equals) == is_bounded:
            raise ValueError("give either equals: [...] or bounds: at_least, at_most, above, below")
        if is_bounded and self.column not in NUMBERS:
            raise ValueError(f"{self.column} is no number; compare it by equals: [...]")
        if self.equals and self.column in NUMBERS:
            raise ValueError(
                f"{self.column} is a number; give bounds: at_least, at_most, above, below"
            )
        return self


class AlertRule(_Part):
    """One reason to look at a customer."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    severity: Literal["critical", "high", "medium", "low"]
    any: Annotated[tuple[Condition, ...], Field(min_length=1)]
    evidence: Annotated[tuple[str, ...], Field(min_length=1)]
    message: dict[Literal["zh", "en"], Text]

    @model_validator(mode="after")
    def _texts_are_complete(self) -> "AlertRule":
        _require_known(self.evidence)
        for locale in ("zh", "en"):
            if locale not in self.message:
                raise ValueError(f"message: add {locale}")
        for locale, text in self.message.items():
            named = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
            if unknown := sorted(named - set(self.evidence)):
                raise ValueError(
                    f"message.{locale} names {', '.join(unknown)}, which evidence does not list"
                )
        return self


class AlertFile(_Part):
    """The file, as written."""

    scorecard: str
    rules: Annotated[tuple[AlertRule, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "AlertFile":
        ids = [rule.id for rule in self.rules]
        if twice := sorted({id_ for id_ in ids if ids.count(id_) > 1}):
            raise ValueError(f"two rules of one id: {', '.join(twice)}")
        return self


@dataclass(frozen=True)
class AlertRules:
    """The rules, ready to use."""

    scorecard: str
    rules: tuple[AlertRule, ...]
    fingerprint: str

    @classmethod
    def load(cls, path: Path | None, scorecards: Iterable[Scorecard]) -> "AlertRules":
        """Read a file; raises YamlFileError naming file, place and remedy."""
        source = path or DEFAULT
        file, cards = load_yaml(source, AlertFile), {card.name: card for card in scorecards}
        if file.scorecard not in cards:
            raise YamlFileError(
                f"{source}: scorecard: there is no {file.scorecard}, only "
                f"{', '.join(sorted(cards))}"
            )
        digest = hashlib.sha256(file.model_dump_json().encode()).hexdigest()
        rules = cls(file.scorecard, file.rules, digest[:16])
        rules.require_words_of(cards[file.scorecard], source)
        return rules

    def require_words_of(self, card: Scorecard, source: Path) -> None:
        """Raise YamlFileError for a condition that no customer could ever meet under a scorecard.

        `source` is the file that is to be corrected.
        """
        words = {**_WORDS, "grade": tuple(grade.name for grade in card.grades)}
        for rule in self.rules:
            for condition in rule.any:
                known = words.get(condition.column)
                strange = sorted(set(condition.equals or ()) - set(known or ()))
                if known and strange:
                    raise YamlFileError(
                        f"{source}: alert rule {rule.id}: under the scorecard {card.name}, "
                        f"{condition.column} is never {', '.join(strange)}; it is "
                        f"{', '.join(known)}; correct it, or name rules that go with the scorecard "
                        "(HEALTH_ALERTS_FILE, --alerts)"
                    )


def _require_known(names: Collection[str]) -> None:
    if unknown := sorted(set(names) - set(COLUMNS)):
        raise ValueError(
            f"there is no {', '.join(unknown)}; known are {', '.join(sorted(COLUMNS))}"
        )
