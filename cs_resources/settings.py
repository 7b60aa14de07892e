"""Every setting of an installation, typed, with a default that runs.

Belongs here: names, types, defaults, where settings come from. Must not: opening what they name.

Order: environment, then `.env` in the working folder, then `settings.env` in CS_HOME (written by
`cs demo` and kept with the installation), then the default.
"""

import os
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self

import sqlalchemy as sa
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from cs_assets.calendar import Calendar
from cs_resources.duckdb_session import MEMORY_LIMIT
from cs_resources.errors import ConfigurationError
from cs_resources.setting_groups import (
    AlertSettings,
    HealthSettings,
    ModelSettings,
    ScheduleSettings,
)
from cs_resources.timeouts import Timeouts

HOME_SETTINGS = "settings.env"
_ENCODING = "utf-8-sig"  # a byte order mark would become part of the first name


class Settings(ModelSettings, AlertSettings, HealthSettings, ScheduleSettings):
    """Settings of one installation; field names in upper case are the environment variables."""

    model_config = SettingsConfigDict(
        env_file_encoding=_ENCODING, extra="ignore", frozen=True, env_ignore_empty=True
    )

    cs_home: Path = Field(Path(".cs"), description="Folder of everything the installation owns.")
    cs_tenant: str = Field("default", min_length=1, description="Tenant of sources that name none.")
    cs_timezone: str = Field("Asia/Shanghai", description="Zone in which days begin and end.")
    cs_history_start: date = Field(date(2025, 7, 1), description="First day of history.")
    cs_history_end: date | None = Field(None, description="Last day of history; empty: open.")
    cs_locale: Literal["zh", "en"] = Field("zh", description="Language of texts for people.")
    lake_url: str = Field("", description="Lake folder; default: lake/ in CS_HOME.")
    reports_url: str = Field("", description="Folder of reports; default: reports/ in CS_HOME.")
    landing_url: str = Field("", description="Landing folder or fsspec URL; default: landing/.")
    warehouse_url: SecretStr = Field(
        SecretStr(""), description="SQLAlchemy URL; default: warehouse.sqlite in CS_HOME."
    )
    warehouse_owner_url: SecretStr = Field(
        SecretStr(""),
        description="URL of the account that `cs migrate` uses; default: WAREHOUSE_URL.",
    )
    warehouse_statement_timeout_seconds: int = Field(
        50, ge=1, description="PostgreSQL: a statement that takes longer is ended."
    )
    warehouse_lock_timeout_seconds: int = Field(
        40, ge=1, description="PostgreSQL: how long a writer waits for another one."
    )
    warehouse_idle_timeout_seconds: int = Field(
        60, ge=1, description="PostgreSQL: a writer that does nothing for longer is ended."
    )
    call_source_url: SecretStr = Field(
        SecretStr(""), description="SQLAlchemy URL of the call database; default: the sample."
    )
    call_source_layout: Literal["monthly", "single"] = Field(
        "monthly", description="One call table per month of task creation, or one for everything."
    )
    call_source_table_suffix: str = Field(
        "", pattern=r"^\w*$", description="Suffix of the call tables in the single layout."
    )
    call_source_names: dict[str, str] = Field(
        default_factory=dict,
        description="JSON from the usual table and `table.column` names to this installation's.",
    )
    call_source_lookback_months: int = Field(
        12,
        ge=0,
        le=1200,
        description="How many months after its own a monthly table may hold calls.",
    )
    dagster_pg_url: SecretStr = Field(
        SecretStr(""),
        description="Dagster's own storage: postgresql+psycopg2 URL; default: SQLite in CS_HOME.",
    )
    dagster_retention_days: int = Field(
        90, ge=1, description="How many days the log of a finished run is kept."
    )
    call_source_connect_timeout_seconds: int = Field(
        10, ge=1, description="How long the call database may take to accept a connection."
    )
    call_source_read_timeout_seconds: int = Field(
        50, ge=1, description="How long it may then be silent."
    )
    duckdb_memory_limit: str = Field(MEMORY_LIMIT, pattern=r"^\d+(\.\d+)?\s*[KMGT]i?B$")

    lake_retention_days: int = Field(
        30, ge=1, description="Days for which replaced files of the lake are kept (`known_at`)."
    )
    lake_log_days: int = Field(
        1095, ge=1, description="Days for which commits, and so restatements, are kept."
    )

    quarantine_max_share: float = Field(
        0.04, ge=0, le=1, description="A day with a larger share of bad rows is refused."
    )
    quarantine_max_rows: int = Field(
        10, ge=0, description="So many bad rows of a day never refuse it, whatever their share."
    )
    keywords_file: Path | None = Field(None, description="Keywords of your own (YAML).")
    lexicon_terms_file: Path | None = Field(None, description="Mood terms of your own (CSV).")
    lexicon_modifiers_file: Path | None = Field(None, description="Negations and degrees (YAML).")
    audit_file: Path | None = Field(
        None, description="Judgement values of the audit of rules and model of your own (YAML)."
    )
    volume_factor: float = Field(
        3.0, gt=1, description="How far a day's rows may lie from the usual before a warning."
    )

    # the names that the source documents use
    portrait_db_host: str | None = None
    portrait_db_port: int = 5432
    portrait_db_user: str | None = None
    portrait_db_password: SecretStr | None = None
    portrait_db_name: str | None = None
    source_db_host: str | None = None
    source_db_port: int = 3306
    source_db_user: str | None = None
    source_db_password: SecretStr | None = None
    source_db_name: str | None = None

    @field_validator("cs_home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @field_validator("cs_timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        Calendar(timezone=value, history_start=date(2025, 1, 1))
        return value

    @field_validator("lake_url", "reports_url")
    @classmethod
    def _local_folder(cls, value: str) -> str:
        if "://" in value and not value.startswith("file://"):
            raise ValueError(f"{value} is not a local folder; give a path or a file:// URL")
        return value.removeprefix("file://")

    @field_validator("warehouse_url", "warehouse_owner_url", "call_source_url")
    @classmethod
    def _parsable(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            try:
                sa.make_url(value.get_secret_value()).get_dialect()
            except (sa.exc.ArgumentError, ImportError, ValueError) as error:
                # the URL may hold a password: it is not repeated here
                raise ValueError(
                    "not an SQLAlchemy URL; expected e.g. sqlite:////data/warehouse.sqlite"
                ) from error
        return value

    @field_validator("dagster_pg_url")
    @classmethod
    def _psycopg2(cls, value: SecretStr) -> SecretStr:
        # with a bare postgresql:// Dagster starts, and fails when it launches a run
        if value.get_secret_value() and not value.get_secret_value().startswith(
            "postgresql+psycopg2://"
        ):
            raise ValueError(
                "Dagster's storage needs another driver; write "
                "postgresql+psycopg2://user:password@host:5432/database"
            )
        return value

    @model_validator(mode="after")
    def _history_is_possible(self) -> Self:
        self.calendar  # noqa: B018  raises when history ends before it starts
        return self

    @model_validator(mode="after")
    def _log_outlives_files(self) -> Self:
        if self.lake_log_days < self.lake_retention_days:
            raise ValueError("LAKE_LOG_DAYS must not be less than LAKE_RETENTION_DAYS")
        return self

    @property
    def calendar(self) -> Calendar:
        """The calendar of this installation."""
        return Calendar(
            timezone=self.cs_timezone,
            history_start=self.cs_history_start,
            history_end=self.cs_history_end,
        )

    @property
    def lake_root(self) -> Path:
        """Folder of the lake."""
        return (
            Path(self.lake_url).expanduser().resolve() if self.lake_url else self.cs_home / "lake"
        )

    @property
    def reports_root(self) -> Path:
        """Folder of reports."""
        given = self.reports_url
        return Path(given).expanduser().resolve() if given else self.cs_home / "reports"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own folder."""
        return self.cs_home / "dagster"

    @property
    def staging_folder(self) -> Path:
        """Folder of tables that are not yet published."""
        return self.cs_home / "staging"

    @property
    def landing(self) -> str:
        """Folder or URL of the folder in which files land."""
        return self.landing_url or str(self.cs_home / "landing")

    @property
    def archive_folder(self) -> Path:
        """Folder of every content that ever landed."""
        return self.cs_home / "archive"

    @property
    def sample_call_source(self) -> Path:
        """The sample call database that `cs sample-data` writes."""
        return self.cs_home / "landing" / "call_source.sqlite"

    @property
    def warehouse(self) -> sa.URL:
        """URL of the warehouse."""
        return (
            _url(self.warehouse_url)
            or self._server("portrait_db", "postgresql+psycopg")
            or sa.URL.create("sqlite", database=str(self.cs_home / "warehouse.sqlite"))
        )

    @property
    def warehouse_owner(self) -> sa.URL:
        """URL of the warehouse for the account that owns its tables."""
        return _url(self.warehouse_owner_url) or self.warehouse

    @property
    def warehouse_timeouts(self) -> Timeouts:
        """Time limits of the warehouse's server."""
        return Timeouts(
            statement=self.warehouse_statement_timeout_seconds,
            lock=self.warehouse_lock_timeout_seconds,
            idle=self.warehouse_idle_timeout_seconds,
        )

    @property
    def call_source(self) -> sa.URL:
        """URL of the call database."""
        return (
            _url(self.call_source_url)
            or self._server("source_db", "mysql+pymysql")
            or sa.URL.create("sqlite", database=str(self.sample_call_source))
        )

    def _server(self, prefix: str, driver: str) -> sa.URL | None:
        host = getattr(self, f"{prefix}_host")
        if not host:
            return None
        password = getattr(self, f"{prefix}_password")
        return sa.URL.create(
            driver,
            username=getattr(self, f"{prefix}_user"),
            password=password.get_secret_value() if password else None,
            host=host,
            port=getattr(self, f"{prefix}_port"),
            database=getattr(self, f"{prefix}_name"),
        )


def _url(value: SecretStr) -> sa.URL | None:
    return sa.make_url(value.get_secret_value()) if value.get_secret_value() else None


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; raises ConfigurationError listing every wrong one, without secrets."""
    try:
        home = Path(overrides.get("cs_home") or _home_from_environment()).expanduser().resolve()
        return Settings(
            _env_file=(home / HOME_SETTINGS, Path(".env")),  # type: ignore[call-arg]
            **overrides,
        )
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in problem['loc']).upper() or 'settings'}: "
            f"{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_url=False, include_input=False)
        ]
        raise ConfigurationError("\n".join(lines)) from None
    except UnicodeDecodeError:
        raise ConfigurationError(
            f".env, {HOME_SETTINGS}: not UTF-8; save the file as UTF-8"
        ) from None
    except SettingsError as error:
        # the message names the field, not the value: a mapping that is no JSON
        name = str(error).split('"')[1].upper() if '"' in str(error) else "settings"
        raise ConfigurationError(f'{name}: not valid JSON; expected e.g. {{"a": "b"}}') from None


def _home_from_environment() -> str:
    class _Home(BaseSettings):
        model_config = SettingsConfigDict(
            env_file=".env", env_file_encoding=_ENCODING, extra="ignore", env_ignore_empty=True
        )
        cs_home: str = os.fspath(Path(".cs"))

    return _Home().cs_home
