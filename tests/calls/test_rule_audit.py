"""Rules against model: cells, confusion and corrected rates on calls worked out by hand."""

import random
from collections import Counter
from datetime import date

import pytest

from cs_assets.calls.audit import counted, risks
from cs_assets.calls.audit_tables import risk_rates
from cs_assets.periods import period_days
from tests.calls.audit_cases import (
    EIGHT,
    a_month,
    audit,
    judged,
    people,
    periods,
    queue,
    rates,
    rows,
    sentiment,
    spread,
    verdict,
)


def test_every_call_is_in_one_cell_of_each_kind() -> None:
    found = {row["callid"]: row for row in rows(spread(EIGHT)) if row["kind"] == "complaint"}
    cells = [found[f"k{n:05}"]["cell"] for n in range(1, 9)]
    assert cells == [
        *("both", "both", "rules_only", "model_only", "neither", "neither"),
        *("no_answer", "no_answer"),
    ]
    names = ("rules_level", "model_level", "level")
    levels = [tuple(found[f"k{n:05}"][name] for name in names) for n in range(1, 9)]
    assert levels == [
        *((2, 2, 2), (2, 1, 2), (1, 0, 1), (0, 1, 1), (0, 0, 0), (0, 0, 0)),
        *((2, None, 2), (0, None, 0)),
    ]
    churn = Counter(row["cell"] for row in rows(spread(EIGHT)) if row["kind"] == "churn")
    assert churn == {"neither": 6, "no_answer": 2}


def test_the_confusion_worked_out_by_hand() -> None:
    found = audit(EIGHT)
    assert set(found) == {
        *(("complaint", word) for word in ("", "投诉", "12315")),
        *(("churn", word) for word in ("", "取消")),
    }
    names = ("both_calls", "rules_only_calls", "model_only_calls", "neither_calls", "calls")

    def figures(kind: str, word: str) -> list[int]:
        return [found[kind, word][name] for name in names]

    assert figures("complaint", "") == [2, 1, 1, 2, 6]
    assert figures("complaint", "投诉") == [2, 1, 1, 2, 6]
    assert figures("complaint", "12315") == [0, 1, 3, 2, 6]
    assert figures("churn", "") == figures("churn", "取消") == [0, 0, 0, 6, 6]
    row = found["complaint", ""]
    assert row["agreement_rate"] == pytest.approx(4 / 6)
    assert row["kappa"] == pytest.approx((4 / 6 - 1 / 2) / (1 - 1 / 2))
    # distance 3 of 6 calls; by chance, of rows (3, 1, 2) and columns (3, 2, 1), 32 of 36
    assert row["weighted_kappa"] == pytest.approx(1 - (3 / 6) / (32 / 36))
    assert found["complaint", "投诉"]["weighted_kappa"] is None
    assert found["churn", ""]["kappa"] is None
    assert row["rules_precision"] is row["model_recall"] is None
    assert row["reviewed_calls"] == 0


def test_precision_and_recall_by_people_worked_out_by_hand() -> None:
    truth = {1: "yes", 2: "no", 3: "no", 4: "yes", 5: "no", 6: "yes", 7: "yes"}
    found = audit(EIGHT, [verdict(EIGHT[n - 1], said) for n, said in truth.items()])
    row = found["complaint", ""]
    assert row["reviewed_calls"] == 6  # the seventh has no answer to be judged
    assert row["rules_precision"] == pytest.approx(1 / 3)
    assert row["rules_recall"] == pytest.approx(1 / 3)  # of 1, 4 and 6
    assert (row["model_precision"], row["model_recall"]) == pytest.approx((2 / 3, 2 / 3))
    assert found["complaint", "12315"]["rules_precision"] == 0
    assert found["complaint", "12315"]["reviewed_calls"] == 1
    assert found["complaint", "12315"]["model_precision"] is None
    assert found["churn", ""]["rules_precision"] is None


def test_what_verdicts_do_not_reach_is_null() -> None:
    """Of the calls at risk by rules, one cell was looked at, the other was not."""
    row = audit(EIGHT, [verdict(EIGHT[0]), verdict(EIGHT[1])])["complaint", ""]
    assert row["rules_precision"] is row["rules_recall"] is row["model_precision"] is None


