"""The proxy of the fault tests does what it is told."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.proxy import Faults, Proxy, proxied


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy in front of a server that says everything back."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def echo() -> None:
            while True:
                try:
                    end, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(end,), daemon=True).start()

        def answer(end: socket.socket) -> None:
            with end:
                try:
                    while data := end.recv(1024):
                        heard.append(data)
                        end.sendall(data)
                except OSError:
                    pass

        threading.Thread(target=echo, daemon=True).start()
        with proxied("127.0.0.1", server.getsockname()[1]) as found:
            yield found
        server.shutdown(socket.SHUT_RDWR)


heard: list[bytes] = []


def client(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=10)


def everything(end: socket.socket) -> bytes:
    """What comes until the connection ends, with or without a reset."""
    data = b""
    try:
        while piece := end.recv(1024):
            data += piece
    except ConnectionResetError:
        pass
    return data


def test_all_passes(proxy: Proxy) -> None:
    with client(proxy) as end:
        for text in (b"one", b"two"):
            end.sendall(text)
            assert end.recv(10) == text
    assert (proxy.connections, proxy.replied) == (1, 6)


def test_a_reply_is_cut_at_its_byte(proxy: Proxy) -> None:
    proxy.set(Faults(cut_after=4))
    with client(proxy) as end:
        end.sendall(b"0123456789")
        assert everything(end) in (b"0123", b"")  # a reset may overtake what was sent
    assert proxy.replied == 4


def test_the_reply_to_one_request_is_lost(proxy: Proxy) -> None:
    heard.clear()
    proxy.set(Faults(cut_at_request=b"COMMIT"))
    with client(proxy) as end:
        end.sendall(b"INSERT")
        assert end.recv(10) == b"INSERT"
        end.sendall(b"COMMIT")
        assert everything(end) == b""
    assert heard[-1] == b"COMMIT"  # the server has it


def test_silence_is_no_end(proxy: Proxy) -> None:
    with client(proxy) as end:
        proxy.set(Faults(is_silent=True))
        end.settimeout(0.2)
        end.sendall(b"hello?")
        with pytest.raises(TimeoutError):
            end.recv(10)
        end.settimeout(10)
        proxy.set(Faults(delay=0.01))
        assert end.recv(10) == b"hello?"


def test_open_connections_are_cut(proxy: Proxy) -> None:
    with client(proxy) as end:
        end.sendall(b"x")
        assert end.recv(1) == b"x"
        proxy.cut()
        assert everything(end) == b""
    with client(proxy) as end:
        end.sendall(b"y")
        assert end.recv(1) == b"y"
