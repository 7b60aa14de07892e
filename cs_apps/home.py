"""The installation's home: made once, under a lock, ready for any number of processes.

Belongs here: folders of CS_HOME, Dagster's instance. Must not: running anything in it.
"""

import fcntl
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
import yaml

from cs_resources.errors import ConfigurationError
from cs_resources.settings import Settings

PROJECT = Path(__file__).resolve().parent.parent
"""The checkout: workspace.yaml and deploy/ lie here."""
_ADVISORY_LOCK = 0x6373_686F_6D65
_CONNECT_SECONDS = 10


def prepare_home(settings: Settings) -> None:
    """Make CS_HOME and Dagster's storage in it, if that was not done yet.

    Several processes may start at once on a fresh home; Dagster's storage does not survive being
    created by two of them, so the first one does it alone. Sets DAGSTER_HOME and DAGSTER_PG_URL
    for Dagster. Raises ConfigurationError if the folder cannot be written or the storage not be
    reached.
    """
    with _in_home(settings):
        if not _ready(settings).exists():
            _upgrade(settings)


def upgrade_home(settings: Settings) -> None:
    """Make the home like `prepare_home`, and bring Dagster's storage to the installed version.

    To be called before the processes of a new version start; may be called by any number of them.
    """
    with _in_home(settings):
        _upgrade(settings)


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Return the Dagster instance of the installation, made if need be."""
    prepare_home(settings)
    if settings.dagster_pg_url.get_secret_value():
        with dagster_database(settings):  # Dagster would try long, and say little
            pass
    return dg.DagsterInstance.get()


def name_home(settings: Settings) -> None:
    """Set the variables that dagster.yaml asks for, wherever the settings come from."""
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    if url := settings.dagster_pg_url.get_secret_value():
        os.environ["DAGSTER_PG_URL"] = url


@contextmanager
def dagster_database(settings: Settings) -> Iterator[sa.Connection]:
    """Connect to Dagster's database as a plain client; raises ConfigurationError."""
    url = sa.make_url(settings.dagster_pg_url.get_secret_value())
    engine = sa.create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        poolclass=sa.NullPool,
        connect_args={"connect_timeout": _CONNECT_SECONDS},
    )
    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.DBAPIError as error:
        raise ConfigurationError(
            f"DAGSTER_PG_URL: {url.render_as_string()}: {str(error.orig).strip()}. See that the "
            "server runs, the database exists and belongs to this account."
        ) from error


@contextmanager
def _in_home(settings: Settings) -> Iterator[None]:
    """Stand alone in a home whose folder and configuration are there."""
    name_home(settings)
    try:
        settings.dagster_home.mkdir(parents=True, exist_ok=True)
        with _locked(settings.cs_home / ".lock"):
            _configure(settings)
            yield
    except OSError as error:
        raise ConfigurationError(
            f"CS_HOME: cannot write {settings.cs_home}: {error.strerror or error}. Choose another "
            "folder, or give this account the right to write there."
        ) from error


def _configure(settings: Settings) -> None:
    kind = "production" if settings.dagster_pg_url.get_secret_value() else "embedded"
    configuration = settings.dagster_home / "dagster.yaml"
    if not configuration.exists():
        shutil.copyfile(PROJECT / "deploy" / kind / "dagster.yaml", configuration)
        return
    storage = (yaml.safe_load(configuration.read_text(encoding="utf-8")) or {}).get("storage", {})
    if ("postgres" in storage) != (kind == "production"):
        is_set = "set" if kind == "production" else "not set"
        raise ConfigurationError(
            f"DAGSTER_PG_URL is {is_set}, but {configuration} says otherwise. Correct the "
            f"variable, or remove the file: `cs prepare` writes it from deploy/{kind}; what "
            "Dagster knows of earlier runs stays in the storage of then."
        )


def _upgrade(settings: Settings) -> None:
    # The lock in the database is for homes on other machines.
    if settings.dagster_pg_url.get_secret_value():
        with dagster_database(settings) as connection:
            connection.execute(sa.select(sa.func.pg_advisory_lock(_ADVISORY_LOCK)))
            _upgrade_alone(settings)
    else:
        _upgrade_alone(settings)


def _upgrade_alone(settings: Settings) -> None:
    with (
        dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance,
        redirect_stdout(io.StringIO()),  # it reports migrations of files that it has just made
    ):
        instance.upgrade()
    _ready(settings).touch()


def _ready(settings: Settings) -> Path:
    """The mark that Dagster's storage was made; one for each kind of storage."""
    is_production = settings.dagster_pg_url.get_secret_value()
    return settings.dagster_home / (".ready-postgres" if is_production else ".ready")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
