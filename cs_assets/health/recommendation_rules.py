"""The rule base of recommendations, as data.

Belongs here: reading and validating `recommendations.yaml`. Must not: whom they are for (see
`recommendations`).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cs_assets.health.scorecard import Scorecard
from cs_assets.yaml_files import YamlFileError, load_yaml

DEFAULT = Path(__file__).with_name("recommendations.yaml")
Text = Annotated[str, Field(min_length=1)]
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
CustomerType = Literal["enterprise", "mid_market", "startup"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Texts(_Part):
    """What is said, in every language."""

    zh: Text
    en: Text


class Action(_Part):
    """What to do about a dimension whose score is below `below`."""

    id: Id
    dimension: str
    below: Annotated[float, Field(gt=0, le=1)]
    customer_types: tuple[CustomerType, ...] = ("enterprise", "mid_market", "startup")
    text: Texts


class StandingAction(_Part):
    """What is always done for customers of a grade."""

    id: Id
    text: Texts


class RecommendationFile(_Part):
    """The file, as written."""

    at_most: Annotated[int, Field(ge=1, le=20)]
    actions: tuple[Action, ...]
    standing: dict[str, tuple[StandingAction, ...]]

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "RecommendationFile":
        ids = [action.id for action in self.actions]
        ids += [action.id for own in self.standing.values() for action in own]
        if twice := sorted({id_ for id_ in ids if ids.count(id_) > 1}):
            raise ValueError(f"two actions of one id: {', '.join(twice)}")
        return self


@dataclass(frozen=True)
class RecommendationRules:
    """The rule base, ready to use."""

    at_most: int
    actions: tuple[Action, ...]
    standing: dict[str, tuple[StandingAction, ...]]
    fingerprint: str

    @classmethod
    def load(cls, path: Path | None, cards: Iterable[Scorecard]) -> "RecommendationRules":
        """Read a file; raises YamlFileError naming file, place and remedy."""
        file = load_yaml(path or DEFAULT, RecommendationFile)
        known = list(cards)
        dimensions = {name for card in known for name in card.dimensions}
        grades = {grade.name for card in known for grade in card.grades}
        for place, given, allowed in (
            ("actions", {action.dimension for action in file.actions}, dimensions),
            ("standing", set(file.standing), grades),
        ):
            if unknown := sorted(given - allowed):
                raise YamlFileError(
                    f"{path or DEFAULT}: {place}: no scorecard has {', '.join(unknown)}; known are "
                    f"{', '.join(sorted(allowed))}"
                )
        digest = hashlib.sha256(file.model_dump_json().encode()).hexdigest()
        return cls(file.at_most, file.actions, file.standing, digest[:16])
