"""Redaction: personal identifiers leave the text before the text leaves the machine.

Belongs here: what is taken out of a text or a dialogue, and replacing it. Must not: which digits
identify somebody (see `identifying`), sending; names and addresses of people stay
(docs/concepts/what-leaves-the-machine.md).
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Final

from cs_assets.calls.digit_runs import Run, runs
from cs_assets.calls.identifiers import Kind, is_mobile, is_public
from cs_assets.calls.identifying import ASKS, Span, digit_spans, stands_alone
from cs_assets.calls.plain_text import plain
from cs_assets.calls.spoken_emails import emails

_TOKEN: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{8,}")
_MEASURED: Final = re.compile(r"[0-9]{1,6}(?:[A-Za-z]{1,4}|x[0-9]{1,6})")
_MIN_DIGITS_OF_TOKEN: Final = 5
_GRAM: Final = 4
_OPENING: Final = 3


@dataclass(frozen=True)
class Turn:
    """One turn of a dialogue: what the customer said, what the robot answered; None: nothing."""

    customer: str | None
    robot: str | None


def redact(text: str) -> tuple[str, Mapping[str, int]]:
    """Return plain text without identifiers, and how many of each kind were in it.

    Redacting twice changes nothing. See `redact_dialogue` for numbers said over several turns.
    """
    (clean,), counts = _redacted([[plain(text)]], [set()])
    return clean[0], counts


def redact_dialogue(turns: Sequence[Turn]) -> tuple[list[Turn], Mapping[str, int]]:
    """Return the turns as plain text without identifiers, and how many of each kind were in them.

    A speaker's turns are read on end, so that a number said in parts is found; what the other
    speaker repeats of a number is taken out too.
    """
    customer = [plain(turn.customer or "") for turn in turns]
    robot = [plain(turn.robot or "") for turn in turns]
    asked = [
        {at + 1 for at, text in enumerate(robot) if ASKS.search(text)},
        {at for at, text in enumerate(customer) if ASKS.search(text)},
    ]
    (customer, robot), counts = _redacted([customer, robot], asked)
    clean = [
        Turn(
            None if turn.customer is None else customer[at],
            None if turn.robot is None else robot[at],
        )
        for at, turn in enumerate(turns)
    ]
    return clean, counts


def _redacted(
    speakers: Sequence[Sequence[str]], asked: Sequence[AbstractSet[int]]
) -> tuple[list[list[str]], Mapping[str, int]]:
    """Take identifiers out of each speaker's utterances; `asked`: which answer for a number."""
    texts = ["\n".join(utterances) for utterances in speakers]
    found = [runs(text) for text in texts]
    spans: list[list[Span]] = []
    for text, utterances, said, answers in zip(texts, speakers, found, asked, strict=True):
        ends = list(accumulate((len(utterance) + 1 for utterance in utterances), initial=0))
        others = [*_email_spans(text), *_token_spans(text)]
        free = _outside(said, others)
        spans.append(
            others + digit_spans(text, free, {ends[at] for at in answers if at < len(ends)})
        )
    known = _grams(span for those in spans for span in those if span.digits)
    counts: Counter[str] = Counter()
    clean = []
    for text, utterances, said, those in zip(texts, speakers, found, spans, strict=True):
        those += _repeated(text, _outside(said, those), known)
        counts.update(span.kind for span in those if span.is_first)
        lines = iter(_replaced(text, those).split("\n"))
        clean.append(["\n".join(islice(lines, 1 + one.count("\n"))) for one in utterances])
    return clean, dict(counts)


def _email_spans(text: str) -> list[Span]:
    return [Span(start, end, "EMAIL") for start, end in emails(text)]


def _token_spans(text: str) -> list[Span]:
    """Return the ids of letters and digits; letters that stand for digits are none."""
    return [
        Span(*token.span(), "ID")
        for token in _TOKEN.finditer(text)
        if sum(char.isdigit() for char in token[0]) >= _MIN_DIGITS_OF_TOKEN
        and not set(token[0]) <= set("0123456789oOlI")
        and not _MEASURED.fullmatch(token[0])
        and not any(is_mobile(digits) for digits in re.findall("[0-9]+", token[0]))
    ]


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
    """Return the openings and the pieces of known identifiers, by which a repetition is known."""
    grams: dict[str, Kind] = {}
    for span in spans:
        grams.setdefault(span.digits[:_OPENING], span.kind)
        for at in range(len(span.digits) - _GRAM + 1):
            grams.setdefault(span.digits[at : at + _GRAM], span.kind)
    return grams


def _repeated(text: str, free: Iterable[Run], known: Mapping[str, Kind]) -> list[Span]:
    """Return the runs that repeat a piece of a known identifier."""
    spans = []
    for run in free if known else ():
        if run.measure == "hard" or is_public(run.digits):
            continue
        grams = [run.digits[at : at + _GRAM] for at in range(len(run.digits) - _GRAM + 1)]
        # three digits may be a price; they repeat a number if they are all that is said
        if not grams and stands_alone(text, run):
            grams = [run.digits]
        if grams and all(gram in known for gram in grams):
            spans.append(Span(run.start, run.end, known[grams[0]]))
    return spans


def _replaced(text: str, spans: Iterable[Span]) -> str:
    parts, at = [], 0
    for span in sorted(spans):
        if span.end > at:
            parts += [text[at : max(at, span.start)], f"[{span.kind}]"]
            at = span.end
    return "".join([*parts, text[at:]])
