"""The parts of a scorecard file: pieces with their curves, dimensions, grades.

Belongs here: the closed vocabulary of scorecards and what each part must keep by itself. Must not:
what parts must keep together (see `scorecard`), computing (see `scorecard_curves`).
"""

import math
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from cs_assets.health.contracts import MEASURES
from cs_assets.yaml_files import name_differences

WEIGHT_TOLERANCE = 1e-9
"""Weights written with some decimals sum to 1 within this."""
RISK_LEVELS = ("low", "medium", "high", "critical")
"""From the least risk to the greatest; where a level is a number, 1 to 4."""

_MEASURES = {measure.name: measure for measure in MEASURES}


def _one_or_more(given: Any) -> Any:
    return (given,) if isinstance(given, str) else given


def _known_score(given: Any) -> Any:
    if given is None or (isinstance(given, str) and given != "unknown"):
        raise ValueError(f"give a number from 0 to 1, or the word unknown, not '{given or ''}'")
    return None if given == "unknown" else given


def _number_or_word(given: Any) -> Any:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ValueError(f"give one number or one word, not {given!r}")
    return given


def _name(given: Any) -> str:
    if not isinstance(given, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", given):
        raise ValueError(f"{given!r} is no name; use small letters, digits and _, a letter first")
    return given


def _point(given: Any) -> Any:
    if not isinstance(given, list | tuple) or len(given) != 2:
        raise ValueError(f"give two numbers, [input, score], not {given!r}")
    return given


def _measure(name: str) -> str:
    if name not in _MEASURES:
        raise ValueError(f"there is no measure {name}; measures are {', '.join(_MEASURES)}")
    return name


def is_text(measure: str) -> bool:
    """Say whether a measure is a word, not a number."""
    return _MEASURES[measure].dtype == "string"


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Share = Annotated[Number, Field(ge=0, le=1)]
Score = Annotated[Share | None, BeforeValidator(_known_score)]
Name = Annotated[str, BeforeValidator(_name)]
Measure = Annotated[str, AfterValidator(_measure)]
Point = Annotated[tuple[Number, Share], BeforeValidator(_point)]
Text = Annotated[str, Field(min_length=1)]


class Part(BaseModel):
    """Any part of the file: fixed, and without keys of its own invention."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Title(Part):
    """A name as people read it."""

    zh: Text
    en: Text


class Ratio(Part):
    """One measure by another, or by the sum of several; unknown if that is 0."""

    of: Measure
    to: Annotated[tuple[Measure, ...], BeforeValidator(_one_or_more), Field(min_length=1)]


class Case(Part):
    """A score for measures that have exactly these values, whatever the curve says."""

    when: Annotated[
        Mapping[Measure, Annotated[str | float, BeforeValidator(_number_or_word)]],
        Field(min_length=1),
    ]
    score: Score

    @model_validator(mode="after")
    def _values_fit(self) -> "Case":
        for measure, value in self.when.items():
            allowed = _MEASURES[measure].allowed
            if is_text(measure) and allowed and value not in allowed:
                raise ValueError(f"{measure} is never {value!r}; give one of {', '.join(allowed)}")
            if not is_text(measure) and isinstance(value, str):
                raise ValueError(f"{measure} is a number, not the word {value!r}")
        return self


class Piece(Part):
    """A part of a dimension: one input, a curve that turns it into 0..1, its weight.

    The input is the measure that the piece is named after, or `measure`, or `ratio`; with
    `benchmark` it is divided by that benchmark of the customer's type. The curve is `points`
    (straight lines between them, level outside) or, for a measure that is a word, `values`.
    `cases` go first, in their order.
    """

    weight: Annotated[Number, Field(gt=0, le=1)]
    measure: Measure | None = None
    ratio: Ratio | None = None
    benchmark: Name | None = None
    points: tuple[Point, ...] | None = None
    values: Mapping[str, Score] | None = None
    cases: tuple[Case, ...] = ()

    @model_validator(mode="after")
    def _curve_is_whole(self) -> "Piece":
        if self.measure and self.ratio:
            raise ValueError("give measure or ratio, not both")
        if (self.points is None) == (self.values is None):
            raise ValueError("give a curve: points for a number, values for a word, not both")
        if self.points is not None:
            if len(self.points) < 2:
                raise ValueError("points: give two or more, as [[0, 0], [20, 1]]")
            for (left, _), (right, _) in pairwise(self.points):
                if left >= right:
                    raise ValueError(
                        f"points: {right:g} comes after {left:g}; the first numbers must rise"
                    )
        return self

    @property
    def curve_inputs(self) -> tuple[str, ...]:
        """The measures that the curve reads."""
        if self.ratio:
            return (self.ratio.of, *self.ratio.to)
        return (self.measure,) if self.measure else ()

    @property
    def inputs(self) -> frozenset[str]:
        """All measures that the piece reads."""
        return frozenset(self.curve_inputs).union(*(case.when for case in self.cases))

    def problem(self) -> str | None:
        """Say what does not fit the measures; None if all does. Asked once `measure` is known."""
        words = [name for name in self.curve_inputs if is_text(name)]
        if not words:
            return f"{self.curve_inputs[0]} is a number; give points" if self.values else None
        word = words[0]
        if self.values is None or self.ratio or self.benchmark:
            return f"{word} is a word; give values, and neither ratio nor benchmark"
        differences = name_differences(self.values, _MEASURES[word].allowed or self.values)
        return f"values of {word}: {differences}" if differences else None


class Dimension(Part):
    """A side of health: pieces by name, whose weights sum to 1."""

    title: Title
    pieces: Annotated[Mapping[Name, Piece], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _name_means_measure(cls, given: Any) -> Any:
        """A piece that names no input is named after it."""
        pieces = given.get("pieces") if isinstance(given, dict) else None
        if not isinstance(pieces, dict):
            return given
        named = {
            name: {"measure": name, **piece}
            if isinstance(piece, dict) and "measure" not in piece and "ratio" not in piece
            else piece
            for name, piece in pieces.items()
        }
        return {**given, "pieces": named}

    @model_validator(mode="after")
    def _pieces_fit(self) -> "Dimension":
        for name, piece in self.pieces.items():
            if problem := piece.problem():
                raise ValueError(f"piece {name}: {problem}")
        if problem := unbalanced(piece.weight for piece in self.pieces.values()):
            raise ValueError(f"the weights of its pieces {problem}")
        return self


class Grade(Part):
    """A band of the overall score: `from` belongs to it, `to` to the next (1 to the best)."""

    name: Name
    title: Title
    from_: Share = Field(alias="from")
    to: Share
    risk_level: Literal["low", "medium", "high", "critical"]


def unbalanced(weights: Iterable[float]) -> str | None:
    """Say that weights do not sum to 1; None if they do."""
    total = math.fsum(weights)
    if abs(total - 1) <= WEIGHT_TOLERANCE:
        return None
    return f"sum to {total:.10g}, not to 1"


def band_problem(grades: Iterable[Grade]) -> str | None:
    """Say where bands leave gaps, overlap or contradict themselves; None if all is well."""
    rising = sorted(grades, key=lambda grade: grade.from_)
    for grade in rising:
        if grade.from_ >= grade.to:
            return f"{grade.name} begins at {grade.from_:g} and ends at {grade.to:g}; swap them"
    lowest, highest = ("the lowest score", 0.0), ("the highest score", 1.0)
    ends = [lowest, *((grade.name, grade.to) for grade in rising)]
    starts = [*((grade.name, grade.from_) for grade in rising), highest]
    for (lower, end), (upper, start) in zip(ends, starts, strict=True):
        if end != start:
            what = "nothing covers" if end < start else "both cover"
            return f"between {lower} and {upper}: {what} {min(end, start):g} to {max(end, start):g}"
    for worse, better in pairwise(rising):
        if RISK_LEVELS.index(worse.risk_level) < RISK_LEVELS.index(better.risk_level):
            return f"{worse.name} is a lower score than {better.name} but has less risk"
    return None
