"""The calls graph on PostgreSQL, with the rights of the application: the same as on SQLite."""

from datetime import date
from pathlib import Path
from shutil import copytree

import pytest
import sqlalchemy as sa

from cs_apps.sample_data.calls import write_call_source
from cs_assets.definitions import CONTRACTS
from cs_resources.storage import migrator_of
from tests.calls.cases import Installation

FIRST, LAST = date(2025, 12, 31), date(2026, 1, 1)


def test_the_graph_publishes_the_same_on_both_databases(
    tmp_path: Path, postgres_accounts: dict[str, sa.URL], monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded = tmp_path / "embedded"
    source = embedded / "landing" / "call_source.sqlite"
    write_call_source(source, start=FIRST, end=LAST, calls_per_month=2_000)
    served = copytree(embedded, tmp_path / "served")
    on_sqlite = Installation(embedded, FIRST, LAST)
    for variable, account in (("WAREHOUSE_OWNER_URL", "owner"), ("WAREHOUSE_URL", "app")):
        monkeypatch.setenv(variable, str(postgres_accounts[account]))
    on_postgres = Installation(served, FIRST, LAST)
    migrator = migrator_of(on_postgres.settings, CONTRACTS)
    migrator.upgrade()
    assert on_sqlite.run("calls", FIRST, LAST) == ""
    assert on_postgres.run("calls", FIRST, LAST) == ""
    assert on_postgres.hashes() == on_sqlite.hashes()
    for name in ("call_record_enriched", "portrait_snapshot_week", "task_summary_quarter"):
        rows = on_postgres.rows(name)
        assert rows
        assert sorted(map(str, rows)) == sorted(map(str, on_sqlite.rows(name)))
    assert on_postgres.run("calls", FIRST, LAST) == "", "again, over what is there"
    assert on_postgres.hashes() == on_sqlite.hashes()
    assert migrator.missing() == []
    on_postgres.storage.warehouse.engine.dispose()
