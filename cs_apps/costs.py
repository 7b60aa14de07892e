"""What a language model was asked and what it cost, in sums for people.

Belongs here: sums over lines of the ledger, money in words. Must not: the ledger (see
`model_ledger`), printing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from cs_resources.model_ledger import CostLine

_MICROS = 1_000_000


@dataclass(frozen=True)
class Costs:
    """Requests and what they used, as far as it is known.

    `unknown`: requests without an outcome; `cost_micros`: millionths by currency; `unpriced_tokens`
    have no known price and are in no sum of money.
    """

    requests: int = 0
    answered: int = 0
    unknown: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_micros: Mapping[str, int] = field(default_factory=dict)
    unpriced_tokens: int = 0

    def __sub__(self, earlier: "Costs") -> "Costs":
        """Return what came since."""
        micros = Counter(self.cost_micros)
        micros.subtract(earlier.cost_micros)
        return Costs(
            self.requests - earlier.requests,
            self.answered - earlier.answered,
            self.unknown - earlier.unknown,
            self.prompt_tokens - earlier.prompt_tokens,
            self.completion_tokens - earlier.completion_tokens,
            dict(micros),
            self.unpriced_tokens - earlier.unpriced_tokens,
        )

    @property
    def money(self) -> str:
        """The cost in words, one sum a currency; `?` stands for tokens whose price is not known."""
        sums = [
            f"{micros / _MICROS:,.4f} {name}" for name, micros in sorted(self.cost_micros.items())
        ]
        return " + ".join([*sums, *(["?"] if self.unpriced_tokens else [])])


def total(lines: Iterable[CostLine]) -> Costs:
    """Add up lines of the ledger."""
    sums: Counter[str] = Counter()
    micros: Counter[str] = Counter()
    for line in lines:
        sums.update(
            requests=line.attempts,
            answered=line.answered,
            unknown=line.unknown,
            prompt_tokens=line.prompt_tokens,
            completion_tokens=line.completion_tokens,
        )
        if line.currency is not None and line.cost_micros is not None:
            micros[line.currency] += line.cost_micros
        else:
            sums["unpriced_tokens"] += line.prompt_tokens + line.completion_tokens
    return Costs(**sums, cost_micros=dict(micros))


def by_day(lines: Iterable[CostLine]) -> dict[tuple[date, str, str], Costs]:
    """Add up lines of the ledger by day of the calls, model and purpose, in that order."""
    grouped: dict[tuple[date, str, str], list[CostLine]] = {}
    for line in lines:
        grouped.setdefault((line.call_date, line.model, line.purpose), []).append(line)
    return {key: total(grouped[key]) for key in sorted(grouped)}
