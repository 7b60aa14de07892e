"""Runs whose process is gone are found; living, foreign and unknown ones are left alone."""

import json
import os
import subprocess
import sys
import time

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.storage.dagster_run import DagsterRunStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

from cs_apps.lost_runs import end_lost_runs, is_process

SERVER = ("127.0.0.1", 4266)


@dg.job
def job() -> None:
    """A job of no steps."""


@pytest.fixture
def gone() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def run(
    instance: dg.DagsterInstance,
    pid: int | None,
    status: DagsterRunStatus = DagsterRunStatus.STARTED,
    server: tuple[str, int] = SERVER,
) -> str:
    tags = {GRPC_INFO_TAG: json.dumps({"host": server[0], "port": server[1]})}
    made = instance.create_run_for_job(job, status=status, tags=tags)
    if pid:
        instance.report_engine_event("Started", made, EngineEventData.in_process(pid))
    return made.run_id


def test_only_runs_whose_process_is_gone_are_marked(
    instance: dg.DagsterInstance, gone: int
) -> None:
    lost, cancelled = run(instance, gone), run(instance, gone, DagsterRunStatus.CANCELING)
    left = {
        run(instance, os.getpid()): DagsterRunStatus.STARTED,
        run(instance, None): DagsterRunStatus.STARTED,
        run(instance, gone, server=("127.0.0.1", 1)): DagsterRunStatus.STARTED,
        run(instance, gone, DagsterRunStatus.STARTING): DagsterRunStatus.STARTING,
        run(instance, gone, DagsterRunStatus.SUCCESS): DagsterRunStatus.SUCCESS,
    }
    assert set(end_lost_runs(instance, *SERVER)) == {lost, cancelled}
    found = {record.dagster_run.run_id: record.dagster_run for record in instance.get_run_records()}
    assert found[lost].status is DagsterRunStatus.FAILURE
    assert found[cancelled].status is DagsterRunStatus.CANCELED
    assert {run_id: found[run_id].status for run_id in left} == left
    assert list(end_lost_runs(instance, *SERVER)) == []


def test_a_younger_process_has_only_inherited_the_id() -> None:
    assert is_process(os.getpid(), time.time())
    assert not is_process(os.getpid(), time.time() - 365 * 86_400)
    assert not is_process(0, time.time())


def test_a_process_that_nobody_waits_for_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert process.stdout
    with process.stdout:
        process.stdout.read()  # it has closed everything: it ends, and stays a zombie
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not is_process(process.pid, time.time())
    process.wait()
