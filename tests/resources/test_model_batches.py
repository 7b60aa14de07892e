"""Batches of requests: written down before they are sent, each call in one of them at a time."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from store_cases import Stores, model_stores, opened_stores, store

from cs_resources.model_batches import OPEN, Batch, BatchItem
from cs_resources.model_ledger import ClosedAttempt, OpenedAttempt
from cs_resources.model_store import ModelStore

__all__ = ["model_stores", "opened_stores", "store"]
NOON = datetime.fromisoformat("2025-11-25T12:00:00")


def batch(batch_id: str = "b1", hours: int = 0) -> Batch:
    return Batch(
        batch_id=batch_id,
        endpoint="https://model.example/v1",
        model="qwen-plus",
        prompt_version="1-0123456789ab",
        mode="json_object",
        run_id="run",
        partitions=("2025-11-24",),
        requests=2,
        status="preparing",
        opened_at=NOON + timedelta(hours=hours),
    )


def item(key: str, batch_id: str = "b1", day: str = "2025-11-24") -> BatchItem:
    return BatchItem(batch_id, key, f"attempt of {key} in {batch_id}", "t", day, f"hash of {key}")


def items(keys: str, batch_id: str = "b1") -> list[BatchItem]:
    return [item(key, batch_id) for key in keys]


def test_a_batch_is_found_again_by_who_comes_after_a_killed_submitter(store: ModelStore) -> None:
    assert store.add_batch(batch(), items("ba")) == batch()
    assert store.open_batches() == [batch()]
    assert store.batch_items("b1") == items("ab")
    assert store.add_batch(batch(), items("ba")) == batch()
    assert store.open_batches() == [batch()]
    assert store.batch_items("b1") == items("ab")
    assert store.batch_items("another") == []


def test_a_call_is_in_one_open_batch_at_most(store: ModelStore) -> None:
    store.add_batch(batch(), items("ab"))
    second = store.add_batch(batch("b2", 1), [*items("bc", "b2"), item("d", "b2", "2025-11-23")])
    assert second == replace(batch("b2", 1), partitions=("2025-11-23", "2025-11-24"))
    assert [each.custom_id for each in store.batch_items("b2")] == ["c", "d"]
    assert store.add_batch(batch("b3"), items("abcd", "b3")) is None
    assert [each.batch_id for each in store.open_batches()] == ["b1", "b2"]


@pytest.mark.parametrize("status", ["preparing", "uploaded", "submitted"])
def test_the_calls_of_an_open_batch_are_pending(store: ModelStore, status: str) -> None:
    assert status in OPEN
    store.add_batch(batch(), items("ab"))
    store.update_batch(replace(batch(), status=status), "preparing")
    assert store.pending("abc") == {"a": "b1", "b": "b1"}
    assert store.pending([]) == {}


@pytest.mark.parametrize("status", ["collected", "failed"])
def test_the_calls_of_a_closed_batch_may_be_asked_again(store: ModelStore, status: str) -> None:
    store.add_batch(batch(), items("ab"))
    store.update_batch(replace(batch(), status=status, closed_at=NOON), "preparing")
    assert store.pending("abc") == {}
    assert store.open_batches() == []
    assert store.add_batch(batch("b2"), items("ab", "b2")) == batch("b2")


def test_a_batch_goes_on_from_the_state_that_it_is_in(store: ModelStore) -> None:
    store.add_batch(batch(), items("ab"))
    uploaded = replace(batch(), status="uploaded", input_file="file-1")
    submitted = replace(
        uploaded,
        status="submitted",
        provider_id="batch-1",
        provider_status="validating",
        submitted_at=NOON,
    )
    checked = replace(submitted, provider_status="in_progress", checked_at=NOON)
    collected = replace(
        checked,
        status="collected",
        provider_status="completed",
        output_file="file-2",
        error_file="file-3",
        closed_at=NOON,
    )
    assert store.update_batch(uploaded, "preparing")
    assert store.update_batch(uploaded, "preparing")  # again, after a reply that was lost
    assert store.update_batch(submitted, "uploaded")
    assert not store.update_batch(uploaded, "preparing")  # a frozen submitter wakes up
    assert store.update_batch(checked, "submitted")
    assert store.open_batches() == [checked]
    assert store.update_batch(collected, "submitted")
    assert not store.update_batch(replace(checked, status="failed"), "submitted")
    assert store.add_batch(batch(), items("ab")) == collected
    assert not store.update_batch(batch("never added"), "preparing")


def test_two_submitters_at_once_share_the_calls(model_stores: Stores) -> None:
    keys = [f"k{n:03}" for n in range(300)]

    def submit(turn: int) -> list[str]:
        name, of = f"b{turn}", model_stores[turn % 2]
        some = keys[turn * 30 : turn * 30 + 90]
        of.add_batch(batch(name), [item(key, name) for key in some])
        return [each.custom_id for each in of.batch_items(name)]

    with ThreadPoolExecutor(4) as threads:
        submitted = [key for found in threads.map(submit, range(8)) for key in found]
    assert sorted(submitted) == keys
    assert model_stores[0].pending(keys).keys() == set(keys)


def test_days_that_wait_for_a_batch_are_added_while_it_is_open(store: ModelStore) -> None:
    store.add_batch(batch(), items("ab"))
    assert store.add_days("b1", ["2025-11-26", "2025-11-24"])
    (found,) = store.open_batches()
    assert found.partitions == ("2025-11-24", "2025-11-26")
    # who read the batch before does not take the day away
    closed = replace(batch(), status="collected", closed_at=NOON)
    assert store.update_batch(closed, "preparing")
    (found,) = store.closed_batches(batch().endpoint, NOON - timedelta(seconds=1))
    assert found.partitions == ("2025-11-24", "2025-11-26")
    assert store.closed_batches(batch().endpoint, NOON) == []
    assert store.closed_batches("https://elsewhere.example/v1", NOON - timedelta(days=1)) == []
    assert not store.add_days("b1", ["2025-11-27"])
    assert not store.add_days("never added", ["2025-11-27"])


def test_what_became_of_a_batch_is_told_from_the_ledger(store: ModelStore) -> None:
    store.add_batch(batch(), [*items("abc"), item("d", "b1", "2025-11-25")])
    opened = [attempt(each) for each in store.batch_items("b1")]
    store.commit(opened=opened)
    assert store.outcomes("b1") == {}
    ends = ("answered", "answered", "invalid")
    store.commit(closed=[end(*pair) for pair in zip(opened[:3], ends, strict=True)])
    assert store.outcomes("b1") == {"answered": 2, "invalid": 1}
    assert store.outcomes("b1", "t") == {"answered": 2, "invalid": 1}
    assert store.outcomes("b1", "somebody else") == {}
    assert store.asked_in_vain("abcd", {"invalid"}) == {"c": "why"}
    assert store.asked_in_vain("abd", {"invalid"}) == {}


def attempt(of: BatchItem) -> OpenedAttempt:
    return OpenedAttempt(
        attempt_id=of.attempt_id,
        answer_key=of.custom_id,
        tenant_id=of.tenant_id,
        partition=of.partition,
        run_id="run",
        purpose="batch",
        endpoint=batch().endpoint,
        model=batch().model,
        prompt_version=batch().prompt_version,
        structured_output="json_object",
        number=1,
        opened_at=NOON,
    )


def end(of: OpenedAttempt, outcome: str) -> ClosedAttempt:
    why = None if outcome == "answered" else "why"
    nothing = (None,) * 6
    return ClosedAttempt(of.attempt_id, outcome, 200, *nothing, why, NOON)
