"""The scripted model: a server on loopback that answers as an OpenAI-compatible endpoint does.

Belongs here: routes, keys, and running in a thread of its own. Must not: what is wrong with an
answer (`faults`), bytes on the wire (`wire`).
"""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from cs_apps.scripted_model import chat
from cs_apps.scripted_model.batches import Batches, BatchPlan
from cs_apps.scripted_model.chat import MODES, Terms
from cs_apps.scripted_model.failures import invalid, json_reply, not_found
from cs_apps.scripted_model.faults import OK, REDIRECTED, Behaviour, Direction, Script
from cs_apps.scripted_model.judge import Judge, honest
from cs_apps.scripted_model.log import Log, Received
from cs_apps.scripted_model.wire import Reply, Request, converse
from cs_resources.errors import ConfigurationError

HOST = "127.0.0.1"
_BASE = "/v1"
_BACKLOG = 1024
_START_SECONDS = 30


class ScriptedModel:
    """Answers from entering to leaving the context; may be told otherwise at any time.

    Entering raises ConfigurationError if the port is taken; leaving raises what went wrong in a
    judge or a script.

    `latency`: seconds before each chat answer; `script`: who is treated in which way (`faults`);
    `judge`: the model; `key`, `gateway_token`, `modes`, `models`, `unknown_arguments`: `Terms`;
    `batch_plan`: what becomes of the batches submitted from now on; `port`: 0 for any free one.
    `received`, `answered`, `busiest`, `asked`, `leaks`: what came, and what became of it.
    """

    def __init__(
        self,
        *,
        latency: float = 0.0,
        script: Script = None,
        judge: Judge = honest,
        modes: tuple[str, ...] = MODES,
        key: str = "sk-test",
        gateway_token: str | None = None,
        models: tuple[str, ...] = (),
        unknown_arguments: tuple[str, ...] = (),
        batch_plan: BatchPlan | None = None,
        port: int = 0,
        keeps_bodies: bool = True,
    ) -> None:
        self.latency, self.judge = latency, judge
        self.terms = Terms(key, gateway_token, modes, models, unknown_arguments)
        self.log = Log(keeps_bodies)
        self.script = script
        self._batches = Batches(self._answer_line, batch_plan or BatchPlan())
        self._port = port
        self._connections: set[asyncio.Task[None]] = set()
        self._problems: list[Exception] = []
        self._numbers = count(1)
        self._address: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=self._run, name="scripted-model", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._loop, self._stop = self._address.result(_START_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._problems:
            raise ExceptionGroup("the scripted model failed to answer", self._problems)

    @property
    def base_url(self) -> str:
        """The address for a client, on this machine."""
        return f"http://{HOST}:{self._port}{_BASE}"

    @property
    def script(self) -> Script:
        """The script in force; setting it begins it anew. Raises ConfigurationError."""
        return self._script

    @script.setter
    def script(self, script: Script) -> None:
        self._script, self._direction = script, Direction(script)

    @property
    def batch_plan(self) -> BatchPlan:
        """What becomes of the batches submitted from now on."""
        return self._batches.plan

    @batch_plan.setter
    def batch_plan(self, plan: BatchPlan) -> None:
        self._batches.plan = plan

    @property
    def received(self) -> list[Received]:
        """All requests in the order in which they came."""
        return self.log.received

    @property
    def answered(self) -> int:
        """How many requests were answered to the last byte, all those that a client has read."""
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            # a reply is counted right behind its last byte, which a client may see before that
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self._loop).result()
        return self.log.answered

    @property
    def busiest(self) -> int:
        """How many requests were open at once, at most."""
        return self.log.busiest

    def asked(self, ending: str = "/chat/completions") -> list[Received]:
        """Return the requests whose path ends so."""
        return self.log.asked(ending)

    @property
    def redirected(self) -> list[Received]:
        """The requests of a client that followed a redirect."""
        return [received for received in self.received if received.path.startswith(REDIRECTED)]

    def leaks(self, patterns: Iterable[str]) -> list[str]:
        """Return what of anything received, keys left out, matches a regular expression."""
        return self.log.leaks(patterns)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            problem = f"port {self._port} of {HOST}: {error.strerror}. Name another one, or 0."
            self._address.set_exception(ConfigurationError(problem))

    async def _serve(self) -> None:
        stop = asyncio.Event()
        server = await asyncio.start_server(
            self._connected,
            HOST,
            self._port,
            backlog=_BACKLOG,
        )
        self._port = server.sockets[0].getsockname()[1]
        self._address.set_result((asyncio.get_running_loop(), stop))
        await stop.wait()
        # asyncio forgets, still open, a connection that it is accepting while the server is closed
        while accepting := asyncio.all_tasks() - {asyncio.current_task()} - self._connections:
            await asyncio.wait(accepting)
        server.close()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = converse(reader, writer, self._exchange)
        self._connections.add(connection)
        connection.add_done_callback(self._ended)

    def _ended(self, connection: asyncio.Task[None]) -> None:
        self._connections.discard(connection)
        problem = None if connection.cancelled() else connection.exception()
        if isinstance(problem, Exception):
            self._problems.append(problem)

    @asynccontextmanager
    async def _exchange(self, request: Request) -> AsyncIterator[Reply]:
        received = Received(
            request.method, request.target, request.headers, request.body, time.monotonic()
        )
        if steered := _STEERING.get((request.method, received.path)):
            yield steered(self, received)
            return
        self.log.begin(received)
        is_answered = False
        try:
            reply = await self._reply(request, received)
            number = {"x-request-id": f"req_{next(self._numbers):08d}"}
            yield replace(reply, headers={**reply.headers, **number})
            is_answered = True
        finally:
            self.log.end(is_answered)

    async def _reply(self, request: Request, received: Received) -> Reply:
        if refusal := self.terms.refuse_stranger(request.headers):
            return refusal
        if received.path.startswith(f"{REDIRECTED}/"):
            return self._judged(received.body, OK)
        place = received.path.removeprefix(_BASE).strip("/").split("/")
        query = urlsplit(request.target).query
        match request.method, *place:
            case "POST", "chat", "completions":
                if self.latency:
                    await asyncio.sleep(self.latency)
                return self._answered(received)
            case "GET", "models":
                models = [{"id": name, "object": "model"} for name in self.terms.models]
                return json_reply({"object": "list", "data": models})
            case _, "files", *_:
                return self._batches.files.reply(request, place[1:], query)
            case _, "batches", *_:
                return self._batches.reply(request.method, received.body, place[1:], query)
        return not_found(f"Invalid URL ({request.method} {received.path})")

    def _answered(self, received: Received) -> Reply:
        behaviour = self._direction.next(received)
        return chat.failed(behaviour) or self._judged(received.body, behaviour)

    def _judged(self, body: Any, behaviour: Behaviour) -> Reply:
        refusal = self.terms.refuse(body)
        return refusal or chat.answer(body, self.judge, behaviour, next(self._numbers))

    def _answer_line(self, body: dict[str, Any]) -> Reply:
        raw = json.dumps(body).encode()
        target = f"{_BASE}/chat/completions"
        return self._answered(Received("POST", target, {}, raw, time.monotonic()))


def _tell(model: ScriptedModel, received: Received) -> Reply:
    """Give the counts, and with `?bodies=1` every request with its body, keys left out."""
    told = model.log.counts()
    if "bodies" in parse_qs(urlsplit(received.target).query):
        told["requests"] = [request.told() for request in model.received]
    return json_reply(told)


def _steer(model: ScriptedModel, received: Received) -> Reply:
    """Take a script as JSON: null, a behaviour, a list, or an object by piece of text."""
    try:
        model.script = received.body
    except ConfigurationError as error:
        return invalid(str(error), "script")
    return json_reply({"script": received.body})


_STEERING: dict[tuple[str, str], Callable[[ScriptedModel, Received], Reply]] = {
    ("GET", "/__received__"): _tell,
    ("POST", "/__script__"): _steer,
}
"""For another process; these requests are neither logged nor asked for a key."""
