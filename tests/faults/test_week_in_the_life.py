"""Ten days of nightly rounds on servers, with late rows, a database that goes away for an hour and
a scheduler that is killed in mid-run: in the end everything is as if nothing had happened.
"""

import multiprocessing
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from private_postgres import PrivateServer, private_postgres

from cs_apps.stale import recipes_of, staleness
from cs_assets.calls.contracts import CALL_RECORDS_RAW
from cs_assets.definitions import CONTRACTS
from cs_resources.storage import migrator_of
from tests.calls.cases import Installation, Row, record, turn
from tests.calls.nights import Nights, days
from tests.calls.server_cases import DETAILS, RECORDS, call_server, connection, insert, write_server
from tests.private_mariadb import wait_until

FIRST, LAST = date(2025, 11, 24), date(2025, 12, 3)
OPEN_END = date(2026, 3, 31)
DATABASE_AWAY, SCHEDULER_KILLED = date(2025, 11, 27), date(2025, 11, 30)
PER_DAY = 12
_PROCESSES = multiprocessing.get_context("spawn")


@pytest.fixture
def server() -> Iterator[PrivateServer]:
    """A warehouse server that only this test uses."""
    with private_postgres() as server:
        yield server


def calls_of(day: date, late: bool = False) -> tuple[list[Row], list[Row]]:
    """The calls of a day and what was said in them; the late ones are others."""
    first = (day - FIRST).days * 100 + (50 if late else 0)
    rows = [
        record(first + n, calldate=f"{day} {8 + n % 12:02}:00:00", customer_id=f"c{n % 5}")
        for n in range(3 if late else PER_DAY)
    ]
    said = ("我要投诉", "很满意，谢谢", "不用了", "喂")
    return rows, [turn(row["id"], 1, said[n % 4]) for n, row in enumerate(rows)]


def arrive(url: sa.URL, day: date, late: bool = False) -> None:
    """Let the calls of a day arrive in the call database."""
    records, turns = calls_of(day, late)
    with closing(connection(url)) as database, database.cursor() as cursor:
        for table, rows in ((RECORDS, records), (DETAILS, turns)):
            insert(cursor, f"{table}_2025_11", [list(row.values()) for row in rows])


def installation(home: Path, source: sa.URL, warehouse: str) -> Installation:
    database = call_server(source, history_start=FIRST)
    return Installation(home, FIRST, OPEN_END, database=database, warehouse_url=warehouse)


def one_night(home: Path, source: str, warehouse: str, day: date) -> None:
    """The scheduler of one night, in a process of its own."""
    house = installation(home, sa.make_url(source), warehouse)
    with dg.DagsterInstance.ephemeral() as instance:
        Nights(house, instance).night_after(day)


def killed_night(house: Installation, source: sa.URL, warehouse: str, day: date) -> None:
    """Kill the scheduler as soon as it has published the first table of its first run."""
    text = source.render_as_string(hide_password=False)
    arguments = (house.settings.cs_home, text, warehouse, day)
    process = _PROCESSES.Process(target=one_night, args=arguments)
    process.start()
    lake = house.storage.lake
    wait_until(lambda: bool(lake.published(CALL_RECORDS_RAW, [str(day)])), "the night's first day")
    process.kill()
    process.join()
    assert process.exitcode == -9


def test_ten_days(
    tmp_path: Path, server: PrivateServer, mariadb_url: sa.URL, instance: dg.DagsterInstance
) -> None:
    warehouse = server.database().render_as_string(hide_password=False)
    write_server(mariadb_url, {"_2025_11": []}, {"_2025_11": []})
    house = installation(tmp_path / "house", mariadb_url, warehouse)
    migrator_of(house.settings, CONTRACTS).upgrade()
    nights = Nights(house, instance)
    away = {"portrait_snapshots_week": server.stop, "task_summaries_week": server.start}
    for number, day in enumerate(days(FIRST, LAST)):
        arrive(mariadb_url, day)
        if number % 3 == 2:
            arrive(mariadb_url, day - timedelta(days=2), late=True)
        if day == SCHEDULER_KILLED:
            killed_night(house, mariadb_url, warehouse, day)
        else:
            nights.night_after(day, away if day == DATABASE_AWAY else {})
    assert nights.failures, "the database was away and nobody noticed"
    assert all("portrait_snapshots" in failure or "task_" in failure for failure in nights.failures)
    _require_laws(house, installation(tmp_path / "fresh", mariadb_url, ""))


def _require_laws(house: Installation, fresh: Installation) -> None:
    """Everything is there, up to date, and as an untroubled installation makes it."""
    recipes = recipes_of(house.definitions, house.storage)
    assert staleness(house.storage, recipes, house.settings.calendar).stale == ()
    assert fresh.run("calls", FIRST, LAST) == ""
    assert house.hashes() == fresh.hashes()
    read = len(house.rows("call_records_raw"))
    assert read == len(house.rows("call_records_clean")) == 10 * PER_DAY + 3 * 3
    assert house.rows("call_records_quarantine") == []
    house.storage.warehouse.engine.dispose()
