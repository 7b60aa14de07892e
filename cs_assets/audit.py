"""The audit: which partitions of a table keep their contract, and what their content hash is.

Belongs here: expressions over a staged table (contract columns plus `staged_row_number`) that count
broken rules per partition, in one query. Must not: reading or writing files, deciding what to do.

The content hash of a partition is independent of row order, of threads and of the engine: the MD5
of each row's canonical text, taken as a 64-bit number, summed exactly over the rows.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from cs_assets.contracts import UNPARTITIONED, Column, Contract

ROW_NUMBER = "staged_row_number"
PARTITION = "partition_value"
FIRST_ROWS = "first_rows"
RULE = "rule"
PREVIEW_ROWS = 5
SAMPLE_ROWS = 20
_MISSING = "~"
_SEPARATOR = "|"


@ibis.udf.scalar.builtin(name="md5_number_lower")  # type: ignore[untyped-decorator]
def _md5_lower(text: str) -> dt.uint64:
    """Lower 64 bits of the text's MD5."""


@ibis.udf.agg.builtin(name="min")  # type: ignore[untyped-decorator]
def _smallest(value: int, count: int) -> list[int]:  # type: ignore[empty-body]
    """The `count` smallest values of the group."""


@ibis.udf.scalar.builtin(name="hash")  # type: ignore[untyped-decorator]
def _quick_hash(value) -> dt.uint64:  # type: ignore[no-untyped-def]
    """The engine's own hash: equal values have equal ones, the rest is chance."""


@dataclass(frozen=True)
class BrokenRule:
    """A rule that `rows` rows of a partition break."""

    rule: str
    rows: int


@dataclass(frozen=True)
class PartitionAudit:
    """What the audit found in one partition (of Dagster key `partition_key`)."""

    partition_key: str
    rows: int
    content_hash: str
    broken: tuple[BrokenRule, ...] = ()
    sums: tuple[tuple[str, int], ...] = ()
    first_rows: tuple[int, ...] = ()


def content_hash(rows: int, hash_sum: int) -> str:
    """Join row count and hash sum into 32 hex digits."""
    return hashlib.md5(f"{rows}:{hash_sum}".encode(), usedforsecurity=False).hexdigest()


def hash_sum(table: ir.Table, columns: Sequence[Column]) -> ir.StringScalar:
    """Sum the hashes of the rows; provenance columns are left out."""
    # as text: DuckDB adds up 128 bits, Ibis would read 64
    return _md5_lower(canonical_text(table, columns)).sum().cast("string")


def canonical_text(table: ir.Table, columns: Sequence[Column]) -> ir.StringValue:
    """One text per row that differs where the rows differ; provenance columns are left out.

    It begins with a list of the whole numbers and the lengths of all texts, null where there is
    none, so that no value can imitate a separator or a missing value.
    """
    numbers: list[ir.IntegerValue] = []
    plain: list[ir.StringValue] = []
    texts: list[ir.StringValue] = []
    for column in columns:
        if column.is_provenance:
            continue
        value: Any = table[column.name]
        if column.type.is_boolean() or (column.type.is_integer() and column.type != dt.uint64):
            numbers.append(value.cast("int64"))
        elif column.type.is_numeric() or column.type.is_temporal():
            plain.append(value.cast("string").fill_null(_MISSING))
        else:
            text = value if column.type.is_string() else value.cast("string")
            numbers.append(text.length())
            texts.append(text)
    # a list is cast at once, which is cheaper than value by value
    header = [ibis.array(numbers).cast("string")] if numbers else []
    # joined in one go: a chain of `+` would copy the text once per column
    return ibis.literal(_SEPARATOR).join([*header, *plain, *texts])


def row_rules(table: ir.Table, contract: Contract) -> dict[str, Any]:
    """Map the name of every row rule to the boolean expression of a row that *breaks* it."""
    rules: dict[str, Any] = {}
    for column in contract.columns:
        value: Any = table[column.name]
        if not column.nullable:
            rules[f"{column.name} is missing"] = value.isnull()
        if column.minimum is not None:
            rules[f"{column.name} below {column.minimum:g}"] = value < column.minimum
        if column.maximum is not None:
            rules[f"{column.name} above {column.maximum:g}"] = value > column.maximum
        if column.allowed is not None:
            rules[f"{column.name} not in {', '.join(column.allowed)}"] = value.notin(column.allowed)
        if column.type.is_floating():
            rules[f"{column.name} not finite"] = value.isnan() | value.isinf()
    for rule in contract.rules:
        rules[rule.name] = ~rule.holds(table)
    return rules


def _with_partition(table: ir.Table, contract: Contract) -> ir.Table:
    if contract.grain is None or contract.partition_column is None:
        return table.mutate(**{PARTITION: ibis.literal(UNPARTITIONED)})
    return table.mutate(**{PARTITION: table[contract.partition_column]})


