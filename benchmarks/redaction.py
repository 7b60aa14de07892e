"""How many identifiers redaction finds in invented dialogues, what else it takes, how fast it is.

Belongs here: measuring. Must not: the corpus (see `redaction_corpus`), redacting.

    python -m benchmarks.redaction [--dialogues 5000] [--seed 0] [--show]
"""

import argparse
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from benchmarks.redaction_corpus import Case, Innocent, Planted, dialogues
from cs_assets.calls.redaction import Turn, redact_dialogue

LEAST_RECALL = 0.995
MOST_FALSE_ALARMS = 0.01
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_WORD = re.compile(rf"(?i)\b(?:{'|'.join(_WORDS)})\b")
_DIGITS = {
    **{char: str(value) for value, char in enumerate("零一二三四五六七八九")},
    **{char: str(value) for value, char in enumerate("洞壹贰叁肆伍陆柒捌玖")},
    **{"幺": "1", "两": "2", "拐": "7", "勾": "9", "O": "0"},
}
_GRAM = 4


def missed(case: Case, clean: Sequence[Turn]) -> list[Planted]:
    """Return the identifiers of which something is left: four characters on end, or a group."""
    return [planted for planted in case.planted if _is_left(planted, clean)]


def _is_left(planted: Planted, clean: Sequence[Turn]) -> bool:
    turns = [clean[at] for at in planted.turns]
    said = [
        "".join(text or "" for text in texts)
        for texts in ([turn.customer for turn in turns], [turn.robot for turn in turns])
    ]
    pieces = [_written(piece) for piece in planted.pieces]
    if any(len(piece) > 2 and piece in _written(text) for piece in pieces for text in said):
        return True
    secret = _read(planted.secret)
    grams = [secret[at : at + _GRAM] for at in range(len(secret) - _GRAM + 1)]
    return any(gram in _read(text) for gram in grams for text in said)


def alarms(case: Case, clean: Sequence[Turn]) -> list[Innocent]:
    """Return the innocent numbers that were not left as they are."""
    return [
        innocent
        for innocent in case.innocent
        if not any(
            _written(innocent.text) in _written(text or "")
            for text in (clean[innocent.turn].customer, clean[innocent.turn].robot)
        )
    ]


def _written(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _read(text: str) -> str:
    """Return the letters and digits of a text, digits as digits however they are said."""
    text = re.sub(r"\[[A-Z]+\]", "|", unicodedata.normalize("NFKC", text))
    text = _WORD.sub(lambda word: str(_WORDS.index(word[0].lower())), text)
    digits = "".join(_DIGITS.get(char, char) for char in text)
    return re.sub(r"[^0-9a-z|]", "", digits.lower())


def _table(title: str, wrong: Counter[str], of: Counter[str]) -> None:
    print(f"\n| {title} | wrong | of | right |\n|---|---|---|---|")
    for name, count in sorted(of.items(), key=lambda item: (-wrong[item[0]] / item[1], item[0])):
        print(f"| {name} | {wrong[name]} | {count} | {1 - wrong[name] / count:.1%} |")


def _names(planted: Iterable[Planted]) -> Counter[str]:
    return Counter(f"{one.kind}: {one.form}" for one in planted)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dialogues", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="print what went wrong")
    options = parser.parse_args()
    cases = list(dialogues(options.dialogues, options.seed))
    started = time.perf_counter()
    clean = [redact_dialogue(case.turns)[0] for case in cases]
    seconds = time.perf_counter() - started
    pairs = list(zip(cases, clean, strict=True))
    left = [one for case, turns in pairs for one in missed(case, turns)]
    taken = [one for case, turns in pairs for one in alarms(case, turns)]
    planted = [one for case in cases for one in case.planted]
    innocent = [one for case in cases for one in case.innocent]
    print(f"{len(cases):,} dialogues, {len(cases) / seconds:,.0f} a second")
    print(f"recall {1 - len(left) / len(planted):.4f} (at least {LEAST_RECALL})", end=", ")
    print(f"false alarms {len(taken) / len(innocent):.4f} (at most {MOST_FALSE_ALARMS})")
    _table("identifier", _names(left), _names(planted))
    _table(
        "number that is none",
        Counter(one.form for one in taken),
        Counter(one.form for one in innocent),
    )
    if options.show:
        for case, turns in pairs:
            for one in missed(case, turns):
                print(one, *(turns[at] for at in one.turns), sep="\n    ")
            for one in alarms(case, turns):
                print(one, turns[one.turn], sep="\n    ")


if __name__ == "__main__":
    main()
