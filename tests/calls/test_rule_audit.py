"""Rules against model: cells, confusion, queue and corrected rates on calls worked out by hand."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

import ibis.expr.types as ir
import pandas as pd
import pytest
import yaml

from cs_assets.calls.audit import counted, keyword_hits, reviewed, risks
from cs_assets.calls.audit_contracts import CALL_RISK_RATE, LLM_REVIEW_QUEUE, LLM_RULE_AUDIT
from cs_assets.calls.audit_rules import DEFAULT, AuditRules, AuditRulesError
from cs_assets.calls.audit_tables import risk_rates, rule_audit
from cs_assets.calls.review_queue import allocation, review_queue
from cs_assets.periods import period_days
from tests.calls.audit_cases import a_month, judged, periods, sentiment, verdict, verdicts
from tests.calls.cases import Row, table_of

RULES = AuditRules.load()
WORDS = {"complaint": ["投诉", "12315"], "churn": ["取消"]}


def spread(calls: Sequence[Row]) -> ir.Table:
    return risks(sentiment(calls), period_days(periods()))


def rows(table: ir.Table) -> list[Row]:
    return table.to_pyarrow().to_pylist()


def queue(calls: Sequence[Row], rules: AuditRules = RULES) -> list[Row]:
    open_ = spread(calls)
    drawn = allocation(rows(counted(open_)), rules.file.queue)
    found = review_queue(open_, drawn, period_days(periods()))
    assert tuple(found.columns) == LLM_REVIEW_QUEUE.column_names
    return rows(found.order_by(["tenant_id", "kind", "rank"]))


Drawn = Sequence[Row] | None


def people(calls: Sequence[Row], said: Iterable[Row], drawn: Drawn = None) -> list[Row]:
    queued = table_of(LLM_REVIEW_QUEUE, queue(calls) if drawn is None else drawn)
    return rows(reviewed(spread(calls), verdicts(said), queued))


def audit(
    calls: Sequence[Row], said: Iterable[Row] = (), drawn: Drawn = None
) -> dict[tuple[str, str], Row]:
    open_ = spread(calls)
    seen = people(calls, said, drawn)
    found = rule_audit(rows(counted(open_)), rows(keyword_hits(open_)), seen, WORDS, periods())
    assert tuple(found.columns) == LLM_RULE_AUDIT.column_names
    return {(row["kind"], row["keyword"]): row for row in records(found)}


def rates(calls: Sequence[Row], said: Iterable[Row] = (), drawn: Drawn = None) -> dict[str, Row]:
    seen = people(calls, said, drawn)
    found = risk_rates(rows(counted(spread(calls))), seen, 0.95, periods())
    assert tuple(found.columns) == CALL_RISK_RATE.column_names
    return {row["kind"]: row for row in records(found)}


def records(frame: pd.DataFrame) -> list[Row]:
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


EIGHT = [
    judged(1, "high", "high"),
    judged(2, "high", "medium"),
    judged(3, "medium", "low", keywords="12315、投诉"),
    judged(4, None, "medium"),
    judged(5, None, "low"),
    judged(6, None, "low"),
    judged(7, "high", None),
    judged(8, None, None),
]


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


def written(tmp_path: Path, **changes: object) -> Path:
    file = yaml.safe_load(DEFAULT.read_text("utf-8"))
    for place, value in changes.items():
        part, _, name = place.partition("__")
        file[part] = {**file[part], name: value} if name else value
    path = tmp_path / "audit.yaml"
    path.write_text(yaml.safe_dump(file, allow_unicode=True), "utf-8")
    return path


def test_a_deployment_may_have_a_longer_queue(tmp_path: Path) -> None:
    longer = AuditRules.load(written(tmp_path, queue__calls_per_month=150))
    calls, _ = a_month()
    counts = Counter(row["kind"] for row in queue(calls, longer))
    assert counts == {"complaint": 150, "churn": 150}
    assert longer.fingerprint != RULES.fingerprint


def test_other_words_for_people_make_nothing_stale(tmp_path: Path) -> None:
    texts = {code: {"zh": "别的话", "en": text["en"]} for code, text in RULES.file.reasons.items()}
    assert AuditRules.load(written(tmp_path, reasons=texts)).fingerprint == RULES.fingerprint


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"queue__calls_per_month": 10}, "calls_per_month must be 25 or more"),
        ({"queue__uncertainty": {"both": 0.3}}, r"uncertainty: add \['model_only', 'neither'"),
        ({"queue__speed": 3}, "queue.speed: Extra inputs are not permitted"),
        ({"interval__confidence": 95}, "interval.confidence: Input should be less than 1"),
        ({"reasons": {"levels_differ": {"zh": "不同"}}}, "reasons: add "),
    ],
)
def test_a_file_that_is_wrong_is_named_with_the_remedy(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(AuditRulesError, match=f"{path}: .*{said}"):
        AuditRules.load(path)
    with pytest.raises(AuditRulesError, match="cannot be read as YAML"):
        AuditRules.load(tmp_path / "none.yaml")
