"""An installation with published health, and candidates to replay it with."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from cs_apps.replay import replay
from cs_apps.replay_candidate import candidate
from cs_apps.replay_figures import Replay
from cs_apps.sample_data.health import write_health_files
from cs_assets.calendar import PERIOD_GRAINS, Grain, periods_between
from cs_assets.contracts import Contract
from cs_assets.definitions import TABLES, health_rules_of
from cs_assets.health.replay_contracts import replay_contract
from cs_assets.health.scorecard import BUILT_IN
from tests.calls.cases import Installation

FIRST, LAST = date(2025, 12, 25), date(2025, 12, 31)
CUSTOMERS = 12
MADE = "customers_raw,sales_raw,support_raw,risk_signals," + ",".join(
    f"{name}_{grain}"
    for name in ("customer_measures", "customer_health", "health_trend", "risk_alerts")
    for grain in PERIOD_GRAINS
)
Row = dict[str, Any]


class Scored(Installation):
    """A week's days of a few customers: two weeks, a month and a quarter, all unfinished."""

    def __init__(self, home: Path, **settings: Any) -> None:
        super().__init__(home, FIRST, LAST, health_sources=("sales", "support"), **settings)
        self.kept = replace(self.storage, contracts=TABLES)

    def make(self) -> None:
        """Land samples and publish everything that a replay reads."""
        landing = self.settings.cs_home / "landing"
        write_health_files(landing, customers=CUSTOMERS, months=2, end=LAST, with_defects=False)
        assert self.run(MADE, FIRST, LAST) == ""

    def periods(self, grain: Grain) -> list[str]:
        return [period.partition_key for period in periods_between(grain, FIRST, LAST)]

    def replayed(self, file: Path, *grains: Grain, **more: Any) -> Replay:
        """Replay every period of the grains (default: the month)."""
        wanted = candidate(self.settings, health_rules_of(self.settings), file, **more)
        return replay(self.kept, wanted, {g: self.periods(g) for g in grains or [Grain.MONTH]})

    def shadow(self, grain: Grain, fingerprint: str) -> list[Row]:
        return self.read(replay_contract(grain, fingerprint))

    def read(self, contract: Contract) -> list[Row]:
        """The published rows of one contract, in the order of its key."""
        keys = self.periods(contract.grain or Grain.DAY)
        there = list(self.kept.warehouse.published(contract, keys))
        reader = self.kept.warehouse.read(contract, there)
        assert isinstance(reader, pa.RecordBatchReader)
        rows: list[Row] = reader.read_all().to_pylist()
        return sorted(rows, key=lambda row: tuple(str(row[name]) for name in contract.key))


def written_card(name: str = "saas_8") -> Row:
    """A packaged scorecard as written."""
    content: Row = yaml.safe_load((BUILT_IN / f"{name}.yaml").read_text("utf-8"))
    return content


def card_file(folder: Path, content: Mapping[str, Any], name: str = "candidate") -> Path:
    """A scorecard file."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(dict(content), allow_unicode=True), "utf-8")
    return path


def moved_weight(share: float = 0.10) -> Row:
    """saas_8 with some weight of every type moved from payment to satisfaction."""
    card = written_card()
    for weights in card["weights"].values():
        weights["payment"] = round(weights["payment"] - share, 6)
        weights["satisfaction"] = round(weights["satisfaction"] + share, 6)
    return card


def overall_by_hand(dimensions: Mapping[str, float | None], weights: Mapping[str, float]) -> float:
    """The score from its published dimensions: their mean by weight, over those that exist."""
    known = {name: score for name, score in dimensions.items() if score is not None}
    total = sum(weights[name] * score for name, score in known.items())
    return total / sum(weights[name] for name in known)


def grade_by_hand(score: float, card: Mapping[str, Any]) -> str:
    """The grade whose band holds a score."""
    return next(
        str(grade["name"])
        for grade in sorted(card["grades"], key=lambda grade: -float(grade["from"]))
        if score >= grade["from"]
    )
