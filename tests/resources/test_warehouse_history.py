"""History: what was published then comes back exactly; a restatement says what moved."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from storage_cases import (
    MONTHS,
    ORDERS,
    day_orders,
    hashes,
    opened,
    publish,
    revenue,
)

from cs_resources.errors import ConfigurationError, MissingPartitionError
from cs_resources.storage import Storage
from cs_resources.writing import Restatement

pytestmark = pytest.mark.usefixtures("either_warehouse")
KEPT = replace(MONTHS, keeps_history=True)
KEYS = ["2025-01", "2025-02"]
KEY = KEYS[0]
Seen = list[dict[str, Any]]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Storage]:
    """A store whose mart keeps its history."""
    with opened(tmp_path, KEPT, ORDERS) as storage:
        yield storage


def at(storage: Storage, keys: list[str], instant: datetime | None) -> Seen:
    rows: Seen = storage.warehouse.read(KEPT, keys, instant).read_all().to_pylist()
    return sorted(rows, key=lambda row: (row["period_key"], row["shop_id"]))


def instants(storage: Storage) -> list[datetime]:
    """When each content of any partition was published, oldest first."""
    past = storage.warehouse.tables.past_versions
    with storage.warehouse.engine.connect() as connection:
        times = connection.scalars(past.select().with_only_columns(past.c.known_from))
        return sorted({time.replace(tzinfo=UTC) for time in times})


def test_a_restatement_says_what_moved(kept: Storage) -> None:
    publish(kept, KEPT, revenue(KEPT, KEYS, 1), KEYS, "first")
    old = hashes(kept, KEPT, [KEY])[KEY]
    publish(kept, KEPT, revenue(KEPT, [KEY], 5, shops=2), [KEY], "second")
    (found,) = kept.warehouse.restatements(KEPT)
    assert found == Restatement(
        asset=KEPT.asset_name,
        partition=KEY,
        old_version=1,
        new_version=2,
        old_hash=old,
        new_hash=hashes(kept, KEPT, [KEY])[KEY],
        old_rows=3,
        new_rows=2,
        headline={"revenue": (3, 10), "visitors": (7, 7)},
        run_id="second",
        restated_at=found.restated_at,
    )
    assert found.restated_at == instants(kept)[-1]


def test_the_same_content_again_is_no_restatement(kept: Storage) -> None:
    for run in ("first", "second"):
        publish(kept, KEPT, revenue(KEPT, KEYS, 1), KEYS, run)
    assert kept.warehouse.restatements(KEPT) == []
    assert len(instants(kept)) == 1
    with kept.warehouse.engine.connect() as connection:
        assert list(connection.execute(kept.warehouse.tables.history(KEPT).select())) == []


def test_before_the_first_publication_nothing_was_known(kept: Storage) -> None:
    publish(kept, KEPT, revenue(KEPT, KEYS), KEYS)
    (first,) = instants(kept)
    assert len(at(kept, KEYS, first)) == 6
    with pytest.raises(MissingPartitionError, match="had not published 2025-01, 2025-02 by"):
        at(kept, KEYS, first - timedelta(microseconds=1))
    with pytest.raises(ValueError, match="needs a time zone"):
        at(kept, KEYS, first.replace(tzinfo=None))


def test_without_a_history_what_was_replaced_is_said_to_be_gone(storage: Storage) -> None:
    publish(storage, MONTHS, revenue(MONTHS, [KEY], 1), [KEY])
    then = instants(storage)[0]
    assert storage.warehouse.read(MONTHS, [KEY], then).read_all().num_rows == 3
    publish(storage, MONTHS, revenue(MONTHS, [KEY], 2), [KEY])
    with pytest.raises(ConfigurationError, match="keeps no history"):
        storage.warehouse.read(MONTHS, [KEY], then)


def test_a_withdrawn_partition_is_published_again_under_a_new_number(kept: Storage) -> None:
    publish(kept, KEPT, revenue(KEPT, [KEY], 1), [KEY], "first")
    with kept.warehouse.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM partition_version")
    publish(kept, KEPT, revenue(KEPT, [KEY], 2), [KEY], "second")
    assert kept.warehouse.published(KEPT, [KEY])[KEY].version == 2
    assert {row["revenue"] for row in at(kept, [KEY], instants(kept)[0])} == {1}


def test_sums_beyond_64_bits_are_exact(kept: Storage) -> None:
    for cents in (2**63 - 1, 2**63 - 2):
        publish(kept, KEPT, revenue(KEPT, [KEY], cents), [KEY])
    (found,) = kept.warehouse.restatements(KEPT)
    assert found.headline["revenue"] == (3 * (2**63 - 1), 3 * (2**63 - 2))


def test_restatements_of_both_stores_come_newest_first(kept: Storage) -> None:
    start = datetime.now(UTC)
    for cents in (1, 2):
        publish(kept, KEPT, revenue(KEPT, [KEY], cents), [KEY])
        publish(kept, ORDERS, day_orders(["2025-01-01"], cents), ["2025-01-01"])
    found = kept.restatements(start)
    assert [(item.asset, item.partition) for item in found] == [
        (ORDERS.asset_name, "2025-01-01"),
        (KEPT.asset_name, KEY),
    ]
    assert kept.restatements(found[0].restated_at) == found[:1]
    rows = kept.read(KEPT, [KEY], instants(kept)[0]).to_pyarrow().to_pylist()
    assert {row["revenue"] for row in rows} == {1}
    assert kept.read(KEPT, [KEY]).revenue.max().to_pyarrow().as_py() == 2
    assert kept.restatements(datetime.now(UTC)) == []


Publications = st.lists(
    st.tuples(st.lists(st.sampled_from(KEYS), min_size=1, unique=True), st.integers(0, 2)),
    min_size=1,
    max_size=6,
)


def test_after_any_publications_each_is_known_at_its_time(tmp_path: Path) -> None:
    count = 0

    @given(Publications)
    @settings(max_examples=8)
    def check(publications: list[tuple[list[str], int]]) -> None:
        nonlocal count
        count += 1
        contract = replace(KEPT, name=f"{KEPT.name}_{count}", table=f"shop_revenue_{count}")
        with opened(tmp_path, contract) as storage:
            expected: dict[datetime, dict[str, Seen]] = {}
            now: dict[str, Seen] = {}
            for number, (keys, cents) in enumerate(publications):
                table = revenue(contract, keys, cents, shops=cents)
                publish(storage, contract, table, keys, f"run {number}")
                for key in keys:
                    wanted = revenue(contract, [key], cents, shops=cents)
                    now = now | {key: wanted.to_pylist()}
                last = datetime.now(UTC)
                expected[last] = now
            for instant, contents in expected.items():
                for key, rows in contents.items():
                    found = storage.warehouse.read(contract, [key], instant).read_all()
                    assert found.sort_by("shop_id").to_pylist() == rows

    check()
