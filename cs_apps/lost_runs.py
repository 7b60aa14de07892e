"""Runs whose process went together with its code server (a crash of the machine, of a container).

Belongs here: finding them, marking them. Must not: ending processes, launching anything.

A code server notices processes that it has started itself. Of those of the one before it nobody
does: their runs would keep their places in queue and pools until their longest time is over.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from dagster._core.storage.dagster_run import DagsterRunStatus, RunRecord
from dagster._core.storage.tags import GRPC_INFO_TAG

_WORKING = [DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
_PROCESSES = Path("/proc")


def end_lost_runs(instance: dg.DagsterInstance, host: str, port: int) -> Iterator[str]:
    """Mark runs of the code server at `host` and `port` whose process is gone; yield their ids.

    To be called where the code server runs, once it answers: the daemon, which launches failed runs
    again, forgets those for which it finds none. Runs that are only being launched are left to
    Dagster's start timeout.
    """
    for record in instance.get_run_records(dg.RunsFilter(statuses=_WORKING)):
        run = record.dagster_run
        if not _was_launched_by(record, host, port) or _is_alive(instance, run.run_id):
            continue
        text = "The process of this run is gone, and so was the code server that had started it."
        if run.status is DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, text)
        else:
            instance.report_run_failed(run, text)
        yield run.run_id


def _was_launched_by(record: RunRecord, host: str, port: int) -> bool:
    server = json.loads(record.dagster_run.tags.get(GRPC_INFO_TAG, "{}"))
    return (server.get("host"), server.get("port")) == (host, port)


def _is_alive(instance: dg.DagsterInstance, run_id: str) -> bool:
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        pid = entry.get_dagster_event().engine_event_data.metadata.get("pid")
        if pid is not None:  # the first that is named is the run's own
            return is_process(int(str(pid.value)), entry.timestamp)
    return True  # it has not said who it is: nothing is known


def is_process(pid: int, seen_at: float) -> bool:
    """Say whether the process that had the id at an instant (seconds since 1970) still lives.

    A process that began later has only inherited the id.
    """
    try:
        state, *rest = (_PROCESSES / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    started_at = _booted_at() + int(rest[18]) / os.sysconf("SC_CLK_TCK")
    # both clocks are of one machine, but not of one precision
    return state != "Z" and started_at <= seen_at + 1


def _booted_at() -> int:
    lines = (_PROCESSES / "stat").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("btime ")]
    return int(line.split()[1])
