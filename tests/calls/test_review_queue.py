"""The review queue: which calls people see, and what their verdicts on them correct."""

from collections import Counter

import pytest

from tests.calls.audit_cases import (
    EIGHT,
    RULES,
    a_month,
    audit,
    judged,
    queue,
    rates,
    rows,
    spread,
    verdict,
)


def test_the_queue_is_drawn_as_allocated() -> None:
    calls, _ = a_month()
    found = [row for row in queue(calls) if row["kind"] == "complaint"]
    limit = RULES.file.queue.calls_per_month
    assert [row["rank"] for row in found] == list(range(1, limit + 1))
    cells = {
        row["callid"]: row["cell"] for row in rows(spread(calls)) if row["kind"] == "complaint"
    }
    sizes = Counter(cells.values())
    taken = Counter(row["cell"] for row in found)
    for row in found:
        assert row["cell"] == cells[row["callid"]]
        assert row["inclusion_probability"] == taken[row["cell"]] / sizes[row["cell"]]
    assert all(taken[cell] >= min(size, 5) for cell, size in sizes.items())
    # whoever stops anywhere has looked at every cell alike
    assert {row["cell"] for row in found[:5]} == set(sizes)
    half = Counter(row["cell"] for row in found[: limit // 2])
    assert all(abs(half[cell] - taken[cell] / 2) <= 1 for cell in taken)


def test_each_call_says_why_it_is_there() -> None:
    reasons = {row["callid"]: row["reason"] for row in queue(EIGHT) if row["kind"] == "complaint"}
    assert [reasons[f"k{n:05}"] for n in range(1, 9)] == [
        "control_at_risk",
        "levels_differ",
        "model_sees_no_risk",
        "rules_see_no_risk",
        "control_no_risk",
        "control_no_risk",
        "no_model_answer",
        "no_model_answer",
    ]
    assert set(reasons.values()) == set(RULES.file.reasons)


def test_every_call_of_a_cell_is_as_likely_to_be_drawn() -> None:
    """In thirty installations each tenth of the month's calls gets a tenth of the queue."""
    calls = [judged(n, tenant_id=f"t{own}") for own in range(30) for n in range(200)]
    tenths = Counter(int(row["callid"][1:]) // 20 for row in queue(calls))
    expected = tenths.total() / 10
    assert tenths.total() == 30 * 2 * RULES.file.queue.calls_per_month
    chi_square = sum((tenths[n] - expected) ** 2 / expected for n in range(10))
    assert chi_square < 27.9  # 99.9 % of chance


def test_late_calls_change_little_of_a_queue() -> None:
    calls, _ = a_month()
    before = {row["callid"] for row in queue(calls) if row["kind"] == "complaint"}
    late = [judged(10_000 + n) for n in range(6)]
    after = {row["callid"] for row in queue([*calls, *late]) if row["kind"] == "complaint"}
    assert len(before - after) <= 6


def test_verdicts_outside_of_the_queue_are_counted_and_not_used() -> None:
    calls, _ = a_month()
    drawn = {row["callid"] for row in queue(calls) if row["kind"] == "complaint"}
    outside = [call for call in calls if call["callid"] not in drawn][:7]
    inside = next(call for call in calls if call["callid"] in drawn)
    stranger = judged(99_999)
    said = [verdict(call) for call in [*outside, inside, stranger]]
    row = rates(calls, said)["complaint"]
    assert (row["verdicts_used"], row["verdicts_outside"]) == (1, 7)
    only = rates(calls, [verdict(inside)])["complaint"]
    assert only["corrected_high"] == row["corrected_high"]


def test_verdicts_of_a_small_share_count_for_their_cell() -> None:
    """Half of the sample of a large cell weighs as half of the cell."""
    calls = [judged(n) for n in range(1_000)] + [
        judged(2_000 + n, "high", "high") for n in range(5)
    ]
    drawn = [row for row in queue(calls) if row["kind"] == "complaint"]
    by_id = {call["callid"]: call for call in calls}
    said = [
        verdict(by_id[row["callid"]], "yes" if row["cell"] == "both" or row["rank"] % 2 else "no")
        for row in drawn
    ]
    neither = Counter(v["verdict"] for v in said if v["callid"] < "k02000")
    share = neither["yes"] / neither.total()
    row = audit(calls, said)["complaint", ""]
    assert row["rules_precision"] == 1
    assert row["rules_recall"] == pytest.approx(5 / (5 + 1_000 * share))
    corrected = rates(calls, said)["complaint"]
    assert corrected["corrected_rate"] == pytest.approx((5 + 1_000 * share) / 1_005)
    assert corrected["published_rate"] == pytest.approx(5 / 1_005)


def test_the_sample_corrects_the_whole_way() -> None:
    """From calls over the queue to the rate: people tell the truth about what is queued."""
    calls, at_risk = a_month(seed=3, calls=2_000)
    by_id = {call["callid"]: call for call in calls}
    drawn = queue(calls)
    said = [
        verdict(by_id[row["callid"]], "yes" if row["callid"] in at_risk else "no")
        for row in drawn
        if row["kind"] == "complaint"
    ]
    row = rates(calls, said, drawn)["complaint"]
    truth = len(at_risk) / len(calls)
    assert row["corrected_low"] <= truth <= row["corrected_high"]
    assert row["verdicts_used"] == RULES.file.queue.calls_per_month
    own = audit(calls, said, drawn)["complaint", ""]
    assert own["rules_recall"] == pytest.approx(0.5, abs=0.25)
    assert own["model_recall"] == pytest.approx(0.8, abs=0.25)
