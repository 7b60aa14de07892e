"""What a table is: one frozen description from which every other form is made.

Belongs here: columns, keys, rules, units, privacy and provenance marks of a table, and the table's
place (lake or warehouse). The forms made of it (SQLAlchemy, pandera, Dagster, dictionary) live in
`contract_forms`, the audit in `audit`. Must not: values, connections, business arithmetic.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

import dagster as dg
import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from cs_assets.calendar import Grain, parse_period, period_from_partition

UNPARTITIONED = "all"
"""The partition key under which an unpartitioned table's only version is kept."""


class Place(StrEnum):
    """Where a table lives; also the key of its IO manager."""

    LAKE = "lake"
    WAREHOUSE = "warehouse"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `dtype` is an Ibis type (`int64`, `string`, `date`, `timestamp(6)`, `decimal(18, 2)` …).
    Provenance columns (when and by whom a row was made) stay out of content hashes; personal ones
    are masked wherever rows are shown.
    """

    name: str
    dtype: str
    description: str
    nullable: bool = False
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] | None = None
    is_provenance: bool = False
    is_personal: bool = False
    source: str | None = None

    @property
    def type(self) -> dt.DataType:
        """The Ibis data type, with the column's nullability."""
        return dt.dtype(self.dtype)(nullable=self.nullable)


@dataclass(frozen=True)
class Rule:
    """A law that every row keeps, over more than one column.

    `holds` maps the table to a boolean column; null counts as kept (missing values are the
    business of `nullable`).
    """

    name: str
    description: str
    holds: Callable[[ir.Table], ir.BooleanValue]


@dataclass(frozen=True)
class Contract:
    """A table: what its rows mean, which laws they keep, where it lives.

    `partition_column` holds the partition's value: a day (`date`) for facts and lists, the
    `period_key` for marts; None for a table that is replaced as a whole. Marts of all grains share
    one description and one SQL table: `for_grain` gives the contract of each. Contracts that share
    a table differ in a key column that has one value in each (`shared_by`). A warehouse table
    that `keeps_history` also keeps the rows that were replaced, so that it can be read as it was.
    """

    system: str
    name: str
    description: str
    columns: tuple[Column, ...]
    place: Place
    key: tuple[str, ...] = ()
    partition_column: str | None = None
    grain: Grain | None = None
    table: str = ""
    rules: tuple[Rule, ...] = ()
    owners: tuple[str, ...] = ("team:customer-data",)
    kinds: frozenset[str] = field(default_factory=frozenset)
    keeps_history: bool = False

    def __post_init__(self) -> None:
        """Refuse a description that contradicts itself."""
        names = [column.name for column in self.columns]
        twice = {name for name in names if names.count(name) > 1}
        unknown = {*self.key, *filter(None, [self.partition_column])} - set(names)
        if twice or unknown:
            raise ValueError(
                f"contract {self.system}/{self.name}: columns named twice {sorted(twice)}, "
                f"key or partition columns that do not exist {sorted(unknown)}"
            )
        if self.keeps_history and self.place is not Place.WAREHOUSE:
            raise ValueError(
                f"contract {self.system}/{self.name}: keeps_history is for warehouse tables; the "
                "lake keeps every version by itself"
            )
        rules = [rule.name for rule in self.rules]
        if len(set(rules)) < len(rules):
            raise ValueError(f"contract {self.system}/{self.name}: two rules of one name: {rules}")
        provenance = [c.name for c in self.columns if c.is_provenance and c.name in self.key]
        if provenance:
            raise ValueError(
                f"contract {self.system}/{self.name}: provenance columns in the key: {provenance}"
            )
        for problem in _contradictions(self):
            raise ValueError(f"contract {self.system}/{self.name}: {problem}")

    @property
    def asset_key(self) -> dg.AssetKey:
        """Dagster's key: `[system, name]`."""
        return dg.AssetKey([self.system, self.name])

    @property
    def asset_name(self) -> str:
        """The asset's name in one string, `system/name`."""
        return f"{self.system}/{self.name}"

    @property
    def table_name(self) -> str:
        """The SQL table, or the lake folder below the system's."""
        return self.table or self.name

    @property
    def schema(self) -> ibis.Schema:
        """Column names and Ibis types, in order."""
        return ibis.schema({column.name: column.type for column in self.columns})

    def schema_table(self) -> ir.Table:
        """An unbound table of this schema, to build expressions on."""
        return ibis.table(self.schema, name=self.table_name)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Column names, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def shared_by(self) -> dict[str, str]:
        """The key columns whose one value tells this contract's rows from others' in the table."""
        return {
            column.name: column.allowed[0]
            for column in self.columns
            if column.name in self.key and column.allowed and len(column.allowed) == 1
        }

    def for_grain(self, grain: Grain) -> "Contract":
        """Return the contract of one grain: `<name>_<grain>`, period_type fixed to the grain."""
        columns = tuple(
            replace(column, allowed=(grain.value,)) if column.name == "period_type" else column
            for column in self.columns
        )
        return replace(
            self,
            name=f"{self.name}_{grain}",
            grain=grain,
            columns=columns,
            table=self.table_name,
        )

    def only(self, names: Collection[str]) -> "Contract":
        """Return the contract of the same table with some of its columns, to read no others."""
        columns = tuple(column for column in self.columns if column.name in names)
        key = tuple(name for name in self.key if name in names)
        return replace(self, columns=columns, key=key, rules=())

    def partition_value(self, partition_key: str) -> date | str:
        """Turn a Dagster partition key into the partition column's value."""
        if self.grain is None or self.partition_column is None:
            return UNPARTITIONED
        period = period_from_partition(self.grain, partition_key)
        return period.start if self.grain is Grain.DAY else period.key

    def partition_key(self, value: object) -> str:
        """Turn a value of the partition column into the Dagster partition key."""
        if self.grain is None or self.partition_column is None:
            return UNPARTITIONED
        return parse_period(self.grain, str(value)).partition_key


def _contradictions(contract: Contract) -> Iterator[str]:
    """Say what would make rows impossible, or impossible to find and replace."""
    for column in contract.columns:
        low, high = column.minimum, column.maximum
        if low is not None and high is not None and low > high:
            yield f"{column.name}: minimum {low} above maximum {high}"
    if contract.grain and not contract.partition_column:
        yield f"grain {contract.grain} without partition_column: partitions cannot be told apart"
    if contract.place is not Place.WAREHOUSE:
        return
    if not contract.key:
        yield "a warehouse table needs a key: rows of one partition must differ in it"
    if nullable := [c.name for c in contract.columns if c.nullable and c.name in contract.key]:
        yield f"key columns of a warehouse table cannot be missing: {nullable}"
    if contract.partition_column and contract.partition_column not in contract.key:
        yield f"the key of a warehouse table needs its partition column {contract.partition_column}"


PERIOD_COLUMNS = (
    Column("period_type", "string", "Grain of the period.", allowed=("week", "month", "quarter")),
    Column("period_key", "string", "Period: ISO week 2025-W48, month 2025-11, quarter 2025-Q4."),
    Column("period_start", "date", "First day of the period."),
    Column("period_end", "date", "Last day of the period."),
    Column("as_of", "date", "Last day whose facts are counted."),
    Column(
        "is_complete",
        "boolean",
        "True when every day of the period was loaded; otherwise the figures are preliminary.",
    ),
)
"""The columns that every mart by week, month or quarter carries after tenant_id."""

TENANT = Column("tenant_id", "string", "Tenant the row belongs to (CS_TENANT where none is given).")
