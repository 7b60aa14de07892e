"""The corpus: labelled texts, without those that are kept for the evaluation.

Belongs here: reading, one form per text, holding out, blocks for cross-validation.
Must not: terms and weights (see `build`).
"""

import lzma
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SHARED_RUN = 12
"""Texts that share so many characters in a row are taken for the same text."""
BLOCK = 100
"""Lines of a corpus file that stay together in cross-validation: a review spans several."""
# answers of a hotel stand among the reviews and bear the label of the review they answer
NOT_REVIEWS = ("宾馆反馈",)


@dataclass(frozen=True)
class Line:
    """One labelled text and the block of the corpus file it stands in."""

    text: str
    is_positive: bool
    block: int


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file, plain or xz."""
    data = path.read_bytes()
    text = (lzma.decompress(data) if path.suffix == ".xz" else data).decode("utf-8")
    return [line.strip() for line in text.removesuffix("\n").split("\n")]


def bare(text: str) -> str:
    """Return the letters, digits and Chinese characters of a text alone."""
    plain = unicodedata.normalize("NFKC", text).lower()
    return "".join(character for character in plain if character.isalnum())


def runs(text: str) -> Iterator[str]:
    """Yield every run of `SHARED_RUN` characters."""
    return (text[at : at + SHARED_RUN] for at in range(len(text) - SHARED_RUN + 1))


def training_lines(
    corpus: Path, held_out: Iterable[Path], neighbours: int
) -> tuple[list[Line], Counter[str]]:
    """Return the lines of pos.txt and neg.txt that may be learnt from, and counts of the others.

    A line goes if it equals a held-out text or shares a run with one, if it stands at most
    `neighbours` lines from such a line (then it may be of the same review), if it was there
    before, or if it bears both labels.
    """
    kept_back = {bare(line) for path in held_out for line in read_lines(path)} - {""}
    kept_runs = {run for text in kept_back for run in runs(text)}
    counts: Counter[str] = Counter()
    labels: dict[str, set[bool]] = {}
    found: list[tuple[str, Line]] = []
    for name, is_positive in (("pos.txt", True), ("neg.txt", False)):
        lines = read_lines(corpus / name)
        keys = [bare(line) for line in lines]
        held = [key in kept_back or not kept_runs.isdisjoint(runs(key)) for key in keys]
        for at, (line, key) in enumerate(zip(lines, keys, strict=True)):
            fate = "held out" if held[at] else "not a review" if _is_no_review(line, key) else ""
            if not fate and any(held[max(0, at - neighbours) : at + neighbours + 1]):
                fate = "beside a held-out line"
            counts[fate or "read"] += 1
            if not fate:
                labels.setdefault(key, set()).add(is_positive)
                found.append((key, Line(line, is_positive, at // BLOCK * 2 + is_positive)))
    single = {key: line for key, line in reversed(found) if len(labels[key]) == 1}
    counts["learnt from"] = len(single)
    return list(reversed(single.values())), counts


def _is_no_review(line: str, key: str) -> bool:
    return not key or any(mark in line for mark in NOT_REVIEWS)
