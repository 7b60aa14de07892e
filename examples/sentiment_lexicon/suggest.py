"""Words that tell good texts from bad and that the vocabulary lacks, for a person to choose from.

Belongs here: candidates for `vocabulary.yaml`. Must not: deciding; a machine cannot know that
招待所 tells bad hotels and says no mood.

    python -m examples.sentiment_lexicon.suggest CORPUS --held-out REVIEWS

A word is shown if it tells more than what the lexicon finds anyway and does so in at least two
domains of `domains.yaml`, against none: the words of one topic fall out that way.
"""

import argparse
import logging
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import jieba
import yaml

from cs_assets.calls.lexicon import Lexicon
from cs_assets.calls.lexicon_files import normalized
from examples.sentiment_lexicon.corpus import training_lines

MIN_TEXTS = 10
MIN_Z = 1.8
LONGEST = 5


@dataclass
class Evidence:
    """How a word's texts differ from what the lexicon expects of them."""

    texts: int = 0
    surprise: float = 0.0
    variance: float = 0.0
    by_domain: Counter[str] = field(default_factory=Counter)

    def add(self, is_positive: bool, expected: float, domain: str) -> None:
        """Count one text."""
        self.texts += 1
        self.surprise += is_positive - expected
        self.variance += expected * (1 - expected)
        self.by_domain[domain] += is_positive - expected

    @property
    def z(self) -> float:
        """The surprise in standard deviations; 0 where the domains disagree."""
        sign = math.copysign(1, self.surprise)
        told = [value * sign for domain, value in self.by_domain.items() if domain]
        agree = sum(value > 0.5 for value in told) >= 2 and min(told) > -1.5
        return self.surprise / math.sqrt(self.variance) if agree else 0.0


def words_of(text: str) -> Iterator[str]:
    """Yield the Chinese words of a text and the pairs of neighbours, up to `LONGEST` long."""
    words = jieba.lcut(normalized(text))
    for at, word in enumerate(words):
        for candidate in (word, "".join(words[at : at + 2])):
            if len(candidate) <= LONGEST and all(
                "\u4e00" <= each <= "\u9fff" for each in candidate
            ):
                yield candidate


def domain_of(text: str, seeds: Mapping[str, list[str]]) -> str:
    """Return the domain with most of its seed words in the text, empty if there is none."""
    counts = {name: sum(text.count(word) for word in words) for name, words in seeds.items()}
    best = max(counts, key=lambda name: counts[name], default="")
    return best if counts.get(best) else ""


def main() -> None:
    """Print the candidates, the most telling first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path, help="folder with pos.txt and neg.txt")
    parser.add_argument("--held-out", type=Path, help="folder of texts never to learn from")
    parser.add_argument("--domains", type=Path, default=Path(__file__).with_name("domains.yaml"))
    options = parser.parse_args()
    jieba.setLogLevel(logging.ERROR)
    held_out = sorted(options.held_out.glob("*.txt*")) if options.held_out else []
    seeds = yaml.safe_load(options.domains.read_text(encoding="utf-8"))
    lines, _ = training_lines(options.corpus, held_out, neighbours=0)
    lexicon = Lexicon.load()
    found: defaultdict[str, Evidence] = defaultdict(Evidence)
    for line in lines:
        judged = lexicon.judge(line.text)
        expected = min(max(judged.score if judged else 0.5, 0.01), 0.99)
        for word in set(words_of(line.text)) - lexicon.terms.keys():
            found[word].add(line.is_positive, expected, domain_of(line.text, seeds))
    ranked = sorted(found.items(), key=lambda item: -abs(item[1].z))
    for word, evidence in ranked:
        if evidence.texts >= MIN_TEXTS and abs(evidence.z) >= MIN_Z:
            print(f"{word}\t{evidence.z:+.1f}\t{evidence.texts}")


if __name__ == "__main__":
    main()
