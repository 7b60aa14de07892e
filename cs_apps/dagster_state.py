"""How Dagster's own storage and daemon are.

Belongs here: looking. Must not: making or mending anything (Dagster, asked for an instance, makes
missing tables), judging (see `doctor`).
"""

from dataclasses import dataclass

import dagster as dg
import sqlalchemy as sa
from dagster._daemon.controller import get_daemon_statuses

from cs_apps.home import dagster_database, name_home
from cs_resources.settings import Settings


@dataclass(frozen=True)
class DagsterState:
    """Dagster's storage: its place, its schema (None: not made), whether that is the installed
    Dagster's, how many runs it holds.

    `silent_daemons` are the parts of the daemon without a recent sign of life, or with errors.
    """

    place: str
    schema: str | None
    is_current: bool
    runs: int = 0
    silent_daemons: tuple[str, ...] = ()


def look_at_dagster(settings: Settings) -> DagsterState:
    """Return the state of Dagster's storage and daemon; raises ConfigurationError."""
    url = settings.dagster_pg_url.get_secret_value()
    place = sa.make_url(url).render_as_string() if url else str(settings.dagster_home)
    if url and not _has_tables(settings):
        return DagsterState(place, None, False)
    name_home(settings)
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        schema, newest = instance.event_log_storage.alembic_version() or (None, None)
        if schema != newest:
            return DagsterState(place, str(schema), False)
        daemons = get_daemon_statuses(instance, instance.get_required_daemon_types())
        silent = tuple(sorted(name for name, daemon in daemons.items() if not daemon.healthy))
        return DagsterState(place, str(schema), True, instance.get_runs_count(), silent)


def _has_tables(settings: Settings) -> bool:
    with dagster_database(settings) as connection:
        return sa.inspect(connection).has_table("alembic_version")
