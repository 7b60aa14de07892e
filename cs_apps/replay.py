"""Replays: past periods under a candidate scorecard, published beside what stands, and compared.

Belongs here: which periods, publishing the shadow, figures for people. Must not: differences (see
`cs_assets.health.replay`), printing.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import uuid4

import ibis
import ibis.expr.types as ir

from cs_apps.replay_candidate import Candidate
from cs_apps.replay_figures import Difference, PeriodFigures, Replay
from cs_assets.calendar import Grain, period_from_partition
from cs_assets.contracts import Contract
from cs_assets.health import replay as differences
from cs_assets.health.contracts import (
    CUSTOMER_MEASURES,
    CUSTOMER_MEASURES_BEFORE,
    OF_A_CUSTOMER,
)
from cs_assets.health.replay_contracts import replay_contract
from cs_assets.health.score_contracts import CUSTOMER_HEALTH
from cs_assets.health.scorecard import Scorecard
from cs_assets.health.scoring import DIGITS
from cs_assets.results import ExpectedTotal, Result
from cs_resources.errors import ConfigurationError, ContractError
from cs_resources.storage import Storage
from cs_resources.writing import Provenance

SHOWN = 10
"""How many customers are shown with the reasons of their difference."""
_NEEDED = (CUSTOMER_MEASURES, CUSTOMER_MEASURES_BEFORE, CUSTOMER_HEALTH)

Rows: TypeAlias = list[dict[str, Any]]


def replay(storage: Storage, wanted: Candidate, periods: Mapping[Grain, Sequence[str]]) -> Replay:
    """Replay the published ones of the periods (Dagster keys by grain), keep and compare them.

    Raises ConfigurationError if none of them was published, ContractError if the scores break the
    contract of published ones.
    """
    known = {grain: _published(storage, grain, keys) for grain, keys in periods.items()}
    if not any(known.values()):
        raise ConfigurationError(
            "no period of --from … --to has published scores; make them first: `cs backfill "
            "--select health --from … --to …`"
        )
    grains = [_Grain.read(storage, wanted, grain, keys) for grain, keys in known.items() if keys]
    missing = {
        grain: [period_from_partition(grain, key).key for key in keys if key not in known[grain]]
        for grain, keys in periods.items()
    }
    return Replay(
        wanted,
        tuple(figures for grain in grains for figures in grain.figures()),
        tuple(_explained(wanted, grains, _largest(grains))),
        missing,
    )


@dataclass(frozen=True)
class _Grain:
    """The replay of one grain: the measures, scores by scorecard, and the comparison, all held."""

    storage: Storage
    candidate: Candidate
    grain: Grain
    now: ir.Table
    scored: Mapping[str, ir.Table]
    compared: ir.Table

    @classmethod
    def read(
        cls, storage: Storage, wanted: Candidate, grain: Grain, keys: Sequence[str]
    ) -> "_Grain":
        """Read what was published, score it again, compare, publish the shadow."""
        contract = replay_contract(grain, wanted.card.fingerprint)
        run = f"replay-{uuid4().hex}"
        storage.begin(run, [(contract, keys)])
        now, before, published = (storage.read(c.for_grain(grain), keys) for c in _NEEDED)
        keep = storage.stager.kept
        cards = {card.fingerprint: card for card in wanted.cards}
        scored = {
            name: keep(differences.replayed(now, before, card)) for name, card in cards.items()
        }
        shadow, again = (scored[card.fingerprint] for card in (wanted.card, wanted.replaces))
        stands = differences.of_card(published, wanted.replaces.name)
        compared = keep(differences.compared(shadow, again, stands))
        _publish(storage, run, contract, shadow, wanted.card, _counts(now, contract, keys))
        return cls(storage, wanted, grain, now, scored, compared)

    def figures(self) -> list[PeriodFigures]:
        """Count by period, in their order."""
        grades: dict[str, dict[tuple[str | None, str | None], int]] = {}
        for row in _rows(differences.grade_counts(self.compared)):
            own = grades.setdefault(row["period_key"], {})
            own[row["grade_was"], row["grade_now"]] = row["customers"]
        alerts: dict[str, dict[tuple[str, str], int]] = {}
        for row in self._alerts():
            alerts.setdefault(row["period_key"], {})[row["rule"], row["side"]] = row["alerts"]
        return [
            PeriodFigures(
                grain=self.grain,
                key=key,
                grades=grades[key],
                alerts=alerts.get(key, {}),
                **{name: value for name, value in row.items() if not name.startswith("period_")},
            )
            for row in _rows(differences.period_counts(self.compared).order_by("period_key"))
            for key in [row["period_key"]]
        ]

    def _alerts(self) -> Rows:
        if not self.candidate.moves_alerts:
            return []
        was, now = (
            self.storage.stager.kept(
                differences.holding(self.now, self.scored[card.fingerprint], rules)
            )
            for rules, card in (self.candidate.alerts_was, self.candidate.alerts_now)
        )
        return _rows(differences.alert_counts(differences.alert_changes(was, now)))


def _published(storage: Storage, grain: Grain, keys: Sequence[str]) -> list[str]:
    """Return the periods of which everything that a replay reads was published."""
    found = [set(storage.warehouse.published(c.for_grain(grain), keys)) for c in _NEEDED]
    there = set.intersection(*found)
    return [key for key in keys if key in there]


def _counts(now: ir.Table, contract: Contract, keys: Sequence[str]) -> dict[str, int]:
    counted = _rows(now.group_by("period_key").agg(rows=now.count()))
    found = {contract.partition_key(row["period_key"]): row["rows"] for row in counted}
    return dict.fromkeys(keys, 0) | found


def _publish(
    storage: Storage,
    run: str,
    contract: Contract,
    shadow: ir.Table,
    card: Scorecard,
    customers: Mapping[str, int],
) -> None:
    """Stage, audit, publish, as an asset's table is."""
    every = ExpectedTotal("every customer", customers)
    staged = storage.stager.stage(Result(shadow, totals=(every,)), contract, list(customers))
    if staged.failures:
        staged.discard()
        key, laws = next(iter(staged.failures.items()))
        raise ContractError(f"{contract.asset_name}, {key}: {'; '.join(laws)}; nothing was kept")
    made_of = f"{card.name}+{card.fingerprint}"
    storage.publish(run, staged, Provenance(run_id=run, write_id=run, fingerprint=made_of))


