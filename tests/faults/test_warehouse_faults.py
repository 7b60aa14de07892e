"""Faults of the warehouse: the old partition stays, the error says why, a retry gives the same."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
import test_kill
from private_postgres import PrivateServer, enlarge, private_postgres, small_disk
from proxy import Faults, Proxy, proxied
from servers import postgres_warehouses
from storage_cases import MONTHS, hashes, opened, publish, revenue, rows_of

from cs_resources import postgres_connection, postgres_dialect
from cs_resources.failures import may_pass
from cs_resources.storage import Storage
from cs_resources.timeouts import DEFAULT, Timeouts

KEYS = ["2025-01", "2025-02"]
KEY = KEYS[:1]
SHOPS = 500
POINTS = ["deleted", "loading", "before commit"]
QUICK = Timeouts(statement=1, lock=20, idle=20)


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateServer]:
    """A server that only these tests use."""
    with private_postgres() as server:
        yield server


@pytest.fixture
def url(server: PrivateServer) -> sa.URL:
    """An empty database on it."""
    return server.database()


class Fault:
    """Happens once, when a publication reaches `point`, after it was armed."""

    def __init__(self, point: str, happen: Callable[[], object]) -> None:
        self._point, self._happen, self.is_armed = f"warehouse: {point}", happen, False

    def __call__(self, reached: str) -> None:
        if self.is_armed and reached == self._point:
            self.is_armed = False
            self._happen()


def new(storage: Storage) -> str:
    """Publish the new rows of KEY; return their content hash."""
    staged = publish(storage, MONTHS, revenue(MONTHS, KEY, 2, SHOPS), KEY, "new")
    return staged.audits[KEY[0]].content_hash


def old(storage: Storage) -> dict[str, str]:
    publish(storage, MONTHS, revenue(MONTHS, KEYS, 1, SHOPS), KEYS, "old")
    return hashes(storage, MONTHS, KEYS)


def faultless(tmp_path: Path) -> str:
    with opened(tmp_path / "faultless") as storage:
        old(storage)
        return new(storage)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(server: PrivateServer) -> bool:
    with suppress(psycopg.OperationalError):
        server.writers(None)
        return True
    return False


def require_same_after_retry(
    tmp_path: Path, url: sa.URL, fault: Fault, repair: Callable[[], object], **more: object
) -> sa.exc.DBAPIError:
    """A fault in mid-publish: the old rows stay, a retry gives what a faultless run gives."""
    with opened(tmp_path, url=url, reached=fault, **more) as storage:
        before = old(storage)
        fault.is_armed = True
        with pytest.raises(sa.exc.DBAPIError) as caught:
            new(storage)
        assert not fault.is_armed, "the point was reached"
        repair()
        assert hashes(storage, MONTHS, KEYS) == before
        assert new(storage) == faultless(tmp_path) == hashes(storage, MONTHS, KEY)[KEY[0]]
        assert len(rows_of(storage, MONTHS, KEYS)) == 2 * SHOPS
        assert storage.warehouse.published(MONTHS, KEY)[KEY[0]].version == 2
    return caught.value


@pytest.mark.parametrize("point", POINTS)
def test_the_server_stops_at_once(
    tmp_path: Path, server: PrivateServer, url: sa.URL, point: str
) -> None:
    fault = Fault(point, server.stop)
    assert may_pass(require_same_after_retry(tmp_path, url, fault, server.start))


@pytest.mark.parametrize("point", POINTS)
def test_a_backend_is_killed(
    tmp_path: Path, server: PrivateServer, url: sa.URL, point: str
) -> None:
    def kill() -> None:
        (backend,) = server.writers(url.database)
        os.kill(backend, signal.SIGKILL)

    # the server ends all its backends and recovers
    fault = Fault(point, kill)
    recovered = lambda: wait_until(lambda: answers(server))  # noqa: E731
    assert may_pass(require_same_after_retry(tmp_path, url, fault, recovered))


@pytest.fixture
def proxy(server: PrivateServer) -> Iterator[Proxy]:
    """A proxy in front of the server."""
    with proxied("127.0.0.1", server.port) as proxy:
        yield proxy


def test_the_reply_to_commit_is_lost(tmp_path: Path, url: sa.URL, proxy: Proxy) -> None:
    fault = Fault("before commit", lambda: proxy.set(Faults(cut_at_request=b"COMMIT\0")))
    with opened(tmp_path, url=url.set(port=proxy.port), reached=fault) as storage:
        old(storage)
        fault.is_armed = True
        assert new(storage) == faultless(tmp_path) == hashes(storage, MONTHS, KEY)[KEY[0]]
        assert not fault.is_armed
        assert storage.warehouse.published(MONTHS, KEY)[KEY[0]].version == 2
        assert len(storage.warehouse.restatements(MONTHS)) == 1


@pytest.mark.parametrize("point", POINTS)
def test_the_database_answers_nothing(
    tmp_path: Path, url: sa.URL, proxy: Proxy, point: str
) -> None:
    def repair() -> None:
        proxy.cut()
        proxy.set(Faults())

    fault = Fault(point, lambda: proxy.set(Faults(is_silent=True)))
    through = url.set(port=proxy.port)
    error = require_same_after_retry(tmp_path, through, fault, repair, timeouts=QUICK)
    assert may_pass(error)
    assert "the database answered nothing for 4 s" in str(error)


def test_silence_is_an_error_within_a_minute() -> None:
    silence = DEFAULT.statement + postgres_connection.SILENCE_SECONDS
    lookup = postgres_connection.CONNECT_SECONDS + postgres_dialect.SETTLING_SECONDS
    assert silence + lookup <= 60


def test_a_statement_that_takes_too_long_is_ended(tmp_path: Path, url: sa.URL) -> None:
    with opened(tmp_path, url=url, timeouts=QUICK) as storage:
        with (
            storage.warehouse.engine.connect() as connection,
            pytest.raises(sa.exc.OperationalError, match="statement timeout") as caught,
        ):
            connection.execute(sa.text("SELECT pg_sleep(30)"))
        assert may_pass(caught.value)


def test_the_disk_of_postgresql_is_full(tmp_path: Path, server: PrivateServer) -> None:
    with small_disk(24) as disk:
        engine = sa.create_engine(server.url(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE TABLESPACE small LOCATION '{disk}'")
        url = server.database("TABLESPACE small")
        fill = Fault("deleted", lambda: (disk / "ballast").write_bytes(bytes(_free(disk))))
        error = require_same_after_retry(tmp_path, url, fill, lambda: enlarge(disk, 96))
        assert "No space left on device" in str(error)
        assert may_pass(error)
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {url.database} WITH (FORCE)")
            connection.exec_driver_sql("DROP TABLESPACE small")
        engine.dispose()


def test_the_disk_of_sqlite_is_full(tmp_path: Path) -> None:
    with small_disk(4) as disk:
        url = sa.URL.create("sqlite", database=str(disk / "warehouse.sqlite"))
        fill = Fault("deleted", lambda: (disk / "ballast").write_bytes(bytes(_free(disk))))
        error = require_same_after_retry(tmp_path, url, fill, lambda: (disk / "ballast").unlink())
        assert "disk is full" in str(error) or "disk I/O error" in str(error)


def _free(disk: Path) -> int:
    status = os.statvfs(disk)
    return status.f_bavail * status.f_frsize


@pytest.fixture
def on_postgresql() -> Iterator[None]:
    """Stores have their warehouses on the shared server."""
    with postgres_warehouses():
        yield


@pytest.mark.usefixtures("on_postgresql")
class TestWriters:
    """The writers of `test_kill`, on PostgreSQL."""

    case = test_kill.WAREHOUSE

    def test_readers_on_the_way_see_the_old_rows(self, tmp_path: Path) -> None:
        test_kill.test_readers_on_the_way_see_the_old_rows_until_the_commit(tmp_path, self.case)

    def test_killed_at_every_write_point(self, tmp_path: Path) -> None:
        test_kill.test_killed_at_every_write_point(tmp_path, self.case)

    @pytest.mark.parametrize("number", [0, 3])
    def test_killed_in_the_very_first_write(self, tmp_path: Path, number: int) -> None:
        test_kill.test_killed_in_the_very_first_write(tmp_path, self.case, number)

    @pytest.mark.parametrize("number", range(3))
    def test_frozen_until_a_retry_has_run(self, tmp_path: Path, number: int) -> None:
        test_kill.test_frozen_until_a_retry_has_run(tmp_path, self.case, number)

    @pytest.mark.parametrize("number", [3, 4, 7])
    def test_frozen_in_its_transaction(self, tmp_path: Path, number: int) -> None:
        test_kill.test_frozen_in_its_transaction_a_writer_keeps_others_out(tmp_path, number)
