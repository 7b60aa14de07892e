"""HTTP/1.1 over asyncio, to the byte: what a server can do to a client, on purpose.

Belongs here: requests in, replies out, and the ways in which a reply fails to arrive. Must not:
knowing what is asked or answered.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

import h11

_READ_BYTES = 1 << 16
_LINGER_RESET = struct.pack("ii", 1, 0)  # close at once, with a reset


@dataclass(frozen=True)
class Request:
    """A whole request: `target` is the path with its query, names of `headers` are lower-case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Delivery:
    """How a reply arrives; by default at once and whole.

    `drip`: seconds after each byte; `ends_at`: share of the bytes after which the connection
    ends, `is_reset`: with a reset instead of a close; `is_hung`: nothing comes until the client
    gives up.
    """

    drip: float = 0.0
    ends_at: float | None = None
    is_reset: bool = False
    is_hung: bool = False


@dataclass(frozen=True)
class Reply:
    """What is answered, and how it arrives."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery()


class UndeliveredError(ConnectionError):
    """The client is gone, or the reply was not meant to arrive whole."""


Exchange = Callable[[Request], AbstractAsyncContextManager[Reply]]
"""Gives the reply to a request; left without an error once its last byte is handed over."""


def converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, exchange: Exchange
) -> asyncio.Task[None]:
    """Answer the requests of a connection, one after the other, until it ends."""
    task = asyncio.create_task(_converse(reader, writer, exchange))
    # no business of the task itself, which may be cancelled before it begins
    task.add_done_callback(lambda _: writer.transport.abort())
    return task


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, exchange: Exchange
) -> None:
    connection = h11.Connection(h11.SERVER)
    try:
        while request := await _received(connection, reader, writer):
            async with exchange(request) as reply:
                await _deliver(_raw(connection, reply), reply.delivery, reader, writer)
            if connection.our_state is h11.MUST_CLOSE:
                break
            connection.start_next_cycle()
        writer.close()
        await writer.wait_closed()
    except h11.RemoteProtocolError as error:
        await _refuse(connection, writer, error)
    except ConnectionError:
        pass  # gone, as was meant or as clients do


async def _received(
    connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Request | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                writer.write(connection.send(go_on) or b"")
            connection.receive_data(await reader.read(_READ_BYTES))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head:
            headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
            return Request(head.method.decode(), head.target.decode(), headers, bytes(body))
        else:
            return None


def _raw(connection: h11.Connection, reply: Reply) -> bytes:
    headers = {
        "Date": formatdate(usegmt=True),
        **reply.headers,
        "Content-Length": str(len(reply.body)),
    }
    head = h11.Response(
        status_code=reply.status,
        reason=HTTPStatus(reply.status).phrase,
        headers=list(headers.items()),
    )
    events = (head, h11.Data(data=reply.body), h11.EndOfMessage())
    return b"".join(connection.send(event) or b"" for event in events)


async def _deliver(
    data: bytes, delivery: Delivery, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    if delivery.is_hung:
        await reader.read()
        raise UndeliveredError("hung until the client gave up")
    if delivery.ends_at is not None:
        data = data[: int(len(data) * delivery.ends_at)]
    for piece in [data[at : at + 1] for at in range(len(data))] if delivery.drip else [data]:
        if reader.at_eof():
            raise UndeliveredError("the client is gone")
        writer.write(piece)
        await writer.drain()
        if delivery.drip:
            await asyncio.sleep(delivery.drip)
    if delivery.ends_at is not None:
        if delivery.is_reset:
            end: socket.socket = writer.get_extra_info("socket")
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        raise UndeliveredError("cut on purpose")


async def _refuse(
    connection: h11.Connection, writer: asyncio.StreamWriter, error: h11.RemoteProtocolError
) -> None:
    with contextlib.suppress(ConnectionError, h11.LocalProtocolError):
        text = f"{error}\n".encode()
        writer.write(_raw(connection, Reply(400, text, {"Connection": "close"})))
        await writer.drain()
        writer.close()
        await writer.wait_closed()
