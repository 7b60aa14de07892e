"""The calls graph from MariaDB to PostgreSQL, with the rights of the application: the same as from
SQLite to SQLite.
"""

from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from cs_apps.sample_data.calls import write_call_source
from cs_assets.definitions import CONTRACTS
from cs_resources.storage import migrator_of
from tests.calls.cases import Installation
from tests.calls.server_cases import call_server, copy_source

FIRST, LAST = date(2025, 12, 31), date(2026, 1, 1)


def test_the_graph_publishes_the_same_on_servers_as_on_files(
    tmp_path: Path,
    postgres_accounts: dict[str, sa.URL],
    mariadb_url: sa.URL,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    embedded = tmp_path / "embedded"
    source = embedded / "landing" / "call_source.sqlite"
    write_call_source(source, start=FIRST, end=LAST, calls_per_month=2_000)
    copy_source(source, mariadb_url)
    on_files = Installation(embedded, FIRST, LAST)
    for variable, account in (("WAREHOUSE_OWNER_URL", "owner"), ("WAREHOUSE_URL", "app")):
        monkeypatch.setenv(variable, str(postgres_accounts[account]))
    served = call_server(mariadb_url, history_start=FIRST)
    on_servers = Installation(tmp_path / "served", FIRST, LAST, database=served)
    migrator = migrator_of(on_servers.settings, CONTRACTS)
    migrator.upgrade()
    assert on_files.run("calls", FIRST, LAST) == ""
    assert on_servers.run("calls", FIRST, LAST) == ""
    assert on_servers.hashes() == on_files.hashes()
    for name in (
        "call_records_raw",
        "call_record_enriched",
        "portrait_snapshot_week",
        "task_summary_quarter",
    ):
        rows = on_servers.rows(name)
        assert rows
        assert sorted(map(str, rows)) == sorted(map(str, on_files.rows(name)))
    assert on_servers.run("calls", FIRST, LAST) == "", "again, over what is there"
    assert on_servers.hashes() == on_files.hashes()
    assert migrator.missing() == []
    on_servers.storage.warehouse.engine.dispose()
