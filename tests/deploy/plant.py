"""An installation as in production: real processes on a PostgreSQL database of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import socket
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import yaml
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)
from dagster._grpc.client import DagsterGrpcClient
from held_definitions import GO, HELD, HOLD

ROOT = Path(__file__).resolve().parents[2]
WORKSPACE = ROOT / "deploy" / "production" / "workspace.yaml"
LOCATION = "customer_success"
LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""


def wait_until(what: str, is_true: Callable[[], object], seconds: float = 60) -> Any:
    """Wait for something; return it. Fails naming it when it does not come in time."""
    deadline = time.monotonic() + seconds
    while not (found := is_true()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)
    return found


def free_port() -> int:
    with socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Plant:
    """Code server, daemon and webserver of one installation, by name."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder, self.home = folder, folder / "home"
        self.code_port, self.web_port = free_port(), free_port()
        self.environment = {
            **os.environ,
            **environment,
            "CS_HOME": str(self.home),
            "DAGSTER_HOME": str(self.home / "dagster"),
            "CODE_SERVER_HOST": "127.0.0.1",
            "CODE_SERVER_PORT": str(self.code_port),
            "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}",
            # how soon the daemon sees that a run failed that it is to launch again
            "DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS": "1",
        }
        if self.environment.pop("PYTHONDONTWRITEBYTECODE", None):
            self.environment["PYTHONPYCACHEPREFIX"] = str(folder / "pycache")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, *command: str) -> str:
        """Run a command to its end; return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", *command],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def configure(self, **sections: Mapping[str, Any]) -> None:
        """Edit the installation's dagster.yaml."""
        path = self.home / "dagster" / "dagster.yaml"
        configuration = yaml.safe_load(path.read_text())
        for name, changes in sections.items():
            configuration[name] |= changes
        path.write_text(yaml.safe_dump(configuration))

    def start(self, name: str, *command: str) -> None:
        """Start a process in a session of its own; it and its children end with the plant."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *command],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_code_server(self, name: str = "code") -> None:
        port = str(self.code_port)
        module = "held_definitions"
        self.start(name, "dagster", "api", "grpc", "-h", "127.0.0.1", "-p", port, "-m", module)
        client = DagsterGrpcClient(port=self.code_port, host="127.0.0.1")

        def pings() -> bool:
            with suppress(DagsterUserCodeUnreachableError):
                return bool(client.ping("")["echo"] == "")
            return False

        self._answers(name, pings)

    def start_daemon(self, name: str = "daemon") -> None:
        self.start(name, "dagster._daemon", "run", "-w", str(WORKSPACE))

    def start_webserver(self) -> None:
        port = str(self.web_port)
        command = ("dagster_webserver", "-h", "127.0.0.1", "-p", port, "-w", str(WORKSPACE))
        self.start("web", *command)

    def web_answers(self) -> None:
        """Wait for the webserver."""
        self._answers("web", lambda: self._get("/server_info"))

    def kill(self, name: str) -> None:
        """Kill one process, not its children."""
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def end(self) -> None:
        """End every process with all of its children."""
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _get(self, path: str) -> Any:
        url = f"http://127.0.0.1:{self.web_port}{path}"
        with suppress(URLError, ConnectionError), urlopen(url, timeout=10) as answer:
            return json.load(answer)
        return None

    def _answers(self, name: str, is_there: Callable[[], object]) -> None:
        """Wait for a process that has been started to answer; fails with its log if it ends."""

        def look() -> object:
            log = self.folder / f"{name}.log"
            assert self.processes[name].poll() is None, log.read_text()
            return is_there()

        wait_until(f"an answer of {name}", look, 120)

    def launch(self, job: str, first: str, last: str, **tags: str) -> str:
        """Launch a run over a range of days through the webserver; return its id."""
        range_tags = {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
        parameters = {
            "selector": {
                "repositoryLocationName": LOCATION,
                "repositoryName": "__repository__",
                "jobName": job,
            },
            "runConfigData": {},
            "executionMetadata": {
                "tags": [{"key": k, "value": v} for k, v in {**range_tags, **tags}.items()]
            },
        }
        query = {"query": LAUNCH, "variables": {"params": parameters}}
        request = Request(
            f"http://127.0.0.1:{self.web_port}/graphql",
            json.dumps(query).encode(),
            {"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=60) as answer:
            launched = json.load(answer)
        run: str = launched["data"]["launchRun"]["run"]["runId"]
        return run

    def hold(self, point: str) -> None:
        """Make the next run wait at a write point."""
        for name in (HELD, GO):
            (self.home / name).unlink(missing_ok=True)
        (self.home / HOLD).write_text(point)

    def held(self) -> int:
        """Wait until a run waits there; return the id of its process."""
        held = self.home / HELD
        wait_until("a run at the write point", held.exists, 90)
        return int(held.read_text())

    def let_go(self) -> None:
        (self.home / GO).touch()


@contextmanager
def running(folder: Path, environment: Mapping[str, str]) -> Iterator[Plant]:
    """Yield a plant; end its processes, whatever happens."""
    plant = Plant(folder, environment)
    try:
        yield plant
    finally:
        plant.end()
