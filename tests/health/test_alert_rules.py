"""Rules of alerts as data: the file that is shipped, and every mistake a writer makes."""

from pathlib import Path

import pytest

from cs_assets.health.alert_rules import DEFAULT, AlertRules
from cs_assets.health.scorecard import load_scorecards
from cs_assets.yaml_files import YamlFileError

CARDS = load_scorecards()
GOOD = """
scorecard: saas_8
rules:
  - id: detractor
    severity: medium
    any:
      - {column: nps, below: 0}
    evidence: [nps]
    message: {zh: "NPS 为 {nps}", en: "NPS {nps}"}
"""


def loaded(tmp_path: Path, text: str) -> AlertRules:
    file = tmp_path / "alerts.yaml"
    file.write_text(text, encoding="utf-8")
    return AlertRules.load(file, CARDS)


def test_the_rules_that_are_shipped() -> None:
    rules = AlertRules.load(None, CARDS)
    assert [rule.id for rule in rules.rules] == [
        "grade_critical",
        "score_drop",
        "payment_overdue",
        "no_login",
        "urgent_ticket_open",
        "contract_ending",
        "detractor",
        "sla_missed",
    ]
    assert DEFAULT.name == "alert_rules.yaml"


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("column: nps", "column: npm", "there is no npm; known are"),
        ("below: 0", "below: few", r"rules\[1\].any\[1\].below: must be a .*number"),
        (
            "{column: nps, below: 0}",
            "{column: grade, equals: [critical, awful]}",
            "rule detractor: under the scorecard saas_8, grade is never awful; it is .*critical",
        ),
        (
            "{column: nps, below: 0}",
            "{column: risk_level, equals: [none]}",
            "never none; it is low",
        ),
        (
            "{column: nps, below: 0}",
            "{column: payment_status, equals: [overdu]}",
            "payment_status is never overdu; it is current, late, overdue",
        ),
        (", below: 0", "", "give either equals"),
        ("below: 0", "equals: [low]", "nps is a number; give bounds"),
        ("{column: nps, below: 0}", "{column: grade, below: 0}", "grade is no number"),
        ("below: 0", "bellow: 0", "bellow: unknown key"),
        ("severity: medium", "severity: awful", "severity"),
        ("evidence: [nps]", "evidence: []", "evidence"),
        ("NPS {nps}", "NPS {csat}", "message.en names csat, which evidence does not list"),
        (', en: "NPS {nps}"', "", "message: add en"),
        ("scorecard: saas_8", "scorecard: mine", "there is no mine, only saas_8, service_4"),
        ("id: detractor", "id: De tractor", "id"),
        ("rules:", "rules: []\nmore:", "rules"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, good: str, bad: str, said: str) -> None:
    assert loaded(tmp_path, GOOD).scorecard == "saas_8"
    assert good in GOOD
    with pytest.raises(YamlFileError, match=said) as refused:
        loaded(tmp_path, GOOD.replace(good, bad))
    assert "alerts.yaml" in str(refused.value)


def test_two_rules_of_one_id(tmp_path: Path) -> None:
    head, _, rule = GOOD.partition("rules:\n")
    with pytest.raises(YamlFileError, match="two rules of one id: detractor"):
        loaded(tmp_path, f"{head}rules:\n{rule}{rule}")


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    first = loaded(tmp_path, GOOD)
    assert loaded(tmp_path, GOOD + "# a remark\n").fingerprint == first.fingerprint
    assert loaded(tmp_path, GOOD.replace("below: 0", "below: -1")).fingerprint != first.fingerprint
