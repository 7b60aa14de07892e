"""From records to calls: which rows count, which are repeats, which go to quarantine and why."""

import json
from collections import Counter
from datetime import date, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cs_assets.calls.clean import account, clean, judge, quarantine
from cs_assets.calls.contracts import (
    CALL_RECORDS_CLEAN,
    CALL_RECORDS_QUARANTINE,
    CALL_RECORDS_RAW,
    CALL_TURNS_RAW,
    QUARANTINE_REASONS,
)
from cs_assets.quarantine import counted_by_reason
from tests.calls.cases import MONDAY, NOON, TABLE, Row, at, raw, table_of, tasks_table

ODD_TEXTS = [
    "😀👨‍👩‍👧",
    "𠮷野家",
    "a\tb\nc\r\x07\x1f",
    '"}; DROP TABLE x; --',
    "e\u0301\u202e",
    "长" * 20_000,
]


class Fates(NamedTuple):
    clean: list[Row]
    bad: list[Row]
    account: Row
    reasons: Counter[str]


def fates(*rows: Row, tasks: tuple[str, ...] = ("t1",), turns: tuple[Row, ...] = ()) -> Fates:
    """Judge rows of one day."""
    judged = judge(table_of(CALL_RECORDS_RAW, rows), tasks_table(*tasks)).cache()
    counts = account(judged).to_pyarrow().to_pylist()
    return Fates(
        clean(judged, table_of(CALL_TURNS_RAW, turns)).to_pyarrow().to_pylist(),
        quarantine(judged).to_pyarrow().to_pylist(),
        counts[0] if len(counts) == 1 else {"days": counts},
        Counter(
            {
                row["reason"]: row["rows"]
                for row in counted_by_reason(judged, "call_date").to_pyarrow().to_pylist()
            }
        ),
    )


def reason(**changes: Any) -> str | None:
    """The reason why one row is put aside; None if it is a call."""
    found = fates(raw(**changes))
    assert len(found.clean) + len(found.bad) == 1
    return found.bad[0]["reason"] if found.bad else None


DAWN_OF_TIME, FAR_FUTURE = at("1970-01-01"), at("2100-01-02")
BROKEN: dict[str, list[Row]] = {
    "unreadable_value": [{"unreadable": '{"rounds": "abc"}', "rounds": None}],
    "no_call_date": [{"calldate": None}],
    "impossible_call_date": [
        {"calldate": NOON - timedelta(days=1)},
        {"calldate": at("2025-11-25")},
        {"calldate": DAWN_OF_TIME, "call_date": DAWN_OF_TIME.date()},
        {"calldate": FAR_FUTURE, "call_date": FAR_FUTURE.date()},
    ],
    "no_record_id": [{"id": None}, {"id": ""}],
    "no_callid": [{"callid": None}, {"callid": " \t\n"}],
    "no_customer": [{"customer_id": None}, {"customer_id": ""}],
    "no_task": [{"task_id": None}, {"task_id": "  "}],
    "no_duration": [{"duration": None}, {"bill": None}],
    "negative_duration": [{"duration": -1, "bill": 0}, {"bill": -1}, {"rounds": -1}],
    "talk_longer_than_call": [{"bill": 10_001}],
    "unknown_task": [{"task_id": "t2"}],
}
EXAMPLES = [(reason, changes) for reason, rows in BROKEN.items() for changes in rows]
KEPT: list[Row] = [
    {"calldate": at("2025-11-24")},
    {"calldate": at("2025-11-24 23:59:59.999999")},
    {"duration": 10_000, "bill": 10_000},
    {"duration": 0, "bill": 0},
    {"duration": 2**40, "bill": 2**40},
    {"rounds": None, "callee": None, "hangup_disposition": None, "intention_results": None},
]


@pytest.mark.parametrize(("expected", "changes"), EXAMPLES)
def test_each_broken_rule_has_its_reason(expected: str, changes: Row) -> None:
    assert reason(**changes) == expected


def test_every_reason_has_an_example() -> None:
    assert list(BROKEN) == [reason.code for reason in QUARANTINE_REASONS]
    column = next(c for c in CALL_RECORDS_QUARANTINE.columns if c.name == "reason")
    assert column.allowed == tuple(BROKEN)


@pytest.mark.parametrize("changes", KEPT)
def test_limits_are_kept(changes: Row) -> None:
    assert reason(**changes) is None


