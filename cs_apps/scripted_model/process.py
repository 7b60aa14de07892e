"""The scripted server as a process of its own, seen from the one that started it.

Belongs here: starting it, steering and reading it from outside, and its end. Must not: answering.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from cs_resources.errors import PlatformError

_SECONDS = 30
_END_SECONDS = 10


@dataclass(frozen=True)
class RunningModel:
    """A scripted server in another process: where it listens, and the key that it accepts."""

    base_url: str
    key: str
    pid: int

    def play(self, script: Any) -> None:
        """Give it a script: null, a behaviour, a list, or an object by piece of text."""
        body = json.dumps(script).encode()
        _asked(Request(self._address("/__script__"), data=body, method="POST"))

    def counts(self) -> dict[str, Any]:
        """Return received, answered, busiest, and the requests by method and path."""
        return _asked(Request(self._address("/__received__")))

    def requests(self) -> list[dict[str, Any]]:
        """Return every request; with its body if it was started with `--keep-bodies`."""
        told = _asked(Request(self._address("/__received__?bodies=1")))
        return list(told["requests"])

    def end(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal; it ends with the context in any case."""
        os.kill(self.pid, number)

    def _address(self, path: str) -> str:
        return self.base_url.removesuffix("/v1") + path


@contextmanager
def started(*options: str) -> Iterator[RunningModel]:
    """Start the server with the options of its command; it ends with the context or the process.

    Raises PlatformError if it does not start.
    """
    command = [sys.executable, "-m", "cs_apps.scripted_model", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        line = process.stdout.readline()
        if not line:
            raise PlatformError(f"`{' '.join(command)}` ended with code {process.wait()}")
        try:
            yield RunningModel(**json.loads(line), pid=process.pid)
        finally:
            process.stdin.close()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _asked(request: Request) -> dict[str, Any]:
    with build_opener(ProxyHandler({})).open(request, timeout=_SECONDS) as reply:
        found: dict[str, Any] = json.load(reply)
        return found
