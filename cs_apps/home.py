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

from cs_resources.errors import ConfigurationError
from cs_resources.settings import Settings

PROJECT = Path(__file__).resolve().parent.parent
"""The checkout: workspace.yaml and deploy/ lie here."""
_READY = ".ready"


def prepare_home(settings: Settings) -> None:
    """Make CS_HOME and Dagster's storage in it, if that was not done yet.

    Several processes may start at once on a fresh home; Dagster's SQLite files do not survive being
    created by two of them, so the first one does it alone. Sets DAGSTER_HOME. Raises
    ConfigurationError if the folder cannot be written.
    """
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    try:
        settings.dagster_home.mkdir(parents=True, exist_ok=True)
        with _locked(settings.cs_home / ".lock"):
            if not (settings.dagster_home / _READY).exists():
                _make(settings)
    except OSError as error:
        raise ConfigurationError(
            f"CS_HOME: cannot write {settings.cs_home}: {error.strerror or error}. Choose another "
            "folder, or give this account the right to write there."
        ) from error


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Return the Dagster instance of the installation, made if need be."""
    prepare_home(settings)
    return dg.DagsterInstance.get()


def _make(settings: Settings) -> None:
    configuration = settings.dagster_home / "dagster.yaml"
    if not configuration.exists():
        shutil.copyfile(PROJECT / "deploy" / "embedded" / "dagster.yaml", configuration)
    with (
        dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance,
        redirect_stdout(io.StringIO()),  # it reports migrations of files that it has just made
    ):
        instance.upgrade()
    (settings.dagster_home / _READY).touch()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
