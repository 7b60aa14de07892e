"""The lake's memory: what was published when, what was restated, and the log that says so."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_cases import committed_at
from storage_cases import (
    NEW,
    ORDERS,
    TITLES,
    arrow,
    day_keys,
    day_orders,
    hashes,
    opened,
    publish,
    rows_of,
)

from cs_assets.contracts import UNPARTITIONED, Contract
from cs_resources.delta_log import DeltaLog
from cs_resources.errors import MissingPartitionError, RemovedVersionError
from cs_resources.lake_history import version_at
from cs_resources.storage import Storage
from cs_resources.writing import Restatement

DAYS = day_keys(4)
DAY, OTHER = DAYS[0], DAYS[1]
EARLY = datetime(2000, 1, 1, tzinfo=UTC)
Key = tuple[Any, ...]


def titles(*texts: str) -> Any:
    return arrow(TITLES, [{"title_id": n, "title": text} for n, text in enumerate(texts)])


def known(storage: Storage, day: str, instant: datetime) -> list[Any] | None:
    """The notes of a day as they were known; None: not published."""
    try:
        found = storage.lake.read(ORDERS, [day], known_at=instant).to_pyarrow()["note"]
    except MissingPartitionError:
        return None
    notes: list[Any] = sorted(found.to_pylist())
    return notes


@pytest.mark.parametrize("has_checkpoint", [False, True])
@pytest.mark.parametrize("contract", [ORDERS, TITLES], ids=["by day", "whole"])
def test_transactions_in_one_pass_are_those_of_delta_rs(
    storage: Storage, contract: Contract, has_checkpoint: bool
) -> None:
    keys = DAYS if contract is ORDERS else [UNPARTITIONED]
    for n in range(4):
        table = day_orders(DAYS[: n + 1], n) if contract is ORDERS else titles(*"abc"[:n])
        publish(storage, contract, table, keys[: n + 1], f"run {n}")
        if has_checkpoint and n == 2:
            DeltaTable(storage.lake.uri(contract)).create_checkpoint()
    table = DeltaTable(storage.lake.uri(contract))
    log = DeltaLog.of(storage.lake.uri(contract))
    assert log is not None
    assert log.latest == table.version()
    for version in range(log.latest + 1):
        old = DeltaTable(storage.lake.uri(contract), version=version)
        names = [f"content_hash/{key}" for key in keys]
        expected = {name: old.transaction_version(name) for name in names}
        found = log.transactions(version)
        assert {name: found.get(name) for name in names} == expected
    assert set(storage.lake.published(contract, [*keys, "2030-01-01"])) == set(keys)


@dataclass
class History:
    """What a table of days should remember: instants, and the notes of each day then."""

    instants: list[datetime] = field(default_factory=list)
    states: list[dict[str, list[str]]] = field(default_factory=list)

    def after(self, storage: Storage, days: Sequence[str], rows: int, note: str) -> None:
        publish(storage, ORDERS, day_orders(days, rows, note), days, note)
        now = committed_at(storage, ORDERS)
        assert not self.instants or now > self.instants[-1]
        self.instants.append(now)
        before = self.states[-1] if self.states else {}
        self.states.append(before | {day: [note] * rows for day in days})


publications = st.lists(
    st.tuples(st.sets(st.sampled_from(DAYS), min_size=1), st.integers(0, 2)),
    min_size=1,
    max_size=5,
)


@settings(max_examples=10)
@given(publications, st.booleans())
def test_every_version_is_given_back_as_it_was(
    steps: list[tuple[set[str], int]], has_checkpoints: bool
) -> None:
    history = History()
    with TemporaryDirectory() as folder, opened(Path(folder)) as storage:
        for n, (days, rows) in enumerate(steps):
            history.after(storage, sorted(days), rows, f"run {n}")
            if has_checkpoints:
                DeltaTable(storage.lake.uri(ORDERS)).create_checkpoint()
        for instant, state in zip(history.instants, history.states, strict=True):
            assert {day: known(storage, day, instant) for day in DAYS} == {
                day: state.get(day) for day in DAYS
            }
        first = history.instants[0] - timedelta(milliseconds=1)
        assert {known(storage, day, first) for day in DAYS} == {None}
        changed = [
            (day, before.get(day), after[day])
            for before, after in zip(history.states, history.states[1:], strict=False)
            for day in DAYS
            if day in before and before[day] != after.get(day)
        ]
        found = storage.lake.restatements(ORDERS)
        assert [(fact.partition, fact.old_rows, fact.new_rows) for fact in found] == [
            (day, len(old or []), len(new)) for day, old, new in changed
        ]


def test_a_restatement_says_what_was_replaced_by_what(storage: Storage) -> None:
    first = publish(storage, ORDERS, day_orders(DAYS), DAYS, "first")
    publish(storage, ORDERS, day_orders([DAY]), [DAY], "the same")
    assert storage.lake.restatements(ORDERS) == []
    second = publish(storage, ORDERS, day_orders([DAY], 5, NEW), [DAY, OTHER], "second")
    facts = storage.lake.restatements(ORDERS)
    at = committed_at(storage, ORDERS)
    assert facts == [
        Restatement(
            asset=ORDERS.asset_name,
            partition=day,
            restated_at=at,
            run_id="second",
            old_version=None,
            new_version=3,
            old_hash=first.audits[day].content_hash,
            new_hash=second.audits[day].content_hash,
            old_rows=3,
            new_rows=rows,
        )
        for day, rows in ((DAY, 5), (OTHER, 0))
    ]
    assert storage.lake.restatements(ORDERS, since=at) == facts
    assert storage.lake.restatements(ORDERS, since=at + timedelta(milliseconds=1)) == []
    assert storage.lake.restatements(ORDERS, since=EARLY) == facts
    assert storage.lake.restatements(TITLES, since=EARLY) == []


def test_what_maintenance_has_removed_is_refused_by_name(storage: Storage) -> None:
    publish(storage, ORDERS, day_orders([DAY]), [DAY], "first")
    first = committed_at(storage, ORDERS)
    (gone,) = storage.lake._files(ORDERS, [DAY])
    publish(storage, ORDERS, day_orders([DAY], 2), [DAY], "second")
    second = committed_at(storage, ORDERS)
    Path(gone).unlink()
    with pytest.raises(RemovedVersionError, match=r"shop/orders: .* LAKE_RETENTION_DAYS"):
        storage.lake.read(ORDERS, [DAY], known_at=first)
    DeltaTable(storage.lake.uri(ORDERS)).create_checkpoint()
    log = storage.lake.log(ORDERS)
    assert log is not None
    for version in (0, 1):
        log.commit_path(version).unlink()
    with pytest.raises(RemovedVersionError, match="The log begins at"):
        storage.lake.read(ORDERS, [DAY], known_at=first)
    with pytest.raises(RemovedVersionError, match="The log begins at"):
        storage.lake.restatements(ORDERS, since=first)
    assert [fact.new_rows for fact in storage.lake.restatements(ORDERS)] == [2]
    assert storage.lake.read(ORDERS, [DAY], known_at=second).count().to_pyarrow().as_py() == 2
    publish(storage, ORDERS, day_orders([DAY], 1), [DAY], "third")
    assert [fact.old_rows for fact in storage.lake.restatements(ORDERS)] == [3, 2]


def test_an_old_hash_that_is_not_in_the_log_any_more_is_missing(storage: Storage) -> None:
    publish(storage, ORDERS, day_orders(DAYS), DAYS, "first")
    publish(storage, ORDERS, day_orders([OTHER]), [OTHER], "between")
    DeltaTable(storage.lake.uri(ORDERS)).create_checkpoint()
    log = storage.lake.log(ORDERS)
    assert log is not None
    for version in (0, 1):
        log.commit_path(version).unlink()
    publish(storage, ORDERS, day_orders([DAY], 1), [DAY], "second")
    (fact,) = storage.lake.restatements(ORDERS)
    assert (fact.old_hash, fact.old_rows, fact.new_rows) == (None, None, 1)
    assert len(rows_of(storage, ORDERS, DAYS)) == 1 + 9


def test_an_instant_needs_a_time_zone(storage: Storage) -> None:
    publish(storage, ORDERS, day_orders([DAY]), [DAY])
    naive = datetime(2025, 1, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="time zone"):
        storage.lake.read(ORDERS, [DAY], known_at=naive)
    with pytest.raises(ValueError, match="time zone"):
        storage.lake.restatements(ORDERS, since=naive)


def test_a_commit_of_a_slow_clock_counts_as_made_before_the_next(storage: Storage) -> None:
    log = DeltaLog(Path(), frozenset({0, 1, 2}), {})
    at = [EARLY + timedelta(seconds=n) for n in (0, 9, 5)]

    class Skewed(DeltaLog):
        def commits(self, version: int | None = None) -> Iterator[Any]:
            for number in (2, 1, 0):
                yield type("Commit", (), {"version": number, "at": at[number], "info": {}})()

    skewed = Skewed(log.folder, log.versions, log.checkpoints)
    found = [version_at(skewed, EARLY + timedelta(seconds=n), "t") for n in (-1, 0, 4, 5, 9)]
    assert found == [None, 0, 0, 2, 2]


def test_a_copied_lake_remembers_the_same_instants(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as storage:
        publish(storage, ORDERS, day_orders([DAY], 1), [DAY], "first")
        first = committed_at(storage, ORDERS)
        publish(storage, ORDERS, day_orders([DAY], 2), [DAY], "second")
        kept = hashes(storage, ORDERS, [DAY])
    copytree(tmp_path / "a" / "lake", tmp_path / "b" / "lake")
    with opened(tmp_path / "b") as storage:
        assert known(storage, DAY, first) == ["old"]
        assert hashes(storage, ORDERS, [DAY]) == kept
