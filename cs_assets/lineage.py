"""Column lineage, read off the expressions themselves.

Belongs here: following a column of an Ibis expression down to the tables it comes from. Must not:
knowing any table.
"""

from collections.abc import Iterator, Mapping

import dagster as dg
import ibis.expr.operations as ops
import ibis.expr.types as ir

from cs_assets.contracts import Contract

Origins = Mapping[ops.Relation, ops.Relation]
"""Of tables that were computed beforehand: the expressions behind them."""
_Place = tuple[ops.Relation, str]


def column_lineage(
    table: ir.Table, inputs: Mapping[str, Contract], origins: Origins
) -> dg.TableColumnLineage:
    """Return which columns of which assets each column is computed from.

    `inputs` maps the beginning of a table's name in the expression to the asset it holds.
    """
    lineage: dict[str, list[dg.TableColumnDep]] = {}
    node = table.op()
    for name in table.columns:
        found = {
            (contract.asset_key, column)
            for leaf, column in _leaves((node, name), origins)
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


def _leaves(start: _Place, origins: Origins) -> Iterator[tuple[str, str]]:
    """Follow one column of a relation to the (table, column) pairs below it."""
    waiting, seen = [start], {start}
    while waiting:
        relation, column = waiting.pop()
        if isinstance(relation, ops.PhysicalTable) and relation not in origins:
            yield relation.name, column
            continue
        below = set(_below(relation, column, origins)) - seen
        seen |= below
        waiting += below


def _below(relation: ops.Relation, column: str, origins: Origins) -> Iterator[_Place]:
    """Return the columns that a column of a relation is made of."""
    if relation in origins:
        yield origins[relation], column
        return
    if isinstance(relation, ops.Set):
        yield from ((relation.left, column), (relation.right, column))
        return
    values = relation.values if hasattr(relation, "values") else None
    value = values.get(column) if isinstance(values, Mapping) else None
    if value is not None:
        yield from ((field.rel, field.name) for field in value.find(ops.Field, filter=ops.Value))
    elif (parent := getattr(relation, "parent", None)) is not None:
        yield parent, column
