"""A TCP proxy on loopback that loses, holds back and cuts what passes through it.

Belongs here: faults of a network between a client and a server. Must not: knowing a protocol.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_CHUNK = 64 * 1024
_LINGER_RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # close at once, with a reset


@dataclass(frozen=True)
class Faults:
    """What happens to what passes; everything passes by default.

    `cut_after`: connections end with a reset once so many more bytes of replies have passed;
    `cut_at_request`: a request that holds these bytes is passed on, and its reply is lost with
    the connection; `is_silent`: nothing passes any more, connections stay open; `delay`: seconds
    by which each piece is held back.
    """

    cut_after: int | None = None
    cut_at_request: bytes | None = None
    is_silent: bool = False
    delay: float = 0.0


@dataclass
class Proxy:
    """Passes connections to `port` on until told otherwise; may be told at any time.

    `connections` counts those accepted, `replied` the bytes of replies that have passed.
    """

    target: tuple[str, int]
    connections: int = 0
    replied: int = 0
    _faults: Faults = field(default_factory=Faults)
    _passed: int = 0
    _open: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """The port to connect to, on 127.0.0.1."""
        return int(self._listener.getsockname()[1])

    def set(self, faults: Faults) -> None:
        """From now on do this, also to open connections."""
        with self._lock:
            self._faults, self._passed = faults, 0

    def cut(self) -> None:
        """Reset every open connection; new ones are accepted."""
        with self._lock:
            sockets = list(self._open)
            self._open.clear()
        for end in sockets:
            _reset(end)

    def close(self) -> None:
        """Stop accepting, and reset every open connection."""
        self._closed.set()
        _reset(self._listener)
        self.cut()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = socket.create_connection(self.target)
            except OSError:
                _reset(client)
                continue
            with self._lock:
                self._open |= {client, server}
            doomed = threading.Event()
            for pump, source, sink in (
                (self._pass_requests, client, server),
                (self._pass_replies, server, client),
            ):
                threading.Thread(target=pump, args=(source, sink, doomed), daemon=True).start()

    def _pass_requests(
        self, client: socket.socket, server: socket.socket, doomed: threading.Event
    ) -> None:
        with self._ended(client, server):
            while data := self._received(client):
                wanted = self._faults.cut_at_request
                if wanted and wanted in data:
                    doomed.set()  # before the server can answer
                server.sendall(data)

    def _pass_replies(
        self, server: socket.socket, client: socket.socket, doomed: threading.Event
    ) -> None:
        with self._ended(client, server):
            while data := self._received(server):
                if doomed.is_set():
                    return  # the server has done what was asked; the client never hears of it
                allowed, is_last = self._allowed(data)
                client.sendall(allowed)
                if is_last:
                    return

    def _received(self, source: socket.socket) -> bytes:
        data = source.recv(_CHUNK)
        self._wait(self._faults.delay)
        while self._faults.is_silent and not self._closed.is_set():
            self._wait(0.01)
        return data

    @contextmanager
    def _ended(self, *ends: socket.socket) -> Iterator[None]:
        with contextlib.suppress(OSError):
            yield
        with self._lock:
            self._open -= set(ends)
        for end in ends:
            _reset(end)

    def _allowed(self, data: bytes) -> tuple[bytes, bool]:
        """Return what of a reply passes, and whether the connection then ends."""
        with self._lock:
            is_last = False
            if self._faults.cut_after is not None:
                left = max(self._faults.cut_after - self._passed, 0)
                data, is_last = data[:left], len(data) >= left
            self._passed += len(data)
            self.replied += len(data)
            return data, is_last

    def _wait(self, seconds: float) -> None:
        if seconds:
            self._closed.wait(seconds)


@contextmanager
def proxied(host: str, port: int) -> Iterator[Proxy]:
    """Open a proxy in front of a server."""
    proxy = Proxy((host, port))
    try:
        yield proxy
    finally:
        proxy.close()


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
