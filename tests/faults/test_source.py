"""The call database fails while it is read: nothing partial is published, a retry gives the same.

"The same" is the content hash of a run in which nothing failed. Faults are real ones: a proxy that
cuts or drops, a server that is killed, tables that are changed or gone.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from cs_assets.calls.contracts import CALL_RECORDS_RAW
from cs_assets.definitions import build_definitions
from cs_resources import call_database as module
from cs_resources.errors import SourceError, SourceUnavailableError
from cs_resources.failures import may_pass
from tests.calls.cases import MONDAY, TABLE, Hashes, Installation, Row, read_records, record, turn
from tests.calls.server_cases import call_server, write_server
from tests.private_mariadb import private_mariadb, wait_until
from tests.proxy import Faults, Proxy, proxied
from tests.servers import mariadb_database, on_mariadb

TUESDAY = date(2025, 11, 25)
DETAILS = "autodialer_call_record_detail_2025_11"
CUSTOMERS = [f"顾客-{number}-" + "x" * 50 for number in range(7)]
ROWS: list[Row] = [
    record(n, customer_id=CUSTOMERS[n % 7], calldate=f"2025-11-{24 + n % 2} 10:00:00")
    for n in range(6_000)
]
TURNS: list[Row] = [turn(f"r{n:04}", 1, "您好😀") for n in range(0, 6_000, 100)]


class House(Installation):
    """An installation whose call database is a server."""

    def __init__(self, home: Path, url: sa.URL, read_timeout: int = 50) -> None:
        super().__init__(home, MONDAY, TUESDAY)
        self.database = call_server(url, history_start=MONDAY, read_timeout=read_timeout)
        self.definitions = build_definitions(self.settings, self.storage, self.database)

    def load(self) -> str:
        """Read and clean both days; return what went wrong."""
        return self.run(
            "call_tasks,call_records_raw,call_turns_raw,call_records_clean", MONDAY, TUESDAY
        )


@pytest.fixture(scope="module")
def url() -> Iterator[sa.URL]:
    """A call database with two days of calls."""
    with mariadb_database() as found:
        write_server(found, {"_2025_11": ROWS}, {"_2025_11": TURNS})
        yield found


@pytest.fixture(scope="module")
def good(url: sa.URL, tmp_path_factory: pytest.TempPathFactory) -> Hashes:
    """What is published when nothing fails."""
    house = House(tmp_path_factory.mktemp("good"), url)
    assert house.load() == ""
    return house.hashes()


@pytest.fixture
def proxy(url: sa.URL) -> Iterator[Proxy]:
    """A proxy in front of the call database."""
    with proxied(url.host or "", url.port or 3306) as found:
        yield found


@pytest.fixture(autouse=True)
def _no_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed step is tried again by the test itself, not by Dagster after seconds."""
    monkeypatch.setattr("cs_assets.calls.assets._FROM_SOURCE", {"resources": ["call_database"]})


def through(url: sa.URL, proxy: Proxy) -> sa.URL:
    return url.set(host="127.0.0.1", port=proxy.port)


@pytest.mark.parametrize("passed", [0, 5_000, 60_000, 700_000])
def test_a_cut_in_mid_read_publishes_nothing(
    url: sa.URL, proxy: Proxy, good: Hashes, tmp_path: Path, passed: int
) -> None:
    house = House(tmp_path, through(url, proxy))
    proxy.set(Faults(cut_after=passed))
    problems = house.load()
    assert SourceUnavailableError.__name__ in problems
    assert not [key for key in house.hashes() if key[0] == "calls/call_records_raw"]
    assert not list(house.storage.scratch.glob("*.parquet"))
    proxy.set(Faults())
    assert house.load() == ""
    assert house.hashes() == good


def test_a_cut_never_replaces_what_was_published(
    url: sa.URL, proxy: Proxy, good: Hashes, tmp_path: Path
) -> None:
    house = House(tmp_path, through(url, proxy))
    assert house.load() == ""
    proxy.set(Faults(cut_after=300_000))
    assert SourceUnavailableError.__name__ in house.load()
    assert house.hashes() == good


def test_a_database_that_answers_nothing_is_an_error_in_time(
    url: sa.URL, proxy: Proxy, good: Hashes, tmp_path: Path
) -> None:
    """After the read timeout (1 s here), when connecting as well as in mid-read."""
    house = House(tmp_path, through(url, proxy), read_timeout=1)
    proxy.set(Faults(is_silent=True))
    assert SourceUnavailableError.__name__ in house.load()
    proxy.set(Faults())
    assert house.load() == ""
    assert house.hashes() == good


