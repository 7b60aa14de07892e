"""Only failures that a rerun can help are tried again."""

import sqlite3
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from cs_assets.calls.contracts import CALL_TASKS
from cs_assets.contracts import Place
from cs_assets.table_assets import table_asset
from cs_resources.errors import ContractError, SourceError, StaleWriterError
from cs_resources.failures import lasting, may_pass
from cs_resources.io_managers import StorageIOManager
from cs_resources.storage import Storage


def operational(text: str) -> sa.exc.OperationalError:
    return sa.exc.OperationalError("SELECT 1", {}, sqlite3.OperationalError(text))


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ConnectionResetError("gone"), True),
        (TimeoutError("slow"), True),
        (operational("database is locked"), True),
        (operational("no such table: calls"), False),
        (sa.exc.OperationalError("SELECT 1", {}, Exception("lost connection")), True),
        (sa.exc.IntegrityError("INSERT", {}, Exception("duplicate")), False),
        (SourceError("no table"), False),
        (ContractError("broken"), False),
        (StaleWriterError("overtaken"), False),
        (ValueError("bug"), False),
    ],
)
def test_what_a_rerun_can_help(error: Exception, passes: bool) -> None:
    assert may_pass(error) is passes


def test_a_lasting_failure_is_not_tried_again_and_says_why() -> None:
    failure = lasting(SourceError("the call database has no table x"))
    assert failure.allow_retries is False
    assert failure.description == "the call database has no table x"


@pytest.mark.parametrize(("error", "tries"), [(TimeoutError("slow"), 3), (SourceError("no"), 1)])
def test_a_step_is_tried_as_often_as_it_may_help(
    tmp_path: Path, instance: dg.DagsterInstance, error: Exception, tries: int
) -> None:
    calls = []

    @table_asset(CALL_TASKS, retry_policy=dg.RetryPolicy(max_retries=2))
    def call_tasks(context: dg.AssetExecutionContext) -> None:
        """Fail every time."""
        calls.append(context.retry_number)
        raise error

    storage = Storage(
        (CALL_TASKS,), tmp_path, sa.URL.create("sqlite", database=str(tmp_path / "w")), tmp_path
    )
    result = dg.materialize(
        [call_tasks],
        instance=instance,
        resources={"storage": storage, "lake": StorageIOManager(storage, Place.LAKE)},
        raise_on_error=False,
    )
    assert not result.success
    assert len(calls) == tries
