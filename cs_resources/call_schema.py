"""The tables of the call database as the dialler makes them: names, columns, kinds.

Belongs here: what the source is expected to look like. Must not: reading it.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

TASKS, RECORDS, DETAILS = (
    "autodialer_task",
    "autodialer_call_record",
    "autodialer_call_record_detail",
)
TURN = "asrmessage_notify"
COLUMNS: Mapping[str, Mapping[str, str]] = {
    TASKS: {"uuid": "text", "name": "text", "created_at": "instant"},
    RECORDS: {
        "id": "text",
        "task_id": "text",
        "customer_id": "text",
        "callee": "text",
        "callid": "text",
        "calldate": "instant",
        "duration": "integer",
        "bill": "integer",
        "rounds": "integer",
        "hangup_disposition": "integer",
        "intention_results": "text",
    },
    DETAILS: {
        "id": "text",
        "record_id": "text",
        "callid": "text",
        "sequence": "integer",
        "notify": "text",
        "question": "text",
        "answer_content": "text",
    },
}
"""Columns by table, each with the kind of its values."""
DECLARED: Mapping[str, tuple[type[sa.types.TypeEngine[Any]], ...]] = {
    "text": (sa.String, sa.Uuid, sa.Enum),
    "integer": (sa.Integer, sa.Boolean),
    "instant": (sa.DateTime, sa.TIMESTAMP),
}
"""The SQL types with which a column of a kind may be declared."""
