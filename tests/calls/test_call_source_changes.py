"""Changes of the call database are noticed, and turns stay with the record of their table."""

import json
from pathlib import Path
from typing import Any

import pytest

from cs_assets.calls.contracts import CALL_RECORDS_CLEAN, CALL_TURNS_RAW
from cs_assets.calls.sentiment import dialogues
from cs_assets.calls.turns import numbered, unreadable
from tests.calls.cases import (
    MONDAY,
    TABLE,
    Row,
    call,
    call_database,
    read_turns,
    record,
    table_of,
    turn,
    write_source,
)

OTHER = "autodialer_call_record_2025_10"


def signature(path: Path, records: list[Row], turns: list[Row]) -> object:
    source = call_database(write_source(path, {"_2025_11": records}, {"_2025_11": turns}))
    return source.signatures([MONDAY])[MONDAY]


@pytest.mark.parametrize(
    "changes",
    [
        {"customer_id": "c2"},
        {"intention_results": "B"},
        {"task_id": "t2"},
        {"calldate": "2025-11-24 10:00:01"},
        {"callee": "13800001235"},
        {"hangup_disposition": None},
        {"customer_id": ""},
        {"customer_id": None},
    ],
    ids=str,
)
def test_a_changed_value_changes_the_signature(tmp_path: Path, changes: dict[str, Any]) -> None:
    rows, path = [record(1), record(2, customer_id="c3")], tmp_path / "s.db"
    before = signature(path, rows, [])
    assert signature(path, list(reversed(rows)), []) == before
    assert signature(path, [rows[0] | changes, rows[1]], []) != before


def test_values_exchanged_between_rows_change_it(tmp_path: Path) -> None:
    """Sums of a linear checksum would stay the same for some of these pairs."""
    path, seen = tmp_path / "s.db", set()
    for number in range(0, 60, 2):
        rows = [record(number, customer_id="c1"), record(number + 1, customer_id="c2")]
        exchanged = [rows[0] | {"customer_id": "c2"}, rows[1] | {"customer_id": "c1"}]
        seen |= {signature(path, rows, []), signature(path, exchanged, [])}
    assert len(seen) == 60


@pytest.mark.parametrize(
    "turns",
    [[], [turn("r0001", 1, "不")], [turn("r0001", 2)], [turn("r0001", 1)] * 2, [turn("r0002", 1)]],
)
def test_turns_count_too(tmp_path: Path, turns: list[Row]) -> None:
    rows, path = [record(1), record(2)], tmp_path / "s.db"
    assert signature(path, rows, turns) != signature(path, rows, [turn("r0001", 1)])


def test_the_same_id_in_two_tables_shares_no_turns() -> None:
    calls = [call(1, source_table=TABLE), call(2, id="r0001", source_table=OTHER)]
    said = {"call_date": MONDAY, "tenant_id": "default", "row_checksum": 0, "callid": "k"}
    turns = [
        said | {"record_id": "r0001", "sequence": 1, "question": name, "source_table": name}
        for name in (TABLE, OTHER)
    ]
    found = dialogues(table_of(CALL_RECORDS_CLEAN, calls), table_of(CALL_TURNS_RAW, turns))
    rows = {row["callid"]: row["said"] for row in found.to_pyarrow().to_pylist()}
    assert rows == {"k0001": [TABLE], "k0002": [OTHER]}


def test_unreadable_values_of_turns_are_kept_and_counted(tmp_path: Path) -> None:
    turns = [turn("r0001", "second"), turn("r0001", 1, b"\xff"), turn("r0001", 3)]
    source = call_database(
        write_source(tmp_path / "s.db", {"_2025_11": [record()]}, {"_2025_11": turns})
    )
    table = numbered(table_of(CALL_TURNS_RAW, read_turns(source, MONDAY)))
    rows = table.order_by("sequence").to_pyarrow().to_pylist()
    kept = [row["unreadable"] and json.loads(row["unreadable"]) for row in rows]
    assert kept == [{"question": str(b"\xff")}, None, {"sequence": "second"}]
    (count,) = unreadable(table).to_pyarrow().to_pylist()
    assert count == {"call_date": MONDAY, "unreadable_turns": 2}
