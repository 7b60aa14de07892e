"""Alerts: which rules hold, and since when without a break."""

import json
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import ibis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cs_assets.calendar import Grain, period_of
from cs_assets.health.alert_contracts import RISK_SIGNALS
from cs_assets.health.alert_rules import CHANGES, DERIVED, AlertRules
from cs_assets.health.alerts import open_alerts, signals
from cs_assets.health.contracts import EVIDENCE, MEASURES
from cs_assets.health.scorecard import load_scorecards
from cs_assets.periods import LoadedPeriod, period_days

RULES = AlertRules.load(None, load_scorecards())
DAY = date(2025, 12, 31)
SCHEMA = {
    "tenant_id": "string",
    "customer_id": "string",
    "signal_date": "date",
    "owner": "string",
    **{column.name: column.dtype for column in (*MEASURES, *EVIDENCE)},
    **dict.fromkeys(("overall", "score_low", "score_high", *CHANGES), "float64"),
    "is_certain": "boolean",
    "grade": "string",
    **dict.fromkeys(DERIVED, "int64"),
}
CALM: dict[str, Any] = {
    "tenant_id": "t",
    "customer_id": "c",
    "signal_date": DAY,
    "owner": "Li",
    "grade": "good",
    "overall": 0.7,
    "change_30d": 0.0,
    "payment_status": "current",
    "days_since_login": 1,
    "nps": 40,
    "contract_days_left": 200,
    "sla_breaches": 0,
    "tickets": 1,
}


def rules_that_hold(**values: object) -> dict[str, dict[str, Any]]:
    row = dict.fromkeys(SCHEMA) | CALM | values
    found = signals(ibis.memtable([row], schema=SCHEMA), RULES)
    return {row["rule"]: row for row in found.to_pyarrow().to_pylist()}


def test_a_calm_customer_has_none() -> None:
    assert rules_that_hold() == {}


@pytest.mark.parametrize(
    ("rule", "holds", "does_not"),
    [
        ("grade_critical", {"grade": "critical"}, {"grade": "at_risk"}),
        ("score_drop", {"change_30d": -0.100001}, {"change_30d": -0.1}),
        ("payment_overdue", {"payment_status": "suspended"}, {"payment_status": "late"}),
        ("no_login", {"days_since_login": 14}, {"days_since_login": 13}),
        ("urgent_ticket_open", {"oldest_urgent_open_days": 4}, {"oldest_urgent_open_days": 3}),
        ("contract_ending", {"contract_days_left": 90}, {"contract_days_left": 91}),
        ("contract_ending", {"contract_days_left": 0}, {"contract_days_left": -1}),
        ("detractor", {"nps": -1}, {"nps": 0}),
        ("sla_missed", {"sla_breaches": 2}, {"sla_breaches": 1}),
    ],
)
def test_each_rule_at_its_edge(
    rule: str, holds: dict[str, object], does_not: dict[str, object]
) -> None:
    assert list(rules_that_hold(**holds)) == [rule]
    assert rules_that_hold(**does_not) == {}


def test_what_is_unknown_holds_nothing() -> None:
    kept = {"tenant_id", "customer_id", "signal_date"}
    assert rules_that_hold(**{name: None for name in SCHEMA if name not in kept}) == {}


def test_messages_and_evidence() -> None:
    row = rules_that_hold(change_30d=-0.21, overall=0.4499, score_30d_ago=0.6599)["score_drop"]
    assert row["message_zh"] == "健康度 30 天内由 0.66 降至 0.45"
    assert row["message_en"] == "health fell from 0.66 to 0.45 in 30 days"
    assert json.loads(row["evidence"]) == {
        "overall": 0.4499,
        "score_30d_ago": 0.6599,
        "change_30d": -0.21,
    }
    assert (row["severity"], row["owner"]) == ("high", "Li")


def test_an_unknown_value_in_a_message_shows_as_such() -> None:
    row = rules_that_hold(grade="critical", overall=None)["grade_critical"]
    assert row["message_en"] == "health is critical (?)"


def month(key: str, last: date) -> LoadedPeriod:
    period = period_of(Grain.MONTH, date.fromisoformat(f"{key}-01"))
    return LoadedPeriod(period, tuple(day for day in period.days() if day <= last))


def alerts_of(days: Iterable[date], *periods: LoadedPeriod) -> list[dict[str, Any]]:
    rows = [
        {
            "tenant_id": "t",
            "signal_date": day,
            "customer_id": "c",
            "rule": "detractor",
            "severity": "medium",
            "message_zh": f"于 {day}",
            "message_en": f"on {day}",
            "evidence": "{}",
            "owner": None,
        }
        for day in days
    ]
    table = ibis.memtable(rows, schema=RISK_SIGNALS.schema)
    of_periods = period_days(periods).drop("day").distinct()
    found = open_alerts(table, of_periods).to_pyarrow().to_pylist()
    return sorted(found, key=lambda row: row["period_key"])


def span(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def test_an_alert_lives_on_across_periods() -> None:
    last = date(2025, 12, 10)
    days = span(date(2025, 11, 20), last)
    november, december = alerts_of(days, month("2025-11", last), month("2025-12", last))
    assert november["alert_id"] == december["alert_id"]
    assert {row["first_seen"] for row in (november, december)} == {date(2025, 11, 20)}
    assert (november["last_seen"], december["last_seen"]) == (date(2025, 11, 30), last)
    assert december["message_en"] == "on 2025-12-10"


def test_after_a_day_without_it_is_another_alert() -> None:
    last = date(2025, 12, 10)
    days = [*span(date(2025, 11, 20), date(2025, 12, 2)), *span(date(2025, 12, 4), last)]
    november, december = alerts_of(days, month("2025-11", last), month("2025-12", last))
    assert november["alert_id"] != december["alert_id"]
    assert december["first_seen"] == date(2025, 12, 4)


def test_what_is_over_at_as_of_is_not_listed() -> None:
    last = date(2025, 12, 10)
    assert alerts_of(span(date(2025, 12, 1), date(2025, 12, 9)), month("2025-12", last)) == []


FIRST = date(2025, 10, 1)


@given(st.sets(st.integers(0, 60)), st.integers(0, 60))
def test_runs_are_those_of_a_loop(numbers: set[int], last: int) -> None:
    as_of = FIRST + timedelta(days=last)
    period = LoadedPeriod(period_of(Grain.DAY, as_of), (as_of,))
    found = alerts_of((FIRST + timedelta(days=n) for n in numbers), period)
    begin = last
    while begin - 1 in numbers:
        begin -= 1
    expected = [FIRST + timedelta(days=begin)] if last in numbers else []
    assert [row["first_seen"] for row in found] == expected
