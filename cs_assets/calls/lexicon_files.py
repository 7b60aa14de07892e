"""The two files of the sentiment lexicon: what they may hold, and reading them.

Belongs here: the form of the terms (CSV) and the modifiers (YAML), validation, one form of text.
Must not: matching and scoring (see `lexicon`), learning the weights.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cs_assets.yaml_files import parse_yaml
from cs_resources.errors import ConfigurationError

MODIFIERS: Final = Path(__file__).with_name("lexicon_zh.yaml")
COLUMNS: Final = ["term", "weight", "source"]
MAX_WEIGHT: Final = 100
_MAX_PROBLEMS: Final = 20
_INVISIBLE: Final = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]+"
)
Word = Annotated[str, Field(min_length=1)]
Words = tuple[Word, ...]
Reach = Annotated[int, Field(ge=0, le=20)]
Share = Annotated[float, Field(ge=0, le=2)]
Factor = Annotated[float, Field(gt=0, le=3)]


class LexiconError(ConfigurationError, ValueError):
    """A file of the lexicon does not say what it should; the message names place and remedy."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Negation(_Part):
    """Words that turn a term, and how much of its weight is left then."""

    reach: Reach
    share_of_positive: Share
    share_of_negative: Share
    words: Words
    rhetorical: Words
    rhetorical_endings: Words

    @model_validator(mode="after")
    def _rhetorical_ones_negate(self) -> Self:
        if unknown := set(self.rhetorical) - set(self.words):
            raise ValueError(f"rhetorical holds {'、'.join(sorted(unknown))}; add to words too")
        return self


class Question(_Part):
    """What makes a clause a question, and how much of a term's weight counts in one."""

    marks: str
    endings: Words
    share_of_positive: Share
    share_of_negative: Share


class Degrees(_Part):
    """Words that scale a term."""

    reach: Reach
    words: dict[Word, Factor]


class Clauses(_Part):
    """What ends a clause, besides white space."""

    marks: str
    words: Words


class Modifiers(_Part):
    """The modifiers file, as written."""

    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    negation: Negation
    question: Question
    degrees: Degrees
    clauses: Clauses
    neutral: dict[str, Words]

    def places(self) -> Iterator[tuple[str, str]]:
        """Yield each word with the key it stands under."""
        for key, words in self.neutral.items():
            yield from ((word, f"neutral.{key}") for word in words)
        yield from ((word, "negation.words") for word in self.negation.words)
        yield from ((word, "degrees.words") for word in self.degrees.words)
        yield from ((word, "clauses.words") for word in self.clauses.words)


def normalized(text: str) -> str:
    """Return text in one form: full-width characters as plain ones, invisible ones gone."""
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    return _INVISIBLE.sub("", text).lower()


def read_modifiers(path: Path, text: str) -> Modifiers:
    """Parse the text of a modifiers file; `path` is for messages.

    Raises LexiconError for unknown or missing keys, wrong values and words that stand twice.
    """
    parsed = parse_yaml(path, text, Modifiers, LexiconError, MODIFIERS)
    seen: dict[str, str] = {}
    for word, place in parsed.places():
        if word != normalized(word).strip():
            raise LexiconError(f"{path}: {place}: write '{word}' as '{normalized(word).strip()}'")
        if word in seen:
            raise LexiconError(f"{path}: {place}: '{word}' stands in {seen[word]} too; keep one")
        seen[word] = place
    return parsed


def read_terms(path: Path, text: str, taken: Mapping[str, str]) -> dict[str, int]:
    """Parse the text of a terms file; `taken` are words of the modifiers and their places.

    Raises LexiconError with every bad row (at most 20), its column and the remedy.
    """
    rows = csv.reader(io.StringIO(text, newline=""))
    if (header := next(rows, None)) != COLUMNS:
        raise LexiconError(f"{path}: row 1: columns are {header}; write {','.join(COLUMNS)}")
    weights: dict[str, int] = {}
    problems: list[str] = []
    try:
        for row in rows:
            problem = _problem(row, weights, taken)
            if problem:
                problems.append(f"{path}: row {rows.line_num}: {problem}")
            elif row:
                weights[row[0]] = int(row[1])
    except csv.Error as error:
        problems.append(f"{path}: row {rows.line_num}: not CSV: {error}")
    if not weights and not problems:
        problems.append(f"{path}: no terms; add at least one row")
    if problems:
        raise LexiconError("\n".join(problems[:_MAX_PROBLEMS]))
    return weights


def _problem(row: list[str], weights: Mapping[str, int], taken: Mapping[str, str]) -> str | None:
    """Say what is wrong with a row and how to mend it; None if it is good (or blank)."""
    if not row:
        return None
    if len(row) != len(COLUMNS):
        return f"{len(row)} values; give {len(COLUMNS)}: {','.join(COLUMNS)}"
    term, weight, _ = row
    clean = "".join(normalized(term).split())
    if not clean:
        return "column term: empty; write a term or remove the row"
    if term != clean:
        return f"column term: '{term}' could never match; write '{clean}'"
    if term in weights:
        return f"column term: '{term}' stands twice; keep one row"
    if term in taken:
        return f"column term: '{term}' is a modifier ({taken[term]}) too; keep one of them"
    if not re.fullmatch(r"[+-]?[0-9]{1,3}", weight) or not 0 < abs(int(weight)) <= MAX_WEIGHT:
        return f"column weight: '{weight}'; write a whole number from 1 to {MAX_WEIGHT}, + or -"
    return None
