"""A PostgreSQL server of a test's own, to be stopped, killed and filled up at will."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import sqlalchemy as sa
from servers import on_postgres, require_service

_SECONDS = 60


class PrivateServer:
    """A server in a folder of its own, on a free port; runs from the beginning."""

    def __init__(self, folder: Path) -> None:
        self._programs, self._data = _programs(), folder / "data"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.run("initdb", "--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8")
        self.start()

    def url(self, database: str = "postgres") -> sa.URL:
        return sa.URL.create(
            "postgresql+psycopg", "postgres", host="127.0.0.1", port=self.port, database=database
        )

    def database(self, more: str = "") -> sa.URL:
        """Make a database."""
        name = f"db_{uuid4().hex[:8]}"
        on_postgres(f"CREATE DATABASE {name} {more}", self.url())
        return self.url(name)

    def start(self) -> None:
        # without fsync: the server is stopped here, the machine is not
        options = f"-p {self.port} -c fsync=off -c unix_socket_directories={self._data}"
        log = str(self._data / "log")
        self.run("pg_ctl", "--wait", f"--options={options}", f"--log={log}", "start")

    def stop(self) -> None:
        """Stop at once, as if it crashed."""
        self.run("pg_ctl", "--wait", "--mode=immediate", "stop")

    def writers(self, database: str | None) -> list[int]:
        """Process ids of the backends that are in a transaction on the database."""
        query = (
            "SELECT pid FROM pg_stat_activity WHERE datname = %s "
            "AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
        )
        with psycopg.connect(self._parameters()) as connection:
            return [row[0] for row in connection.execute(query, [database])]

    def is_running(self) -> bool:
        return (self._data / "postmaster.pid").exists()

    def run(self, program: str, *arguments: str) -> None:
        command = [self._programs[program], f"--pgdata={self._data}", *arguments]
        if os.geteuid() == 0:  # these programs refuse to run as root
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(
            command,
            check=True,
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd="/",
        )

    def _parameters(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"


@contextmanager
def private_postgres() -> Iterator[PrivateServer]:
    """Start a server; stop it and remove its folder at the end."""
    require_service("PostgreSQL's initdb and pg_ctl", all(_programs().values()))
    with owned_folder() as folder:
        server = PrivateServer(folder)
        try:
            yield server
        finally:
            if server.is_running():
                server.stop()


@contextmanager
def owned_folder() -> Iterator[Path]:
    """A folder that the server's account may write to."""
    folder = Path(tempfile.mkdtemp(prefix="cs-postgres-"))
    try:
        own(folder)
        yield folder
    finally:
        shutil.rmtree(folder)


def own(folder: Path) -> None:
    """Give a folder to the account that the server runs under."""
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A folder on a disk of its own."""
    with owned_folder() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
        mounted = subprocess.run(mount, check=False, capture_output=True, timeout=_SECONDS)
        require_service("mount (of a tmpfs, as root)", mounted.returncode == 0)
        try:
            own(folder)
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=_SECONDS)


def enlarge(disk: Path, megabytes: int) -> None:
    command = ["mount", "-o", f"remount,size={megabytes}m", str(disk)]
    subprocess.run(command, check=True, timeout=_SECONDS)


def _programs() -> dict[str, str]:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)])
    return {name: shutil.which(name, path=path) or "" for name in ("initdb", "pg_ctl")}
