"""The file of the audit: a deployment may change it, and is told what is wrong."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from cs_assets.calls.audit_rules import DEFAULT, AuditRules, AuditRulesError
from tests.calls.audit_cases import RULES, a_month, queue


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
        ({"queue__uncertainty": {"both": 0.3}}, r"queue: uncertainty: add rules_only, model_only"),
        ({"queue__speed": 3}, "queue.speed: unknown key; remove it"),
        ({"interval__confidence": 95}, r"interval.confidence: must be less than 1 \(it is 95\)"),
        ({"reasons": {"levels_differ": {"zh": "不同"}}}, "reasons: add "),
    ],
)
def test_a_file_that_is_wrong_is_named_with_the_remedy(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(AuditRulesError, match=f"{path}: .*{said}"):
        AuditRules.load(path)
    with pytest.raises(AuditRulesError, match=r"none\.yaml: cannot be read: No such file"):
        AuditRules.load(tmp_path / "none.yaml")
