"""Landed facts in memory, and what is measured of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from cs_assets.contracts import Contract
from cs_assets.health.features import Features
from cs_assets.health.measures import SOURCES, Facts, measures
from cs_assets.sources.contracts import ACTIVITY_RAW, CUSTOMERS_RAW, SALES_RAW, SUPPORT_RAW

Row = dict[str, Any]
AS_OF = date(2025, 6, 30)
"""d28 begins on 2025-06-03, d90 on 04-02, d180 on 2025-01-02, d365 on 2024-07-01."""
LONG_AGO = date(2020, 1, 1)

TIERS = """
core: [reports, search]
advanced: [automation, forecasts, segments]
integration: []
"""


def day(text: str) -> date:
    return date.fromisoformat(text)


def features(folder: Path, text: str = TIERS) -> Features:
    path = folder / "features.yaml"
    path.write_text(text, encoding="utf-8")
    return Features.load(path)


def table_of(contract: Contract, rows: Sequence[Row]) -> ir.Table:
    schema = pa.schema([field.with_nullable(True) for field in contract.schema.to_pyarrow()])
    held = [{"tenant_id": "t", "customer_id": "a"} | row for row in rows]
    return ibis.memtable(pa.Table.from_pylist(held, schema=schema))


def customer(customer_id: str = "a", as_of: date = AS_OF, **changes: Any) -> Row:
    return {
        "customer_id": customer_id,
        "snapshot_date": as_of,
        "customer_type": "startup",
        "contract_date": date(2025, 1, 31),
        "contract_length_months": 12,
        "payment_status": "current",
        "nps_score": 10,
    } | changes


def deal(on: str, stage: str = "won", amount: int | str | None = 1200, **changes: Any) -> Row:
    """A deal over 12 months of product p."""
    return {
        "deal_date": day(on),
        "deal_stage": stage,
        "deal_amount": None if amount is None else Decimal(amount),
        "product_type": "p",
        "contract_length_months": 12,
    } | changes


def churn(on: str, product: str | None = "p", **changes: Any) -> Row:
    return deal(on, "churned", None, product_type=product) | changes


def ticket(created: str, resolved: str | None = None, **changes: Any) -> Row:
    if (hours := changes.pop("hours", None)) is not None:
        changes["resolution_hours"] = Decimal(hours)
    return {
        "created_date": day(created),
        "resolved_date": day(resolved) if resolved else None,
        "priority": "low",
    } | changes


def activity(on: str, kind: str = "login", **changes: Any) -> Row:
    if (depth := changes.pop("depth", None)) is not None:
        changes["usage_depth"] = Decimal(depth)
    return {"activity_date": day(on), "activity_type": kind} | changes


@dataclass(frozen=True)
class Landed:
    """Rows of each source; None: the source is absent. One customer, `a`, unless said."""

    customers: Sequence[Row] = field(default_factory=lambda: [customer()])
    sales: Sequence[Row] | None = ()
    support: Sequence[Row] | None = ()
    activity: Sequence[Row] | None = ()
    since: date = LONG_AGO

    def facts(self) -> Facts:
        return Facts(
            table_of(CUSTOMERS_RAW, self.customers),
            None if self.sales is None else table_of(SALES_RAW, self.sales),
            None if self.support is None else table_of(SUPPORT_RAW, self.support),
            None if self.activity is None else table_of(ACTIVITY_RAW, self.activity),
            dict.fromkeys(SOURCES, self.since),
        )

    def with_rows(self, **rows: Sequence[Row]) -> "Landed":
        """The same with more rows, before those that were there."""
        added = {name: [*more, *(getattr(self, name) or ())] for name, more in rows.items()}
        return replace(self, **added)  # type: ignore[arg-type]


def dates(*as_ofs: date) -> ir.Table:
    return ibis.memtable(pa.table({"as_of": pa.array(as_ofs, pa.date32())}))


def measured(landed: Landed, tiers: Features, *as_ofs: date) -> list[Row]:
    """All rows in order of their key."""
    table = measures(landed.facts(), dates(*(as_ofs or (AS_OF,))), tiers)
    rows: list[Row] = table.order_by("as_of", "tenant_id", "customer_id").to_pyarrow().to_pylist()
    return rows


def one(landed: Landed, tiers: Features, as_of: date = AS_OF) -> Row:
    """The one customer's row."""
    (row,) = measured(landed, tiers, as_of)
    return row