def test_silence_in_mid_read(url: sa.URL, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    database = call_server(through(url, proxy), history_start=MONDAY, read_timeout=1)
    before = proxy.replied
    assert len(read_records(database, MONDAY)) == 3_000
    usual = module.snapshot

    def silenced(*arguments: object) -> object:
        proxy.set(Faults(is_silent=True))
        return usual(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "snapshot", silenced)
    with pytest.raises(SourceUnavailableError, match="timed out") as caught:
        read_records(database, MONDAY)
    assert may_pass(caught.value)
    assert proxy.replied > before


def test_a_server_that_is_killed(good: Hashes, tmp_path: Path) -> None:
    with private_mariadb(tmp_path) as server:
        url = server.url.set(database="calls")
        on_mariadb(server.url, "CREATE DATABASE calls CHARACTER SET utf8mb4")
        write_server(url, {"_2025_11": ROWS}, {"_2025_11": TURNS})
        house = House(tmp_path / "home", url)
        stream = house.database.records([MONDAY, TUESDAY], CALL_RECORDS_RAW.schema.to_pyarrow())
        assert stream.read_next_batch().num_rows
        server.kill()
        with pytest.raises(SourceUnavailableError):
            stream.read_all()
        assert SourceUnavailableError.__name__ in house.load()
        assert house.hashes() == {}
        server.start()
        wait_until(lambda: bool(house.database.tables(MONDAY, MONDAY)), "the tables are there")
        assert house.load() == ""
        assert house.hashes() == good


@pytest.mark.parametrize(
    ("broken", "mended", "named"),
    [
        (f"RENAME TABLE {TABLE} TO away", f"RENAME TABLE away TO {TABLE}", f"the table {TABLE}"),
        (
            f"RENAME TABLE {DETAILS} TO away",
            f"RENAME TABLE away TO {DETAILS}",
            f"no table {DETAILS}",
        ),
        (
            f"ALTER TABLE {TABLE} RENAME COLUMN bill TO paid",
            f"ALTER TABLE {TABLE} RENAME COLUMN paid TO bill",
            f"{TABLE} has no column bill",
        ),
        (
            f"ALTER TABLE {TABLE} MODIFY duration varchar(20)",
            f"ALTER TABLE {TABLE} MODIFY duration int unsigned",
            f"column duration of table {TABLE} is declared VARCHAR(20)",
        ),
    ],
    ids=["table gone", "details gone", "column renamed", "type changed"],
)
def test_a_changed_table_is_named_and_other_days_go_on(
    url: sa.URL, good: Hashes, tmp_path: Path, broken: str, mended: str, named: str
) -> None:
    house = House(tmp_path, url)
    assert house.load() == ""
    on_mariadb(url, broken)
    try:
        assert named in house.load()
        assert house.hashes() == good
        assert read_records(house.database, date(2025, 10, 1)) == []
    finally:
        on_mariadb(url, mended)
    assert house.load() == ""
    assert house.hashes() == good


def loaded(home: Path, rows: Sequence[Row]) -> House:
    """An installation that has tried to load these rows from a database of their own."""
    with mariadb_database() as url:
        write_server(url, {"_2025_11": rows}, {"_2025_11": TURNS})
        house = House(home, url)
        house.problems = house.load()  # type: ignore[attr-defined]
        return house


def test_duplicates_change_no_call(good: Hashes, tmp_path: Path) -> None:
    # the dialler's retries: records of their own for one call, the last of which counts
    earlier = [row | {"id": f"a{n}-{row['id']}"} for n in range(9) for row in ROWS]
    house = loaded(tmp_path, [*earlier, *ROWS])
    clean = {key: hash_ for key, hash_ in house.hashes().items() if key[0].endswith("_clean")}
    assert clean == {key: hash_ for key, hash_ in good.items() if key in clean}
    assert len(clean) == 2
    assert len(house.rows("call_records_raw")) == 60_000


@pytest.mark.parametrize(
    ("share", "is_refused"), [(3_000, False), (20, True)], ids=["one row", "5 %"]
)
def test_poison_rows(tmp_path: Path, share: int, is_refused: bool) -> None:
    """One row is quarantined; a flood blocks the day, and nothing of it is published."""
    poison = {"calldate": "2025-11-24 10:00:00", "bill": 99_000}
    rows = [row | poison if n % share == 0 else row for n, row in enumerate(ROWS) if n % 2 == 0]
    house = loaded(tmp_path, rows)
    bad = house.rows("call_records_quarantine")
    if is_refused:
        assert "2025-11-24" in house.problems  # type: ignore[attr-defined]
        assert ("calls/call_records_clean", "2025-11-24") not in house.hashes()
    else:
        assert [row["reason"] for row in bad] == ["talk_longer_than_call"] * 2
        assert len(house.rows("call_records_clean")) == 2_998


def test_the_retry_policy_tries_what_may_pass_again() -> None:
    assert may_pass(SourceUnavailableError("silence"))
    assert not may_pass(SourceError("no such table"))
