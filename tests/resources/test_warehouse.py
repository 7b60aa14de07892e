"""The warehouse: a partition is swapped in one transaction, by one writer, once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from storage_cases import (
    MONTHS,
    QUARTERS,
    WEEKS,
    Writer,
    hashes,
    opened,
    provenance,
    publish,
    revenue,
    rows_of,
    stage,
)

from cs_assets.contracts import Contract
from cs_resources.errors import (
    ConfigurationError,
    MissingPartitionError,
    StaleWriterError,
)
from cs_resources.sql_dialects import Dialect, dialect_of
from cs_resources.storage import Storage

pytestmark = pytest.mark.usefixtures("either_warehouse")
KEYS = ["2025-01", "2025-02", "2025-03"]
KEY, OTHER = KEYS[0], KEYS[1]


def cents(storage: Storage, key: str, contract: Contract = MONTHS) -> set[int]:
    return {row["revenue"] for row in rows_of(storage, contract, [key])}


def test_readers_see_the_old_rows_until_the_commit(tmp_path: Path) -> None:
    seen: list[tuple[str, set[int]]] = []
    with opened(tmp_path) as reader:
        with opened(tmp_path) as storage:
            publish(storage, MONTHS, revenue(MONTHS, [KEY], 1), [KEY], "old")
        look = lambda point: seen.append((point, cents(reader, KEY)))  # noqa: E731
        with opened(tmp_path, reached=look) as storage:
            publish(storage, MONTHS, revenue(MONTHS, [KEY], 2), [KEY], "new")
    assert seen == [
        ("warehouse: audited", {1}),
        ("warehouse: deleted", {1}),
        ("warehouse: loading", {1}),
        ("warehouse: before commit", {1}),
        ("warehouse: committed", {2}),
    ]


def test_a_reader_starts_while_somebody_writes(tmp_path: Path) -> None:
    with opened(tmp_path) as storage, opened(tmp_path) as reader:
        publish(storage, MONTHS, revenue(MONTHS, [KEY], 1), [KEY])
        warehouse = storage.warehouse
        with warehouse.dialect.write_transaction(warehouse.engine) as connection:
            connection.execute(warehouse.table(MONTHS).delete())
            assert cents(reader, KEY) == {1}


def test_a_stale_writer_is_refused_and_others_are_not(storage: Storage) -> None:
    storage.begin("loser", [(MONTHS, [KEY])])
    storage.begin("other", [(MONTHS, [OTHER])])
    publish(storage, MONTHS, revenue(MONTHS, [KEY], 1), [KEY], "winner")
    with pytest.raises(StaleWriterError, match="run winner published partition 2025-01"):
        publish(storage, MONTHS, revenue(MONTHS, [KEY], 2), [KEY], "loser")
    publish(storage, MONTHS, revenue(MONTHS, [OTHER], 3), [OTHER], "other")
    assert (cents(storage, KEY), cents(storage, OTHER)) == ({1}, {3})


def test_a_withdrawn_partition_makes_a_writer_stale(storage: Storage) -> None:
    publish(storage, MONTHS, revenue(MONTHS, [KEY]), [KEY], "first")
    storage.begin("loser", [(MONTHS, [KEY])])
    with storage.warehouse.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM partition_version")
    with pytest.raises(StaleWriterError, match="somebody withdrew partition 2025-01"):
        publish(storage, MONTHS, revenue(MONTHS, [KEY]), [KEY], "loser")


class LostReply:
    """Breaks the connection just after, or just before, the first commit of a dialect."""

    def __init__(self, dialect: Dialect, is_applied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_applied, self.transactions = is_applied, 0
        self._begin = dialect.write_transaction
        monkeypatch.setattr(type(dialect), "write_transaction", lambda _, engine: self(engine))

    @contextmanager
    def __call__(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        self.transactions += 1
        is_lost = self.transactions == 1
        lost = sa.exc.OperationalError("COMMIT", {}, ConnectionError("reply lost"))
        with self._begin(engine) as connection:
            yield connection
            if is_lost and not self.is_applied:
                raise lost
        if is_lost:
            raise lost


@pytest.mark.parametrize("is_applied", [True, False])
def test_a_lost_reply_to_commit_is_looked_up(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, is_applied: bool
) -> None:
    publish(storage, MONTHS, revenue(MONTHS, KEYS, 1), KEYS, "old")
    reply = LostReply(storage.warehouse.dialect, is_applied, monkeypatch)
    table = revenue(MONTHS, [KEY], 2)
    if is_applied:
        publish(storage, MONTHS, table, [KEY], "new")
    else:
        with pytest.raises(sa.exc.OperationalError, match="reply lost"):
            publish(storage, MONTHS, table, [KEY], "new")
    assert reply.transactions >= 1
    assert cents(storage, KEY) == ({2} if is_applied else {1})
    assert len(rows_of(storage, MONTHS, KEYS)) == 9
    version = storage.warehouse.published(MONTHS, [KEY])[KEY]
    assert (version.version, version.run_id) == ((2, "new") if is_applied else (1, "old"))


@pytest.mark.parametrize("point", ["deleted", "loading", "before commit"])
def test_a_failure_on_the_way_rolls_back(tmp_path: Path, point: str) -> None:
    def fail(reached: str) -> None:
        if reached == f"warehouse: {point}" and "armed" in failing:
            raise ConnectionError("cut")

    failing: set[str] = set()
    with opened(tmp_path, reached=fail) as storage:
        publish(storage, MONTHS, revenue(MONTHS, KEYS, 1), KEYS, "old")
        before = hashes(storage, MONTHS, KEYS)
        failing.add("armed")
        with pytest.raises(ConnectionError, match="cut"):
            publish(storage, MONTHS, revenue(MONTHS, KEYS, 2), KEYS, "new")
        assert hashes(storage, MONTHS, KEYS) == before
        assert {v.version for v in storage.warehouse.published(MONTHS, KEYS).values()} == {1}
        assert not list(storage.scratch.glob("*.parquet"))
        failing.clear()
        publish(storage, MONTHS, revenue(MONTHS, KEYS, 2), KEYS, "retry")
        assert cents(storage, KEY) == {2}


def test_rows_that_get_lost_on_the_way_roll_back(storage: Storage) -> None:
    storage.begin("run", [(MONTHS, [KEY])])
    staged = stage(storage, MONTHS, revenue(MONTHS, [KEY]), [KEY])
    more = {KEY: replace(staged.audits[KEY], rows=4)}
    with pytest.raises(RuntimeError, match="holds 3 rows of the partitions, 4 were audited"):
        storage.publish("run", replace(staged, audits=more), provenance("run"))
    assert storage.warehouse.published(MONTHS, [KEY]) == {}


def test_grains_share_a_table_without_touching_each_other(storage: Storage) -> None:
    weeks, quarters = ["2025-W01-1", "2025-W02-1"], ["2025-01"]
    for contract, keys in ((WEEKS, weeks), (MONTHS, KEYS), (QUARTERS, quarters)):
        publish(storage, contract, revenue(contract, keys, 1), keys, contract.name)
    months = hashes(storage, MONTHS, KEYS)
    publish(storage, WEEKS, revenue(WEEKS, weeks[:1], 2), weeks[:1], "again")
    assert hashes(storage, MONTHS, KEYS) == months
    assert [cents(storage, week, WEEKS) for week in weeks] == [{2}, {1}]
    assert cents(storage, "2025-01", QUARTERS) == {1}
    with storage.warehouse.engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM shop_revenue")) == 18


def test_bad_partitions_keep_their_old_version(storage: Storage) -> None:
    publish(storage, MONTHS, revenue(MONTHS, KEYS, 1), KEYS, "old")
    table = pa.concat_tables([revenue(MONTHS, KEYS, 2), revenue(MONTHS, [OTHER], 3, shops=1)])
    staged = publish(storage, MONTHS, table, KEYS, "new")
    assert list(staged.failures) == [OTHER]
    assert [cents(storage, key) for key in KEYS] == [{2}, {1}, {2}]


def test_version_rows_tell_what_was_published(storage: Storage) -> None:
    publish(storage, MONTHS, revenue(MONTHS, KEYS, 1), KEYS, "first")
    staged = publish(storage, MONTHS, revenue(MONTHS, [KEY], 2, shops=2), [KEY, OTHER], "second")
    rows = storage.warehouse.published(MONTHS, KEYS)
    assert {key: (row.version, row.rows, row.run_id) for key, row in rows.items()} == {
        KEY: (2, 2, "second"),
        OTHER: (2, 0, "second"),
        KEYS[2]: (1, 3, "first"),
    }
    assert rows[KEY].content_hash == staged.audits[KEY].content_hash
    assert rows[KEY].content_hash == hashes(storage, MONTHS, [KEY])[KEY]
    assert (rows[KEY].write_id, rows[KEY].fingerprint) == ("second/0", "1")
    assert storage.warehouse.total(MONTHS, "revenue", KEY) == 4
    assert rows_of(storage, MONTHS, [OTHER]) == []


def test_missing_partitions_are_named(storage: Storage) -> None:
    publish(storage, MONTHS, revenue(MONTHS, [KEY]), [KEY])
    with pytest.raises(MissingPartitionError, match="has no published partition 2025-02, 2025-03"):
        storage.read(MONTHS, KEYS)


def test_a_table_without_partitions_is_replaced_as_a_whole(tmp_path: Path) -> None:
    whole = replace(MONTHS, grain=None, partition_column=None)
    with opened(tmp_path, whole) as storage:
        publish(storage, whole, revenue(MONTHS, KEYS), ["all"], "first")
        publish(storage, whole, revenue(MONTHS, [KEY], 5), ["all"], "second")
        assert {row["revenue"] for row in rows_of(storage, whole, ["all"])} == {5}


def test_databases_that_are_not_supported_are_named() -> None:
    with pytest.raises(ConfigurationError, match="oracle is not a supported warehouse"):
        dialect_of(sa.make_url("oracle://x"))


def writers(root: Path, keys: list[str]) -> list[Any]:
    """One process for each key, all of them about to publish."""
    found = [
        Writer(root, MONTHS, revenue(MONTHS, [key], number), [key], f"writer-{number}")
        for number, key in enumerate(keys)
    ]
    for writer in found:
        writer.go_until("warehouse: audited")
    return found


def test_four_processes_publish_four_partitions_at_once(tmp_path: Path) -> None:
    keys = [*KEYS, "2025-04"]
    at_once = writers(tmp_path, keys)
    for writer in at_once:
        writer.let_go()
    assert [writer.outcome() for writer in at_once] == ["done"] * 4
    with opened(tmp_path) as storage:
        assert [cents(storage, key) for key in keys] == [{0}, {1}, {2}, {3}]


def test_of_four_processes_on_one_partition_exactly_one_wins(tmp_path: Path) -> None:
    at_once = writers(tmp_path, [KEY] * 4)
    for writer in at_once:
        writer.let_go()
    outcomes = [writer.outcome() for writer in at_once]
    assert sorted(outcomes) == [*["StaleWriterError"] * 3, "done"]
    with opened(tmp_path) as storage:
        assert cents(storage, KEY) == {outcomes.index("done")}
        assert storage.warehouse.published(MONTHS, [KEY])[KEY].version == 1