def audit_query(table: ir.Table, contract: Contract, sums: Sequence[str] = ()) -> ir.Table:
    """One row per partition: row count, hash sum, first row numbers, broken rows by rule.

    `table` has the contract's columns plus `staged_row_number`. Columns of the answer:
    `partition_value`, `rows`, `hash_sum`, `first_rows`, `rule_<i>` in the order of
    `row_rules`, `sum_<i>` in that of `sums`, and `key_hashes` (at most as many as keys).
    """
    staged = _with_partition(table, contract)
    key = ibis.struct({name: staged[name] for name in contract.key}) if contract.key else None
    return staged.group_by(PARTITION).agg(
        rows=staged.count(),
        hash_sum=hash_sum(staged, contract.columns),
        first_rows=_smallest(staged[ROW_NUMBER], PREVIEW_ROWS),
        key_hashes=staged.count() if key is None else _quick_hash(key).nunique(),
        **{
            f"rule_{i}": broken.fill_null(False).sum().cast("int64")
            for i, broken in enumerate(row_rules(staged, contract).values())
        },
        **{f"sum_{i}": staged[name].sum().cast("int64") for i, name in enumerate(sums)},
    )


def partition_hashes(rows: ir.Table, contract: Contract, columns: Sequence[Column]) -> ir.Table:
    """One row per partition of the contract: `partition_value` and the `hash_sum` of `columns`."""
    grouped = _with_partition(rows, contract)
    return grouped.group_by(PARTITION).agg(hash_sum=hash_sum(grouped, columns))


def may_repeat_keys(answer: Sequence[Mapping[str, Any]]) -> bool:
    """Tell from the rows of `audit_query` whether `repeated_keys` must be asked.

    Equal keys have equal hashes, so fewer hashes than rows come before any repeated key; counting
    hashes takes half the memory of grouping by the keys themselves.
    """
    return any(row["key_hashes"] < row["rows"] for row in answer)


def repeated_keys(table: ir.Table, contract: Contract) -> ir.Table:
    """One row per partition that repeats keys: `duplicates`, the rows beyond the first of a key."""
    staged = _with_partition(table, contract)
    keys = staged.group_by(_key_columns(contract)).agg(copies=staged.count())
    repeated = keys.filter(keys.copies > 1)
    return repeated.group_by(PARTITION).agg(duplicates=(repeated.copies - 1).sum().cast("int64"))


def _key_columns(contract: Contract) -> list[str]:
    return list(dict.fromkeys([PARTITION, *contract.key]))


def read_audit(
    answer: Sequence[Mapping[str, Any]],
    contract: Contract,
    sums: Sequence[str] = (),
    repeated: Sequence[Mapping[str, Any]] = (),
) -> list[PartitionAudit]:
    """Turn the rows of `audit_query` and `repeated_keys` into findings, sorted by partition key."""
    duplicates = {row[PARTITION]: row["duplicates"] for row in repeated}
    names = list(row_rules(contract.schema_table(), contract))
    found = []
    for row in answer:
        if row[PARTITION] is None:
            raise ValueError(
                f"{row['rows']} rows have no {contract.partition_column}, so they belong to no "
                "partition; give every row its partition before publishing"
            )
        broken = [
            BrokenRule(name, row[f"rule_{i}"]) for i, name in enumerate(names) if row[f"rule_{i}"]
        ]
        if copies := duplicates.get(row[PARTITION]):
            broken.append(BrokenRule(f"key ({', '.join(contract.key)}) repeated", copies))
        found.append(
            PartitionAudit(
                partition_key=contract.partition_key(row[PARTITION]),
                rows=row["rows"],
                content_hash=content_hash(row["rows"], int(row["hash_sum"] or 0)),
                broken=tuple(broken),
                sums=tuple((name, row[f"sum_{i}"] or 0) for i, name in enumerate(sums)),
                first_rows=tuple(row["first_rows"]),
            )
        )
    return sorted(found, key=lambda audit: audit.partition_key)


def broken_rows(table: ir.Table, contract: Contract, names: Sequence[str]) -> ir.Table:
    """Return the numbers of at most 20 rows that break a rule, per partition and rule.

    `names` are rules found broken by the audit, the repeated key among them. Columns of the answer:
    `partition_value`, `rule`, `first_rows`.
    """
    staged = _with_partition(table, contract)
    rules = row_rules(staged, contract)
    found = []
    for name in names:
        if name in rules:
            broken = staged.filter(rules[name])
        else:
            copies = staged.count().over(group_by=_key_columns(contract))
            broken = staged.filter(copies > 1)
        numbers = broken.group_by(PARTITION).agg(
            **{FIRST_ROWS: _smallest(broken[ROW_NUMBER], SAMPLE_ROWS)}
        )
        found.append(numbers.mutate(**{RULE: ibis.literal(name)}))
    return ibis.union(*found)
