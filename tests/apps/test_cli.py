"""The `cs` command: what it refuses, what it says, and how it ends."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cs_apps import cli, demo
from cs_apps.sample_data.calls import write_call_source
from cs_apps.sample_data.health import write_health_files
from cs_assets.definitions import CONTRACTS
from cs_resources.settings import HOME_SETTINGS, Settings, load_settings

DAY = date(2025, 11, 24)
ONE_DAY = ("--from", str(DAY), "--to", str(DAY))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for every test, with no setting from outside."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("CS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CS_HISTORY_END", "2025-12-31")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def cs(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, arguments)


def refused(*arguments: str) -> str:
    """The message of a command that ends with exit code 1 and no traceback."""
    result = cs(*arguments)
    assert (result.exit_code, type(result.exception)) == (1, SystemExit), result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def test_without_arguments_it_shows_the_commands() -> None:
    result = cs()
    for command in ("demo", "sample-data", "backfill", "ui"):
        assert command in result.output


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CALL_SOURCE_URL", "mysql+pymysql://u:s3cret@h/db"),
        ("WAREHOUSE_URL", "sqlite:////somewhere/warehouse.sqlite"),
        ("SOURCE_DB_HOST", "db.example.com"),
        ("PORTRAIT_DB_HOST", "db.example.com"),
        ("LAKE_URL", "/somewhere/lake"),
        ("LANDING_URL", "/somewhere/landing"),
    ],
)
def test_the_demo_stays_away_from_a_real_installation(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    said = refused("demo")
    assert f"there is {name}." in said
    assert "CS_HOME=.demo cs demo" in said
    assert "s3cret" not in said
    assert not home.exists()


@pytest.mark.parametrize("place", ["lake/calls/call_tasks/_delta_log", HOME_SETTINGS])
def test_the_demo_stays_away_from_data_and_settings(home: Path, place: str) -> None:
    foreign = home / place
    foreign.parent.mkdir(parents=True)
    if foreign.suffix:
        foreign.write_text("CS_HISTORY_START=2024-01-01\n", encoding="utf-8")
    before = sorted(home.rglob("*"))
    assert str(home) in refused("demo")
    assert sorted(home.rglob("*")) == before


def test_the_demo_makes_everything_in_its_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (cli, demo):
        monkeypatch.setattr(module, "FIRST_DAY", DAY)
        monkeypatch.setattr(module, "LAST_DAY", DAY)
    monkeypatch.delenv("CS_HISTORY_END")
    result = cs("demo")
    assert result.exit_code == 0, result.output
    assert f"Everything lies in {home}" in result.output
    assert {"lake", "warehouse.sqlite", "landing", "dagster"} <= {p.name for p in home.iterdir()}
    assert load_settings().cs_history_start == DAY
    table = [line.split()[1:6:2] for line in result.output.splitlines() if line.startswith("│")]
    assert {name for name, *_ in table} == {
        contract.name for contract in CONTRACTS if contract.system in demo.SAMPLED
    }
    assert all(int(partitions) == 1 for _, partitions, *_ in table)
    demo.demo_settings()  # its own home is no reason to refuse


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2025-13", "'2025-13' is not a month"),
        ("2025-02-30", "'2025-02-30' is not a day"),
        ("2025-W54", "'2025-W54' is not a week"),
        ("2025-Q5", "neither a date nor a period"),
        ("yesterday", "2025-11-24 (day), 2025-W48 (week), 2025-11 (month), 2025-Q4 (quarter)"),
        ("", "neither a date nor a period"),
    ],
)
@pytest.mark.parametrize("option", ["--from", "--to"])
def test_a_malformed_day_is_named(home: Path, option: str, text: str, said: str) -> None:
    other = {"--from": "--to", "--to": "--from"}[option]
    message = refused("backfill", "--select", "calls", option, text, other, "2025-11-24")
    assert message.startswith(f"error: {option}: ")
    assert said in message
    assert not home.exists()


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2025-06-30", "2025-07-02", "begins before CS_HISTORY_START (2025-07-01)"),
        ("2025-06", "2025-06", "begins before CS_HISTORY_START (2025-07-01)"),
        ("2025-12-31", "2026-01-01", "ends after CS_HISTORY_END (2025-12-31)"),
        ("2026-Q2", "2026-Q2", "ends after CS_HISTORY_END (2025-12-31)"),
        ("2025-11-25", "2025-11-24", "--from (2025-11-25) lies after --to (2025-11-24)"),
    ],
)
def test_days_outside_of_history_are_refused(home: Path, first: str, last: str, said: str) -> None:
    assert said in refused("backfill", "--select", "calls", "--from", first, "--to", last)
    assert not home.exists()


def test_a_day_that_is_not_over_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CS_HISTORY_END")
    tail = ("--from", "2025-07-01", "--to", "2199-01-01")
    assert "2199-01-01 is not over yet" in refused("backfill", "--select", "calls", *tail)


def test_an_unknown_asset_gets_a_suggestion(home: Path) -> None:
    said = refused("backfill", "--select", "call_records_clear", *ONE_DAY)
    assert "no system or asset call_records_clear" in said
    assert "did you mean call_records_clean" in said
    assert not home.exists()


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CS_TIMEZONE", "Mars/Olympus")
    monkeypatch.setenv("CALL_SOURCE_URL", "s3cret")
    said = refused("backfill", "--select", "calls", *ONE_DAY)
    assert "CS_TIMEZONE: unknown time zone 'Mars/Olympus'" in said
    assert "CALL_SOURCE_URL: not an SQLAlchemy URL" in said
    assert "s3cret" not in said


def test_a_failing_run_ends_with_its_problem() -> None:
    said = refused("backfill", "--select", "call_tasks", *ONE_DAY)
    assert "(unpartitioned) failed: call_tasks: CALL_SOURCE_URL: there is no file" in said
    assert "make the sample with `cs sample-data`" in said


@pytest.mark.parametrize(
    "command", [("demo",), ("sample-data",), ("backfill", "--select", "calls", *ONE_DAY), ("ui",)]
)
@pytest.mark.parametrize("below", [False, True])
def test_a_home_that_cannot_be_written_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], below: bool
) -> None:
    """A file stands where the folder, or its parent, should be."""
    monkeypatch.delenv("CS_HISTORY_END")
    home.write_text("in the way", encoding="utf-8")
    place = home / "deep" if below else home
    monkeypatch.setenv("CS_HOME", str(place))
    said = refused(*command)
    assert f"CS_HOME: cannot write {place}" in said
    assert home.read_text(encoding="utf-8") == "in the way"


def test_processes_that_make_a_home_at_once(home: Path) -> None:
    program = (
        "from cs_apps.home import open_instance; from cs_resources.settings import load_settings\n"
        "with open_instance(load_settings()) as instance: print(instance.get_runs_count())"
    )
    command = [sys.executable, "-c", program]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in started:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out.strip()) == (0, "0"), err
    assert (home / "dagster" / ".ready").exists()


def test_sample_data_tells_what_it_wrote(home: Path) -> None:
    result = cs("sample-data", "--scale", "0.02", "--layout", "single")
    assert result.exit_code == 0, result.output
    path = home / "landing" / "call_source.sqlite"
    assert str(path) in result.output
    with closing(sqlite3.connect(path)) as database:
        (rows,) = database.execute("SELECT count(*) FROM autodialer_call_record").fetchone()
    assert f"{rows:,} call records" in result.output
    assert "planted: null_callid" in result.output


@pytest.mark.parametrize("wrong", [("--scale", "0"), ("--layout", "weekly"), ("--scale", "many")])
def test_sample_data_refuses_nonsense(home: Path, wrong: tuple[str, str]) -> None:
    result = cs("sample-data", *wrong)
    assert result.exit_code == 2
    assert wrong[0] in result.output
    assert not home.exists()


def test_backfill_from_another_source_into_another_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of the sample elsewhere, under other names of file and tables."""
    source = tmp_path / "archive" / "dialler copy.db"
    sample = write_call_source(source, start=DAY, end=DAY)
    with closing(sqlite3.connect(source)) as database:
        for name in sample.tables:
            database.execute(f"ALTER TABLE {name} RENAME TO {name.replace('autodialer', 'old')}")
        database.commit()
    usual = ("task", "call_record", "call_record_detail")
    monkeypatch.setenv(
        "CALL_SOURCE_NAMES", json.dumps({f"autodialer_{name}": f"old_{name}" for name in usual})
    )
    monkeypatch.setenv("CALL_SOURCE_URL", f"sqlite:///{source}")
    monkeypatch.setenv("CS_HOME", str(tmp_path / "elsewhere"))
    facts = (
        "call_tasks,call_records_raw,call_turns_raw,call_records_clean,"
        "call_sentiment,call_record_enriched"
    )
    result = cs("backfill", "--select", facts, *ONE_DAY)
    assert result.exit_code == 0, result.output
    assert result.output.strip().endswith("Done.")
    with closing(sqlite3.connect(tmp_path / "elsewhere" / "warehouse.sqlite")) as warehouse:
        (rows,) = warehouse.execute("SELECT count(*) FROM call_record_enriched").fetchone()
    assert 0 < rows <= sample.calls
    assert not (tmp_path / "home").exists()
    assert {entry.name for entry in tmp_path.iterdir()} == {"archive", "elsewhere"}


