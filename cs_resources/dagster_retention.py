"""Retention of Dagster's event log, which Dagster itself keeps for ever.

Belongs here: which events of old runs are deleted, and how. Must not: when that happens.

Kept for ever is what others rest on: materializations, observations and check evaluations, planned
ones too (partitions, checks, staleness), how each run went, and why its steps failed. What goes is
what a run said on its way: steps, inputs and outputs, engine, log messages, captured output.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster._core.events import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    EVENT_TYPE_TO_PIPELINE_RUN_STATUS,
    DagsterEventType,
)
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log import SqlEventLogStorage, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from cs_resources.errors import ConfigurationError

KEPT = frozenset(
    event.value
    for event in (
        *ASSET_EVENTS,
        *ASSET_CHECK_EVENTS,
        *EVENT_TYPE_TO_PIPELINE_RUN_STATUS,
        DagsterEventType.STEP_FAILURE,
    )
)
"""Types of the events that are never deleted."""
_DONE_UNTIL = "cs/event_log_trimmed_until"
_RUNS, _EVENTS = 100, 5_000


@dataclass(frozen=True)
class Trimmed:
    """How many runs were looked at, and how many of their events were deleted."""

    runs: int
    events: int


def trim_event_log(
    instance: dg.DagsterInstance,
    before: datetime,
    reached: Callable[[int], None] = lambda events: None,
) -> Trimmed:
    """Delete what runs said on their way that ended before an instant (with time zone).

    In small batches, each final: whatever ends it, the next call goes on. `reached` is told the
    events of every batch. Raises ConfigurationError for a storage that it does not know.
    """
    # Runs that end from now on are not yet done, whatever the caller takes for the time.
    until = min(before.astimezone(UTC), datetime.now(UTC))
    cursors = instance.daemon_cursor_storage
    done = cursors.get_cursor_values({_DONE_UNTIL}).get(_DONE_UNTIL)
    # The time of a run's last update is not earlier than that of its end.
    runs = instance.get_run_ids(
        dg.RunsFilter(
            statuses=FINISHED_STATUSES,
            updated_after=datetime.fromisoformat(done) if done else None,
            updated_before=before.astimezone(UTC),
        )
    )
    events = 0
    for deleted in _trim(instance, runs):
        events += deleted
        reached(deleted)
    if not done or datetime.fromisoformat(done) < until:
        cursors.set_cursor_values({_DONE_UNTIL: until.isoformat()})
    return Trimmed(len(runs), events)


def _trim(instance: dg.DagsterInstance, runs: Sequence[str]) -> Iterator[int]:
    log = instance.event_log_storage
    if isinstance(log, SqliteEventLogStorage):
        for run in runs:
            yield from _trim_file(log, run)
            instance.compute_log_manager.delete_logs(prefix=[run])
    elif isinstance(log, SqlEventLogStorage):
        for start in range(0, len(runs), _RUNS):
            several = runs[start : start + _RUNS]
            with log.run_connection(None) as connection:
                yield from _delete(connection, several)
            for run in several:
                instance.compute_log_manager.delete_logs(prefix=[run])
    else:
        raise ConfigurationError(
            f"dagster.yaml: the event log of {type(log).__name__} cannot be cleaned; Dagster's "
            "storage is to be the one of deploy/embedded or deploy/production"
        )


def _trim_file(log: SqliteEventLogStorage, run: str) -> Iterator[int]:
    """Trim the run's own file; what concerns assets lies in the index of all runs, too."""
    path = Path(log.path_for_shard(run))
    if not path.exists():  # to connect would make it
        return
    with log.run_connection(run) as connection:
        deleted = sum(_delete(connection, [run]))
    if deleted:
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            file.execute("VACUUM")
    yield deleted


def _delete(connection: sa.Connection, runs: Sequence[str]) -> Iterator[int]:
    log = SqlEventLogStorageTable
    type_ = log.c.dagster_event_type
    batch = (
        sa.select(log.c.id)
        .where(log.c.run_id.in_(runs), sa.or_(type_.is_(None), type_.not_in(KEPT)))
        .limit(_EVENTS)
    )
    deleted = _EVENTS
    while deleted == _EVENTS:
        deleted = connection.execute(sa.delete(log).where(log.c.id.in_(batch))).rowcount
        yield deleted
