"""What providers answer instead of an answer, in their own words.

Belongs here: statuses, headers and bodies of errors as OpenAI, DashScope and proxies send them.
Must not: when they are sent.
"""

import json
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any

from cs_apps.scripted_model.wire import Reply

JSON_TYPE = {"Content-Type": "application/json"}
HTML_TYPE = {"Content-Type": "text/html; charset=utf-8"}
_PAGE = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>nginx</body></html>\n"


def json_reply(body: Mapping[str, Any] | list[Any], status: int = 200) -> Reply:
    """Return a reply with a JSON body in UTF-8."""
    return Reply(status, json.dumps(body, ensure_ascii=False).encode(), JSON_TYPE)


def failure(
    status: int, code: str | None, message: str, kind: str, param: str | None = None
) -> Reply:
    """Return an error in OpenAI's form."""
    error = {"message": message, "type": kind, "param": param, "code": code}
    return json_reply({"error": error}, status)


def invalid(message: str, param: str | None, code: str | None = None) -> Reply:
    """Return OpenAI's answer to a request that it does not understand."""
    return failure(400, code, message, "invalid_request_error", param)


def not_found(message: str, code: str | None = None) -> Reply:
    """Return OpenAI's answer to a request for what does not exist."""
    return failure(404, code, message, "invalid_request_error")


def page(status: int, title: str) -> Reply:
    """Return what a proxy says, in HTML."""
    return Reply(status, _PAGE.format(title).encode(), HTML_TYPE)


def _dashscope(status: int, code: str, message: str) -> Reply:
    error = {"code": code, "param": None, "message": message, "type": code}
    number = "deab386b-2562-9a7b-b8fa-0ba9385a5c28"
    body = {"error": error, "id": f"chatcmpl-{number}", "request_id": number}
    return json_reply(body, status)


UNAUTHORIZED = failure(
    401, "invalid_api_key", "Incorrect API key provided.", "invalid_request_error"
)
RATE_LIMITED = failure(429, "rate_limit_exceeded", "Rate limit reached for requests.", "requests")
UNAVAILABLE = failure(503, None, "The engine is currently overloaded.", "server_error")

FAILURES: dict[str, Reply] = {
    "rate_limited": RATE_LIMITED,
    "throttled": _dashscope(429, "limit_requests", "You exceeded your current requests list."),
    "quota": failure(
        429,
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
    ),
    "payment_required": failure(
        402, "invalid_request_error", "Insufficient Balance", "unknown_error"
    ),
    "arrears": _dashscope(
        400, "Arrearage", "Access denied, please make sure your account is in good standing."
    ),
    "unauthorized": UNAUTHORIZED,
    "forbidden": failure(
        403, "unsupported_country_region_territory", "Not allowed.", "request_forbidden"
    ),
    "model_not_found": not_found("The model does not exist.", "model_not_found"),
    "data_inspection_failed": _dashscope(
        400, "data_inspection_failed", "Input data may contain inappropriate content."
    ),
    "context_length_exceeded": invalid(
        "This model's maximum context length is 8192 tokens.",
        "messages",
        "context_length_exceeded",
    ),
    "server_error": failure(
        500, None, "The server had an error while processing your request.", "server_error"
    ),
    "bad_gateway": page(502, "502 Bad Gateway"),
    "unavailable": UNAVAILABLE,
    "gateway_timeout": page(504, "504 Gateway Time-out"),
}
"""By name: what is answered, always in the same words."""


def retry_after(reply: Reply, seconds: float) -> Reply:
    """Return the failure with the seconds after which it may be tried again."""
    return _with_header(reply, "Retry-After", f"{seconds:g}")


def retry_at(reply: Reply, seconds: float) -> Reply:
    """Return the failure with the date, `seconds` from now, after which it may be tried again."""
    return _with_header(reply, "Retry-After", formatdate(time.time() + seconds, usegmt=True))


WAITS: dict[str, Callable[[float], Reply]] = {
    "rate_limited": lambda seconds: retry_after(RATE_LIMITED, seconds),
    "rate_limited_until": lambda seconds: retry_at(RATE_LIMITED, seconds),
    "unavailable": lambda seconds: retry_after(UNAVAILABLE, seconds),
}
"""By name: failures that say when to come again, in so many seconds."""


def _with_header(reply: Reply, name: str, value: str) -> Reply:
    return Reply(reply.status, reply.body, {**reply.headers, name: value}, reply.delivery)
