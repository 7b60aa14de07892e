"""The script: which request is treated in which way.

Belongs here: behaviours by name, and the order, texts or shares by which requests get them. Must
not: what a failure or a spoiled answer looks like.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from cs_apps.scripted_model.failures import FAILURES, WAITS
from cs_apps.scripted_model.judge import Verdict, share_of
from cs_apps.scripted_model.log import Received
from cs_apps.scripted_model.reading import read
from cs_apps.scripted_model.spoiled import BODIES, COMPLETIONS, TEXTS, as_json
from cs_apps.scripted_model.wire import Delivery, Reply
from cs_resources.errors import ConfigurationError

REDIRECTED = "/elsewhere/v1"
"""Where a redirect leads by default: this server's own second address, which answers too."""


def _kept(thing: Any) -> Any:
    return thing


@dataclass(frozen=True)
class Behaviour:
    """What becomes of an answer on its way out.

    `text`, `completion` and `body` are applied one after the other to an honest answer;
    `failure` gives what is sent instead of one; either goes out as `delivery` says.
    """

    name: str = "ok"
    text: Callable[[Verdict], str] = as_json
    completion: Callable[[dict[str, Any]], dict[str, Any]] = _kept
    body: Callable[[bytes], bytes] = _kept
    failure: Callable[[], Reply] | None = None
    delivery: Delivery = field(default_factory=Delivery)


OK = Behaviour()


def redirect(location: str = f"{REDIRECTED}/chat/completions", status: int = 307) -> Behaviour:
    """Send the client to a path of this server, or to any address."""
    reply = Reply(status, headers={"Location": location})
    return Behaviour("redirect", failure=lambda: reply)


def drip(seconds: float = 0.05) -> Behaviour:
    """Send an honest answer byte by byte, so many seconds apart."""
    return Behaviour("drip", delivery=Delivery(drip=seconds))


def _failed(name: str) -> Behaviour:
    reply = FAILURES[name]
    return Behaviour(name, failure=lambda: reply)


BEHAVIOURS: dict[str, Behaviour] = {
    "ok": OK,
    **{name: _failed(name) for name in FAILURES},
    **{name: Behaviour(name, text=text) for name, text in TEXTS.items()},
    **{name: Behaviour(name, completion=change) for name, change in COMPLETIONS.items()},
    **{name: Behaviour(name, body=change) for name, change in BODIES.items()},
    "hang": Behaviour("hang", delivery=Delivery(is_hung=True)),
    "drip": drip(),
    "reset": Behaviour("reset", delivery=Delivery(ends_at=0, is_reset=True)),
    "reset_midway": Behaviour("reset_midway", delivery=Delivery(ends_at=0.5, is_reset=True)),
    "closed": Behaviour("closed", delivery=Delivery(ends_at=0)),
    "closed_midway": Behaviour("closed_midway", delivery=Delivery(ends_at=0.5)),
    "redirect": redirect(),
    "redirect_found": redirect(status=302),
}
"""Every behaviour that needs nothing but its name."""


def behaviour(asked: str | Behaviour) -> Behaviour:
    """Return a behaviour by its name; `rate_limited:2`, `drip:0.5`: with seconds of its own.

    `rate_limited` and `unavailable` send them as Retry-After, `rate_limited_until` as a date;
    `redirect:/path` or `redirect:http://…` leads there. Raises ConfigurationError.
    """
    if isinstance(asked, Behaviour):
        return asked
    name, has_argument, argument = asked.partition(":")
    if not has_argument and name in BEHAVIOURS:
        return BEHAVIOURS[name]
    if name == "redirect" and argument:
        return redirect(argument)
    try:
        seconds = float(argument)
    except ValueError:
        seconds = -1.0
    if seconds >= 0 and name == "drip":
        return drip(seconds)
    if seconds >= 0 and name in WAITS:
        return Behaviour(name, failure=lambda: WAITS[name](seconds))
    raise ConfigurationError(
        f"the scripted model knows no behaviour {asked!r}. It knows: {', '.join(BEHAVIOURS)}; "
        f"with seconds after a colon: drip, {', '.join(WAITS)}; with an address: redirect."
    )


Play = str | Behaviour
Script = Sequence[Play] | Mapping[str, Play | Sequence[Play]] | Callable[[Received], Play] | None
"""What requests get: the first ones of a list in the order in which they come, then `ok`; or by a
piece of the dialogue's text (one behaviour always, a list in order and then `ok`; the first piece
that is found counts); or what a function says of the request."""


class Direction:
    """A script while it is played. Names are looked up at once: ConfigurationError."""

    def __init__(self, script: Script) -> None:
        self._chosen: Callable[[Received], Play]
        if script is None:
            self._chosen = lambda received: OK
        elif callable(script):
            self._chosen = script
        elif isinstance(script, Mapping):
            self._chosen = _by_text(script)
        else:
            self._chosen = _in_order(script)

    def next(self, received: Received) -> Behaviour:
        """Say how this request is treated; to be asked once a request."""
        return behaviour(self._chosen(received))


def _in_order(plays: Play | Sequence[Play]) -> Callable[[Received], Play]:
    if isinstance(plays, str | Behaviour):
        always = behaviour(plays)
        return lambda received: always
    left = iter([behaviour(play) for play in plays])
    return lambda received: next(left, OK)


def _by_text(script: Mapping[str, Play | Sequence[Play]]) -> Callable[[Received], Play]:
    pieces = {piece: _in_order(plays) for piece, plays in script.items()}

    def chosen(received: Received) -> Play:
        said = _said(received.body)
        return next((choose(received) for piece, choose in pieces.items() if piece in said), OK)

    return chosen


def _said(body: Any) -> str:
    messages = body.get("messages") if isinstance(body, dict) else None
    return read(messages).inside if messages else ""


@dataclass(frozen=True)
class Shares:
    """A script that gives each behaviour to a share (0..1) of the requests, always the same ones.

    Which request gets which is decided by `seed` and its number: a repeated request draws again.
    """

    shares: Mapping[str, float]
    seed: int = 0
    _numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        for name, share in self.shares.items():
            behaviour(name)
            if not 0 <= share <= 1:
                raise ConfigurationError(f"share of {name}: {share} is not within 0 and 1")

    def __call__(self, received: Received) -> Play:
        """Draw for a request."""
        drawn = share_of(f"{self.seed}:{next(self._numbers)}")
        for name, share in self.shares.items():
            drawn -= share
            if drawn < 0:
                return name
        return OK