def test_backfill_tells_what_it_set_aside_and_why(home: Path) -> None:
    write_health_files(home / "landing", customers=5, months=1, end=date(2025, 11, 30))
    with (home / "landing" / "customers.csv").open("a") as customers:
        customers.write("C9,n,i,s,Mid-Market,2025-01-01,12,current,10\n")
    sources = ("backfill", "--select", "customers_raw,sales_raw", "--from", "2025-11-20")
    result = cs(*sources, "--to", "2025-11-25")
    assert result.exit_code == 0, result.output
    assert "set aside in customers_quarantine: 6 for bad_customer_type" in result.output
    # only what was made
    assert "support_quarantine" not in result.output
    assert result.output.strip().endswith("Done.")


def test_ui_runs_dagster_on_the_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda path, command, env: started.append((command, env)))
    assert cs("ui", "--port", "3333").exit_code == 0
    ((command, environment),) = started
    assert environment["DAGSTER_HOME"] == str(home / "dagster")
    assert environment["CS_HOME"] == str(home)
    assert "3333" in command
    assert "127.0.0.1" in command
    assert Path(command[command.index("-w") + 1]).is_file()


def test_maintain_says_what_it_did_to_every_table(home: Path) -> None:
    assert "no tables yet" in cs("maintain").output
    write_call_source(home / "landing" / "call_source.sqlite", start=DAY, end=DAY)
    assert cs("backfill", "--select", "call_records_raw", *ONE_DAY).exit_code == 0
    result = cs("maintain")
    assert result.exit_code == 0, result.output
    assert "calls/call_records_raw" in result.output
    assert "bytes freed" in " ".join(result.output.split())
