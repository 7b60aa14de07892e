"""Batches of the scripted model, as the usual client submits and reads them."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from cs_apps.scripted_model.batches import BatchPlan
from cs_apps.scripted_model.server import ScriptedModel


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """A server of the test's own, without files."""
    with ScriptedModel() as model:
        yield model


@pytest.fixture
def client(connected: openai.OpenAI, model: ScriptedModel) -> openai.OpenAI:
    return connected.with_options(base_url=model.base_url)


def line(name: str, said: str, **more: Any) -> dict[str, Any]:
    body = {"model": "qwen", "messages": [{"role": "user", "content": said}]}
    url = "/v1/chat/completions"
    return {"custom_id": name, "method": "POST", "url": url, "body": body} | more


def submitted(client: openai.OpenAI, *lines: Any) -> Any:
    """Upload lines (objects, or texts that are none), submit them."""
    texts = [each if isinstance(each, str) else json.dumps(each) for each in lines]
    content = "".join(f"{text}\n" for text in texts).encode()
    file = client.files.create(file=("day.jsonl", content), purpose="batch")
    assert client.files.content(file.id).content == content
    return client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"partition": "2025-11-24"},
    )


def results(client: openai.OpenAI, file: str | None) -> list[dict[str, Any]]:
    assert file
    return [json.loads(text) for text in client.files.content(file).text.splitlines()]


def test_a_batch_is_answered_after_its_polls(model: ScriptedModel, client: openai.OpenAI) -> None:
    model.batch_plan = BatchPlan(polls=2)
    batch = submitted(client, line("a", "我要投诉\u2028"), line("b", "很满意"), line("c", "嗯"))
    assert (batch.status, batch.request_counts.total) == ("validating", 3)
    seen = [client.batches.retrieve(batch.id) for _ in range(4)]
    assert [each.status for each in seen] == ["in_progress"] * 2 + ["completed"] * 2
    done = seen[-1]
    assert (done.output_file_id, done.error_file_id) == (seen[2].output_file_id, None)
    assert (done.request_counts.completed, done.request_counts.failed) == (3, 0)
    assert done.metadata == {"partition": "2025-11-24"}
    found = results(client, done.output_file_id)
    assert [each["custom_id"] for each in found] == ["c", "b", "a"]  # in another order
    completion = found[2]["response"]["body"]
    assert found[2]["response"]["status_code"] == 200
    assert found[2]["error"] is None
    assert json.loads(completion["choices"][0]["message"]["content"])["complaint_risk"] == "high"
    assert completion["usage"]["prompt_tokens"] > 0


def test_lines_fail_one_by_one(model: ScriptedModel, client: openai.OpenAI) -> None:
    names = ("data_inspection_failed", "wrong_enum", "hang", "bad_gateway")
    model.script = {name: name for name in names}
    batch = submitted(client, *[line(name, name) for name in (*names, "fine")])
    client.batches.retrieve(batch.id)
    done = client.batches.retrieve(batch.id)
    assert (done.request_counts.completed, done.request_counts.failed) == (2, 3)
    good = results(client, done.output_file_id)
    assert [each["custom_id"] for each in good] == ["fine", "wrong_enum"]
    bad = {each["custom_id"]: each for each in results(client, done.error_file_id)}
    refused = bad["data_inspection_failed"]["response"]
    assert refused["status_code"] == 400
    assert refused["body"]["error"]["code"] == "data_inspection_failed"
    for name in ("hang", "bad_gateway"):
        assert bad[name]["response"] is None
        assert bad[name]["error"]["code"] == "server_error"


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_a_batch_may_end_half_done(model: ScriptedModel, client: openai.OpenAI, end: Any) -> None:
    model.batch_plan = BatchPlan(polls=0, end=end)
    batch = submitted(client, *[line(str(at), "嗯") for at in range(4)])
    done = client.batches.retrieve(batch.id)
    assert done.status == end
    assert [each["custom_id"] for each in results(client, done.output_file_id)] == ["1", "0"]
    undone = results(client, done.error_file_id)
    assert [each["error"]["code"] for each in undone] == [f"batch_{end}"] * 2
    assert {each["response"] for each in undone} == {None}


def test_a_batch_may_fail_as_a_whole(model: ScriptedModel, client: openai.OpenAI) -> None:
    model.batch_plan = BatchPlan(polls=0, end="failed")
    done = client.batches.retrieve(submitted(client, line("a", "嗯")).id)
    assert (done.status, done.output_file_id, done.error_file_id) == ("failed", None, None)


def test_a_batch_is_cancelled(model: ScriptedModel, client: openai.OpenAI) -> None:
    batch = submitted(client, line("a", "嗯"), line("b", "嗯"))
    assert client.batches.cancel(batch.id).status == "cancelling"
    done = client.batches.retrieve(batch.id)
    assert done.status == "cancelled"
    assert done.output_file_id
    assert client.batches.cancel(batch.id).status == "cancelled"


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([line("a", "嗯"), line("a", "好")], "duplicate_custom_id"),
        ([line("a" * 65, "嗯")], "invalid_custom_id"),
        ([line("a", "嗯", url="/v1/embeddings")], "invalid_url"),
        (['{"custom_id": "a"'], "invalid_json_line"),
        ([line("a", "嗯"), line("b", "嗯", body={"model": "other"})], "mismatched_model"),
        ([], "empty_file"),
    ],
)
def test_a_wrong_file_fails_and_says_where(
    client: openai.OpenAI, lines: list[Any], code: str
) -> None:
    batch = client.batches.retrieve(submitted(client, *lines).id)
    assert batch.status == "failed"
    assert [error.code for error in batch.errors.data] == [code]
    at = batch.errors.data[0].line
    assert at == (None if code in ("mismatched_model", "empty_file") else len(lines))


def test_batches_and_files_are_found_again_and_files_deleted(client: openai.OpenAI) -> None:
    batches = [submitted(client, line("a", "嗯")).id for _ in range(3)]
    assert [found.id for found in client.batches.list(limit=2)] == batches[::-1]  # two pages
    files = [found.id for found in client.files.list()]
    assert len(files) == 3
    assert client.files.delete(files[0]).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.content(files[0])
    assert client.files.retrieve(files[1]).filename == "day.jsonl"


def test_what_does_not_exist_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_none")
    for file, endpoint in (("file-none", "/v1/chat/completions"), ("file-none", "/v1/embeddings")):
        with pytest.raises(openai.BadRequestError):
            client.batches.create(input_file_id=file, endpoint=endpoint, completion_window="24h")


def test_no_text_of_a_batch_leaks_unseen(model: ScriptedModel, client: openai.OpenAI) -> None:
    submitted(client, line("a", "我是[PHONE]"))
    assert model.leaks([r"1[3-9]\d{9}"]) == []
    submitted(client, line("a", "我是13812345678"))
    assert model.leaks([r"1[3-9]\d{9}"]) != []
    assert model.leaks(["我是"]) != []  # escaped in the file
