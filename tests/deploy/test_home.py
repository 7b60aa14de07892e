"""Dagster's storage on PostgreSQL: made once, however many begin at once; what the doctor sees."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from servers import postgres_url  # noqa: F401  a fixture

from cs_apps.doctor import examine
from cs_apps.finding import Finding, Health
from cs_apps.home import open_instance, prepare_home, upgrade_home
from cs_resources.errors import ConfigurationError
from cs_resources.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
STARTS = 4


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("CS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def dagster_url(
    postgres_url: sa.URL,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> sa.URL:
    """A database for Dagster, named in the environment."""
    url = postgres_url.set(drivername="postgresql+psycopg2")
    monkeypatch.setenv("DAGSTER_PG_URL", url.render_as_string(hide_password=False))
    return url


def findings() -> dict[str, Finding]:
    return {finding.part: finding for finding in examine()}


def test_four_first_starts_at_once_on_two_machines(dagster_url: sa.URL, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if environment.pop("PYTHONDONTWRITEBYTECODE", None):
        environment["PYTHONPYCACHEPREFIX"] = str(tmp_path / "pycache")
    starts = [
        subprocess.Popen(
            [sys.executable, "-m", "cs_apps", "prepare"],
            # the lock file of a home is of no use to the home of another machine
            env={**environment, "CS_HOME": str(tmp_path / f"machine{number % 2}")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(STARTS)
    ]
    said = [start.communicate(timeout=240)[0] for start in starts]
    assert [start.returncode for start in starts] == [0] * STARTS, said
    with open_instance(load_settings(cs_home=tmp_path / "machine0")) as instance:
        schema, newest = instance.event_log_storage.alembic_version() or (None, None)
        assert schema == newest
        instance.report_runless_asset_event(dg.AssetMaterialization("made"))
        assert instance.get_latest_materialization_event(dg.AssetKey("made"))


def test_the_doctor_says_what_is_wrong_with_storage_and_daemon(dagster_url: sa.URL) -> None:
    upgrade_home(load_settings())
    found = findings()
    assert found["dagster"].health is Health.OK
    assert found["daemon"].health is Health.BROKEN
    assert "QUEUED_RUN_COORDINATOR" in found["daemon"].seen
    engine = sa.create_engine(dagster_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '16e3115a602a'"))
    outdated = findings()["dagster"]
    assert outdated.health is Health.BROKEN
    assert "schema 16e3115a602a is not the installed one" in outdated.seen
    assert "cs prepare" in outdated.remedy


def test_the_doctor_makes_nothing(dagster_url: sa.URL) -> None:
    settings = load_settings()
    prepare_home(settings)
    engine = sa.create_engine(dagster_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
        assert "no tables" in findings()["dagster"].seen
        assert sa.inspect(connection).get_table_names() == []
    upgrade_home(settings)
    assert findings()["dagster"].health is Health.OK


def test_an_outdated_storage_is_brought_up_to_date(dagster_url: sa.URL) -> None:
    settings = load_settings()
    prepare_home(settings)
    engine = sa.create_engine(dagster_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        newest = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
        # the revision before: its successor looks before it adds, as all of Dagster's do
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '16e3115a602a'"))
        upgrade_home(settings)
        found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    assert found == newest


def test_an_unreachable_storage_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DAGSTER_PG_URL", "postgresql+psycopg2://dagster:geheim@127.0.0.1:1/runs")
    with pytest.raises(ConfigurationError, match="DAGSTER_PG_URL") as caught:
        prepare_home(load_settings())
    assert "geheim" not in str(caught.value)
    assert "127.0.0.1:1/runs" in str(caught.value)
    dagster = findings()["dagster"]
    assert dagster.health is Health.BROKEN
    assert "geheim" not in dagster.seen


@pytest.mark.parametrize(
    "url", ["postgresql://u:geheim@h/d", "postgresql+psycopg://u:geheim@h/d", "sqlite:///d"]
)
def test_another_driver_is_refused_before_a_run_is_lost(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_PG_URL", url)
    with pytest.raises(ConfigurationError, match=r"DAGSTER_PG_URL: .*postgresql\+psycopg2") as bad:
        load_settings()
    assert "geheim" not in str(bad.value)


def test_variable_and_file_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_home(load_settings())
    monkeypatch.setenv("DAGSTER_PG_URL", "postgresql+psycopg2://dagster@127.0.0.1:1/runs")
    with pytest.raises(ConfigurationError, match=r"DAGSTER_PG_URL is set, but .*dagster\.yaml"):
        prepare_home(load_settings())
