"""Scorecards: how measures become a health score, written as data.

Belongs here: the scorecard file as a whole, finding and reading such files. Must not: computing
scores (see `scoring`).
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from cs_assets.health.contracts import MEASURES
from cs_assets.health.scorecard_parts import (
    Dimension,
    Grade,
    Name,
    Number,
    Part,
    Piece,
    Share,
    Title,
    band_problem,
    unbalanced,
)
from cs_assets.sources.contracts import CUSTOMER_TYPES
from cs_assets.yaml_files import YamlFileError, load_yaml, name_differences

BUILT_IN = Path(__file__).with_name("scorecards")
ALL_TYPES = "all"
"""Stands for every customer type where one set of values serves them all."""
Benchmark = Annotated[Number, Field(gt=0)]


class Scorecard(Part):
    """A scorecard file, as written: all scores are 0..1, published times `scale`."""

    name: Name
    title: Title
    scale: Literal[1, 100]
    dimensions: Annotated[Mapping[Name, Dimension], Field(min_length=1)]
    weights: Mapping[str, Mapping[str, Share]]
    benchmarks: Mapping[Name, Mapping[str, Benchmark]] = Field(default_factory=dict)
    grades: Annotated[tuple[Grade, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _weights_are_whole(self) -> "Scorecard":
        _require_types("weights", self.weights)
        for customer_type, weights in self.weights.items():
            if differences := name_differences(weights, self.dimensions):
                raise ValueError(
                    f"weights.{customer_type}: one for each dimension (0: does not count): "
                    f"{differences}"
                )
            if problem := unbalanced(weights.values()):
                raise ValueError(f"weights.{customer_type}: they {problem}")
        return self

    @model_validator(mode="after")
    def _benchmarks_are_whole(self) -> "Scorecard":
        for name, values in self.benchmarks.items():
            _require_types(f"benchmarks.{name}", values)
        for dimension, name, piece in self.pieces():
            if piece.benchmark and piece.benchmark not in self.benchmarks:
                raise ValueError(
                    f"dimensions.{dimension}.pieces.{name}: there is no benchmark "
                    f"{piece.benchmark}; add it below benchmarks"
                )
        return self

    @model_validator(mode="after")
    def _grades_are_whole(self) -> "Scorecard":
        names = [grade.name for grade in self.grades]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"grades: each name once, not twice: {', '.join(twice)}")
        if problem := band_problem(self.grades):
            raise ValueError(f"grades: {problem}")
        return self

    def pieces(self) -> list[tuple[str, str, Piece]]:
        """Return every piece with the names of its dimension and of itself."""
        return [
            (dimension, name, piece)
            for dimension, part in self.dimensions.items()
            for name, piece in part.pieces.items()
        ]

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures that the scorecard reads, in the order of `MEASURES`."""
        read = frozenset[str]().union(*(piece.inputs for _, _, piece in self.pieces()))
        return tuple(measure.name for measure in MEASURES if measure.name in read)

    @property
    def score_columns(self) -> dict[str, str]:
        """The column of each dimension's score, by the dimension's name."""
        return {name: f"{name}_score" for name in self.dimensions}

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything that moves a figure or a grade; titles and layout do not."""
        parts = {"title"}
        said = self.model_dump(
            mode="json",
            exclude={"title": True, "dimensions": {"__all__": parts}, "grades": {"__all__": parts}},
        )
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def load_scorecard(path: Path) -> Scorecard:
    """Read one file; raises YamlFileError naming file, place and remedy."""
    return load_yaml(path, Scorecard)


def load_scorecards(folder: Path | None = None) -> tuple[Scorecard, ...]:
    """Read the built-in scorecards and those of a deployment's folder; the same name replaces.

    Raises YamlFileError for a wrong file, a missing folder, or two files of one name.
    """
    cards = _folder(BUILT_IN)
    if folder is not None:
        cards |= _folder(folder)
    return tuple(cards.values())


def _folder(folder: Path) -> dict[str, Scorecard]:
    if not folder.is_dir():
        raise YamlFileError(f"{folder.absolute()}: is no folder; name one that holds scorecards")
    found: dict[str, tuple[Path, Scorecard]] = {}
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".yaml", ".yml")):
        card = load_scorecard(path)
        if card.name in found:
            raise YamlFileError(
                f"{path}: name: {found[card.name][0].name} is named {card.name} too; "
                "give one of them another name"
            )
        found[card.name] = (path, card)
    return {name: card for name, (_, card) in found.items()}


def _require_types(place: str, given: Mapping[str, object]) -> None:
    if list(given) == [ALL_TYPES]:
        return
    if differences := name_differences(given, CUSTOMER_TYPES):
        raise ValueError(
            f"{place}: one entry for each customer type, or {ALL_TYPES} alone: {differences}"
        )
