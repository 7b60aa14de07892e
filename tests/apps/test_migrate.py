"""`cs migrate`: what is missing is named, migrating mends it, and again there is nothing to do."""

from pathlib import Path
from shutil import copytree

import pytest
import sqlalchemy as sa
from click.testing import Result
from typer.testing import CliRunner

from cs_apps import cli, migration
from cs_resources.settings import Settings
from cs_resources.warehouse_migrations import SCRIPTS


@pytest.fixture(params=["sqlite", "postgresql"])
def owner_url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The settings name a warehouse that the owner's URL alone can reach."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("CS_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    url = sa.URL.create("sqlite", database=str(tmp_path / "owned.sqlite"))
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    text = url.render_as_string(hide_password=False)
    monkeypatch.setenv("WAREHOUSE_OWNER_URL", text)
    monkeypatch.setenv("WAREHOUSE_URL", "sqlite:////nowhere/warehouse.sqlite")
    return text


def migrate(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["migrate", *arguments])


def test_migrate_brings_the_warehouse_to_this_version(owner_url: str) -> None:
    before = migrate("--check")
    assert before.exit_code == 1
    assert "missing: it is at revision nothing, this version needs" in before.output
    done = migrate()
    assert done.exit_code == 0, done.output
    assert "migrated from nothing to" in done.output
    assert ("user_portrait_snapshot_2026" in done.output) == owner_url.startswith("postgresql")
    assert (migrate("--check").exit_code, migrate("--check").output) == (0, "")
    assert migrate().output == "nothing to do\n"


def test_the_contracts_ask_for_no_further_migration(
    owner_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert migrate().exit_code == 0
    scripts = copytree(SCRIPTS, tmp_path / "migrations")
    there = set(scripts.glob("versions/*.py"))
    monkeypatch.setattr("cs_resources.warehouse_migrations.SCRIPTS", scripts)
    monkeypatch.setattr("sys.argv", ["migration", "nothing"])
    migration.main()
    (written,) = set(scripts.glob("versions/*.py")) - there
    assert "op." not in written.read_text().split("def upgrade")[1]


def test_a_migration_needs_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["migration", " "])
    with pytest.raises(SystemExit, match="make migration MESSAGE="):
        migration.main()
