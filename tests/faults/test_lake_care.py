"""Maintenance with readers in the middle of a stream, and killed at every point."""

import os
import signal
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from shutil import copytree
from typing import Any

from deltalake import DeltaTable
from lake_cases import (
    MUCH_LATER,
    NOW,
    care,
    grown,
    on_disk,
    scatter,
)
from storage_cases import (
    _PROCESSES,
    NEW,
    ORDERS,
    day_keys,
    day_orders,
    hashes,
    opened,
    publish,
    rows_of,
)

from cs_resources.storage import Storage

DAYS = day_keys(3)
DAY, OTHER = DAYS[0], DAYS[1]


def test_a_lazy_table_opened_before_is_read_on_afterwards(storage: Storage) -> None:
    grown(storage)
    lazy = storage.lake.read(ORDERS, DAYS)
    batches = storage.lake.stream(ORDERS, DAYS)
    publish(storage, ORDERS, day_orders(DAYS, 1, NEW), DAYS, "new")
    care(storage, NOW + timedelta(days=28))
    assert lazy.count().to_pyarrow().as_py() == 3 * 14
    assert batches.read_all().num_rows == 3 * 14


def _read_slowly(connection: Any, root: Path, days: Sequence[str]) -> None:
    with opened(root) as storage:
        lazy = storage.lake.read(ORDERS, days)
        stream = storage.lake.stream(ORDERS, days)
        rows = stream.read_next_batch().num_rows
        connection.send(rows)
        connection.recv()
        rows += sum(batch.num_rows for batch in stream)
        connection.send((rows, lazy.count().to_pyarrow().as_py()))


def test_a_stream_of_another_process_is_read_to_its_end(tmp_path: Path) -> None:
    with opened(tmp_path) as storage:
        publish(storage, ORDERS, day_orders(DAYS, 90_000), DAYS, "old")
        scatter(storage, ORDERS, DAY)
        ours, theirs = _PROCESSES.Pipe()
        reader = _PROCESSES.Process(target=_read_slowly, args=(theirs, tmp_path, DAYS))
        reader.start()
        assert 0 < ours.recv() < 270_000
        publish(storage, ORDERS, day_orders(DAYS[2:], 1, NEW), DAYS[2:], "new")
        assert care(storage, NOW + timedelta(days=28)).compacted == 1
        ours.send("go on")
        assert ours.recv() == (270_000, 270_000)
        reader.join()


def _maintain_and_die(root: Path, number: int, now: datetime) -> None:
    left = number

    def reached(point: str) -> None:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    with opened(root, reached=reached) as storage:
        care(storage, now)


def test_killed_at_every_point_of_maintenance(tmp_path: Path) -> None:
    with opened(tmp_path / "origin") as storage:
        grown(storage, 11)
        DeltaTable(storage.lake.uri(ORDERS)).create_checkpoint()
        publish(storage, ORDERS, day_orders([OTHER], 2), [OTHER], "last")
        content, numbers = hashes(storage, ORDERS, DAYS), storage.lake.published(ORDERS, DAYS)
    points: list[str] = []
    whole = copytree(tmp_path / "origin", tmp_path / "whole")
    with opened(whole, reached=points.append) as storage:
        care(storage, MUCH_LATER)
    assert len(points) > 40
    assert {point.split(":")[0] for point in points} == {"maintenance"}
    for number in sorted({*range(4), *range(4, len(points), 9), len(points) - 1}):
        root = copytree(tmp_path / "origin", tmp_path / str(number))
        victim = _PROCESSES.Process(target=_maintain_and_die, args=(root, number, MUCH_LATER))
        victim.start()
        victim.join()
        assert victim.exitcode == -signal.SIGKILL
        with opened(root) as storage:
            assert hashes(storage, ORDERS, DAYS) == content
            assert storage.lake.published(ORDERS, DAYS) == numbers
            care(storage, MUCH_LATER)
            assert hashes(storage, ORDERS, DAYS) == content
            publish(storage, ORDERS, day_orders([DAY], 1, NEW), [DAY], "after")
            assert len(rows_of(storage, ORDERS, [DAY])) == 1
            assert on_disk(storage) == 4
