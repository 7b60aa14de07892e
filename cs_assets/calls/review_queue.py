"""The review queue: which calls people look at, and in which order.

Belongs here: sharing out the queue among cells, drawing calls, why each is there. Must not: reading
verdicts: a sample that follows its own results tells nothing about the rest.

Every call has a number of its own for ever, the hash of its key and the kind of risk; the calls
with the smallest numbers of a cell are drawn. So a queue repeats itself, and late calls change as
little of it as can be.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ibis
import ibis.expr.types as ir

from cs_assets.calls.audit import GROUP
from cs_assets.calls.audit_contracts import CELLS, LLM_REVIEW_QUEUE
from cs_assets.calls.audit_rules import QueueRules

_ALLOCATION = {
    "tenant_id": "string",
    "period_key": "string",
    "kind": "string",
    "cell": "string",
    "cell_order": "int64",
    "cell_calls": "int64",
    "drawn": "int64",
}


def allocate(sizes: Mapping[str, int], rules: QueueRules) -> dict[str, int]:
    """Share the queue out among cells of these sizes: calls to be drawn from each.

    A power allocation (Bankier 1988): shares go by size to a power times uncertainty, every cell
    gets its least, none more than it holds, and what one cannot take the others get. Nothing is
    drawn when the model gave no answer at all.
    """
    cells = [cell for cell in CELLS if sizes.get(cell)]
    if not set(cells) - {"no_answer"}:
        return {}
    weight = {cell: sizes[cell] ** rules.size_power * rules.uncertainty[cell] for cell in cells}
    drawn = {cell: min(sizes[cell], rules.at_least) for cell in cells}
    for _ in range(rules.calls_per_month - sum(drawn.values())):
        # to the cell that is furthest behind its share; the order of cells decides ties
        open_ = [cell for cell in cells if drawn[cell] < sizes[cell]]
        if not open_:
            break
        drawn[max(open_, key=lambda cell: weight[cell] / (drawn[cell] + 1))] += 1
    return drawn


def allocation(counts: Iterable[Mapping[str, Any]], rules: QueueRules) -> list[dict[str, Any]]:
    """Return one row per period, kind and non-empty cell from rows of `audit.counted`.

    Columns: GROUP, `cell`, its place in CELLS `cell_order`, `cell_calls` and `drawn`.
    """
    sizes: dict[tuple[Any, ...], dict[str, int]] = {}
    for row in counts:
        cells = sizes.setdefault(tuple(row[name] for name in GROUP), {})
        cells[row["cell"]] = cells.get(row["cell"], 0) + row["calls"]
    return [
        dict(zip(GROUP, group, strict=True))
        | {
            "cell": cell,
            "cell_order": CELLS.index(cell),
            "cell_calls": cells[cell],
            "drawn": drawn,
        }
        for group, cells in sizes.items()
        for cell, drawn in allocate(cells, rules).items()
    ]


def review_queue(
    risks: ir.Table, allocated: Sequence[Mapping[str, Any]], period_days: ir.Table
) -> ir.Table:
    """Draw the queue from `audit.risks`, in the columns of `llm_review_queue`.

    Ranks run through all cells alike: whoever stops half way has half of each.
    """
    shares = ibis.memtable([dict(row) for row in allocated], schema=_ALLOCATION)
    most = max((row["drawn"] for row in allocated), default=1)
    near = _smallest_numbers(risks, most).inner_join(shares, [*GROUP, "cell"])
    within = ibis.window(group_by=[*GROUP, "cell"], order_by=["number", "call_date", "callid"])
    placed = near.mutate(place=ibis.row_number().over(within))
    drawn = placed.filter(placed.place < placed.drawn)
    order = ibis.window(group_by=GROUP, order_by=[drawn.place / drawn.drawn, drawn.cell_order])
    ranked = drawn.mutate(
        rank=ibis.row_number().over(order) + 1,
        reason=_reason(drawn),
        inclusion_probability=drawn.drawn / drawn.cell_calls,
    )
    periods = period_days.drop("day").distinct()
    return ranked.inner_join(periods, "period_key").select(*LLM_REVIEW_QUEUE.column_names)


@ibis.udf.agg.builtin(name="min")  # type: ignore[untyped-decorator]
def _smallest(value: str, count: int) -> list[str]:  # type: ignore[empty-body]
    """The `count` smallest values of the group."""


def _smallest_numbers(risks: ir.Table, count: int) -> ir.Table:
    """Return the calls with the `count` smallest numbers of every cell, with their `number`.

    Found in one pass: sorting a month of calls by their numbers takes a hundred times as long.
    """
    key = ibis.literal("|").join(
        [risks.tenant_id, risks.call_date.cast("string"), risks.callid, risks.kind]
    )
    numbered = risks.mutate(number=key.hexdigest("md5"))
    cells = numbered.group_by([*GROUP, "cell"]).agg(near=_smallest(numbered.number, count))
    last = cells.select(*GROUP, "cell", last=cells.near.maxs())
    joined = numbered.inner_join(last, [*GROUP, "cell"])
    return joined.filter(joined.number <= joined.last).drop("last")


def _reason(rows: ir.Table) -> ir.StringValue:
    return ibis.cases(
        (rows.cell == "rules_only", "model_sees_no_risk"),
        (rows.cell == "model_only", "rules_see_no_risk"),
        (rows.cell == "no_answer", "no_model_answer"),
        (rows.cell == "neither", "control_no_risk"),
        (rows.rules_level != rows.model_level, "levels_differ"),
        else_="control_at_risk",
    )
