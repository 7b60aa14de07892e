"""One exchange with an OpenAI-compatible endpoint, and what came of it.

Belongs here: building the client, sending one request, sorting every way in which that can end.
Must not: trying again (see `model_asking`), knowing what is asked.

The `openai` package's own retries are off and redirects are refused: a redirect would post the text
to an address that nobody chose. Replies are validated here; the package takes any body for one.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import httpx2
from pydantic import BaseModel, Field, NonNegativeInt, ValidationError

if TYPE_CHECKING:  # slow to import, and every process of Dagster loads this module
    import openai

Response = TypeVar("Response")
Mode = Literal["json_schema", "json_object", "text"]
MODES: tuple[Mode, ...] = ("json_schema", "json_object", "text")
"""Ways to ask for JSON, strictest first."""
_GATEWAY_HEADER = "Authorization-Gateway"
_ERROR_LENGTH = 300


class Outcome(StrEnum):
    """How an attempt ended."""

    ANSWERED = "answered"
    INVALID = "invalid"
    REFUSED = "refused"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    UNAUTHORIZED = "unauthorized"
    QUOTA = "quota"
    NOT_FOUND = "not_found"
    UNSUPPORTED = "unsupported"
    REDIRECT = "redirect"
    CLIENT_ERROR = "client_error"
    NOT_DONE = "not_done"
    """Its batch ended before it was its turn."""


HOPELESS = frozenset({Outcome.UNAUTHORIZED, Outcome.QUOTA, Outcome.NOT_FOUND, Outcome.REDIRECT})
"""No other request would fare better before a person has mended something."""
PASSING = frozenset(
    {
        Outcome.RATE_LIMITED,
        Outcome.SERVER_ERROR,
        Outcome.TIMEOUT,
        Outcome.CONNECTION,
        Outcome.NOT_DONE,
    }
)
"""The same request may succeed a little later."""


@dataclass(frozen=True)
class Reply:
    """What an attempt brought: the model's text, or why there is none; tokens as far as told.

    What is not a completion, though it came with status 200, is not the model's: of a proxy, say.
    """

    outcome: Outcome
    text: str | None = None
    status: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    request_id: str | None = None
    error: str | None = None
    retry_after: float | None = None
    is_completion: bool = True


@dataclass(frozen=True)
class Endpoint:
    """An endpoint and the model behind it.

    A gateway token goes into its own header and replaces the key. `extra_body` is added to every
    request (e.g. `{"enable_thinking": false}`).
    """

    base_url: str
    model: str
    api_key: str = field(default="", repr=False)
    gateway_token: str = field(default="", repr=False)
    concurrency: int = 32
    connect_timeout: float = 10.0
    max_completion_tokens: int = 300
    extra_body: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def name(self) -> str:
        """The address without what does not tell endpoints apart."""
        url = httpx2.URL(self.base_url)
        return str(url.copy_with(username=None, password=None, query=None)).rstrip("/")

    @property
    def headers(self) -> dict[str, Any]:
        """Headers of every request; without a key, none is sent."""
        import openai

        if self.gateway_token:
            return {_GATEWAY_HEADER: self.gateway_token, "Authorization": openai.Omit()}
        return {} if self.api_key else {"Authorization": openai.Omit()}

    def client(self) -> "openai.AsyncOpenAI":
        """Return a client whose pool never makes a request wait."""
        import openai

        return openai.AsyncOpenAI(
            base_url=self.base_url,
            api_key=self.api_key or "none",
            organization="",
            project="",
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(
                follow_redirects=False,
                # the total limit is that of `exchange`
                timeout=httpx2.Timeout(None, connect=self.connect_timeout),
                limits=httpx2.Limits(
                    max_connections=self.concurrency + 8,
                    max_keepalive_connections=self.concurrency + 8,
                ),
            ),
        )

    def request(
        self, messages: list[Mapping[str, str]], mode: str, schema: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the body of a request, as it goes over the wire."""
        body: dict[str, Any] = {"model": self.model, "messages": messages, "temperature": 0}
        if "max_completion_tokens" not in self.extra_body:
            body["max_tokens"] = self.max_completion_tokens
        if mode == "json_schema":
            named = {"name": "answer", "strict": True, "schema": schema}
            body["response_format"] = {"type": mode, "json_schema": named}
        elif mode == "json_object":
            body["response_format"] = {"type": mode}
        return body | dict(self.extra_body)


