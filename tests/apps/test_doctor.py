"""`cs doctor` names what is wrong, and one broken part never hides the others."""

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from cs_apps.doctor import examine
from cs_apps.finding import Finding, Health
from cs_apps.sample_data.calls import write_call_source

PARTS = [
    *("settings", "home", "calendar", "lake", "warehouse", "call source", "landed files"),
    *("health rules", "language model", "dagster", "schedules"),
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CS_HISTORY_START", "2025-11-01")
    monkeypatch.setenv("CS_HISTORY_END", "2025-11-30")
    return tmp_path / "home"


def found() -> dict[str, Finding]:
    findings = examine()
    assert [finding.part for finding in findings][1:] == PARTS
    return {finding.part: finding for finding in findings}


def test_a_fresh_home_is_told_what_to_do(home: Path) -> None:
    findings = found()
    assert findings["home"].health is Health.WARNING
    # who has no calls misses nothing
    assert findings["call source"].health is Health.WARNING
    assert "cs sample-data" in findings["call source"].remedy
    assert findings["versions"].health is Health.OK


def test_a_good_source_is_seen_with_its_tables(home: Path) -> None:
    day = date(2025, 11, 24)
    write_call_source(home / "landing" / "call_source.sqlite", start=day, end=day)
    source = found()["call source"]
    assert (source.health, source.remedy) == (Health.OK, "")
    assert "autodialer_call_record_2025_" in source.seen


def test_a_table_without_a_column_is_named(home: Path) -> None:
    day = date(2025, 11, 24)
    path = home / "landing" / "call_source.sqlite"
    sample = write_call_source(path, start=day, end=day)
    table = sorted(name for name in sample.tables if "record_2025" in name)[-1]
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"ALTER TABLE {table} RENAME COLUMN bill TO paid")
    source = found()["call source"]
    assert source.health is Health.BROKEN
    assert f"table {table} has no column bill" in source.seen


def test_a_named_source_that_is_not_there_is_broken(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALL_SOURCE_URL", f"sqlite:///{home}/other.sqlite")
    assert found()["call source"].health is Health.BROKEN


def test_rules_of_health_are_named_or_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "scorecards saas_8, service_4; 8 rules of alerts" in found()["health rules"].seen
    monkeypatch.setenv("HEALTH_SCORECARDS", "nowhere")
    broken = found()["health rules"]
    assert broken.health is Health.BROKEN
    assert f"{home.parent / 'nowhere'}: is no folder" in broken.seen


def test_a_file_in_the_place_of_the_home_is_named(home: Path) -> None:
    home.touch()
    assert found()["home"].health is Health.BROKEN


def test_wrong_settings_are_all_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CS_TIMEZONE", "Mars/Olympus")
    monkeypatch.setenv("SYNC_CRON_HOUR", "25")
    broken = examine()[-1]
    assert (broken.part, broken.health) == ("settings", Health.BROKEN)
    assert "CS_TIMEZONE" in broken.seen
    assert "SYNC_CRON_HOUR" in broken.seen


def test_passwords_are_not_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALL_SOURCE_URL", "mysql+pymysql://reader:geheim@127.0.0.1:1/calls")
    assert all("geheim" not in f"{f.seen} {f.remedy}" for f in examine())
