"""Failures sorted by the one question that matters to a scheduler: would a rerun help?

Belongs here: telling passing faults from lasting ones. Must not: retrying.
"""

import sqlite3

import dagster as dg
import sqlalchemy as sa
from deltalake.exceptions import CommitFailedError

from cs_resources.errors import PlatformError, SourceUnavailableError, StaleWriterError

RETRY = dg.RetryPolicy(
    max_retries=3, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.FULL
)
"""Back-off for steps that talk to a database: about 5, 10, 20 seconds."""


def may_pass(error: BaseException) -> bool:
    """Say whether a rerun alone may help: lost connections, locks, time-outs do pass."""
    if isinstance(error, SourceUnavailableError):
        return True
    if isinstance(error, PlatformError):
        return False
    if isinstance(error, sa.exc.DBAPIError):
        if isinstance(error.orig, sqlite3.OperationalError):
            return "locked" in str(error.orig) or "busy" in str(error.orig)
        return error.connection_invalidated or isinstance(error, sa.exc.OperationalError)
    return isinstance(error, ConnectionError | TimeoutError | CommitFailedError)


def lasting(error: Exception) -> dg.Failure:
    """Return the failure that Dagster does not retry, with the message for the operator."""
    kind = type(error).__name__
    metadata: dict[str, str | bool] = {
        "error": kind,
        "a rerun helps": isinstance(error, StaleWriterError),
    }
    text = str(error) if isinstance(error, PlatformError) else f"{kind}: {error}"
    return dg.Failure(description=text, metadata=metadata, allow_retries=False)
