"""Settings: where they come from, what they refuse, and what they never tell."""

from datetime import date
from pathlib import Path

import pytest
from pydantic import SecretStr

from cs_assets.definitions import build_definitions, call_database_of
from cs_resources.errors import ConfigurationError
from cs_resources.settings import HOME_SETTINGS, Settings, load_settings
from cs_resources.storage import storage_of

SECRET = "s3cr3t/p@ss:w0rd"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder and an environment without settings."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(**environment: str) -> str:
    """The message about a wrong environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with pytest.raises(ConfigurationError) as caught:
            load_settings()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return str(caught.value)


def test_the_defaults_run(folder: Path) -> None:
    settings = load_settings()
    home = folder / ".cs"
    assert settings.cs_home == home
    assert settings.lake_root == home / "lake"
    assert settings.call_source.database == str(home / "landing" / "call_source.sqlite")
    assert settings.warehouse.render_as_string() == f"sqlite:///{home}/warehouse.sqlite"
    assert settings.calendar.timezone == "Asia/Shanghai"
    assert settings.calendar.history_end is None
    assert build_definitions(settings).resolve_asset_graph().get_all_asset_keys()
    assert list(folder.iterdir()) == []


def test_the_environment_comes_before_env_before_the_homes_settings(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".cs").mkdir()
    (folder / ".cs" / HOME_SETTINGS).write_text("CS_TENANT=home\n", encoding="utf-8")
    assert load_settings().cs_tenant == "home"
    (folder / ".env").write_text("CS_TENANT=file\n", encoding="utf-8")
    assert load_settings().cs_tenant == "file"
    monkeypatch.setenv("CS_TENANT", "environment")
    assert load_settings().cs_tenant == "environment"
    assert load_settings(cs_tenant="argument").cs_tenant == "argument"
    monkeypatch.setenv("CS_TENANT", "")
    assert load_settings().cs_tenant == "file"  # empty is as good as not set


@pytest.mark.parametrize("where", ["environment", ".env", "argument"])
def test_the_homes_settings_are_found_wherever_the_home_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    home = folder / "else where"
    home.mkdir()
    (home / HOME_SETTINGS).write_text("CS_TENANT='张三 & Co'\n", encoding="utf-8")
    if where == "environment":
        monkeypatch.setenv("CS_HOME", "else where")
    elif where == ".env":
        (folder / ".env").write_text("CS_HOME='else where'\n", encoding="utf-8")
    settings = load_settings(**({"cs_home": home} if where == "argument" else {}))
    assert (settings.cs_home, settings.cs_tenant) == (home, "张三 & Co")


def test_a_home_may_be_given_with_a_tilde(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("CS_HOME", "~/mine")
    assert load_settings().cs_home == folder / "mine"


@pytest.mark.parametrize(
    ("prefix", "place", "driver", "port"),
    [
        ("PORTRAIT_DB", "warehouse", "postgresql+psycopg", 5432),
        ("SOURCE_DB", "call_source", "mysql+pymysql", 3306),
    ],
)
def test_the_names_of_the_source_documents(
    monkeypatch: pytest.MonkeyPatch, prefix: str, place: str, driver: str, port: int
) -> None:
    monkeypatch.setenv(f"{prefix}_HOST", "db.example.com")
    for name, value in {"USER": "reader", "PASSWORD": SECRET, "NAME": "calls"}.items():
        monkeypatch.setenv(f"{prefix}_{name}", value)
    url = getattr(load_settings(), place)
    assert (url.drivername, url.host, url.port) == (driver, "db.example.com", port)
    assert (url.username, url.password, url.database) == ("reader", SECRET, "calls")
    monkeypatch.setenv(f"{prefix}_PORT", "1234")
    assert getattr(load_settings(), place).port == 1234
    full = "WAREHOUSE_URL" if prefix == "PORTRAIT_DB" else "CALL_SOURCE_URL"
    monkeypatch.setenv(full, "sqlite:////data/file.sqlite")
    assert getattr(load_settings(), place).database == "/data/file.sqlite"


def test_the_call_database_is_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "CS_TENANT": "acme",
        "CS_HISTORY_START": "2025-08-01",
        "CALL_SOURCE_LAYOUT": "single",
        "CALL_SOURCE_TABLE_SUFFIX": "all",
        "CALL_SOURCE_NAMES": '{"autodialer_task": "tasks"}',
        "CALL_SOURCE_LOOKBACK_MONTHS": "3",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    source = call_database_of(load_settings())
    assert (source.tenant_id, source.history_start) == ("acme", date(2025, 8, 1))
    assert (source.layout, source.suffix, source.lookback_months) == ("single", "all", 3)
    assert source.names == {"autodialer_task": "tasks"}


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    quoted = "s3cr3t%2Fp%40ss%3Aw0rd"
    monkeypatch.setenv("CALL_SOURCE_URL", f"mysql+pymysql://reader:{quoted}@h/db")
    monkeypatch.setenv("WAREHOUSE_URL", f"postgresql+psycopg://writer:{quoted}@h/db")
    monkeypatch.setenv("SOURCE_DB_PASSWORD", SECRET)
    monkeypatch.setenv("PORTRAIT_DB_PASSWORD", SECRET)
    settings = load_settings()
    shown = [settings, settings.call_source, settings.warehouse, settings.model_dump()]
    shown += [call_database_of(settings), storage_of(settings, ()), settings.model_dump_json()]
    text = "\n".join(f"{thing!r} {thing}" for thing in shown)
    assert "s3cr3t" not in text
    assert settings.call_source.password == settings.warehouse.password == SECRET
    assert isinstance(settings.source_db_password, SecretStr)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().cs_tenant = "other"  # type: ignore[misc]


WRONG = [
    ("CS_TIMEZONE", "Mars", "unknown time zone 'Mars': expected one like Asia/Shanghai"),
    ("CS_TIMEZONE", "Asia", "unknown time zone 'Asia'"),
    ("CS_TIMEZONE", "../../etc/passwd", "unknown time zone"),
    ("CS_HISTORY_START", "yesterday", "valid date"),
    ("CS_HISTORY_START", "2025-02-30", "valid date"),
    ("CS_HISTORY_END", "soon", "valid date"),
    ("CS_LOCALE", "fr", "'zh' or 'en'"),
    ("LAKE_URL", "s3://bucket/lake", "give a path or a file:// URL"),
    ("WAREHOUSE_URL", "warehouse.sqlite", "expected e.g. sqlite:///"),
    ("WAREHOUSE_URL", "nosuch://u:s3cr3t@h/db", "expected e.g. sqlite:///"),
    ("CALL_SOURCE_URL", "mysql+pymysql://u:s3cr3t@h:33o6/db", "expected e.g. sqlite:///"),
    ("CALL_SOURCE_URL", "u:s3cr3t@h", "expected e.g. sqlite:///"),
    ("CALL_SOURCE_LAYOUT", "weekly", "'monthly' or 'single'"),
    ("CALL_SOURCE_TABLE_SUFFIX", "a; DROP TABLE x", "match pattern"),
    ("CALL_SOURCE_TABLE_SUFFIX", '2025"', "match pattern"),
    ("CALL_SOURCE_NAMES", "autodialer_task=s3cr3t", "not valid JSON; expected e.g. {"),
    ("CALL_SOURCE_NAMES", '["s3cr3t"]', "valid dictionary"),
    ("CALL_SOURCE_NAMES", '{"autodialer_task": 1}', "valid string"),
    ("CALL_SOURCE_LOOKBACK_MONTHS", "-1", "greater than or equal to 0"),
    ("CALL_SOURCE_LOOKBACK_MONTHS", "99999", "less than or equal to 1200"),
    ("CALL_SOURCE_LOOKBACK_MONTHS", "a year", "valid integer"),
    ("DUCKDB_MEMORY_LIMIT", "plenty", "match pattern"),
    ("SOURCE_DB_PORT", "s3cr3t", "valid integer"),
    ("PORTRAIT_DB_PORT", "1.5", "valid integer"),
]


@pytest.mark.parametrize(("name", "value", "said"), WRONG)
def test_a_wrong_value_is_named_with_what_is_expected(name: str, value: str, said: str) -> None:
    message = refused(**{name: value})
    assert message.startswith(name)
    assert said in message
    assert "s3cr3t" not in message
    assert "\n" not in message


def test_every_wrong_value_is_named_at_once() -> None:
    message = refused(CS_LOCALE="fr", CS_TIMEZONE="Mars", SOURCE_DB_PORT="x")
    assert [line.split(":")[0] for line in message.splitlines()] == [
        "CS_TIMEZONE",
        "CS_LOCALE",
        "SOURCE_DB_PORT",
    ]


def test_a_history_cannot_end_before_it_starts() -> None:
    message = refused(CS_HISTORY_START="2025-07-01", CS_HISTORY_END="2025-06-30")
    assert "CS_HISTORY_START (2025-07-01) lies after CS_HISTORY_END (2025-06-30)" in message
    assert load_settings(cs_history_end=date(2025, 7, 1)).calendar.history_end == date(2025, 7, 1)


def test_foreign_variables_do_not_matter(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / ".env").write_text("SOMETHING_ELSE=1\nCS_TENANT=acme\n", encoding="utf-8")
    monkeypatch.setenv("CS_NO_SUCH_THING", "1")
    assert load_settings().cs_tenant == "acme"


def test_files_of_a_windows_editor_are_understood_or_refused(folder: Path) -> None:
    """A byte order mark does not hide the first setting; another encoding is named."""
    file = folder / ".env"
    file.write_bytes("CS_HOME=elsewhere\nCS_TENANT=张三\n".encode("utf-8-sig"))
    settings = load_settings()
    assert (settings.cs_home.name, settings.cs_tenant) == ("elsewhere", "张三")
    file.write_bytes("CS_TENANT=张三\n".encode("gb18030"))
    assert "not UTF-8" in refused()
    assert ".env" in refused()


def test_commits_are_kept_at_least_as_long_as_files() -> None:
    message = refused(LAKE_RETENTION_DAYS="30", LAKE_LOG_DAYS="29")
    assert "LAKE_LOG_DAYS must not be less than LAKE_RETENTION_DAYS" in message
    assert "LAKE_RETENTION_DAYS" in refused(LAKE_RETENTION_DAYS="0")