def _largest(grains: Sequence[_Grain]) -> Rows:
    """Return the largest differences, each customer once: grains often tell the same."""
    found = [row for grain in grains for row in _rows(differences.largest(grain.compared, SHOWN))]
    order = sorted(found, key=lambda row: (-abs(row["gap"]), row["tenant_id"], row["customer_id"]))
    first: dict[tuple[str, str], dict[str, Any]] = {}
    for row in order:
        first.setdefault((row["tenant_id"], row["customer_id"]), row)
    return list(first.values())[:SHOWN]


def _explained(wanted: Candidate, grains: Sequence[_Grain], rows: Rows) -> Iterator[Difference]:
    """Say what the differences come from; one ledger for all, as it is long to plan."""
    if not rows:
        return
    schema = dict.fromkeys(OF_A_CUSTOMER, "string")
    keys = ibis.memtable(
        [{name: row[name] for name in OF_A_CUSTOMER} for row in rows], schema=schema
    )
    measured = ibis.union(*(grain.now.semi_join(keys, OF_A_CUSTOMER) for grain in grains))
    few = grains[0].storage.stager.kept(measured)
    causes: dict[tuple[Any, ...], dict[str, float]] = {}
    for row in _rows(differences.reasons(few, wanted.replaces, wanted.card)):
        causes.setdefault(_key(row), {})[row["kind"]] = row["delta"]
    parts: dict[tuple[Any, ...], Counter[str]] = {_key(row): Counter() for row in rows}
    for row in _rows(differences.dimensions(few, wanted.replaces, wanted.card)):
        sign = 1 if row["side"] == "now" else -1
        parts[_key(row)][row["dimension"]] += sign * (row["contribution"] or 0)
    for row in rows:
        yield _difference(row, causes.get(_key(row), {}), parts[_key(row)])


def _difference(
    row: Mapping[str, Any], causes: Mapping[str, float], parts: Mapping[str, float]
) -> Difference:
    stale = {} if row["again"] is None else {"stale": round(row["again"] - row["was"], DIGITS)}
    every = {**stale, **causes}
    shown = ("tenant_id", "customer_id", "was", "now", "grade_was", "grade_now")
    return Difference(
        grain=Grain(row["period_type"]),
        key=row["period_key"],
        causes={kind: delta for kind, delta in every.items() if delta},
        dimensions={name: value for name, value in parts.items() if round(value, DIGITS)},
        **{name: row[name] for name in shown},
    )


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in OF_A_CUSTOMER)


def _rows(table: ir.Table) -> Rows:
    rows: Rows = table.to_pyarrow().to_pylist()
    return rows
