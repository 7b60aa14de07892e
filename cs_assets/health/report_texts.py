"""The text of the report's files, entry by entry, so that a million customers need no memory.

Belongs here: turning rows into valid JSON, adding up the summary. Must not: writing files, tables.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from cs_assets.health.report_shapes import AlertEntry, CustomerEntry, ScoreHistory, Summary
from cs_assets.results import Piece

DATA, HISTORY, ALERTS = FILES = (
    "customer_success_data.json",
    "health_scores_history.json",
    "risk_alerts.json",
)
_DECIMALS = 6
_ONE = 10**_DECIMALS
_INSTANT = ',"calculated_at":'
Row = Mapping[str, Any]


@dataclass
class Tally:
    """What a file's entries add up to, known when its last one is written."""

    entries: int = 0
    scored: int = 0
    score_sum: int = 0
    grades: Counter[str] = field(default_factory=Counter)

    def add(self, entry: CustomerEntry) -> None:
        """Count a customer; scores have six decimals and are added up as whole numbers."""
        self.entries += 1
        if entry.health_score is not None:
            self.scored += 1
            self.score_sum += round(entry.health_score * _ONE)
        if entry.health_grade is not None:
            self.grades[entry.health_grade] += 1

    @property
    def average(self) -> float | None:
        """Mean of the scores; None: nobody has one."""
        return round(self.score_sum / (self.scored * _ONE), _DECIMALS) if self.scored else None

    def summary(self, grades: Iterable[str]) -> Summary:
        """Return the summary with every one of the scorecard's grades, best first."""
        return Summary(
            total_customers=self.entries,
            avg_health_score=self.average,
            distribution={grade: self.grades[grade] for grade in grades},
        )


def data_pieces(
    rows: Iterable[Row], calculated_at: str, grades: Iterable[str], tally: Tally
) -> Iterator[Piece]:
    """Return the text of `customer_success_data.json`; `tally` is filled on the way."""
    yield Piece('{"customers":[')
    for row in rows:
        entry = CustomerEntry.model_validate({**row, "calculated_at": calculated_at})
        start, instant, end = entry.model_dump_json().rpartition(_INSTANT)
        yield Piece(f"{',' if tally.entries else ''}\n{start}")
        yield Piece(instant + end.removesuffix("}"), is_provenance=True)
        yield Piece("}")
        tally.add(entry)
    yield Piece(f'\n],"summary":{tally.summary(grades).model_dump_json()}}}\n')


def history_pieces(rows: Iterable[Row], tally: Tally) -> Iterator[Piece]:
    """Return the text of `health_scores_history.json`."""
    entries = (ScoreHistory.model_validate(row).model_dump_json() for row in rows)
    return chain([Piece("[")], _listed(entries, tally), [Piece("\n]\n")])


def alert_pieces(rows: Iterable[Row], period_key: str, tally: Tally) -> Iterator[Piece]:
    """Return the text of `risk_alerts.json`."""
    entries = (AlertEntry.model_validate(row).model_dump_json() for row in rows)
    start = f'{{"generated_for":{json.dumps(period_key)},"alerts":['
    return chain([Piece(start)], _listed(entries, tally), [Piece("\n]}\n")])


def _listed(entries: Iterable[str], tally: Tally) -> Iterator[Piece]:
    for entry in entries:
        yield Piece(f"{',' if tally.entries else ''}\n{entry}")
        tally.entries += 1
