"""The audit as it runs: from planted calls and landed files to queue, audit and corrected rates."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pytest
from storage_cases import publish

from cs_assets.calls.audit_contracts import MARTS
from cs_assets.calls.audit_rules import AuditRules, Locale
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT
from tests.calls.audit_cases import MONTH, a_month, judged, sentiment
from tests.calls.cases import Installation, Row
from tests.calls.test_stale import look

FIRST, LAST = MONTH.start, MONTH.end
AUDIT = ",".join(["call_verdicts", *(mart.name for mart in MARTS)])
HEAD = "call_date,callid,kind,verdict,reviewer,reviewed_at\n"


def plant(house: Installation, calls: Sequence[Row]) -> None:
    """Publish judged calls for every day of the month."""
    keys = [str(day) for day in MONTH.days()]
    publish(house.storage, CALL_SENTIMENT, sentiment(calls), keys, step=f"plant {len(calls)}")


def land(house: Installation, name: str, text: str) -> None:
    path = house.settings.cs_home / "landing" / "verdicts" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def queued(house: Installation, kind: str = "complaint") -> list[Row]:
    rows = [row for row in house.rows("llm_review_queue_month") if row["kind"] == kind]
    return sorted(rows, key=lambda row: row["rank"])


@pytest.fixture
def house(tmp_path: Path) -> Installation:
    return Installation(tmp_path, FIRST, LAST)


def stale(house: Installation) -> set[str]:
    """Assets with stale partitions; the planted calls have no recorded origin."""
    found = {c.name for item in look(house).stale for c in item.recipe.contracts}
    return found - {"call_sentiment"}


def test_people_look_at_the_queue_and_correct_the_rate(house: Installation) -> None:
    calls, at_risk = a_month()
    plant(house, calls)
    assert house.run(AUDIT, FIRST, LAST) == ""
    assert house.rows("call_verdicts") == []
    (before,) = (r for r in house.rows("call_risk_rate_month") if r["kind"] == "complaint")
    assert before["corrected_low"] is None
    drawn, hashes = queued(house), house.hashes()

    lines = [
        f"{row['call_date']},{row['callid']},complaint,"
        f"{'是' if row['callid'] in at_risk else '否'},li,2025/12/2 9:05\n"
        for row in drawn
    ]
    land(house, "first half.csv", HEAD + "".join(lines[:50]))
    land(house, "second half.csv", HEAD + "".join([*lines[40:], "2025-11-03,k,complaint,,li,\n"]))
    assert house.run("call_verdicts", FIRST, LAST) == ""
    figures = house.told("call_verdicts")
    names = ("files", "read", "loaded", "duplicates", "quarantined", "bad_verdict", "files_gone")
    assert [figures[name] for name in names] == [2, 111, 100, 10, 1, 1, "none"]
    assert len(house.rows("call_verdicts_quarantine")) == 1

    # who reads verdicts must follow, and what is drawn does not depend on them
    assert stale(house) == {"llm_rule_audit_month", "call_risk_rate_month"}
    assert house.run(",".join(stale(house)), FIRST, LAST) == ""
    queue_hash = ("calls/llm_review_queue_month", "2025-11")
    assert house.hashes()[queue_hash] == hashes[queue_hash]
    (after,) = (r for r in house.rows("call_risk_rate_month") if r["kind"] == "complaint")
    truth = len(at_risk) / len(calls)
    assert after["corrected_low"] <= truth <= after["corrected_high"]
    assert (after["verdicts_used"], after["calls"]) == (100, 600)
    assert "data:image/png" in str(house.told("call_risk_rate_month")["picture"])
    assert "1 投诉" in str(house.told("llm_rule_audit_month")["picture"])
    audit = {(r["kind"], r["keyword"]): r for r in house.rows("llm_rule_audit_month")}
    assert audit["complaint", ""]["model_recall"] > audit["complaint", "12315"]["rules_recall"]
    assert audit["churn", "取消"]["rules_only_calls"] > 0

    # a verdict on a call that nobody knows concerns no month
    land(house, "c.csv", HEAD + "2025-11-02,unheard,complaint,no,li,2025-12-02\n")
    assert house.run("call_verdicts", FIRST, LAST) == ""
    assert stale(house) == set()


@pytest.mark.parametrize(
    ("locale", "headings"),
    [
        ("zh", "| 为什么请人看 | 投诉 | 流失 |"),
        ("en", "| why people should look | complaint | leaving |"),
    ],
)
def test_the_queue_says_in_peoples_words_why_calls_are_in_it(
    tmp_path: Path, locale: Locale, headings: str
) -> None:
    house = Installation(tmp_path, FIRST, LAST, cs_locale=locale)
    calls, _ = a_month()
    plant(house, calls)
    assert house.run("llm_review_queue_month", FIRST, LAST) == ""
    month, _, head, _, *lines = str(house.told("llm_review_queue_month")["picture"]).split("\n")
    assert (month, head) == ("2025-11", headings)
    counts = Counter((row["kind"], row["reason"]) for row in house.rows("llm_review_queue_month"))
    reasons = AuditRules.load().file.reasons
    assert sorted(lines) == sorted(
        f"| {texts[locale]} | {counts['complaint', code]} | {counts['churn', code]} |"
        for code, texts in reasons.items()
        if counts["complaint", code] + counts["churn", code]
    )
    assert len(lines) >= 5


def test_without_a_model_the_nightly_job_says_why_tables_are_empty(house: Installation) -> None:
    plant(house, [judged(n, "high" if n % 9 == 0 else None, None) for n in range(60)])
    land(house, "a.csv", HEAD + "2025-11-02,unheard,complaint,no,li,2025-12-02\n")
    job = house.definitions.get_repository_def().get_job("calls_audit_month")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            instance=instance,
            partition_key="2025-11",
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    house.events += result.all_events
    assert {key.path[-1] for key in result.job_def.asset_layer.selected_asset_keys} == {
        *(mart.name for mart in MARTS),
        *("call_verdicts", "call_verdicts_quarantine"),
    }
    checked = [e for e in result.get_asset_check_evaluations() if e.check_name == "contract"]
    assert [check.passed for check in checked] == [True] * 5
    for name in ("llm_review_queue_month", "llm_rule_audit_month"):
        assert house.rows(name) == []
        assert "picture" not in house.told(name)
        assert house.told(name)["note"] == (
            "no call of the month has a model's answer: there is nothing to compare"
        )
    rates = {row["kind"]: row for row in house.rows("call_risk_rate_month")}
    assert rates["complaint"]["published_rate"] == 7 / 60
    assert rates["churn"]["corrected_rate"] is None
    assert house.told("call_risk_rate_month")["verdicts_without_a_call"] == 1


def test_verdicts_are_what_the_files_say_now(house: Installation) -> None:
    row = "2025-11-02,k00001,complaint,{},li,2025-12-02\n"
    for said in ("yes", "no"):
        land(house, "a.csv", HEAD + row.format(said))
        assert house.run("call_verdicts", FIRST, LAST) == ""
        assert [found["verdict"] for found in house.rows("call_verdicts")] == [said]
    before = house.hashes()
    land(house, "b.csv", "callid,verdict\nk,yes\n")
    assert "b.csv: column call_date is missing; add it" in house.run("call_verdicts", FIRST, LAST)
    land(house, "b.csv", HEAD + row.format("perhaps") * 20)
    refused = "20 of 21 rows (95.2%) would go to quarantine"
    assert refused in house.run("call_verdicts", FIRST, LAST)
    assert house.hashes() == before
    assert len(list(house.settings.archive_folder.rglob("a.csv"))) == 2
    for name in ("a.csv", "b.csv"):
        (house.settings.cs_home / "landing" / "verdicts" / name).unlink()
    assert house.run("call_verdicts", FIRST, LAST) == ""
    assert house.rows("call_verdicts") == []
    assert house.told("call_verdicts")["files_gone"] == "a.csv"


def test_a_month_of_which_nothing_is_loaded_is_refused(house: Installation) -> None:
    problems = house.run("llm_review_queue_month", FIRST, LAST)
    assert "calls/call_sentiment has no published partition" in problems