def test_rates_worked_out_by_hand() -> None:
    row = rates(EIGHT, [verdict(EIGHT[n], "yes" if n in (0, 3) else "no") for n in range(8)])[
        "complaint"
    ]
    expected = {
        "calls": 8,
        "answered_calls": 6,
        "at_risk_calls": 5,
        "high_risk_calls": 3,
        "published_rate": 5 / 8,
        "published_high_rate": 3 / 8,
        "corrected_rate": 2 / 8,  # all were looked at
        "corrected_low": 2 / 8,
        "corrected_high": 2 / 8,
        "verdicts_used": 8,
        "verdicts_tied": 0,
        "verdicts_outside": 0,
        "conflicts": 0,
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert (row["period_key"], row["as_of"]) == ("2025-11", date(2025, 11, 30))
    untouched = rates(EIGHT)["churn"]
    nulls = ("corrected_rate", "corrected_low", "corrected_high")
    assert [untouched[name] for name in nulls] == [None] * 3
    assert untouched["published_rate"] == 0


def test_a_cell_without_a_verdict_leaves_an_interval_and_no_rate() -> None:
    row = rates(EIGHT, [verdict(EIGHT[n], "no") for n in range(6)])["complaint"]
    assert row["corrected_rate"] is None
    assert (row["corrected_low"], row["corrected_high"]) == pytest.approx((0, 2 / 8))


def test_reviewers_who_disagree_are_outvoted_or_tied() -> None:
    said = [
        *(verdict(EIGHT[0], v, who) for v, who in (("yes", "a"), ("no", "b"), ("yes", "c"))),
        *(verdict(EIGHT[1], v, who) for v, who in (("yes", "a"), ("no", "b"))),
        verdict(EIGHT[2]),
    ]
    row = rates(EIGHT, said)["complaint"]
    assert (row["verdicts_used"], row["verdicts_tied"], row["conflicts"]) == (2, 1, 2)


def test_the_order_of_rows_changes_nothing() -> None:
    calls, at_risk = a_month()
    said = [
        verdict(call, "yes" if call["callid"] in at_risk else "no", reviewer)
        for call in calls[::3]
        for reviewer in ("li", "wang")
    ]
    drawn = queue(calls)
    before = (audit(calls, said, drawn), rates(calls, said, drawn))
    for mixed in (calls, said, drawn):
        random.Random(1).shuffle(mixed)
    assert (audit(calls, said, drawn), rates(calls, said, drawn)) == before
    assert sorted(queue(calls), key=str) == sorted(drawn, key=str)


def test_tenants_are_kept_apart() -> None:
    others = [call | {"tenant_id": "other"} for call in EIGHT[:4]]
    both = [*EIGHT, *others]
    assert [row for row in queue(both) if row["tenant_id"] == "default"] == queue(EIGHT)
    open_ = spread(both)
    found = risk_rates(rows(counted(open_)), people(both, [verdict(others[0])]), 0.95, periods())
    used = found[found["kind"] == "complaint"].set_index("tenant_id")["verdicts_used"]
    assert used.to_dict() == {"default": 0, "other": 1}


def test_without_a_model_there_is_nothing_to_compare() -> None:
    calls = [judged(n, rules, None) for n, rules in enumerate(["high", None, "medium"])]
    assert queue(calls) == []
    assert audit(calls) == {}
    row = rates(calls, [verdict(calls[0])])["complaint"]
    assert (row["calls"], row["answered_calls"], row["at_risk_calls"]) == (3, 0, 2)
    assert row["corrected_low"] is None
    assert row["verdicts_outside"] == 1


def test_no_calls_no_rows() -> None:
    assert (queue([]), audit([]), rates([])) == ([], {}, {})


def test_only_loaded_days_count() -> None:
    open_ = risks(sentiment(EIGHT), period_days(periods(date(2025, 11, 2), date(2025, 11, 3))))
    assert {row["callid"] for row in rows(open_)} == {"k00001", "k00002"}
