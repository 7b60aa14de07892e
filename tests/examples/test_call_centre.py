"""The call-centre log as a call database: the mapping, each defect, the account, dialogues."""

from pathlib import Path

import pytest

from examples.call_centre.mapping import TASK_NAMES, Unidentified
from tests.examples.call_centre_cases import HUNG_UP, TABLE, Loaded, line


def test_a_served_call_is_mapped_column_by_column(tmp_path: Path) -> None:
    loaded = Loaded(tmp_path, line())
    record = loaded.record
    (task,) = loaded.rows("SELECT * FROM autodialer_task WHERE name LIKE 'PS %'")
    assert {name: record[name] for name in record if name not in ("id", "callid", "rounds")} == {
        "task_id": task["uuid"],
        "customer_id": "90000001",
        "callee": None,
        "calldate": "1999-08-03 09:00:00",
        "duration": 115_000,
        "bill": 90_000,
        "hangup_disposition": None,
        "intention_results": None,
    }
    assert "synthetic" in task["name"]
    assert loaded.account.remarks == {}


def test_a_call_hung_up_has_no_talk_and_no_dialogue(tmp_path: Path) -> None:
    loaded = Loaded(tmp_path, line(**HUNG_UP))
    assert loaded.record["bill"] == 0
    assert loaded.record["duration"] == 25_000
    assert loaded.record["hangup_disposition"] == 2
    assert loaded.record["rounds"] is None
    assert loaded.account.turns == 0


def test_each_service_type_is_one_task(tmp_path: Path) -> None:
    calls = [line(type=kind, call_id=str(at)) for at, kind in enumerate([*TASK_NAMES, "PS"])]
    loaded = Loaded(tmp_path, *calls)
    assert len({row["task_id"] for row in loaded.records}) == len(TASK_NAMES) == 6
    assert loaded.fates() == {"loaded": 7}


def test_the_same_number_on_two_lines_is_two_calls(tmp_path: Path) -> None:
    loaded = Loaded(tmp_path, line(), line(**{"vru+line": "AA0102"}))
    assert loaded.account.repeated_calls == 0
    assert loaded.fates() == {"loaded": 2}


@pytest.mark.parametrize("nobody", ["0", "", "000", "408560000000"])
def test_calls_of_nobody_known_never_share_a_customer(tmp_path: Path, nobody: str) -> None:
    calls = [line(customer_id=nobody, call_id=str(at)) for at in range(3)]
    loaded = Loaded(tmp_path, *calls)
    customers = {row["customer_id"] for row in loaded.records}
    assert len(customers) == 3
    assert all(customer.startswith("anonymous-") for customer in customers)
    remark = "customer_id_rounded" if nobody.strip("0") else "customer_unidentified"
    assert loaded.account.remarks == {remark: 3}


def test_calls_of_nobody_known_can_go_to_quarantine(tmp_path: Path) -> None:
    calls = [line(customer_id="0"), line(call_id="2")]
    loaded = Loaded(tmp_path, *calls, unidentified=Unidentified.QUARANTINE)
    assert [row["customer_id"] for row in loaded.records] == [None, "90000001"]
    assert loaded.fates() == {"no_customer": 1, "loaded": 1}


def test_a_customer_with_many_calls_stays_one_customer(tmp_path: Path) -> None:
    loaded = Loaded(tmp_path, *(line(call_id=str(at)) for at in range(204)))
    assert {row["customer_id"] for row in loaded.records} == {"90000001"}
    assert loaded.fates() == {"loaded": 204}


