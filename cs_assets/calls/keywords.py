"""Keywords: risks that a customer's own words name.

Belongs here: reading and validating `keywords.yaml`, matching with negation and polite refusal.
Must not: moods (see `lexicon`), models, the robot's words.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cs_assets.yaml_files import parse_yaml, read_text
from cs_resources.errors import ConfigurationError

DEFAULT = Path(__file__).with_name("keywords.yaml")
LEVELS = ("low", "medium", "high")
Kind = Literal["complaint", "churn"]
KINDS: tuple[Kind, ...] = ("complaint", "churn")
_CLAUSE = re.compile(r"[，。！？；、,.!?;:：\s…~—]+")


class KeywordError(ConfigurationError, ValueError):
    """The keyword file does not say what it should; the message names place and remedy."""


class Keyword(BaseModel):
    """One keyword and the risk it means."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    word: str = Field(min_length=1)
    level: Literal["medium", "high"]
    not_in: tuple[str, ...] = ()
    refusal: bool = False


class KeywordFile(BaseModel):
    """The keyword file, as written."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    complaint: tuple[Keyword, ...]
    churn: tuple[Keyword, ...]
    negations: tuple[str, ...]
    fillers: tuple[str, ...]
    affirmations: tuple[str, ...]
    politeness: tuple[str, ...]

    @model_validator(mode="after")
    def _words_once(self) -> "KeywordFile":
        words = [keyword.word for keyword in (*self.complaint, *self.churn)]
        if twice := sorted({word for word in words if words.count(word) > 1}):
            raise ValueError(f"these keywords stand twice: {', '.join(twice)}")
        return self


@dataclass(frozen=True)
class Hit:
    """A keyword that was said and meant."""

    kind: Kind
    word: str
    level: str
    is_refusal: bool


@dataclass(frozen=True)
class Keywords:
    """The keywords, ready to match."""

    file: KeywordFile
    fingerprint: str

    @classmethod
    def load(cls, path: Path | None = None) -> "Keywords":
        """Read a keyword file; raises KeywordError naming file, place and remedy."""
        path = path or DEFAULT
        text = read_text(path, KeywordError)
        file = parse_yaml(path, text, KeywordFile, KeywordError, DEFAULT)
        return cls(file, hashlib.sha256(text.encode()).hexdigest()[:16])

    def hits(self, utterances: Iterable[str | None]) -> list[Hit]:
        """Return what was said and meant, each keyword once with its highest meaning."""
        found: dict[str, Hit] = {}
        for utterance in utterances:
            for hit in self._in_utterance(normalized(utterance or "")):
                known = found.get(hit.word)
                if known is None or (known.is_refusal and not hit.is_refusal):
                    found[hit.word] = hit
        return list(found.values())

    def _in_utterance(self, text: str) -> Iterable[Hit]:
        clauses = [clause for clause in _CLAUSE.split(text) if clause]
        for kind in KINDS:
            for keyword, pattern in self._patterns[kind]:
                for position, clause in enumerate(clauses):
                    if not any(self._is_meant(clause, match) for match in pattern.finditer(clause)):
                        continue
                    is_refusal = keyword.refusal and self._is_polite(clauses, position, keyword)
                    level = "medium" if is_refusal else keyword.level
                    yield Hit(kind, keyword.word, level, is_refusal)

    def _is_meant(self, clause: str, match: re.Match[str]) -> bool:
        if match["other"]:
            return False
        before = clause[: match.start()]
        return bool(self._affirmed.search(before)) or not self._negated.search(before)

    def _is_polite(self, clauses: Sequence[str], position: int, keyword: Keyword) -> bool:
        """Say whether the clause holds nothing but the keyword and politeness."""
        rest = clauses[position].replace(keyword.word, "")
        return not self._polite.sub("", rest)

    @cached_property
    def _patterns(self) -> dict[Kind, list[tuple[Keyword, re.Pattern[str]]]]:
        return {
            kind: [(keyword, _pattern(keyword)) for keyword in getattr(self.file, kind)]
            for kind in KINDS
        }

    @cached_property
    def _negated(self) -> re.Pattern[str]:
        # 不会去工信部举报: a keyword does not end the reach of a negation
        words = [keyword.word for keyword in (*self.file.complaint, *self.file.churn)]
        between = _any((*self.file.fillers, *words))
        return re.compile(f"(?:{_any(self.file.negations)})(?:{between})*$")

    @cached_property
    def _affirmed(self) -> re.Pattern[str]:
        return re.compile(f"(?:{_any(self.file.affirmations)})(?:{_any(self.file.fillers)}|我)*$")

    @cached_property
    def _polite(self) -> re.Pattern[str]:
        return re.compile(_any(self.file.politeness))


def risk(hits: Iterable[Hit], kind: Kind) -> str | None:
    """Return the highest level of a kind of risk; None if no keyword named it."""
    levels = [hit.level for hit in hits if hit.kind == kind]
    return max(levels, key=LEVELS.index, default=None)


def normalized(text: str) -> str:
    """Return text in one form: full-width digits and letters as plain ones."""
    return unicodedata.normalize("NFKC", text)


def _pattern(keyword: Keyword) -> re.Pattern[str]:
    word = re.escape(keyword.word)
    if keyword.word.isdigit():
        # \b does not separate a digit from Chinese text
        word = rf"(?<![0-9]){word}(?![0-9])"
    other = _any(keyword.not_in) if keyword.not_in else r"(?!)"
    return re.compile(f"(?P<other>{other})|{word}")


def _any(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
