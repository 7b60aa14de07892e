"""People's verdicts: what a row may say, which verdict stands, and that no row is lost."""

import json
import random
from datetime import date
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from cs_assets.calls.audit_contracts import CALL_VERDICTS, CALL_VERDICTS_QUARANTINE
from cs_assets.calls.verdicts import OPTIONAL, REQUIRED, account, judge, quarantine, verdicts
from cs_resources.landed_csv import landed_schema
from tests.calls.cases import at

SCHEMA = landed_schema(["tenant_id", *REQUIRED, *OPTIONAL])


def row(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A good row as it landed."""
    return {
        "tenant_id": "default",
        "source_file": "a.csv",
        "file_hash": "h",
        "row_number": number,
        "call_date": "2025-11-24",
        "callid": "k1",
        "kind": "complaint",
        "verdict": "yes",
        "reviewer": "li",
        "reviewed_at": "2025-12-01 09:30",
        **changes,
    }


def landed(*rows: dict[str, Any]) -> pd.DataFrame:
    return pa.Table.from_pylist(list(rows), SCHEMA).to_pandas()


def kept(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return verdicts(judge(landed(*rows))).to_dict("records")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"verdict": " 是 "}, {"verdict": "yes"}),
        ({"verdict": "否"}, {"verdict": "no"}),
        ({"verdict": "No"}, {"verdict": "no"}),
        ({"kind": "Churn"}, {"kind": "churn"}),
        ({"call_date": "2025/11/4"}, {"call_date": date(2025, 11, 4)}),
        ({"reviewed_at": "2025-12-01"}, {"reviewed_at": at("2025-12-01")}),
        ({"reviewed_at": "2025/12/1 9:05"}, {"reviewed_at": at("2025-12-01 09:05")}),
        ({"reviewed_at": "2025-12-01T09:05:07"}, {"reviewed_at": at("2025-12-01 09:05:07")}),
        ({"note": " 说了两次 "}, {"note": "说了两次"}),
    ],
)
def test_what_a_row_may_say(changes: dict[str, str], expected: dict[str, Any]) -> None:
    (found,) = kept(row(**changes))
    assert {name: found[name] for name in expected} == expected
    assert tuple(found) == CALL_VERDICTS.column_names


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"problem": "ragged_row", "cells": '["x"]', "callid": None}, "unreadable_row"),
        ({"callid": "  "}, "no_callid"),
        ({"call_date": None}, "bad_call_date"),
        ({"call_date": "24.11.2025"}, "bad_call_date"),
        ({"call_date": "2025-11-31"}, "bad_call_date"),
        ({"kind": "投诉"}, "bad_kind"),
        ({"verdict": "maybe"}, "bad_verdict"),
        ({"verdict": None}, "bad_verdict"),
        ({"reviewer": None}, "no_reviewer"),
        ({"reviewed_at": "yesterday"}, "bad_reviewed_at"),
        ({"reviewed_at": "2025-12-01 09:30+08:00"}, "bad_reviewed_at"),
        ({"reviewed_at": "2025-11-23 23:59"}, "reviewed_before_the_call"),
    ],
)
def test_what_a_row_may_not_say(changes: dict[str, Any], reason: str) -> None:
    rows = landed(row(1), row(2, **changes))
    judged = judge(rows)
    (bad,) = quarantine(judged, rows).to_dict("records")
    assert (bad["reason"], bad["source_table"], bad["record_id"]) == (reason, "a.csv", "2")
    record = json.loads(bad["record"])
    assert (
        record == ["x"] if "problem" in changes else record["callid"] == changes.get("callid", "k1")
    )
    assert tuple(bad) == CALL_VERDICTS_QUARANTINE.column_names
    assert account(judged)[reason] == 1
    assert len(verdicts(judged)) == 1


def test_the_latest_verdict_of_a_reviewer_stands() -> None:
    rows = [
        row(1, verdict="yes", reviewed_at="2025-12-02"),
        row(2, verdict="no", reviewed_at="2025-12-01"),
        row(3, verdict="no", reviewed_at="2025-12-09", kind="churn"),
        row(4, verdict="no", reviewer="wang"),
        row(5, verdict="no", tenant_id="other"),
        row(6, verdict="maybe", reviewed_at="2025-12-08"),
    ]
    expected = {("li", "complaint", "yes"), ("li", "churn", "no"), ("wang", "complaint", "no")}
    for seed in range(5):
        random.Random(seed).shuffle(rows)
        own = [r for r in kept(*rows) if r["tenant_id"] == "default"]
        assert {(r["reviewer"], r["kind"], r["verdict"]) for r in own} == expected
        counts = account(judge(landed(*rows)))
        assert (counts["read"], counts["loaded"], counts["duplicates"]) == (6, 4, 1)
        assert counts["read"] == sum(counts[n] for n in ("loaded", "duplicates", "quarantined"))


def test_at_the_same_instant_the_later_file_then_row_stands() -> None:
    rows = [row(9), row(1, source_file="b.csv", verdict="no"), row(2, source_file="b.csv")]
    for order in (rows, rows[::-1]):
        (found,) = kept(*order)
        assert (found["source_file"], found["row_number"]) == ("b.csv", 2)


def test_no_files_no_verdicts() -> None:
    judged = judge(landed())
    assert verdicts(judged).empty
    assert quarantine(judged, landed()).empty
    assert set(account(judged).values()) == {0}