async def exchange(
    client: "openai.AsyncOpenAI",
    body: Mapping[str, Any],
    headers: Mapping[str, Any],
    seconds: float,
) -> Reply:
    """Send one request and return how it ended, at the latest after `seconds`."""
    sending = client.post(
        "/chat/completions",
        cast_to=httpx2.Response,
        body=dict(body),
        options={"headers": headers},
    )
    response = await sent(sending, seconds)
    if isinstance(response, Reply):
        return response
    return read_completion(response)


async def sent(sending: Awaitable[Response], seconds: float) -> Response | Reply:
    """Wait for a response at most so many seconds; where none came, say how it failed."""
    import openai

    try:
        async with asyncio.timeout(seconds):
            return await sending
    except TimeoutError:
        return Reply(Outcome.TIMEOUT, error=f"no answer within {seconds:.0f} s")
    except openai.APITimeoutError:
        return Reply(Outcome.TIMEOUT, error="no connection in time")
    except openai.APIStatusError as error:
        return sorted_status(error.response, error.body)
    except openai.APIConnectionError as error:
        return Reply(Outcome.CONNECTION, error=_short(str(error.__cause__ or error)))
    except httpx2.HTTPError as error:
        return Reply(Outcome.CONNECTION, error=_short(str(error) or type(error).__name__))


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: NonNegativeInt
    completion_tokens: NonNegativeInt


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


def read_completion(response: httpx2.Response) -> Reply:
    """Return the text of a completion; whatever is not one is invalid, and says why."""
    status, request_id = response.status_code, response.headers.get("x-request-id")
    try:
        completion = _Completion.model_validate_json(response.content)
    except ValidationError as error:
        kind = response.headers.get("content-type", "no type")
        why = error.errors(include_url=False, include_input=False)[0]["msg"]
        return Reply(
            Outcome.INVALID,
            status=status,
            request_id=request_id,
            error=_short(f"not a chat completion ({kind}): {why}"),
            is_completion=False,
        )
    usage, choice = completion.usage, completion.choices[0]
    reply = Reply(
        Outcome.ANSWERED,
        text=choice.message.content,
        status=status,
        prompt_tokens=usage.prompt_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else None,
        request_id=request_id,
    )
    if why_not := _no_answer(choice):
        return _invalid(reply, why_not)
    return reply


def sorted_status(response: httpx2.Response, body: object) -> Reply:
    """Sort an error by its status and what its body says."""
    status, details = response.status_code, _details(body)
    said = _short(f"HTTP {status}: {details.get('message') or response.reason_phrase}")
    code = f"{details.get('code') or ''} {details.get('type') or ''}".lower()
    return Reply(
        _outcome(status, code, f"{details.get('param')} {details.get('message')}".lower()),
        status=status,
        request_id=response.headers.get("x-request-id"),
        error=said,
        retry_after=_retry_after(response.headers),
    )


def _outcome(status: int, code: str, text: str) -> Outcome:
    if status == 402 or "quota" in code or "arrearage" in code or "balance" in code:
        return Outcome.QUOTA
    if status in (401, 403):
        return Outcome.UNAUTHORIZED
    if status == 404:
        return Outcome.NOT_FOUND
    if status == 429:
        return Outcome.RATE_LIMITED
    if status in (408, 409, 425) or status >= 500:
        return Outcome.SERVER_ERROR
    if status < 400:
        return Outcome.REDIRECT
    if any(word in code.replace("_", "") for word in ("datainspection", "contentfilter", "policy")):
        return Outcome.REFUSED
    if status in (400, 422) and ("response_format" in text or "json_schema" in text):
        return Outcome.UNSUPPORTED
    return Outcome.CLIENT_ERROR


def _details(body: object) -> Mapping[str, Any]:
    if not isinstance(body, Mapping):
        return {}
    inner = body.get("error", body)
    return inner if isinstance(inner, Mapping) else {"message": inner}


def _no_answer(choice: _Choice) -> str | None:
    if choice.message.refusal:
        return "the model refused"
    if choice.finish_reason in ("length", "content_filter"):
        return f"the answer was ended by {choice.finish_reason}"
    return None if choice.message.content else "an empty answer"


def _invalid(reply: Reply, error: str) -> Reply:
    return Reply(
        Outcome.INVALID,
        status=reply.status,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        request_id=reply.request_id,
        error=error,
    )


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Return the seconds that the server asks for; None if it says nothing that can be read."""
    value = headers.get("retry-after")
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max((then - datetime.now(UTC)).total_seconds(), 0.0)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _ERROR_LENGTH else line[: _ERROR_LENGTH - 1] + "…"
