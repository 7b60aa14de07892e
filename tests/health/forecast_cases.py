"""Daily scores that the tests of forecasts are built from."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np

from cs_assets.health.forecast import forecasts, made_on, pairs, standing
from cs_assets.health.forecast_accuracy import accuracy, graded
from cs_assets.health.forecast_contracts import DAILY_SCORES
from cs_assets.health.forecast_fit import fit
from cs_assets.periods import SCHEMA
from cs_assets.sources.contracts import CUSTOMER_TYPES

Row = dict[str, Any]
AS_OF = date(2025, 12, 31)
HEALTH = {
    **dict.fromkeys(("tenant_id", "customer_id", "scorecard"), "string"),
    **SCHEMA,
    "overall": "float64",
}


def step(number: int) -> date:
    """The day `number` steps of 30 days before AS_OF."""
    return AS_OF - timedelta(days=30 * number)


def daily(customer: int, day: date, overall: float | None, **changes: Any) -> Row:
    """A row of daily_scores."""
    known = overall is not None
    row = {
        "tenant_id": "t",
        "score_date": day,
        "customer_id": f"c{customer:04}",
        "customer_type": CUSTOMER_TYPES[customer % 3],
        "scorecard": "saas_8",
        "scorecard_fingerprint": "f",
        "overall": round(overall, 6) if known else None,  # type: ignore[arg-type]
        "risk_level": "medium" if known else None,
    }
    return row | changes


def paths(move: Callable[[np.ndarray, int], np.ndarray], customers: int = 60) -> list[Row]:
    """Daily rows of customers whose score goes by `move` (scores, steps left) from step 8 to 0."""
    scores = np.linspace(0.3, 0.7, customers)
    rows = []
    for left in range(8, -1, -1):
        rows += [daily(n, step(left), float(score)) for n, score in enumerate(scores)]
        scores = np.clip(move(scores, left), 0, 1)
    return rows


def table(rows: Iterable[Row]) -> ir.Table:
    """A table daily_scores in memory."""
    return ibis.memtable(list(rows), schema=DAILY_SCORES.schema)


def expected(rows: Sequence[Row], as_ofs: Sequence[date] = (AS_OF,)) -> list[Row]:
    """The forecasts made on the days, by customer."""
    scores, days = table(rows), made_on(as_ofs)
    made = forecasts(standing(scores, days), fits_of(rows, as_ofs))
    found: list[Row] = made.to_pyarrow().to_pylist()
    return sorted(found, key=lambda row: (row["forecast_date"], row["customer_id"]))


def fits_of(rows: Sequence[Row], as_ofs: Sequence[date] = (AS_OF,)) -> list[Row]:
    """What was learnt for the forecasts."""
    return fit(pairs(table(rows), made_on(as_ofs)).to_pyarrow().to_pandas())


def judged(rows: Sequence[Row]) -> list[Row]:
    """The rows of forecast_accuracy at AS_OF."""
    now = [
        dict.fromkeys(HEALTH)
        | {"period_type": "month", "period_key": "2025-12", "as_of": AS_OF}
        | {name: row[name] for name in ("tenant_id", "customer_id", "scorecard", "overall")}
        for row in rows
        if row["score_date"] == AS_OF
    ]
    health = ibis.memtable(now, schema=HEALTH)
    fits = fits_of(rows)
    made = forecasts(standing(table(rows), made_on([AS_OF])), fits)
    found: list[Row] = accuracy(graded(made, health), health, fits).to_pyarrow().to_pylist()
    return found
