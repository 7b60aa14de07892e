"""Customers and scorecards that the tests of scores are built from."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb
import hypothesis.strategies as st
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import yaml

from cs_assets.health.contracts import MEASURES
from cs_assets.health.score_change import change_ledger
from cs_assets.health.scorecard import BUILT_IN, Scorecard, load_scorecards
from cs_assets.health.scoring import scores
from cs_assets.sources.contracts import CUSTOMER_TYPES

Row = dict[str, Any]
CARDS = {card.name: card for card in load_scorecards()}
SAAS, SERVICE = CARDS["saas_8"], CARDS["service_4"]
SCHEMA = ibis.schema(
    {
        "tenant_id": "string",
        "customer_id": "string",
        "customer_type": "string",
        **{measure.name: measure.dtype for measure in MEASURES},
    }
)
EDGES: dict[str, Sequence[float]] = {
    # in every measure the ends of curves, what lies beyond, and 0
    "resolution_hours": (0, 1, 36, 72, 2400),
    "csat": (1, 1.5, 3, 4.52, 5),
    "nps": (-100, -1, 0, 40, 100),
    "mrr": (0, 500, 1000, 1200, 20_000, 50_000),
    "mrr_90d_ago": (0, 500, 1000, 20_000),
    "contract_value": (0, 6000, 12_000, 240_000),
    "tenure_months": (0, 1.25, 12, 24, 60),
    "remaining_months": (0, 0.5, 11.4, 12, 36),
}


def customer(number: int = 1, customer_type: str = "enterprise", **known: Any) -> Row:
    """A customer of whom only the named measures are known."""
    nothing = dict.fromkeys(measure.name for measure in MEASURES)
    key = {"tenant_id": "default", "customer_id": f"c{number:04}", "customer_type": customer_type}
    assert not known.keys() - nothing.keys()
    return {**nothing, **known, **key}


def numbered(rows: Sequence[Row]) -> list[Row]:
    """The rows as so many customers."""
    return [{**row, "customer_id": f"c{number:04}"} for number, row in enumerate(rows)]


def card_of(name: str = "saas_8", **changes: Any) -> Scorecard:
    """A built-in scorecard with other values at the top."""
    return Scorecard.model_validate({**written(name), **changes})


def written(name: str) -> dict[str, Any]:
    """A built-in scorecard as written."""
    content: dict[str, Any] = yaml.safe_load((BUILT_IN / f"{name}.yaml").read_text("utf-8"))
    return content


def one_dimension(pieces: Mapping[str, Any], name: str = "saas_8", **changes: Any) -> Scorecard:
    """A scorecard of one dimension, `usage`, with the grades of a built-in one."""
    title = {"zh": "使用", "en": "Usage"}
    dimensions = {"usage": {"title": title, "pieces": pieces}}
    return card_of(name, dimensions=dimensions, weights={"all": {"usage": 1}}, **changes)


def scored(card: Scorecard, *rows: Row) -> list[Row]:
    """The scores of customers, in their order."""
    sql = _compiled((card.fingerprint,), lambda: scores(unbound("measures"), card))
    found = run(sql, measures=rows)
    order = {row["customer_id"]: place for place, row in enumerate(rows)}
    return sorted(found, key=lambda row: order[row["customer_id"]])


def ledger(
    before: Sequence[Row], after: Sequence[Row], old: Scorecard, new: Scorecard | None = None
) -> list[Row]:
    """The ledger between two periods, by customer and step."""
    now = new or old
    tables = unbound("before"), unbound("after")
    sql = _compiled((old.fingerprint, now.fingerprint), lambda: change_ledger(*tables, old, now))
    found = run(sql, before=before, after=after)
    return sorted(found, key=lambda row: (row["customer_id"], row["step"]))


def run(sql: str, **tables: Sequence[Row]) -> list[Row]:
    """Run a compiled expression on rows."""
    for name, rows in tables.items():
        _CONNECTION.register(name, pa.Table.from_pylist(list(rows), SCHEMA.to_pyarrow()))
    found: list[Row] = _CONNECTION.sql(sql).to_arrow_table().to_pylist()
    return found


_CONNECTION = duckdb.connect(config={"threads": 1})


def unbound(name: str) -> ir.Table:
    """Measures that are still to come."""
    return ibis.table(SCHEMA, name=name)


def _compiled(key: tuple[str, ...], expression: Callable[[], ir.Table]) -> str:
    """Compile an expression once: examples are many, and compiling is slow."""
    if key not in _SQL:
        _SQL[key] = str(ibis.to_sql(expression(), dialect="duckdb"))
    return _SQL[key]


_SQL: dict[tuple[str, ...], str] = {}


def value_of(name: str) -> st.SearchStrategy[Any]:
    """Values that a measure may have."""
    measure = next(measure for measure in MEASURES if measure.name == name)
    if measure.allowed:
        return st.sampled_from(measure.allowed)
    if name in EDGES:
        spread = st.floats(EDGES[name][0], EDGES[name][-1], allow_subnormal=False)
        whole = measure.dtype == "int64"
        return st.sampled_from(EDGES[name]) | (spread.map(round) if whole else spread)
    if measure.maximum == 1:
        return st.sampled_from((0, 0.25, 1 / 3, 1)) | st.floats(0, 1, allow_subnormal=False)
    return st.integers(0, 25)


def measured(optional: bool = True) -> st.SearchStrategy[Row]:
    """Customers of any type and condition; with `optional`, any measure may be unknown."""
    values = {measure.name: value_of(measure.name) for measure in MEASURES}
    if optional:
        values = {name: st.none() | known for name, known in values.items()}
    return st.builds(
        lambda kind, known: customer(1, kind, **known),
        st.sampled_from(CUSTOMER_TYPES),
        st.fixed_dictionaries(values),
    )