@pytest.mark.parametrize(
    ("changes", "remark", "duration", "talk"),
    [
        ({"ser_start": "23:59:50", "ser_exit": "0:01:20"}, "service_over_midnight", 115, 90),
        ({"q_start": "23:59:50", "q_exit": "0:00:10"}, "queue_over_midnight", 115, 90),
        ({"ser_time": "36291"}, "service_over_one_hour", 36_316, 36_291),
        ({"vru_time": "-87"}, "vru_ends_before_it_starts", 110, 90),
        ({"ser_time": "0"}, "agent_without_service_time", 25, 0),
        ({"server": "NO_SERVER"}, "agent_without_server", 115, 90),
        (HUNG_UP | {"ser_time": "7"}, "hang_with_service_time", 32, 0),
        ({"q_exit": "9:00"}, "clock_unreadable", 115, 90),
    ],
)
def test_odd_calls_are_kept_and_counted(
    tmp_path: Path, changes: dict[str, str], remark: str, duration: int, talk: int
) -> None:
    loaded = Loaded(tmp_path, line(**changes))
    assert loaded.account.remarks == {remark: 1}
    assert (loaded.record["duration"], loaded.record["bill"]) == (duration * 1000, talk * 1000)
    assert loaded.record["calldate"] == "1999-08-03 09:00:00"
    assert loaded.fates() == {"loaded": 1}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"vru_entry": "9:71:00"}, "unreadable_value"),
        ({"vru_entry": "24:00:01"}, "unreadable_value"),
        ({"vru_entry": ""}, "unreadable_value"),
        ({"date": ""}, "unreadable_value"),
        ({"date": "1999-08-32"}, "unreadable_value"),
        ({"date": "", "vru_entry": ""}, "no_call_date"),
        ({"date": "1999-07-31"}, "impossible_call_date"),
        ({"ser_time": "9O"}, "unreadable_value"),
        ({"q_time": "-5"}, "unreadable_value"),
        ({"ser_time": "1e3"}, "unreadable_value"),
        ({"ser_time": "99999999999999999999"}, "unreadable_value"),
        ({"call_id": ""}, "no_callid"),
        ({"type": ""}, "no_task"),
        ({"type": "XX"}, "unknown_task"),
    ],
)
def test_what_cannot_be_read_reaches_the_quarantine(
    tmp_path: Path, changes: dict[str, str], reason: str
) -> None:
    loaded = Loaded(tmp_path, line(**changes))
    assert loaded.fates() == {reason: 1}
    if reason == "unreadable_value" and changes.get("date") is None:
        assert loaded.account.remarks.keys() & {"clock_unreadable", "time_unreadable"}


def test_a_line_that_is_there_twice_is_one_call(tmp_path: Path) -> None:
    loaded = Loaded(tmp_path, line(customer_id="0"), line(customer_id="0"))
    assert loaded.account.repeated_calls == 1
    assert len({row["customer_id"] for row in loaded.records}) == 1
    assert loaded.fates() == {"loaded": 1, "duplicate": 1}
    turns = loaded.rows(f"SELECT count(*) AS n FROM {TABLE.replace('record', 'record_detail')}")
    assert turns == [{"n": 2 * loaded.records[0]["rounds"]}]


def test_every_line_is_accounted_for(tmp_path: Path) -> None:
    loaded = Loaded(
        tmp_path,
        line(),
        line(),
        line(call_id="2", outcome="PHANTOM", server="NO_SERVER"),
        line(call_id="3", outcome="?"),
        "AA0101,4,0",
        line(call_id="5", ser_time="x"),
        line(call_id="6", customer_id="0"),
    )
    account = loaded.account
    assert (account.read, account.written) == (7, 4)
    assert account.dropped == {"phantom": 1, "unknown_outcome": 1, "wrong_number_of_fields": 1}
    assert loaded.fates() == {"loaded": 2, "duplicate": 1, "unreadable_value": 1}
    assert next(account.lines()) == (
        "rows read 7 = written 4 + dropped 3 "
        "(phantom 1, unknown_outcome 1, wrong_number_of_fields 1)"
    )


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    lines = [line(call_id=str(at), customer_id=str(at % 3)) for at in range(50)]
    first = Loaded(tmp_path, *lines).path.read_bytes()
    assert Loaded(tmp_path, *lines).path.read_bytes() == first


def test_a_call_keeps_its_dialogue_wherever_it_stands(tmp_path: Path) -> None:
    lines = [line(call_id=str(at)) for at in range(40)]
    details = TABLE.replace("record", "record_detail")
    query = f"SELECT callid, sequence, question, answer_content FROM {details} WHERE notify = "
    query += "'asrmessage_notify' ORDER BY callid, sequence"
    forward = Loaded(tmp_path, *lines).rows(query)
    backward = Loaded(tmp_path, *reversed(lines)).rows(query)
    assert forward == backward
    dialogues: dict[str, list[tuple[str | None, str | None]]] = {}
    for row in forward:
        dialogues.setdefault(row["callid"], []).append((row["question"], row["answer_content"]))
    assert len(dialogues) == 40
    assert {tuple(turns) for turns in dialogues.values()} == {
        (("你好，想找家餐馆。", "推荐这一家。"), ("谢谢。", None)),
        (("明天去故宫。", "门票六十元。"),),
        ((None, "您好。"), ("再见。", "再见。")),
    }


def test_turns_are_counted_in_the_record(tmp_path: Path) -> None:
    loaded = Loaded(tmp_path, *(line(call_id=str(at)) for at in range(10)))
    assert sum(row["rounds"] for row in loaded.records) == loaded.account.turns
    assert loaded.account.calls_with_dialogue == 10
