"""`cs doctor`: what is set, reachable, writable, at which version, and what to do about it.

Belongs here: one finding per part of an installation. Must not: changing anything.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from cs_apps.dagster_state import DagsterState, look_at_dagster
from cs_apps.finding import Finding, Health
from cs_apps.landing_doctor import look_at_landing
from cs_apps.model_doctor import look_at_model
from cs_assets.calendar import Grain
from cs_assets.definitions import CONTRACTS, call_database_of, health_rules_of
from cs_resources.errors import PlatformError
from cs_resources.settings import HOME_SETTINGS, Settings, load_settings
from cs_resources.storage import storage_of

_PACKAGES = ("dagster", "ibis-framework", "duckdb", "deltalake", "pandas", "sqlalchemy", "pandera")
_ENOUGH_BYTES = 2 * 1024**3


def examine() -> list[Finding]:
    """Examine every part; a broken one never keeps the others from being examined."""
    findings = [_versions()]
    try:
        settings = load_settings()
    except PlatformError as error:
        broken = Finding("settings", Health.BROKEN, str(error), "correct these variables")
        return [*findings, broken]
    for part, look in (
        ("settings", _settings),
        ("home", _home),
        ("calendar", _calendar),
        ("lake", _lake),
        ("warehouse", _warehouse),
        ("call source", _call_source),
        ("landed files", look_at_landing),
        ("health rules", _health_rules),
        ("language model", look_at_model),
        ("dagster", _dagster),
        ("schedules", _schedules),
    ):
        findings += _guarded(part, look, settings)
    return findings


def _guarded(
    part: str, look: Callable[[Settings], Iterator[Finding]], settings: Settings
) -> list[Finding]:
    try:
        return list(look(settings))
    except (PlatformError, sa.exc.SQLAlchemyError, OSError) as error:
        text = str(error.orig) if isinstance(error, sa.exc.DBAPIError) else str(error)
        return [Finding(part, Health.BROKEN, text, "see the message")]


def _versions() -> Finding:
    found = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    python = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("versions", Health.OK, f"Python {python}, {found}")


def _settings(settings: Settings) -> Iterator[Finding]:
    files = [path for path in (Path(".env"), settings.cs_home / HOME_SETTINGS) if path.is_file()]
    given = sorted(name.upper() for name in settings.model_fields_set)
    seen = f"set: {', '.join(given) or 'nothing, all defaults'}"
    yield Finding("settings", Health.OK, f"{seen}; files: {', '.join(map(str, files)) or 'none'}")


def _home(settings: Settings) -> Iterator[Finding]:
    home = settings.cs_home
    if not home.exists():
        yield Finding("home", Health.WARNING, f"{home} does not exist yet", "run `cs demo`")
        return
    if not home.is_dir():
        yield Finding("home", Health.BROKEN, f"{home} is not a folder", "choose another CS_HOME")
        return
    probe = home / f".probe-{uuid4().hex}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        yield Finding(
            "home", Health.BROKEN, f"{home}: {error.strerror}", "make it writable or set CS_HOME"
        )
        return
    free = shutil.disk_usage(home).free
    health = Health.OK if free > _ENOUGH_BYTES else Health.WARNING
    remedy = "" if health is Health.OK else "free some space: a full disk stops every run"
    yield Finding("home", health, f"{home}, writable, {free / 1024**3:.1f} GiB free", remedy)


def _calendar(settings: Settings) -> Iterator[Finding]:
    end = settings.cs_history_end or "open"
    seen = f"{settings.cs_timezone}, history {settings.cs_history_start} … {end}"
    yield Finding("calendar", Health.OK, seen)


def _lake(settings: Settings) -> Iterator[Finding]:
    root = settings.lake_root
    if not root.exists():
        yield Finding("lake", Health.WARNING, f"{root} does not exist yet", "run a backfill")
        return
    if not os.access(root, os.W_OK):
        yield Finding("lake", Health.BROKEN, f"{root} is not writable", "correct its owner")
        return
    storage = storage_of(settings, CONTRACTS)
    rows = {c.name: storage.lake.row_count(c) for c in CONTRACTS if c.place.value == "lake"}
    held = ", ".join(f"{name} {count:,}" for name, count in rows.items())
    yield Finding("lake", Health.OK, f"{root}: rows {held}")


def _warehouse(settings: Settings) -> Iterator[Finding]:
    url = settings.warehouse.render_as_string()
    storage = storage_of(settings, CONTRACTS)
    with storage.warehouse.engine.connect() as connection:
        connection.execute(sa.select(sa.literal(1)))
        server = ".".join(str(part) for part in connection.dialect.server_version_info or ())
    yield Finding("warehouse", Health.OK, f"{url}, version {server}")


def _health_rules(settings: Settings) -> Iterator[Finding]:
    rules = health_rules_of(settings)
    cards = ", ".join(card.name for card in rules.scorecards)
    alerts = f"{len(rules.alerts.rules)} rules of alerts (on {rules.alerts.scorecard})"
    yield Finding("health rules", Health.OK, f"scorecards {cards}; {alerts}")


def _call_source(settings: Settings) -> Iterator[Finding]:
    sample = settings.sample_call_source
    if settings.call_source.database == str(sample) and not sample.exists():
        yield Finding(
            "call source",
            Health.WARNING,
            "none: no call can be loaded",
            "if there are calls, set CALL_SOURCE_URL; `cs sample-data` makes some",
        )
        return
    database = call_database_of(settings)
    last = settings.calendar.partitions(Grain.DAY).get_last_partition_key()
    if last is None:
        yield Finding("call source", Health.WARNING, "history has not begun", "CS_HISTORY_START")
        return
    tables = database.tables(settings.cs_history_start, date.fromisoformat(last))
    tasks = len(database.tasks())
    url = settings.call_source.render_as_string()
    if not tables:
        yield Finding(
            "call source",
            Health.WARNING,
            f"{url}: no call table for history",
            "see CALL_SOURCE_LAYOUT and CALL_SOURCE_NAMES",
        )
        return
    yield Finding(
        "call source",
        Health.OK,
        f"{url}: {tasks} tasks, call tables {tables[0].records} … {tables[-1].records}",
    )


def _dagster(settings: Settings) -> Iterator[Finding]:
    if not (settings.dagster_home / "dagster.yaml").is_file():
        seen = f"{settings.dagster_home} is not made yet"
        yield Finding("dagster", Health.WARNING, seen, "run `cs prepare`")
        return
    state = look_at_dagster(settings)
    if not state.is_current:
        found = f"schema {state.schema} is not the installed one" if state.schema else "no tables"
        remedy = "stop the daemon and the servers, run `cs prepare`, start them again"
        yield Finding("dagster", Health.BROKEN, f"{state.place}: {found}", remedy)
        return
    seen = f"{state.place}, schema {state.schema}, {state.runs:,} runs"
    yield Finding("dagster", Health.OK, seen)
    if settings.dagster_pg_url.get_secret_value() or settings.scheduler_enabled:
        yield _daemon(state)


def _daemon(state: DagsterState) -> Finding:
    if not state.silent_daemons:
        return Finding("daemon", Health.OK, "all of its parts gave a sign of life")
    return Finding(
        "daemon",
        Health.BROKEN,
        f"no sign of life, or an error: {', '.join(state.silent_daemons)}",
        "start the daemon (`systemctl status cs-daemon`, or `cs ui`) and read its log",
    )


def _schedules(settings: Settings) -> Iterator[Finding]:
    if settings.scheduler_enabled:
        hour, minute = settings.sync_cron_hour, settings.sync_cron_minute
        seen = f"on, first at {hour:02d}:{minute:02d} {settings.cs_timezone}"
        yield Finding("schedules", Health.OK, seen)
        return
    yield Finding(
        "schedules",
        Health.WARNING,
        "off: nothing runs by itself",
        "set SCHEDULER_ENABLED=true and keep `cs ui` or the daemon running",
    )