def test_the_first_broken_rule_is_the_reason() -> None:
    """A row that breaks every rule is cured of one after the other."""
    row = raw(unreadable="{}", calldate=None, id=None, callid=None, customer_id=None)
    row |= {"task_id": None, "duration": None}
    cures: list[Row] = [
        {"unreadable": None},
        {"calldate": NOON + timedelta(days=1)},
        {"calldate": NOON},
        {"id": "r1"},
        {"callid": "k1"},
        {"customer_id": "c1"},
        {"task_id": "t9"},
        {"duration": -5},
        {"duration": 3_000},
        {"bill": 3_000},
        {"task_id": "t1"},
    ]
    found = []
    for cure in cures:
        found.append(fates(row).bad[0]["reason"])
        row |= cure
    assert found == list(BROKEN)
    assert len(fates(row).clean) == 1


def test_quarantine_keeps_the_whole_record() -> None:
    row = raw(callid=None, callee="13800001234", customer_id="客户", unreadable=None)
    (bad,) = fates(row).bad
    kept = json.loads(bad["record"])
    left_out = {"tenant_id", "call_date", "source_table", "row_checksum", "extracted_at"}
    assert kept == {
        k: str(v) if k == "calldate" else v for k, v in row.items() if k not in left_out
    }
    assert (bad["source_table"], bad["record_id"], bad["call_date"]) == (TABLE, "r0001", MONDAY)


def test_an_unknown_task_comes_back_when_it_is_known() -> None:
    before, after = fates(raw(task_id="t2")), fates(raw(task_id="t2"), tasks=("t1", "t2"))
    assert [bad["is_retryable"] for bad in before.bad] == [True]
    assert [call["task_id"] for call in after.clean] == ["t2"]


def test_only_an_unknown_task_is_retryable() -> None:
    assert [r.code for r in QUARANTINE_REASONS if r.is_retryable] == ["unknown_task"]
    rows = [
        raw(n, **changes) for n, (_, changes) in enumerate(EXAMPLES) if "call_date" not in changes
    ]
    for bad in fates(*rows).bad:
        assert bad["is_retryable"] == (bad["reason"] == "unknown_task")


def test_another_tenants_task_is_unknown() -> None:
    assert reason(tenant_id="other") == "unknown_task"


EARLY, LATE = {"calldate": NOON}, {"calldate": NOON + timedelta(seconds=1)}


