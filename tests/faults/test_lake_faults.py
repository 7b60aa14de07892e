"""Faults of the lake: full disks, rivals, poison rows, care at the same time."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import pyarrow as pa
import pytest
import sqlalchemy as sa
from deltalake import write_deltalake
from lake_cases import RETENTION, scatter
from storage_cases import (
    CONTRACTS,
    NEW,
    OLD,
    ORDERS,
    Writer,
    day_keys,
    day_orders,
    hashes,
    opened,
    order,
    orders,
    publish,
    rows_of,
)

from cs_resources.errors import DiskFullError
from cs_resources.failures import may_pass
from cs_resources.lake_maintenance import Report, maintain
from cs_resources.storage import Storage

DAYS = day_keys(3)
_LIBC = ctypes.CDLL(None, use_errno=True)
_BYTES = 8 * 1024**2


def _mount(folder: Path) -> str:
    """Mount a small file system; return why not, or nothing."""
    options = f"size={_BYTES}".encode()
    if _LIBC.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, options) == 0:
        return ""
    return os.strerror(ctypes.get_errno())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    if problem := _mount(folder):
        pytest.skip(f"a full disk: mounting a tmpfs needs root ({problem})")
    try:
        yield folder
    finally:
        # at once for everybody but those who hold a file open, as DuckDB may
        _LIBC.umount2(os.fsencode(folder), 2)


@contextmanager
def filled(disk: Path, but: int = 0) -> Iterator[None]:
    """Fill the disk up to `but` bytes, and make space again at the end."""
    state = os.statvfs(disk)
    filler = disk / "filler"
    filler.write_bytes(b"x" * (state.f_bavail * state.f_frsize - but))
    try:
        yield
    finally:
        filler.unlink()


def on(lake: Path, staging: Path, home: Path, **more: object) -> Storage:
    """A store with its lake and its staging folder in places of their own."""
    url = sa.URL.create("sqlite", database=str(home / "warehouse.sqlite"))
    return Storage(CONTRACTS, lake, url, staging, **more)  # type: ignore[arg-type]


def faultless(home: Path, table: pa.Table) -> dict[str, str]:
    with opened(home) as storage:
        publish(storage, ORDERS, table, DAYS)
        return hashes(storage, ORDERS, DAYS)


def test_a_full_disk_while_staging(tmp_path: Path, small_disk: Path) -> None:
    table = day_orders(DAYS, 20_000, NEW)
    storage = on(tmp_path / "lake", small_disk / "staging", tmp_path)
    publish(storage, ORDERS, day_orders(DAYS), DAYS, "old")
    with (
        filled(small_disk, but=16_384),
        pytest.raises(DiskFullError, match=f"no space is left in {storage.scratch}") as caught,
    ):
        publish(storage, ORDERS, table, DAYS, "full")
    assert "Free some space" in str(caught.value)
    assert not may_pass(caught.value)
    assert not list(storage.scratch.glob("*.parquet"))
    assert {row["note"] for row in rows_of(storage, ORDERS, DAYS)} == {OLD}
    publish(storage, ORDERS, table, DAYS, "again")
    assert hashes(storage, ORDERS, DAYS) == faultless(tmp_path / "faultless", table)


@pytest.mark.parametrize("but", [0, 65_536], ids=["at once", "on the way"])
def test_a_full_disk_while_data_files_are_written(
    tmp_path: Path, small_disk: Path, but: int
) -> None:
    table = day_orders(DAYS, 20_000, NEW)
    storage = on(small_disk / "lake", tmp_path / "staging", tmp_path)
    publish(storage, ORDERS, day_orders(DAYS), DAYS, "old")
    before = hashes(storage, ORDERS, DAYS)
    folder = storage.lake.uri(ORDERS)
    with (
        filled(small_disk, but),
        pytest.raises(DiskFullError, match=f"shop/orders: no space is left in {folder}"),
    ):
        publish(storage, ORDERS, table, DAYS, "full")
    assert hashes(storage, ORDERS, DAYS) == before
    publish(storage, ORDERS, table, DAYS, "again")
    assert hashes(storage, ORDERS, DAYS) == faultless(tmp_path / "faultless", table)


@pytest.mark.parametrize("is_new", [True, False], ids=["first commit", "later commit"])
def test_a_full_disk_while_the_log_is_written(
    tmp_path: Path, small_disk: Path, is_new: bool
) -> None:
    root = tmp_path / "lake" / "shop" / "orders"
    log = small_disk / "log"
    log.mkdir()
    root.mkdir(parents=True)
    (root / "_delta_log").symlink_to(log)
    storage = on(tmp_path / "lake", tmp_path / "staging", tmp_path)
    if not is_new:
        publish(storage, ORDERS, day_orders(DAYS), DAYS, "old")
    with (
        filled(small_disk),
        pytest.raises(DiskFullError, match="shop/orders: no space is left in"),
    ):
        publish(storage, ORDERS, day_orders(DAYS, 5, NEW), DAYS, "full")
    if not is_new:
        assert {row["note"] for row in rows_of(storage, ORDERS, DAYS)} == {OLD}
    publish(storage, ORDERS, day_orders(DAYS, 5, NEW), DAYS, "again")
    table = day_orders(DAYS, 5, NEW)
    assert hashes(storage, ORDERS, DAYS) == faultless(tmp_path / "faultless", table)


def test_a_full_disk_during_maintenance(tmp_path: Path, small_disk: Path) -> None:
    storage = on(small_disk / "lake", tmp_path / "staging", tmp_path)
    publish(storage, ORDERS, day_orders(DAYS, 5_000), DAYS, "old")
    scatter(storage, ORDERS, DAYS[0])
    before = hashes(storage, ORDERS, DAYS)
    with filled(small_disk), pytest.raises(DiskFullError, match="no space is left"):
        maintain(storage.lake, ORDERS, RETENTION, datetime.now(UTC))
    assert hashes(storage, ORDERS, DAYS) == before
    report = maintain(storage.lake, ORDERS, RETENTION, datetime.now(UTC))
    assert report is not None
    assert report.compacted == 1
    assert hashes(storage, ORDERS, DAYS) == before


def test_of_two_runs_at_once_one_result_stands_and_nobody_waits(tmp_path: Path) -> None:
    with opened(tmp_path) as storage:
        publish(storage, ORDERS, day_orders(DAYS), DAYS, "old")
    tables = {note: day_orders(DAYS, rows, note) for note, rows in (("a", 40), ("b", 60))}
    writers = {note: Writer(tmp_path, ORDERS, t, DAYS, note) for note, t in tables.items()}
    for writer in writers.values():
        writer.go_until("lake: audited")
    for writer in writers.values():
        writer.let_go()
    outcomes = {note: writer.outcome() for note, writer in writers.items()}
    assert sorted(outcomes.values()) == ["StaleWriterError", "done"]
    (winner,) = [note for note, outcome in outcomes.items() if outcome == "done"]
    with opened(tmp_path) as storage:
        assert hashes(storage, ORDERS, DAYS) == faultless(tmp_path / "alone", tables[winner])


@pytest.mark.parametrize("poison", [1, 5], ids=["1 row", "5 %"])
def test_poison_rows_keep_their_day_back_and_no_other(storage: Storage, poison: int) -> None:
    publish(storage, ORDERS, day_orders(DAYS), DAYS, "old")
    before = hashes(storage, ORDERS, DAYS)
    bad = orders(order(DAYS[1], 1_000 + n, state="lost") for n in range(poison))
    table = pa.concat_tables([day_orders(DAYS, 100, NEW), bad])
    staged = publish(storage, ORDERS, table, DAYS, "poisoned")
    assert list(staged.failures) == [DAYS[1]]
    assert f"{poison} rows" in staged.failures[DAYS[1]][0]
    after = hashes(storage, ORDERS, DAYS)
    assert [day for day in DAYS if after[day] == before[day]] == [DAYS[1]]
    publish(storage, ORDERS, day_orders(DAYS, 100, NEW), DAYS, "cured")
    assert len(rows_of(storage, ORDERS, DAYS)) == 300


def test_writers_and_readers_during_maintenance(tmp_path: Path) -> None:
    """No writer is refused, every reader gets whole versions, and files are joined meanwhile."""
    reports, problems = list[Report](), list[BaseException]()
    is_over = Event()

    def care() -> None:
        try:
            with opened(tmp_path / "shop") as other:
                while not is_over.is_set():
                    report = maintain(other.lake, ORDERS, RETENTION, datetime.now(UTC))
                    reports.extend([report] if report else [])
        except BaseException as error:  # noqa: BLE001  told below
            problems.append(error)

    with opened(tmp_path / "shop") as storage:
        publish(storage, ORDERS, day_orders(DAYS, 30), DAYS, "start")
        carer = Thread(target=care)
        carer.start()
        try:
            for n in range(200):
                storage.begin(f"run {n}", [(ORDERS, DAYS[:2])])
                for day in DAYS:  # a second file, for the carer to join with the first
                    write_deltalake(storage.lake.uri(ORDERS), day_orders([day], 1), mode="append")
                publish(storage, ORDERS, day_orders(DAYS[:2], 30, f"{n}"), DAYS[:2], f"run {n}")
                notes = [row["note"] for row in rows_of(storage, ORDERS, DAYS[:2])]
                assert notes == [f"{n}"] * 60
                if problems or (n >= 10 and any(report.compacted for report in reports)):
                    break
        finally:
            is_over.set()
            carer.join()
        assert problems == []
        assert any(report.compacted for report in reports)
        assert len(rows_of(storage, ORDERS, DAYS[2:])) == 30 + n + 1
