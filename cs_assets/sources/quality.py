"""How good landed rows are: exact counts by tenant and day, rolled up to months.

Belongs here: what is counted, and the rows that tell of it. Must not: what is asked (see
`quality_rules`), reading files, Dagster.

Counts are whole numbers; the share is divided last, and null where nothing was judged.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd

from cs_assets.periods import LoadedPeriod
from cs_assets.sources.quality_contracts import (
    ALL,
    COMPLETENESS,
    CONSISTENCY,
    LANDED_QUALITY,
    TIMELINESS,
    VALIDITY,
)
from cs_assets.sources.quality_rules import INCONSISTENT, Questions, is_contradictory

IN_TIME_DAYS = 1
"""A row that lands by the day after its own is in time."""
_SHOWN_REASONS = 5
Row = dict[str, Any]


@dataclass(frozen=True)
class Arrival:
    """Rows of a day that landed first on `landed`; None: before anybody looked."""

    tenant_id: str
    day: date
    landed: date | None
    rows: int


@dataclass(frozen=True)
class Counts:
    """What was counted of one source, by tenant and day.

    `facts` and `bad` are the rows of `fact_counts` and `bad_counts`; `read` holds all rows of the
    files by (tenant, day); `arrivals` is None for snapshots.
    """

    facts: Sequence[Row]
    bad: Sequence[Row]
    read: Mapping[tuple[str, date], int] = field(default_factory=dict)
    arrivals: Sequence[Arrival] | None = None


def fact_counts(own: Questions, fact: ir.Table) -> ir.Table:
    """Count the rows of a fact by tenant and day: rows, and by field those that should have it and
    those that do.
    """
    counted: dict[str, ir.Value] = {"rows": fact.count()}
    for name, should in own.filled.items():
        expected = should(fact).fill_null(False) if should else ibis.literal(True)
        counted[f"should_{name}"] = fact.count(where=expected)
        counted[f"has_{name}"] = fact.count(where=expected & fact[name].notnull())
    if own.dates:
        later, day = fact[own.dates.later], fact[own.rules.day]
        counted["dated"] = fact.count(where=later.notnull())
        counted["in_order"] = fact.count(where=(later >= day).fill_null(False))
    if "is_backdated" in fact.columns:
        counted["there"] = fact.count(where=~fact.is_backdated)
    return fact.group_by(["tenant_id", day_of(own, fact)]).agg(**counted)


def bad_counts(own: Questions, quarantine: ir.Table) -> ir.Table:
    """Count quarantined rows by tenant, day and reason, and those that contradict themselves."""
    marked = quarantine.mutate(contradictory=is_contradictory(own, quarantine))
    return marked.group_by(["tenant_id", day_of(own, marked), "reason"]).agg(
        rows=marked.count(), contradictory=marked.count(where=marked.contradictory)
    )


def day_of(own: Questions, rows: ir.Table) -> ir.Value:
    """Return the day of rows, named `day`."""
    return rows[own.rules.day].name("day")


@dataclass
class _Measure:
    judged: int = 0
    passed: int = 0
    delay: int | None = None
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, judged: int, passed: int, reasons: Mapping[str, int] | None = None) -> None:
        self.judged += judged
        self.passed += passed
        self.reasons.update(reasons or {})


def quality(
    asked: Sequence[tuple[Questions, Counts]],
    periods: Iterable[LoadedPeriod],
    tenant_id: str,
) -> pd.DataFrame:
    """Return the rows of `landed_quality_month`; `tenant_id` has some even without any data."""
    rows = [
        {"tenant_id": tenant, **period.columns, "source": own.name, **row}
        for period in periods
        for tenant in _tenants(asked, period, tenant_id)
        for own, counts in asked
        for row in _of_source(own, counts, tenant, period.loaded)
    ]
    return pd.DataFrame(rows, columns=list(LANDED_QUALITY.column_names)).astype(
        {"delay_days": "Int64"}
    )


def _tenants(
    pairs: Iterable[tuple[Questions, Counts]], period: LoadedPeriod, tenant_id: str
) -> list[str]:
    days = set(period.loaded)
    found = {
        row["tenant_id"]
        for _, counts in pairs
        for row in (*counts.facts, *counts.bad)
        if row["day"] in days
    }
    return sorted(found) or [tenant_id]


def _of_source(own: Questions, counts: Counts, tenant: str, days: Sequence[date]) -> Iterator[Row]:
    wanted = set(days)
    facts = [r for r in counts.facts if r["tenant_id"] == tenant and r["day"] in wanted]
    bad = [r for r in counts.bad if r["tenant_id"] == tenant and r["day"] in wanted]
    found = {
        COMPLETENESS: _completeness(own, facts),
        VALIDITY: {"rules": _validity(facts, bad)},
        CONSISTENCY: _consistency(own, facts, bad, counts, tenant),
        TIMELINESS: _timeliness(facts, counts, tenant, wanted),
    }
    with_rows = _Measure(len(days), len({row["day"] for row in facts}))
    for dimension, measures in found.items():
        for name, measure in measures.items():
            yield _row(dimension, name, measure)
        if dimension == COMPLETENESS:
            yield _row(dimension, "days_with_rows", with_rows)
        yield _row(dimension, ALL, _together(measures))


def _completeness(own: Questions, facts: Sequence[Row]) -> dict[str, _Measure]:
    found = {name: _Measure() for name in own.filled}
    for row in facts:
        for name, measure in found.items():
            measure.add(row[f"should_{name}"], row[f"has_{name}"])
    return found


def _validity(facts: Sequence[Row], bad: Sequence[Row]) -> _Measure:
    measure = _Measure()
    for row in facts:
        measure.add(row["rows"], row["rows"])
    for row in bad:
        kept = row["rows"] if row["reason"] in INCONSISTENT else row["contradictory"]
        measure.add(row["rows"], kept, {row["reason"]: row["rows"] - kept})
    return measure


def _consistency(
    own: Questions, facts: Sequence[Row], bad: Sequence[Row], counts: Counts, tenant: str
) -> dict[str, _Measure]:
    loaded = sum(row["rows"] for row in facts)
    by_reason = Counter[str]()
    for row in bad:
        by_reason[row["reason"]] += row["rows"]
    if counts.arrivals is None:
        repeated = by_reason["repeated_customer"]
        return {"not_repeated": _Measure(loaded + repeated, loaded)}
    found = {
        # rows that name no customer cannot be asked
        "known_customer": _Measure(
            loaded + sum(by_reason.values()) - _nameless(by_reason),
            loaded + sum(by_reason.values()) - _nameless(by_reason) - by_reason["unknown_customer"],
        ),
        "not_repeated": _not_repeated(facts, bad, counts, tenant),
    }
    if own.dates:
        crossed = sum(row["contradictory"] for row in bad)
        found["dates_in_order"] = _Measure(
            sum(row["dated"] for row in facts) + crossed, sum(row["in_order"] for row in facts)
        )
    return found


def _nameless(by_reason: Mapping[str, int]) -> int:
    return by_reason["unreadable_row"] + by_reason["no_customer_id"]


def _not_repeated(
    facts: Sequence[Row], bad: Sequence[Row], counts: Counts, tenant: str
) -> _Measure:
    """Hold what the files hold of each day against what became of it.

    A day whose files have changed since it was loaded says nothing.
    """
    aside = Counter[date]()
    for row in bad:
        aside[row["day"]] += row["rows"]
    measure = _Measure()
    for row in facts:
        good = counts.read.get((tenant, row["day"]), 0) - aside[row["day"]]
        if good >= row["rows"]:
            measure.add(good, row["rows"])
    return measure


def _timeliness(
    facts: Sequence[Row], counts: Counts, tenant: str, days: set[date]
) -> dict[str, _Measure]:
    if counts.arrivals is None:
        measure = _Measure()
        for row in facts:
            measure.add(row["rows"], row["there"])
        return {"not_backdated": measure}
    measure = _Measure()
    for item in counts.arrivals:
        if item.tenant_id == tenant and item.day in days and item.landed is not None:
            late = max(0, (item.landed - item.day).days)
            measure.add(item.rows, item.rows if late <= IN_TIME_DAYS else 0)
            measure.delay = (measure.delay or 0) + late * item.rows
    return {"landed_in_time": measure}


def _together(measures: Mapping[str, _Measure]) -> _Measure:
    """Sum the measures; each that does not pass everywhere, or its own reasons, is a reason."""
    whole = _Measure()
    for name, measure in measures.items():
        missed = measure.judged - measure.passed
        whole.add(measure.judged, measure.passed, measure.reasons or {name: missed})
        if measure.delay is not None:
            whole.delay = (whole.delay or 0) + measure.delay
    return whole


def _row(dimension: str, name: str, measure: _Measure) -> Row:
    commonest = sorted((-rows, reason) for reason, rows in measure.reasons.items() if rows)
    reasons = [{"reason": reason, "rows": -rows} for rows, reason in commonest[:_SHOWN_REASONS]]
    return {
        "dimension": dimension,
        "measure": name,
        "judged": measure.judged,
        "passed": measure.passed,
        "share": measure.passed / measure.judged if measure.judged else None,
        "delay_days": measure.delay,
        "reasons": json.dumps(reasons, ensure_ascii=False),
    }
