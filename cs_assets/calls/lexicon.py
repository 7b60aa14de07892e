"""Moods: the sentiment of what a customer said, from a lexicon of weighted Chinese terms.

Belongs here: matching, negation, degree, questions, the score.
Must not: the files' form (see `lexicon_files`), risk keywords (see `keywords`), models, learning
the weights, the robot's words.

Method, figures and limits: docs/concepts/sentiment-lexicon.md.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Final, NamedTuple

from cs_assets.calls.lexicon_files import (
    MODIFIERS,
    LexiconError,
    Modifiers,
    normalized,
    read_modifiers,
    read_terms,
)
from cs_assets.yaml_files import read_text

__all__ = ["MODIFIERS", "TERMS", "Hit", "Lexicon", "LexiconError", "LexiconResult", "strongest"]

TERMS: Final = Path(__file__).with_name("lexicon_zh.csv")
MAX_TERMS_SHOWN: Final = 8
_MAX_LOGIT: Final = 50.0
_FAR: Final = -1_000_000
_SPACE: Final = " \t\n\r\v\f\x85\u2028\u2029"


class Hit(NamedTuple):
    """A term that was said: what it adds to the sum, and whether a negation turned it."""

    term: str
    strength: float
    is_negated: bool = False

    @property
    def label(self) -> str:
        """The term as results show it."""
        return f"不+{self.term}" if self.is_negated else self.term


@dataclass(frozen=True)
class LexiconResult:
    """A text's mood: score 0 (very negative) to 1, and the terms that decided, strongest first."""

    score: float
    terms: tuple[str, ...]


class _Kind(Enum):
    TERM = auto()
    NEGATION = auto()
    DEGREE = auto()
    END = auto()
    NEUTRAL = auto()


@dataclass(slots=True)
class _Clause:
    """What was read of a clause and bears on its next term, or on all its terms at its end."""

    hits: list[Hit] = field(default_factory=list)
    is_negated: bool = False
    is_rhetorical: bool = False
    negation_end: int = _FAR
    degree: float = 1.0
    degree_end: int = _FAR


