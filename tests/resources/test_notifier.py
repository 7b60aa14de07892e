"""Messages leave through every channel, and a dead channel is reported without its secrets."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from cs_resources.notifier import Notice, Notifier

NOTICE = Notice("Run of calls_sync failed", "call_records_raw: 原因")


@pytest.fixture
def posted() -> Iterator[tuple[str, list[dict[str, object]]]]:
    bodies: list[dict[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            bodies.append(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Keep quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook/secret-token", bodies
    server.shutdown()
    thread.join()
    server.server_close()


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_webhook_gets_subject_and_text(posted: tuple[str, list[dict[str, object]]]) -> None:
    url, bodies = posted
    assert Notifier(webhook_url=url).send(NOTICE) == []
    assert bodies[0]["content"] == {"text": f"{NOTICE.subject}\n{NOTICE.text}"}


def test_a_dead_webhook_is_reported_without_its_token() -> None:
    url = f"http://127.0.0.1:{closed_port()}/hook/secret-token"
    (problem,) = Notifier(webhook_url=url).send(NOTICE)
    assert "127.0.0.1" in problem
    assert "secret-token" not in problem


def test_a_dead_mail_server_does_not_keep_the_webhook_from_being_tried(
    posted: tuple[str, list[dict[str, object]]],
) -> None:
    url, bodies = posted
    notifier = Notifier(
        webhook_url=url, smtp_host="127.0.0.1", smtp_port=closed_port(), mail_to=("a@example.com",)
    )
    (problem,) = notifier.send(NOTICE)
    assert problem.startswith("mail through 127.0.0.1")
    assert len(bodies) == 1


def test_no_channel_no_problem() -> None:
    assert Notifier().send(NOTICE) == []
