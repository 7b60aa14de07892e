"""OpenAI's Batch API, as far as it is needed: files up, batches in, files down.

Belongs here: one exchange for each step of a batch, replies held to their form, how each can fail.
Must not: which batches there are (see `model_batches`), what stands in the files.
"""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import IO, Any, Generic, Self, TypeVar

import httpx2
from pydantic import BaseModel, Field, ValidationError

from cs_resources.errors import ConfigurationError, PlatformError
from cs_resources.model_client import PASSING, Endpoint, Outcome, Reply, sent

CHAT_URL = "/v1/chat/completions"
"""What every request of a batch asks for; not an address."""
UPLOAD_SECONDS, DOWNLOAD_SECONDS, _SECONDS = 300.0, 300.0, 30.0
_WINDOW = "24h"
_NO_BATCHES = (404, 405, 501)
_PAGE = 100
_CLOCKS_APART = timedelta(days=1)
_OUR_ID = "cs_batch_id"
Form = TypeVar("Form", bound=BaseModel)
Response = TypeVar("Response")


class BatchApiError(PlatformError):
    """The endpoint did not do what was asked; the message says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.error or reply.outcome.value)
        self.reply = reply

    @property
    def is_certain(self) -> bool:
        """Whether nothing was done: the endpoint refused, it did not merely fail to answer."""
        return self.reply.outcome not in {*PASSING, Outcome.INVALID}

    @property
    def is_unknown_there(self) -> bool:
        """Whether the endpoint knows no such thing."""
        return self.reply.outcome is Outcome.NOT_FOUND


class Problem(BaseModel):
    """What an endpoint says is wrong with a file or a line of it."""

    code: str | None = None
    message: str | None = None
    line: int | None = None


class _Problems(BaseModel):
    data: list[Problem] | None = None


class _Listed(BaseModel):
    id: str = Field(min_length=1)
    created_at: int | None = None


class BatchRecord(_Listed):
    """A batch as its endpoint tells of it."""

    status: str
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    metadata: dict[str, Any] | None = None
    errors: _Problems | None = None

    @property
    def problems(self) -> list[Problem]:
        """What is wrong with the whole batch."""
        return (self.errors.data if self.errors else None) or []


class _FileRecord(_Listed):
    filename: str | None = None


Listed = TypeVar("Listed", bound=_Listed)


class _Page(BaseModel, Generic[Listed]):
    data: list[Listed]
    has_more: bool = False

    def ends(self, since: datetime) -> bool:
        """Whether no later page holds anything that was made since an instant."""
        if not self.has_more or not self.data:
            return True
        earliest = (since.replace(tzinfo=UTC) - _CLOCKS_APART).timestamp()
        first, last = self.data[0].created_at, self.data[-1].created_at
        return first is not None and last is not None and first >= last and last < earliest


@dataclass
class BatchApi:
    """The Batch API of an endpoint, within a context; raises BatchApiError.

    `batch_id` is our own id everywhere: it names the uploaded file and goes along as metadata.
    """

    endpoint: Endpoint
    _runner: asyncio.Runner = field(default_factory=asyncio.Runner, init=False)

    def __enter__(self) -> Self:
        self._runner.__enter__()
        self._client = self.endpoint.client()
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._client.close())
        self._runner.close()

    def upload(self, batch_id: str, content: IO[bytes]) -> str:
        """Upload requests, a line each, and return the endpoint's name of the file.

        Raises ConfigurationError where there is no Batch API.
        """
        content.seek(0)
        sending = self._client.post(
            "/files",
            cast_to=httpx2.Response,
            body={"purpose": "batch"},
            files=[("file", (_file_name(batch_id), content, "application/jsonl"))],
            options={"headers": {"Content-Type": "multipart/form-data", **self.endpoint.headers}},
        )
        with _batches_expected(self.endpoint):
            return self._read(_FileRecord, self._wait(sending, UPLOAD_SECONDS)).id

    def submit(self, batch_id: str, file: str) -> BatchRecord:
        """Submit an uploaded file; raises ConfigurationError where there is no Batch API."""
        body = {
            "input_file_id": file,
            "endpoint": CHAT_URL,
            "completion_window": _WINDOW,
            "metadata": {_OUR_ID: batch_id},
        }
        sending = self._client.post(
            "/batches",
            cast_to=httpx2.Response,
            body=body,
            options={"headers": self.endpoint.headers},
        )
        with _batches_expected(self.endpoint):
            return self._read(BatchRecord, self._wait(sending, _SECONDS))

    def batch(self, provider_id: str) -> BatchRecord:
        """Return what has become of a batch."""
        return self._read(BatchRecord, self._get(f"/batches/{provider_id}", {}))

    def find_file(self, batch_id: str, since: datetime) -> str | None:
        """Return the name of what was uploaded for a batch since an instant; None: nothing was."""
        for file in self._all(_Page[_FileRecord], "/files", since, {"purpose": "batch"}):
            if file.filename == _file_name(batch_id):
                return file.id
        return None

    def find_batch(self, batch_id: str, file: str | None, since: datetime) -> BatchRecord | None:
        """Return the batch that was submitted under our id, or with the file, since an instant."""
        for record in self._all(_Page[BatchRecord], "/batches", since, {}):
            is_ours = (record.metadata or {}).get(_OUR_ID) == batch_id
            if is_ours or (file is not None and record.input_file_id == file):
                return record
        return None

    def download(self, file: str, target: IO[bytes]) -> None:
        """Write what stands in a file of the endpoint's to `target`, piece by piece."""
        target.seek(0)
        target.truncate()
        self._wait(self._streamed(file, target), DOWNLOAD_SECONDS)
        target.seek(0)

    def delete(self, file: str) -> None:
        """Delete a file of the endpoint's."""
        options: Any = {"headers": self.endpoint.headers}
        sending = self._client.delete(f"/files/{file}", cast_to=httpx2.Response, options=options)
        self._wait(sending, _SECONDS)

    async def _streamed(self, file: str, target: IO[bytes]) -> None:
        streaming = self._client.files.with_streaming_response
        async with streaming.content(file, extra_headers=self.endpoint.headers) as response:
            async for piece in response.iter_bytes():
                target.write(piece)

    def _all(
        self, form: type[_Page[Listed]], path: str, since: datetime, query: Mapping[str, object]
    ) -> Iterator[Listed]:
        """Yield the entries of a list, all that were made since an instant among them."""
        asked = {"limit": _PAGE, **query}
        while True:
            page = self._read(form, self._get(path, asked))
            yield from page.data
            if page.ends(since):
                return
            asked["after"] = page.data[-1].id

    def _get(self, path: str, query: Mapping[str, object]) -> httpx2.Response:
        options: Any = {"headers": self.endpoint.headers, "params": query}
        return self._wait(
            self._client.get(path, cast_to=httpx2.Response, options=options), _SECONDS
        )

    def _wait(self, sending: Awaitable[Response], seconds: float) -> Response:
        async def outcome() -> Response | Reply:
            return await sent(sending, seconds)

        found = self._runner.run(outcome())
        if isinstance(found, Reply):
            raise BatchApiError(found)
        return found

    def _read(self, form: type[Form], response: httpx2.Response) -> Form:
        try:
            return form.model_validate_json(response.content)
        except ValidationError as error:
            why = error.errors(include_url=False, include_input=False)[0]["msg"]
            path = response.request.url.path
            said = f"{path}: not what the Batch API answers: {why}"
            raise BatchApiError(
                Reply(Outcome.INVALID, status=response.status_code, error=said)
            ) from None


@contextmanager
def _batches_expected(endpoint: Endpoint) -> Iterator[None]:
    try:
        yield
    except BatchApiError as error:
        if error.reply.status not in _NO_BATCHES:
            raise
        raise ConfigurationError(
            f"{endpoint.name} has no Batch API ({error}); set LLM_MODE=live, or ask an endpoint "
            "that has one (LLM_API_BASE_URL)"
        ) from error


def _file_name(batch_id: str) -> str:
    return f"{batch_id}.jsonl"
