"""Dialogue turns as read, in order.

Belongs here: pure functions over the day's turns. Must not: reading or writing.
"""

import ibis
import ibis.expr.types as ir


def numbered(turns: ir.Table) -> ir.Table:
    """Number the turns of each dialogue from 1, in the order of the source's `sequence`.

    The source counts other events too, and may give two turns the same number or none at all:
    then their texts decide, so that the order of reading does not.
    """
    dialogue = ibis.window(
        group_by=["tenant_id", "call_date", "source_table", "record_id"],
        order_by=["sequence", "callid", "question", "answer_content"],
    )
    return turns.mutate(sequence=ibis.row_number().over(dialogue) + 1)


def unreadable(turns: ir.Table) -> ir.Table:
    """Count per day the turns with a value that is not of its column's type."""
    return turns.group_by("call_date").agg(unreadable_turns=turns.unreadable.count())