@pytest.mark.parametrize(
    ("winner", "losers"),
    [
        ({**LATE, "id": "a"}, [{**EARLY, "id": "z"}]),
        ({**EARLY, "id": "b"}, [{**EARLY, "id": "a"}]),
        ({**EARLY, "id": "a", "source_table": "t_2025_11"}, [{"source_table": "t_2025_09"}]),
        ({**LATE, "id": "b"}, [{**LATE, "id": "a"}, {**EARLY, "id": "z"}, {**EARLY, "id": "c"}]),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_last_of_repeated_calls_counts(winner: Row, losers: list[Row], turned: bool) -> None:
    base = {"callid": "k", "id": "a", **EARLY}
    rows = [raw(**{**base, **winner, "rounds": 99}), *(raw(**{**base, **row}) for row in losers)]
    found = fates(*(reversed(rows) if turned else rows))
    assert [call["rounds"] for call in found.clean] == [99]
    assert not found.bad
    assert found.account["duplicates"] == len(losers)


def test_calls_of_other_tenants_and_days_are_no_repeats() -> None:
    found = fates(raw(), raw(call_date=date(2025, 11, 25), calldate=at("2025-11-25 12:00")))
    assert [day["duplicates"] for day in found.account["days"]] == [0, 0]


@pytest.mark.parametrize(
    "broken",
    [{"bill": 99_999}, {"customer_id": None}, {"task_id": "t2"}, {"duration": None}],
)
def test_a_broken_repeat_never_displaces_a_good_call(broken: Row) -> None:
    found = fates(raw(callid="k"), raw(2, callid="k", **LATE, **broken))
    assert [call["id"] for call in found.clean] == ["r0001"]
    assert [bad["record_id"] for bad in found.bad] == ["r0002"]
    assert found.account["duplicates"] == 0


def test_broken_rows_are_kept_one_by_one() -> None:
    found = fates(raw(callid=None), raw(callid=None))
    assert (len(found.bad), found.reasons) == (2, {"no_callid": 2})


def test_known_intentions_are_kept() -> None:
    found = fates(*(raw(n, intention_results=grade) for n, grade in enumerate("ABCDEF")))
    assert sorted(call["intention_level"] for call in found.clean) == list("ABCDEF")
    assert found.account["unknown_intention"] == 0


def test_unknown_intentions_are_null_and_counted() -> None:
    odd = ["Z", "a", "", "AB", "A ", "😀"]
    rows = [raw(n, intention_results=grade) for n, grade in enumerate([*odd, None, "B"])]
    found = fates(*rows, raw(99, intention_results="Z", callid=None))
    assert Counter(call["intention_level"] for call in found.clean) == {None: 7, "B": 1}
    assert found.account["unknown_intention"] == len(odd)


@pytest.mark.parametrize(
    ("code", "side"),
    [
        (1, "robot"),
        (2, "customer"),
        (0, "unknown"),
        (9, "unknown"),
        (-1, "unknown"),
        (None, "unknown"),
    ],
)
def test_who_hung_up(code: int | None, side: str) -> None:
    assert fates(raw(hangup_disposition=code)).clean[0]["hangup_by"] == side


def test_a_call_is_the_record_typed() -> None:
    (call,) = fates(raw()).clean
    assert list(call) == list(CALL_RECORDS_CLEAN.column_names)
    expected = {"called_at": NOON, "talk_ms": 4_000, "total_ms": 10_000, "is_connected": True}
    expected |= {"id": "r0001", "callid": "k0001", "customer_id": "c1"}
    assert expected.items() <= call.items()
    assert fates(raw(bill=0)).clean[0]["is_connected"] is False


def test_dialogue_turns_are_those_of_the_record_in_its_table() -> None:
    def said(record_id: str | None, sequence: int, **changes: Any) -> Row:
        place = {"tenant_id": "default", "call_date": MONDAY, "source_table": TABLE}
        return place | {"record_id": record_id, "sequence": sequence} | changes

    elsewhere = said("r0001", 1, source_table="autodialer_call_record_2025_09")
    yesterday = said("r0001", 1, call_date=date(2025, 11, 23))
    turns = (said("r0001", 1), said("r0001", 2), said(None, 1), said("r9", 1), elsewhere, yesterday)
    found = fates(raw(1), raw(2), turns=turns)
    counts = sorted((call["id"], call["dialogue_turns"]) for call in found.clean)
    assert counts == [("r0001", 2), ("r0002", 0)]


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_text_passes_unchanged(text: str) -> None:
    found = fates(
        raw(1, customer_id=text, callid=text),
        raw(2, customer_id=text, callid=None, unreadable=text),
    )
    assert [(call["customer_id"], call["callid"]) for call in found.clean] == [(text, text)]
    kept = json.loads(found.bad[0]["record"])
    assert (kept["customer_id"], kept["unreadable"]) == (text, text)


texts = st.sampled_from([None, "", " ", "a", "b", "😀"])
numbers = st.sampled_from([None, -1, 0, 1, 4_000, 10_000, 2**62])
arbitrary_rows = st.fixed_dictionaries(
    {
        "tenant_id": st.sampled_from(["default", "other"]),
        "id": texts,
        "callid": texts,
        "customer_id": texts,
        "task_id": st.sampled_from([None, "", "t1", "t2"]),
        "calldate": st.sampled_from([None, NOON, *LATE.values(), at("1900-01-01")]),
        "duration": numbers,
        "bill": numbers,
        "rounds": numbers,
        "hangup_disposition": numbers,
        "intention_results": st.sampled_from([None, "A", "Z"]),
        "unreadable": st.sampled_from([None, None, None, "{}"]),
    }
)


@settings(max_examples=30, deadline=None)
@given(st.lists(arbitrary_rows, min_size=1, max_size=12), st.booleans())
def test_every_record_has_exactly_one_fate(rows: list[Row], are_good: bool) -> None:
    """Rows read = calls + repeats + quarantined, whatever the rows, and in whatever order."""
    good = {"unreadable": None, "calldate": NOON, "id": "a", "customer_id": "c", "task_id": "t1"}
    good |= {"tenant_id": "default", "duration": 9, "bill": 3, "rounds": 1}
    records = [raw(**row) | (good if are_good else {}) for row in rows]
    found = fates(*records)
    bad, counts = len(found.bad), found.account
    assert counts["read"] == len(rows) == len(found.clean) + counts["duplicates"] + bad
    assert counts["quarantined"] == bad == sum(found.reasons.values())
    keys = [(call["tenant_id"], call["callid"]) for call in found.clean]
    assert len(keys) == len(set(keys))
    again = fates(*reversed(records))
    assert Counter(map(str, again.clean)) == Counter(map(str, found.clean))
    assert Counter(map(str, again.bad)) == Counter(map(str, found.bad))
