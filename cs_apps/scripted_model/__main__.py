"""`python -m cs_apps.scripted_model`: the scripted server as a process of its own.

Belongs here: options, the line that says where it listens, and when it ends. Must not: answering.

It ends with SIGTERM or Ctrl-C, and with the process that started it: when standard input is a pipe
(as from `started`), the pipe's end is its own.
"""

import argparse
import json
import os
import signal
import stat
import sys
import threading

from cs_apps.scripted_model.batches import BatchPlan
from cs_apps.scripted_model.chat import MODES
from cs_apps.scripted_model.faults import Script, Shares
from cs_apps.scripted_model.judge import Careless, Judge, gullible, honest
from cs_apps.scripted_model.server import ScriptedModel
from cs_resources.errors import ConfigurationError


def main(arguments: list[str] | None = None) -> None:
    """Serve until told to end; print one line of JSON with `base_url` and `key`."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        _serve(options)
    except ConfigurationError as error:
        parser.error(str(error))


def _serve(options: argparse.Namespace) -> None:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with ScriptedModel(
        latency=options.latency,
        script=_script(options.faults, options.seed),
        judge=_judge(options.judge, options.seed),
        modes=tuple(options.modes.split(",")),
        key=options.key,
        gateway_token=options.gateway_token,
        batch_plan=BatchPlan(polls=options.batch_polls),
        port=options.port,
        keeps_bodies=options.keep_bodies,
    ) as model:
        print(json.dumps({"base_url": model.base_url, "key": model.terms.key}), flush=True)
        if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
            threading.Thread(target=_watch_input, args=(ended,), daemon=True).start()
        ended.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cs_apps.scripted_model",
        description="Answer like an OpenAI-compatible language model, by rules, with no key.",
    )
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument(
        "--faults",
        default="",
        help="behaviours for the first requests (`rate_limited:1,ok,hang`), or for shares of all "
        "(`server_error=0.02,wrong_enum=0.01`)",
    )
    parser.add_argument("--judge", default="honest", help="honest, gullible, or careless:0.1:0.05")
    parser.add_argument("--seed", type=int, default=0, help="of shares and careless errors")
    parser.add_argument("--modes", default=",".join(MODES), help="response formats it understands")
    parser.add_argument("--key", default="sk-test", help="the key that it accepts")
    parser.add_argument("--gateway-token", help="or the header Authorization-Gateway")
    parser.add_argument("--batch-polls", type=int, default=1, help="polls until a batch is done")
    parser.add_argument("--keep-bodies", action="store_true", help="for /__received__?bodies=1")
    return parser


def _script(text: str, seed: int) -> Script:
    plays = [play.strip() for play in text.split(",") if play.strip()]
    if not any("=" in play for play in plays):
        return plays
    shares = {name: _number(share) for name, _, share in (play.partition("=") for play in plays)}
    return Shares(shares, seed)


def _judge(text: str, seed: int) -> Judge:
    match text.split(":"):
        case ["honest"]:
            return honest
        case ["gullible"]:
            return gullible
        case ["careless", complaint, churn]:
            return Careless(_number(complaint), _number(churn), seed)
    raise ConfigurationError(f"--judge {text}: honest, gullible, or careless:<rate>:<rate>")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(f"{text!r} is not a number between 0 and 1") from None


def _watch_input(ended: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1 << 10):
        pass
    ended.set()


if __name__ == "__main__":
    main()
