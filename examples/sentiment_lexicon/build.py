"""Learn the terms' weights from a corpus and write the lexicon's CSV.

Belongs here: features, the fit, cross-validation, the file. Must not: reading the corpus (see
`corpus`), how a text is judged (see `cs_assets.calls.lexicon`).

    python -m examples.sentiment_lexicon.build CORPUS --held-out REVIEWS --out lexicon_zh.csv

What is fitted is a logistic regression on what the lexicon itself finds in a text: each term
with its degree and negation. The weights have a Gaussian prior around those of `vocabulary.yaml`,
so that a rare term keeps the weight a person gave it and a frequent one learns its own.
"""

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy import optimize, sparse

from cs_assets.calls.lexicon import MODIFIERS, Lexicon, strongest
from cs_assets.calls.lexicon_files import COLUMNS, Modifiers, read_modifiers, read_text
from examples.sentiment_lexicon.corpus import Line, training_lines

PER_LOGIT = 10
"""Weights are whole tenths of a logit."""
MAX_LEARNT = 30
FOLDS = 5
SEEN_OFTEN = 10
"""From so many texts on a weight counts as learnt from the corpus, else as set by hand."""
FIXED = 1e9
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Vocabulary:
    """Terms with the mean and the precision of their weights' prior, in logits."""

    terms: list[str]
    mean: Floats
    precision: Floats


def read_vocabulary(path: Path, precision: float) -> Vocabulary:
    """Read the chosen words; groups that are `fixed` get a precision that no corpus moves."""
    rows = [
        (term, group["prior"] / PER_LOGIT, FIXED if group["fixed"] else precision)
        for group in yaml.safe_load(path.read_text(encoding="utf-8")).values()
        for term in group["words"]
    ]
    terms, mean, precisions = zip(*sorted(rows), strict=True)
    if len(set(terms)) < len(terms):
        raise SystemExit(f"{path}: these stand twice: {[t for t in terms if terms.count(t) > 1]}")
    return Vocabulary(list(terms), np.array(mean), np.array(precisions))


def features(
    vocabulary: Vocabulary, modifiers: Modifiers, texts: Sequence[str]
) -> sparse.csr_matrix:
    """Return per text and term the factor by which the term's weight counts there."""
    signs = np.sign(vocabulary.mean).astype(int)
    lexicon = Lexicon(dict(zip(vocabulary.terms, signs.tolist(), strict=True)), modifiers)
    column = {term: at for at, term in enumerate(vocabulary.terms)}
    cells = [
        (row, column[hit.term], hit.strength * signs[column[hit.term]])
        for row, text in enumerate(texts)
        for hit in strongest(lexicon.hits(text))
    ]
    rows, columns, values = zip(*cells, strict=True)
    shape = (len(texts), len(vocabulary.terms))
    return sparse.csr_matrix((values, (rows, columns)), shape=shape)


def fit(x: sparse.csr_matrix, is_positive: NDArray[np.bool_], vocabulary: Vocabulary) -> Floats:
    """Return the most probable weights in whole `PER_LOGIT`ths; 0 where the corpus says otherwise.

    A weight of the other sign than its prior's is dropped: then the corpus uses the word in
    another sense than the one it was chosen for.
    """
    signs = np.where(is_positive, 1.0, -1.0)
    start = x @ vocabulary.mean

    def loss(shift: Floats) -> tuple[float, Floats]:
        margins = signs * (x @ shift + start)
        slope = -(x.T @ (signs / (1 + np.exp(margins)))) + vocabulary.precision * shift
        value = np.logaddexp(0, -margins).sum() + (vocabulary.precision * shift**2).sum() / 2
        return float(value), slope

    shift = optimize.minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x
    weights = np.round((vocabulary.mean + shift) * PER_LOGIT)
    weights[np.sign(weights) != np.sign(vocabulary.mean)] = 0
    return np.clip(weights, -MAX_LEARNT, MAX_LEARNT)


def cross_validated(
    x: sparse.csr_matrix, lines: Sequence[Line], vocabulary: Vocabulary
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return for every line the sum of weights learnt without its block, and its label."""
    is_positive = np.array([line.is_positive for line in lines])
    blocks = np.array([line.block for line in lines])
    order = np.random.default_rng(0).permutation(np.unique(blocks))
    sums = np.zeros(len(lines))
    for fold in range(FOLDS):
        is_test = np.isin(blocks, order[fold::FOLDS])
        weights = fit(x[~is_test], is_positive[~is_test], vocabulary)
        sums[is_test] = x[is_test] @ weights
    return sums, is_positive


def report(sums: Floats, is_positive: NDArray[np.bool_]) -> None:
    """Print share judged and accuracy for some scales of the modifiers file."""
    print("scale  judged  accuracy")
    for scale in (6, 7, 8, 9, 10, 12):
        scores = np.round(1 / (1 + np.exp(-sums / scale)), 4)
        judged = (scores >= 0.6) | (scores <= 0.4)
        accuracy = ((scores > 0.5) == is_positive)[judged].mean()
        print(f"{scale:5}  {judged.mean():6.3f}  {accuracy:8.3f}")


def write(path: Path, vocabulary: Vocabulary, weights: Floats, seen: NDArray[np.int64]) -> None:
    """Write the terms that kept a weight, strongest first."""
    order = sorted(range(len(weights)), key=lambda at: (-abs(weights[at]), vocabulary.terms[at]))
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for at in order:
            if weights[at]:
                is_learnt = seen[at] >= SEEN_OFTEN and vocabulary.precision[at] < FIXED
                source = "corpus" if is_learnt else "hand"
                rows.writerow([vocabulary.terms[at], int(weights[at]), source])


def main() -> None:
    """Learn, cross-validate, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path, help="folder with pos.txt and neg.txt")
    parser.add_argument("--held-out", type=Path, help="folder of texts never to learn from")
    parser.add_argument("--neighbours", type=int, default=0, help="lines beside them to skip")
    parser.add_argument("--precision", type=float, default=8, help="trust in the prior weights")
    parser.add_argument("--modifiers", type=Path, default=MODIFIERS)
    parser.add_argument(
        "--vocabulary", type=Path, default=Path(__file__).with_name("vocabulary.yaml")
    )
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    held_out = sorted(options.held_out.glob("*.txt*")) if options.held_out else []
    lines, counts = training_lines(options.corpus, held_out, options.neighbours)
    print(dict(counts))
    vocabulary = read_vocabulary(options.vocabulary, options.precision)
    modifiers = read_modifiers(options.modifiers, read_text(options.modifiers))
    x = features(vocabulary, modifiers, [line.text for line in lines])
    sums, is_positive = cross_validated(x, lines, vocabulary)
    report(sums, is_positive)
    write(options.out, vocabulary, fit(x, is_positive, vocabulary), (x != 0).sum(axis=0).A1)


if __name__ == "__main__":
    main()
