"""Redaction: personal identifiers leave the text before the text leaves the machine.

Belongs here: what is taken out of a text or a dialogue, and replacing it. Must not: which digits
identify somebody (see `identifying`), sending; names and addresses of people stay
(docs/concepts/what-leaves-the-machine.md).
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Final

from cs_assets.calls.digit_runs import Run, runs
from cs_assets.calls.identifiers import Kind, is_mobile, is_public
from cs_assets.calls.identifying import ASKS, Span, digit_spans
from cs_assets.calls.plain_text import plain
from cs_assets.calls.spoken_emails import emails

_TOKEN: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{8,}")
_PLATE: Final = re.compile(
    "[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z][·. -]?"
    "(?=[A-Z]*[0-9])[A-HJ-NP-Z0-9]{5,6}(?![A-Za-z0-9])"
)
_MEASURED: Final = re.compile(r"[0-9]{1,6}(?:[A-Za-z]{1,4}|x[0-9]{1,6})")
_MIN_DIGITS_OF_TOKEN: Final = 5
_GRAM: Final = 4


@dataclass(frozen=True)
class Turn:
    """One turn of a dialogue: what the customer said, what the robot answered; None: nothing."""

    customer: str | None
    robot: str | None


def redact(text: str) -> tuple[str, Mapping[str, int]]:
    """Return plain text without identifiers, and how many of each kind were in it.

    Redacting twice changes nothing. See `redact_dialogue` for numbers said over several turns.
    """
    ((clean,),), counts = _redacted([_Speech([plain(text)], set())])
    return clean, counts


def redact_dialogue(turns: Sequence[Turn]) -> tuple[list[Turn], Mapping[str, int]]:
    """Return the turns as plain text without identifiers, and how many of each kind were in them.

    A speaker's turns are read on end, so that a number said in parts is found; what the other
    speaker repeats of a number is taken out too.
    """
    customer = [plain(turn.customer or "") for turn in turns]
    robot = [plain(turn.robot or "") for turn in turns]
    speakers = [
        _Speech(customer, {at + 1 for at, text in enumerate(robot) if ASKS.search(text)}),
        _Speech(robot, {at for at, text in enumerate(customer) if ASKS.search(text)}),
    ]
    (customer, robot), counts = _redacted(speakers)
    clean = [
        Turn(
            None if turn.customer is None else customer[at],
            None if turn.robot is None else robot[at],
        )
        for at, turn in enumerate(turns)
    ]
    return clean, counts


class _Speech:
    """What one speaker says: utterances on end, the runs and identifiers in them."""

    def __init__(self, utterances: Sequence[str], answers: AbstractSet[int]) -> None:
        """`answers`: which utterances follow a question for a number."""
        text = "\n".join(utterances)
        addresses = [Span(start, end, "EMAIL") for start, end in emails(text)]
        text = _replaced(text, addresses)
        ids = _token_spans(text)
        # before runs are looked for: one may begin inside of an address
        self.text = _replaced(text, ids)
        self.counts = Counter(span.kind for span in (*addresses, *ids))
        self._lines = [1 + one.count("\n") for one in utterances]
        self._starts = _starts(self.text, self._lines)
        self._runs = runs(self.text)
        begins = {self._starts[at] for at in answers if at < len(self._starts)}
        self.spans = digit_spans(self.text, self._runs, begins)

    def free(self) -> list[Run]:
        """Return the runs that are in no identifier."""
        return _outside(self._runs, self.spans)

    def utterance_of(self, run: Run) -> int:
        """Return the number of the utterance that a run stands in."""
        return bisect_right(self._starts, run.start) - 1

    def pieces(self) -> Iterator[tuple[str, int]]:
        """Yield the runs of identifiers: their digits, and the utterance they stand in."""
        free = set(self.free())
        yield from ((run.digits, self.utterance_of(run)) for run in self._runs if run not in free)

    def clean(self) -> list[str]:
        """Return the utterances without identifiers."""
        lines = iter(_replaced(self.text, self.spans).split("\n"))
        return ["\n".join(islice(lines, count)) for count in self._lines]


def _starts(text: str, lines: Iterable[int]) -> list[int]:
    """Return where utterances of so many lines each begin."""
    begins = [0, *(match.end() for match in re.finditer("\n", text))]
    *firsts, _ = accumulate(lines, initial=0)
    return [begins[at] for at in firsts]


def _redacted(speakers: Sequence[_Speech]) -> tuple[list[list[str]], Mapping[str, int]]:
    known = _grams(span for speech in speakers for span in speech.spans)
    if known:
        pieces = {piece for speech in speakers for piece in speech.pieces()}
        for speech in speakers:
            speech.spans += _repeated(speech, known, pieces)
    counts: Counter[str] = Counter()
    for speech in speakers:
        counts += speech.counts
        counts.update(span.kind for span in speech.spans if span.is_first)
    return [speech.clean() for speech in speakers], dict(counts)


def _token_spans(text: str) -> list[Span]:
    """Return number plates and ids of letters and digits, but no letters meant as digits."""
    tokens = [
        token
        for token in _TOKEN.finditer(text)
        if sum(char.isdigit() for char in token[0]) >= _MIN_DIGITS_OF_TOKEN
        and not set(token[0]) <= set("0123456789oOlI")
        and not _MEASURED.fullmatch(token[0])
        and not any(is_mobile(digits) for digits in re.findall("[0-9]+", token[0]))
    ]
    return [Span(*match.span(), "ID") for match in (*tokens, *_PLATE.finditer(text))]


def _outside(said: Sequence[Run], spans: Iterable[Span]) -> list[Run]:
    """Return the runs that no span touches."""
    free, taken = [], sorted(spans)
    at = 0
    for run in said:
        while at < len(taken) and taken[at].end <= run.start:
            at += 1
        if at == len(taken) or run.end <= taken[at].start:
            free.append(run)
    return free


def _grams(spans: Iterable[Span]) -> dict[str, Kind]:
    """Return the pieces of known identifiers by which a repetition is known."""
    return {
        span.digits[at : at + _GRAM]: span.kind
        for span in spans
        for at in range(len(span.digits) - _GRAM + 1)
    }


def _repeated(
    speech: _Speech, known: Mapping[str, Kind], pieces: AbstractSet[tuple[str, int]]
) -> list[Span]:
    """Return the runs that repeat a piece of a known identifier.

    Fewer than four digits may be a price: they repeat a piece of a turn beside them, or nothing.
    """
    spans = []
    for run in speech.free():
        turn = speech.utterance_of(run)
        is_beside = any((run.digits, turn + beside) in pieces for beside in (-1, 0, 1))
        grams = [run.digits[at : at + _GRAM] for at in range(len(run.digits) - _GRAM + 1)]
        if is_beside and len(run.digits) > 1 and not run.measure:
            spans.append(Span(run.start, run.end, known.get(run.digits[:_GRAM], "NUMBER")))
        elif run.measure == "hard" or is_public(run.digits):
            continue
        elif grams and all(gram in known for gram in grams):
            spans.append(Span(run.start, run.end, known[grams[0]]))
    return spans


def _replaced(text: str, spans: Iterable[Span]) -> str:
    parts, at = [], 0
    for span in sorted(spans):
        if span.end > at:
            parts += [text[at : max(at, span.start)], f"[{span.kind}]"]
            at = span.end
    return "".join([*parts, text[at:]])
