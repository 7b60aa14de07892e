"""Column lineage, read off the expressions themselves.

Belongs here: following a column of an Ibis expression down to the tables it comes from. Must not:
knowing any table.
"""

from collections.abc import Iterator, Mapping

import dagster as dg
import ibis.expr.operations as ops
import ibis.expr.types as ir

from cs_assets.contracts import Contract


def column_lineage(table: ir.Table, inputs: Mapping[str, Contract]) -> dg.TableColumnLineage:
    """Return which columns of which assets each column is computed from.

    `inputs` maps the beginning of a table's name in the expression to the asset it holds.
    """
    lineage: dict[str, list[dg.TableColumnDep]] = {}
    node = table.op()
    for name in table.columns:
        found = {
            (contract.asset_key, column)
            for leaf, column in _leaves(node, name)
            for prefix, contract in inputs.items()
            if _is_of(leaf, prefix) and column in contract.column_names
        }
        if found:
            lineage[name] = [
                dg.TableColumnDep(asset_key=key, column_name=column)
                for key, column in sorted(found, key=lambda item: (item[0].path, item[1]))
            ]
    return dg.TableColumnLineage(lineage)


def _is_of(table: str, asset: str) -> bool:
    # reading gives tables the asset's name and a suffix of eight hex digits
    return table.rpartition("_")[0] == asset


def _leaves(relation: ops.Relation, column: str) -> Iterator[tuple[str, str]]:
    """Follow one column of a relation to the (table, column) pairs below it."""
    if isinstance(relation, ops.PhysicalTable):
        yield relation.name, column
        return
    values = relation.values if hasattr(relation, "values") else None
    value = values.get(column) if isinstance(values, Mapping) else None
    if value is None:
        if (parent := getattr(relation, "parent", None)) is not None:
            yield from _leaves(parent, column)
        return
    for field in value.find(ops.Field, filter=ops.Value):
        yield from _leaves(field.rel, field.name)
