"""Connections to PostgreSQL that never wait for ever.

Belongs here: time limits on both ends of a connection, and errors without rows in them. Must not:
statements.

The server ends statements that take too long, but a server (or a proxy before it) that answers
nothing ends nothing: psycopg has no limit of its own, so a connection that is silent for longer
than any statement may take is closed from this end.
"""

from collections.abc import Generator
from time import monotonic
from typing import Any

import psycopg
import sqlalchemy as sa

from cs_resources.timeouts import Timeouts

APPLICATION_NAME = "customer-success"
CONNECT_SECONDS = 5
SILENCE_SECONDS = 3
"""What a connection may be silent beyond the longest statement."""
_READER_IDLE_FACTOR = 10
"""A reader holds no locks: whoever reads its stream may take longer between two batches."""


class GuardedConnection(psycopg.Connection[Any]):
    """A connection that is closed after `silence` seconds without a sign of the server's life."""

    silence: float = 60

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
        """Do what every operation does to wait for the server, COMMIT and COPY included."""
        return super().wait(self._guarded(gen), *args, **kwargs)

    def _guarded(self, operation: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        heard, ready = monotonic(), None
        while True:
            try:
                state = operation.send(ready)
            except StopIteration as end:
                return end.value
            ready = yield state
            if ready:
                heard = monotonic()
            elif monotonic() - heard > self.silence:
                self.pgconn.finish()
                raise psycopg.OperationalError(
                    f"the database answered nothing for {self.silence:g} s; the connection was "
                    "closed. Look whether the server and the way to it are well."
                )


def create_engine(url: sa.URL, timeouts: Timeouts) -> sa.Engine:
    """Return a pool of guarded connections; limits that the URL names win over the settings."""
    url = url.set(drivername="postgresql+psycopg")
    # parameters are rows: they hold personal data and have no place in an error message
    engine = sa.create_engine(url, hide_parameters=True, pool_pre_ping=True)

    @sa.event.listens_for(engine, "do_connect")
    def _connect(
        dialect: object, record: object, arguments: list[Any], parameters: dict[str, Any]
    ) -> GuardedConnection:
        merged = _parameters(timeouts) | parameters
        given = parameters.get("options", "")
        merged["options"] = f"{_options(timeouts)} {given}".strip()
        connection = GuardedConnection.connect(*arguments, **merged)
        connection.silence = timeouts.statement + SILENCE_SECONDS
        return connection

    @sa.event.listens_for(engine, "handle_error")
    def _hide_rows(context: sa.engine.ExceptionContext) -> None:
        if isinstance(context.original_exception, psycopg.Error):
            without_rows(context.original_exception)

    return engine


def without_rows(error: psycopg.Error) -> psycopg.Error:
    """Cut an error's text down to what is wrong: details and context repeat values of the row."""
    if error.diag.message_primary:
        hint = f" Hint: {error.diag.message_hint}" if error.diag.message_hint else ""
        table = f" (table {error.diag.table_name})" if error.diag.table_name else ""
        error.args = (f"{error.diag.message_primary}{table}{hint}",)
    return error


def write_options(timeouts: Timeouts) -> str:
    """Return the statement that ends an idle writer soon: it keeps others out."""
    return f"SET LOCAL idle_in_transaction_session_timeout = '{timeouts.idle}s'"


def _parameters(timeouts: Timeouts) -> dict[str, Any]:
    silence = timeouts.statement + SILENCE_SECONDS
    return {
        "application_name": APPLICATION_NAME,
        "connect_timeout": CONNECT_SECONDS,
        "client_encoding": "utf8",
        "keepalives": 1,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": silence * 1000,
    }


def _options(timeouts: Timeouts) -> str:
    limits = {
        "statement_timeout": timeouts.statement,
        "lock_timeout": timeouts.lock,
        "idle_in_transaction_session_timeout": timeouts.idle * _READER_IDLE_FACTOR,
    }
    return " ".join(f"-c {name}={seconds}s" for name, seconds in limits.items())
