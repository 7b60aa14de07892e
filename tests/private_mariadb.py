"""A MariaDB server of a test's own, to be killed and started again.

Belongs here: its process. Must not: the shared server, tables.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.servers import mariadb_answers, require_service

_DEADLINE = 60.0


@dataclass
class PrivateMariaDB:
    """A mariadbd of one's own in a folder, to be killed."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    @property
    def url(self) -> sa.URL:
        """The server, as its root."""
        return sa.URL.create("mysql+pymysql", "root", host="127.0.0.1", port=self.port)

    def start(self) -> None:
        """Start it and wait until it answers; the port stays the same."""
        self.port = self.port or _free_port()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self._command("mariadbd"), f"--port={self.port}"],
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        wait_until(lambda: mariadb_answers(self.url), "the private MariaDB answers")

    def kill(self) -> None:
        """Kill it at once."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def install(self) -> None:
        """Make the data folder."""
        subprocess.run(
            [
                *self._command("mariadb-install-db"),
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _command(self, program: str) -> list[str]:
        user = ["--user=root"] if os.getuid() == 0 else []
        own = [f"--datadir={self.folder / 'data'}", f"--socket={self.folder / 's'}"]
        return [program, "--no-defaults", *own, *user]


@contextmanager
def private_mariadb(folder: Path) -> Iterator[PrivateMariaDB]:
    """Install and start a server in a folder; it is killed at the end."""
    require_service(
        "mariadbd", bool(shutil.which("mariadbd") and shutil.which("mariadb-install-db"))
    )
    server = PrivateMariaDB(folder)
    server.install()
    try:
        server.start()
        yield server
    finally:
        server.kill()


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Wait for a condition; fail after a minute."""
    end = time.monotonic() + _DEADLINE
    while not holds():
        if time.monotonic() > end:
            pytest.fail(f"in vain: {what}")
        time.sleep(0.02)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
