"""What every test relies on: a fixed time zone, repeatable examples, a store of its own."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import hypothesis
import pytest
from servers import either_warehouse, mariadb_url, postgres_accounts, postgres_url
from storage_cases import opened

import tests.served
from cs_resources.storage import Storage

# a terminal wide enough for the longest temporary path
os.environ |= {"TZ": "UTC", "DAGSTER_DISABLE_TELEMETRY": "1", "COLUMNS": "240"}
time.tzset()
hypothesis.settings.register_profile("house", deadline=None, derandomize=True)
hypothesis.settings.load_profile("house")


__all__ = ["either_warehouse", "mariadb_url", "postgres_accounts", "postgres_url"]


@pytest.fixture(scope="session", autouse=True)
def servers_are_left_clean() -> Iterator[None]:
    """What installations made on servers is dropped at the end."""
    with tests.served.served():
        yield


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    """An empty store of the shop's tables."""
    with opened(tmp_path) as storage:
        yield storage


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance in memory."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance
