"""The audit: which partitions of a table keep their contract, and what their content hash is.

Belongs here: expressions over a staged table (contract columns plus `file_row_number`) that count
broken rules per partition, in one query. Must not: reading or writing files, deciding what to do.

The content hash of a partition is independent of row order, of threads and of the engine: the MD5
of each row's canonical text, taken as a 64-bit number, summed exactly over the rows.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import ibis
import ibis.expr.types as ir

from cs_assets.contracts import UNPARTITIONED, Contract

ROW_NUMBER = "file_row_number"
PARTITION = "partition_value"
PREVIEW_ROWS = 5
SAMPLE_ROWS = 20
_MISSING = "~"
_SEPARATOR = "|"


@ibis.udf.scalar.builtin(name="md5_number_lower")  # type: ignore[untyped-decorator]
def _md5_lower(text: str) -> ibis.expr.datatypes.uint64:
    """Lower 64 bits of the text's MD5."""


@ibis.udf.agg.builtin(name="min")  # type: ignore[untyped-decorator]
def _smallest(value: int, count: int) -> list[int]:  # type: ignore[empty-body]
    """The `count` smallest values of the group."""


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


def canonical_text(table: ir.Table, contract: Contract) -> ir.StringValue:
    """One text per row that differs where the rows differ; provenance columns are left out.

    Texts carry their length, so that no value can imitate a separator or a missing value.
    """
    parts: list[ir.StringValue] = []
    for column in contract.columns:
        if column.is_provenance:
            continue
        value: Any = table[column.name]
        if column.type.is_string():
            text = value.length().cast("string") + ":" + value
        elif column.type.is_boolean():
            text = value.cast("int8").cast("string")
        else:
            text = value.cast("string")
        parts.append(text.fill_null(_MISSING) if column.nullable else text)
    return reduce(lambda left, right: left + _SEPARATOR + right, parts)


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
    value = table[contract.partition_column] if contract.partition_column else UNPARTITIONED
    return table.mutate(**{PARTITION: ibis.literal(value) if isinstance(value, str) else value})


def audit_query(table: ir.Table, contract: Contract, sums: Sequence[str] = ()) -> ir.Table:
    """One row per partition: row count, hash sum, first row numbers, broken rows by rule.

    `table` has the contract's columns plus `file_row_number`. Columns of the answer:
    `partition_value`, `rows`, `hash_sum`, `first_rows`, `rule_<i>` in the order of
    `row_rules`, `sum_<i>` in that of `sums`, and `duplicates` (rows beyond the first of a key).
    """
    staged = _with_partition(table, contract)
    rules = row_rules(staged, contract)
    answer = staged.group_by(PARTITION).agg(
        rows=staged.count(),
        # as text: DuckDB adds up 128 bits, Ibis would read 64
        hash_sum=_md5_lower(canonical_text(staged, contract)).sum().cast("string"),
        first_rows=_smallest(staged[ROW_NUMBER], PREVIEW_ROWS),
        **{
            f"rule_{i}": broken.fill_null(False).sum().cast("int64")
            for i, broken in enumerate(rules.values())
        },
        **{f"sum_{i}": staged[name].sum().cast("int64") for i, name in enumerate(sums)},
    )
    if not contract.key:
        return answer.mutate(duplicates=ibis.literal(0, "int64"))
    return answer.left_join(_duplicates(staged, contract), PARTITION).select(
        answer, duplicates=ibis._.duplicates.fill_null(0)
    )


def _duplicates(staged: ir.Table, contract: Contract) -> ir.Table:
    columns = list(dict.fromkeys([PARTITION, *contract.key]))
    keys = staged.group_by(columns).agg(copies=staged.count())
    repeated = keys.filter(keys.copies > 1)
    return repeated.group_by(PARTITION).agg(duplicates=(repeated.copies - 1).sum().cast("int64"))


def read_audit(
    answer: Sequence[dict[str, Any]], contract: Contract, sums: Sequence[str] = ()
) -> list[PartitionAudit]:
    """Turn the rows of `audit_query` into findings, sorted by partition key."""
    names = list(row_rules(contract.schema_table(), contract))
    found = []
    for row in answer:
        if row[PARTITION] is None:
            raise ValueError(
                f"{contract.asset_name}: {row['rows']} rows have no {contract.partition_column}, "
                "so they belong to no partition; give every row its partition before publishing"
            )
        broken = [
            BrokenRule(name, row[f"rule_{i}"]) for i, name in enumerate(names) if row[f"rule_{i}"]
        ]
        if row["duplicates"]:
            broken.append(
                BrokenRule(f"key ({', '.join(contract.key)}) repeated", row["duplicates"])
            )
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


def broken_rows(table: ir.Table, contract: Contract, rule: str, partition: object) -> ir.Table:
    """Return at most 20 rows of a partition that break a row rule, or repeat the key."""
    staged = _with_partition(table, contract).filter(ibis._[PARTITION] == ibis.literal(partition))
    rules = row_rules(staged, contract)
    if rule in rules:
        return staged.filter(rules[rule]).limit(SAMPLE_ROWS)
    copies = staged.mutate(copies=staged.count().over(group_by=list(contract.key)))
    return copies.filter(copies.copies > 1).limit(SAMPLE_ROWS)
