"""Writers killed or frozen at every write point: the old partition or the new, never a mixture."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pytest
from storage_cases import (
    MONTHS,
    NEW,
    ORDERS,
    Writer,
    copied,
    day_keys,
    day_orders,
    opened,
    provenance,
    publish,
    revenue,
    rows_of,
    stage,
)

from cs_assets.contracts import Contract
from cs_resources.errors import StaleWriterError
from cs_resources.scratch import own_folder

KILLED = -9
Content = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Case:
    """Four partitions; a writer replaces the two in the middle, of which the second gets empty.

    `points` are the places at which the writer stops on its way.
    """

    contract: Contract
    keys: list[str]
    old: pa.Table
    new: pa.Table
    newer: pa.Table
    points: tuple[str, ...]

    @property
    def replaced(self) -> list[str]:
        return self.keys[1:3]

    def writer(self, root: Path) -> Writer:
        return Writer(root, self.contract, self.new, self.replaced, "writer")

    def writer_at(self, root: Path, number: int) -> Writer:
        """A writer that has reached the point of that number."""
        writer = self.writer(root)
        for _ in range(number):
            writer.go()
        assert writer.point == self.points[number]
        return writer

    def retry(self, root: Path, table: pa.Table) -> list[str]:
        """Publish in this process; return the content hashes."""
        with opened(root) as storage:
            staged = publish(storage, self.contract, table, self.replaced, "retry")
            return [audit.content_hash for audit in staged.audits.values()]

    def published(self, root: Path) -> list[str]:
        with opened(root) as storage:
            return list(storage.store(self.contract).published(self.contract, self.keys))

    def content(self, root: Path) -> Content:
        """The rows of every partition as a reader finds them, in the order of the key."""
        with opened(root) as storage:
            return self.by_partition(rows_of(storage, self.contract, self.keys))

    def by_partition(self, rows: Iterable[dict[str, Any]]) -> Content:
        found: Content = {key: [] for key in self.keys}
        for row in sorted(rows, key=lambda row: [row[name] for name in self.contract.key]):
            found[self.contract.partition_key(row[self.contract.partition_column])].append(row)
        return found

    def after(self, table: pa.Table) -> Content:
        """What readers find once the table is published over the old partitions."""
        replaced = {key: self.by_partition(table.to_pylist())[key] for key in self.replaced}
        return self.before | replaced

    @property
    def before(self) -> Content:
        return self.by_partition(self.old.to_pylist())


DAYS, PERIODS = day_keys(4), ["2025-01", "2025-02", "2025-03", "2025-04"]
LAKE = Case(
    contract=ORDERS,
    keys=DAYS,
    old=day_orders(DAYS, 3),
    new=day_orders(DAYS[1:2], 5, NEW),
    newer=day_orders(DAYS[1:3], 2, "newer"),
    points=("begun", "staged", "lake: audited", "lake: writing", "lake: committed"),
)
WAREHOUSE = Case(
    contract=MONTHS,
    keys=PERIODS,
    old=revenue(MONTHS, PERIODS, 1),
    new=revenue(MONTHS, PERIODS[1:2], 2, shops=5),
    newer=revenue(MONTHS, PERIODS[1:3], 3, shops=2),
    points=(
        "begun",
        "staged",
        "warehouse: audited",
        "warehouse: deleted",
        *["warehouse: loading"] * 3,
        "warehouse: before commit",
        "warehouse: committed",
    ),
)
both = pytest.mark.parametrize("case", [LAKE, WAREHOUSE], ids=["lake", "warehouse"])


def start(root: Path, case: Case) -> Path:
    """A store in which the old partitions are published."""
    with opened(root) as storage:
        publish(storage, case.contract, case.old, case.keys, "start")
    return root


@both
def test_readers_on_the_way_see_the_old_rows_until_the_commit(tmp_path: Path, case: Case) -> None:
    writer, seen = case.writer(start(tmp_path, case)), []
    while writer.point != "done":
        seen.append((writer.point, case.content(tmp_path)))
        writer.go()
    assert [point for point, _ in seen] == list(case.points)
    assert all(content == case.before for _, content in seen[:-1])
    assert seen[-1][1] == case.content(tmp_path) == case.after(case.new)


@both
def test_killed_at_every_write_point(tmp_path: Path, case: Case) -> None:
    origin, after = start(tmp_path / "origin", case), case.after(case.new)
    faultless = case.retry(copied(origin, tmp_path / "faultless"), case.new)
    for number, point in enumerate(case.points):
        root = copied(origin, tmp_path / str(number))
        assert case.writer_at(root, number).kill() == KILLED
        assert case.content(root) == (after if point.endswith("committed") else case.before)
        assert case.retry(root, case.new) == faultless
        assert case.content(root) == after
        folders = [path for path in (root / "staging").iterdir() if path.is_dir()]
        assert folders == [own_folder(root / "staging")], "the victim's folder is cleared away"


@both
@pytest.mark.parametrize("number", [0, 3])
def test_killed_in_the_very_first_write(tmp_path: Path, case: Case, number: int) -> None:
    assert case.writer_at(tmp_path, number).kill() == KILLED
    assert case.published(tmp_path) == []
    case.retry(tmp_path, case.new)
    assert case.published(tmp_path) == case.replaced


@pytest.mark.parametrize(
    ("case", "number"),
    [*((LAKE, number) for number in range(4)), *((WAREHOUSE, number) for number in range(3))],
    ids=lambda value: value.contract.place if isinstance(value, Case) else None,
)
def test_frozen_until_a_retry_has_run(tmp_path: Path, case: Case, number: int) -> None:
    start(tmp_path, case)
    frozen = case.writer_at(tmp_path, number)
    frozen.freeze()
    case.retry(tmp_path, case.newer)
    frozen.let_go()
    frozen.thaw()
    assert frozen.outcome() == "StaleWriterError"
    assert case.content(tmp_path) == case.after(case.newer)


@pytest.mark.parametrize("number", [3, 4, 7])
def test_frozen_in_its_transaction_a_writer_keeps_others_out(tmp_path: Path, number: int) -> None:
    case, refused = WAREHOUSE, []
    frozen = case.writer_at(start(tmp_path, case), number)
    frozen.freeze()
    assert case.content(tmp_path) == case.before
    with opened(tmp_path) as storage:
        storage.begin("retry", [(case.contract, case.replaced)])
        staged = stage(storage, case.contract, case.newer, case.replaced)

        def retry() -> None:
            try:
                storage.publish("retry", staged, provenance("retry"))
            except StaleWriterError as error:
                refused.append(error)

        waiting = Thread(target=retry)
        waiting.start()
        frozen.let_go()
        frozen.thaw()
        assert frozen.outcome() == "done"
        waiting.join()
    assert len(refused) == 1
    assert case.content(tmp_path) == case.after(case.new)


def test_a_living_process_keeps_its_staged_files(tmp_path: Path) -> None:
    writer = LAKE.writer_at(tmp_path, 1)
    (staged,) = (tmp_path / "staging").glob("*/*.parquet")
    assert own_folder(tmp_path / "staging") != staged.parent
    assert staged.exists()
    writer.let_go()
    assert writer.outcome() == "done"
    assert not staged.parent.exists()