class Lexicon:
    """Terms and modifiers, ready to judge; `fingerprint` changes whenever a file does."""

    def __init__(
        self, terms: Mapping[str, int], modifiers: Modifiers, fingerprint: str = ""
    ) -> None:
        self.terms = dict(terms)
        self.modifiers = modifiers
        self.fingerprint = fingerprint
        self._entries = _entries(self.terms, modifiers)
        self._lengths: dict[str, tuple[int, ...]] = {}
        for word in sorted(self._entries, key=len, reverse=True):
            known = self._lengths.get(word[0], ())
            if len(word) not in known:
                self._lengths[word[0]] = (*known, len(word))

    @classmethod
    def load(cls, terms: Path | None = None, modifiers: Path | None = None) -> "Lexicon":
        """Read the packaged files or one's own; raises LexiconError naming place and remedy."""
        terms, modifiers = terms or TERMS, modifiers or MODIFIERS
        table, rules = read_text(terms, LexiconError), read_text(modifiers, LexiconError)
        parsed = read_modifiers(modifiers, rules)
        weights = read_terms(terms, table, dict(parsed.places()))
        digests = [hashlib.sha256(text.encode()).digest() for text in (table, rules)]
        return cls(weights, parsed, hashlib.sha256(b"".join(digests)).hexdigest()[:16])

    def judge(self, text: str | None) -> LexiconResult | None:
        """Return the mood of a text; None if nothing in it says one.

        A term counts once, where it is strongest: saying it again does not make a call worse.
        """
        said = strongest(self.hits(text or ""))
        if not said:
            return None
        logit = sum(hit.strength for hit in said) / self.modifiers.scale
        logit = max(-_MAX_LOGIT, min(_MAX_LOGIT, logit))
        score = round(1 / (1 + math.exp(-logit)), 4)
        return LexiconResult(score, tuple(hit.label for hit in said[:MAX_TERMS_SHOWN]))

    def hits(self, text: str) -> list[Hit]:
        """Return the terms of a text in order, with negation, degree and question applied."""
        text = normalized(text)
        found: list[Hit] = []
        clause = _Clause()
        for at, word, kind, value in self._words(text):
            if kind is _Kind.TERM:
                self._take_term(clause, at, word, value)
            elif kind is _Kind.NEGATION:
                self._take_negation(clause, at, word)
            elif kind is _Kind.DEGREE:
                self._take_degree(clause, at, word, value)
            elif kind is _Kind.END:
                found += self._closed(clause, text, at)
                clause = _Clause()
        return found + self._closed(clause, text, len(text))

    def _words(self, text: str) -> Iterator[tuple[int, str, _Kind, float]]:
        """Yield the longest known word at each place, from left to right."""
        lengths, entries, free_from = self._lengths, self._entries, 0
        for at, character in enumerate(text):
            if at < free_from or character not in lengths:
                continue
            for length in lengths[character]:
                word = text[at : at + length]
                if word in entries:
                    yield at, word, *entries[word]
                    free_from = at + length
                    break

    def _take_term(self, clause: _Clause, at: int, word: str, weight: float) -> None:
        negation = self.modifiers.negation
        if clause.is_negated and at - clause.negation_end <= negation.reach:
            share = negation.share_of_positive if weight > 0 else negation.share_of_negative
            hit = Hit(word, -weight * share, is_negated=True)
        elif at - clause.degree_end <= self.modifiers.degrees.reach:
            hit = Hit(word, weight * clause.degree)
        else:
            hit = Hit(word, weight)
        clause.hits.append(hit)
        clause.is_negated, clause.degree_end = False, _FAR

    def _take_negation(self, clause: _Clause, at: int, word: str) -> None:
        negation = self.modifiers.negation
        is_second = clause.is_negated and at - clause.negation_end <= negation.reach
        clause.is_negated = not is_second
        clause.is_rhetorical |= word in negation.rhetorical
        clause.negation_end = at + len(word)

    def _take_degree(self, clause: _Clause, at: int, word: str, factor: float) -> None:
        clause.degree, clause.degree_end = factor, at + len(word)
        if at - clause.negation_end <= self.modifiers.negation.reach:
            clause.negation_end = clause.degree_end

    def _closed(self, clause: _Clause, text: str, end: int) -> list[Hit]:
        """Return a clause's hits now that its end is known: does it ask, does it expect yes?"""
        if not clause.hits:
            return clause.hits
        negation, question = self.modifiers.negation, self.modifiers.question
        if clause.is_rhetorical and text.endswith(negation.rhetorical_endings, 0, end):
            return [Hit(hit.term, self.terms[hit.term]) for hit in clause.hits]
        is_marked = text.startswith(tuple(question.marks), end)
        if not is_marked and not text.endswith(question.endings, 0, end):
            return clause.hits
        shares = {True: question.share_of_positive, False: question.share_of_negative}
        return [
            hit._replace(strength=hit.strength * shares[hit.strength > 0]) for hit in clause.hits
        ]


def strongest(hits: Iterable[Hit]) -> list[Hit]:
    """Return of each term, and of each turned term, the strongest hit; strongest first."""
    best: dict[tuple[str, bool], Hit] = {}
    for hit in hits:
        key = (hit.term, hit.is_negated)
        if hit.strength and (key not in best or abs(hit.strength) > abs(best[key].strength)):
            best[key] = hit
    return sorted(best.values(), key=lambda hit: (-abs(hit.strength), hit.term))


def _entries(terms: Mapping[str, int], modifiers: Modifiers) -> dict[str, tuple[_Kind, float]]:
    marks = normalized(modifiers.clauses.marks + modifiers.question.marks)
    neutral = [word for words in modifiers.neutral.values() for word in words]
    return {
        **dict.fromkeys([*marks, *_SPACE, *modifiers.clauses.words], (_Kind.END, 0.0)),
        **dict.fromkeys(neutral, (_Kind.NEUTRAL, 0.0)),
        **dict.fromkeys(modifiers.negation.words, (_Kind.NEGATION, 0.0)),
        **{word: (_Kind.DEGREE, factor) for word, factor in modifiers.degrees.words.items()},
        **{term: (_Kind.TERM, float(weight)) for term, weight in terms.items()},
    }
