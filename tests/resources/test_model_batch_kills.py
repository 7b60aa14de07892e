"""Batch mode under kills: at every write point of submitter and collector, before and after it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from batch_cases import AT_ONCE, Clock, batch_model, closed, counted, look
from engine_cases import ask, ledger, numbered, questions

from cs_apps.scripted_model.judge import honest
from cs_apps.scripted_model.server import ScriptedModel
from cs_resources import model_collecting
from cs_resources.model_batch_api import BatchApi, BatchApiError
from cs_resources.model_batching import BatchModel
from cs_resources.model_client import Outcome, Reply
from cs_resources.model_store import ModelStore

WRITES = ("add_batch", "update_batch", "commit", "remember_mode")
SUBMITTING, COLLECTING = 4, 5
"""Write points of a batch: written down, uploaded, ledger opened, submitted; results, closed."""


class KilledError(BaseException):
    """What no handler catches."""


class Server(ScriptedModel):
    """Counts the lines that it answers."""

    def __init__(self) -> None:
        super().__init__(batch_plan=AT_ONCE, judge=self._judge)
        self.lines = 0

    def _judge(self, question: Any) -> Any:
        self.lines += 1
        return honest(question)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as model:
        yield model


def dying(model: BatchModel, at: int, *, is_after: bool) -> BatchModel:
    """The model in a process that is killed at its n-th write, before or after it is committed."""
    written = [0]

    def mortal(name: str) -> Callable[..., Any]:
        def write(self: ModelStore, *args: Any, **named: Any) -> Any:
            written[0] += 1
            if written[0] == at and not is_after:
                raise KilledError
            found = getattr(ModelStore, name)(self, *args, **named)
            if written[0] == at:
                raise KilledError
            return found

        return write

    mortals = {name: mortal(name) for name in WRITES}
    store = type("Mortal", (ModelStore,), mortals)(model.store.warehouse)
    return replace(model, store=store)


def require_each_answered_once(server: Server, model: BatchModel, count: int) -> None:
    """Look and ask until all is done; nothing was lost, asked twice or paid for twice."""
    for _ in range(3):
        look(model)
        methods = {finding.method for finding in ask(model, numbered(count))}
        if methods == {"cache"}:
            break
    assert methods == {"cache"}
    submitted = [
        line["custom_id"] for batch in server._batches._batches.values() for line in batch.lines
    ]
    assert server.lines == len(submitted) == len(set(submitted)) == count
    assert server.asked() == []
    answered = [row for row in ledger(model) if row.http_status is not None]
    assert len(answered) == len({row.answer_key for row in answered}) == count
    assert all(row.outcome is not None for row in ledger(model))
    assert model.store.open_batches() == []


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("at", range(1, SUBMITTING + 1))
def test_a_killed_submitter(server: Server, tmp_path: Path, at: int, is_after: bool) -> None:
    clock = Clock()
    with batch_model(server, tmp_path, clock=clock) as model:
        with pytest.raises(KilledError):
            ask(dying(model, at, is_after=is_after), numbered(4))
        # it might still be at work: nobody goes on with it yet
        ask(model, numbered(4))
        assert len(closed(model)) == 0
        clock.pass_(hours=2)
        require_each_answered_once(server, model, 4)


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("at", range(1, COLLECTING + 1))
def test_a_killed_collector(
    server: Server, tmp_path: Path, at: int, is_after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_collecting, "PORTION", 2)
    with batch_model(server, tmp_path) as model:
        ask(model, numbered(5))
        with pytest.raises(KilledError):
            look(dying(model, at, is_after=is_after))
        require_each_answered_once(server, model, 5)


def test_those_are_all_write_points(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, either_warehouse: str
) -> None:
    monkeypatch.setattr(model_collecting, "PORTION", 2)
    with batch_model(server, tmp_path) as model:
        ask(dying(model, SUBMITTING + 1, is_after=False), numbered(5))
        look(dying(model, COLLECTING + 1, is_after=False))
        require_each_answered_once(server, model, 5)


def test_a_frozen_submitter_that_wakes_up_submits_nothing(server: Server, tmp_path: Path) -> None:
    clock = Clock()
    with batch_model(server, tmp_path, clock=clock) as model:

        class Frozen(ModelStore):
            """Is frozen behind the upload, until another one has gone on."""

            def update_batch(self, batch: Any, expected: Any) -> bool:
                if batch.status == "uploaded":
                    clock.pass_(hours=2)
                    assert look(model) == [f"batch {batch.batch_id}: submitted again"]
                return super().update_batch(batch, expected)

        ask(replace(model, store=Frozen(model.store.warehouse)), numbered(3))
        assert counted(server)["POST /batches"] == 1
        require_each_answered_once(server, model, 3)


def test_a_batch_whose_submission_was_answered_into_the_void_is_not_sent_twice(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = BatchApi.submit

    def lost(self: BatchApi, batch_id: str, file: str) -> Any:
        submit(self, batch_id, file)
        raise BatchApiError(Reply(Outcome.CONNECTION, error="reset"))

    monkeypatch.setattr(BatchApi, "submit", lost)
    with batch_model(server, tmp_path) as model:
        ask(model, numbered(3))
        assert counted(server)["POST /batches"] == 1
        require_each_answered_once(server, model, 3)


def test_an_upload_is_tried_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, failures = BatchApi.upload, [Outcome.SERVER_ERROR, Outcome.TIMEOUT]

    def shaky(self: BatchApi, batch_id: str, content: Any) -> str:
        found = upload(self, batch_id, content)
        if failures:
            raise BatchApiError(Reply(failures.pop()))
        return found

    monkeypatch.setattr(BatchApi, "upload", shaky)
    with batch_model(server, tmp_path) as model:
        ask(model, numbered(3))
        assert counted(server)["POST /files"] == 3
        require_each_answered_once(server, model, 3)


def test_a_batch_that_is_collected_while_one_asks_is_not_missed(
    server: Server, tmp_path: Path
) -> None:
    with batch_model(server, tmp_path) as model:
        ask(model, numbered(3))

        class Overtaken(ModelStore):
            """Others collect right after it was asked what is pending."""

            def pending(self, keys: Any) -> dict[str, str]:
                found = super().pending(keys)
                look(model)
                return found

        found = ask(replace(model, store=Overtaken(model.store.warehouse)), numbered(3))
        assert {finding.method for finding in found} == {"cache"}
        assert server.lines == 3


def test_two_submitters_at_once_ask_each_question_once(server: Server, tmp_path: Path) -> None:
    with batch_model(server, tmp_path) as model:

        class Slow(ModelStore):
            """Another one submits some of its questions before it does."""

            def add_batch(self, batch: Any, items: Any) -> Any:
                ask(model, numbered(3))
                return super().add_batch(batch, items)

        slow = replace(model, store=Slow(model.store.warehouse))
        found = ask(slow, numbered(5))
        second, first = model.store.open_batches()
        assert (first.requests, second.requests) == (3, 2)
        assert [str(finding.error).rsplit(" ", 1)[1] for finding in found] == [
            *[first.batch_id] * 3,
            *[second.batch_id] * 2,
        ]
        require_each_answered_once(server, model, 5)


def test_a_batch_that_is_gone_is_waited_for_two_days(server: Server, tmp_path: Path) -> None:
    clock = Clock()
    with batch_model(server, tmp_path, clock=clock) as model:
        ask(model, numbered(3))
        server._batches._batches.clear()
        for _ in range(2):
            (message,) = look(model)
            assert "404" in message
            clock.pass_(hours=23)
        assert len(model.store.open_batches()) == 1
        clock.pass_(hours=4)
        assert "gone at the endpoint" in look(model)[0]
        assert closed(model)[0].status == "failed"
        ask(model, numbered(3))
        assert len(model.store.open_batches()) == 1


def test_results_in_any_order_with_strange_lines(server: Server, tmp_path: Path) -> None:
    with batch_model(server, tmp_path) as model:
        asked = questions("一", "二", "三")
        ask(model, asked)
        _spoil(server)
        (message,) = look(model)
        assert "2 answered, 1 not_done, 4 lines that belong to no request or are none" in message
        found = ask(model, asked)
        assert [finding.method for finding in found].count("cache") == 2
        assert len(model.store.open_batches()) == 1
        assert "4 lines" in str(closed(model)[0].error)


def _spoil(server: Server) -> None:
    """Of three lines: one twice, one gone, one unknown, one that is no JSON, and blank ones."""
    files = server._batches.files
    store = files.store

    def spoiled(name: str, content: bytes, purpose: str) -> Any:
        if purpose == "batch_output":
            one, two, _ = content.splitlines()
            stranger = json.dumps(json.loads(one) | {"custom_id": "stranger"}).encode()
            content = b"\n".join([two, one, b"", two, stranger, b"{oops", b"[]", b""])
        return store(name, content, purpose)

    files.store = spoiled  # type: ignore[method-assign]
