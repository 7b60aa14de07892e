"""How fast are calls read by a language model? `python -m benchmarks.language_model`.

Belongs here: a day's dialogues through the engine, against a scripted model in a process of its
own. Must not: what faults do (tests do that).

- whole: many different dialogues, so many requests at once, each answered after the same time; the
  floor is what that takes without any work between two requests.
- again: the same questions; nothing may be asked.
- nobody there: no endpoint; how long until the rules have judged all that is left.

The exit code is 1 if a limit is not kept.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import sqlalchemy as sa

from benchmarks.measure import markdown
from cs_apps.scripted_model.process import started
from cs_assets.calls.model_answers import assignment
from cs_assets.calls.prompt import Prompt, Turn
from cs_assets.definitions import CONTRACTS
from cs_resources.language_model import LanguageModel
from cs_resources.model_client import Endpoint
from cs_resources.model_prices import Prices
from cs_resources.model_questions import Question
from cs_resources.model_store import ModelStore
from cs_resources.model_window import Limits
from cs_resources.storage import Storage

LIMIT = 1.15
OUTAGE_SECONDS = 300.0
_DAY = str(date(2025, 11, 24))
_CLOSED = "http://127.0.0.1:1/v1"
_PROMPT = Prompt.load()
_NAMES = "甲乙丙丁戊己庚辛壬癸"


def main() -> int:
    """Measure and print."""
    options = _options()
    print(f"{platform.machine()}, {os.cpu_count()} processors\n")
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.folder) as folder:
        rows, faults = _measured(Path(folder), options)
    print(markdown(("measurement", "calls", "time s", "compared", "limit", "kept"), rows))
    for fault in faults:
        print(f"\nnot kept: {fault}")
    return 1 if faults else 0


def _measured(folder: Path, options: argparse.Namespace) -> tuple[list[tuple[str, ...]], list[str]]:
    rows: list[tuple[str, ...]] = []
    faults: list[str] = []

    def add(name: str, calls: int, seconds: float, said: str, limit: str, is_kept: bool) -> None:
        kept = "yes" if is_kept else "NO"
        rows.append((name, f"{calls:,}", f"{seconds:.2f}", said, limit, kept))
        if not is_kept:
            faults.append(f"{name}: {said}, limit {limit}")

    with started("--latency", str(options.latency)) as server:
        model = _model(folder / "one", server.base_url, server.key, options.concurrency)
        _ask(model, 1)  # the form of answers is found out, modules are loaded
        seconds = _ask(model, options.calls, first=1)
        ratio = seconds / (options.calls * options.latency / options.concurrency)
        floor = f"{ratio:.2f} x calls·latency/concurrency"
        add("whole", options.calls, seconds, floor, f"{LIMIT} x", ratio <= LIMIT)
        before = server.counts()["received"]
        seconds = _ask(model, options.calls, first=1)
        asked = server.counts()["received"] - before
        add("again", options.calls, seconds, f"{asked} requests", "0", asked == 0)
    model = _model(folder / "two", _CLOSED, "none", options.concurrency)
    seconds = _ask(model, options.outage, answered=False)
    limit = f"{OUTAGE_SECONDS:.0f} s"
    add("nobody there", options.outage, seconds, "", limit, seconds <= OUTAGE_SECONDS)
    return rows, faults


def _model(folder: Path, base_url: str, key: str, concurrency: int) -> LanguageModel:
    storage = Storage(
        contracts=CONTRACTS,
        lake_root=folder / "lake",
        warehouse_url=sa.URL.create("sqlite", database=str(folder / "warehouse.sqlite")),
        staging_folder=folder / "staging",
    )
    return LanguageModel(
        endpoint=Endpoint(base_url, "qwen-turbo", key, concurrency=concurrency),
        store=ModelStore(storage.warehouse),
        tenant_id="default",
        prices=Prices.load(),
        limits=Limits(),
    )


def _ask(model: LanguageModel, calls: int, first: int = 0, *, answered: bool = True) -> float:
    """Ask about calls; return the seconds. Raises RuntimeError if findings are not as expected."""
    session = model.session(assignment(_PROMPT), "benchmark")
    began = time.perf_counter()
    with closing(session.findings(_questions(first, calls), [_DAY])) as batches:
        found = sum(bool(item.answer) == answered for batch in batches for item in batch)
    seconds = time.perf_counter() - began
    if found != calls:
        raise RuntimeError(f"the measured work is wrong: {found} of {calls} findings as expected")
    return seconds


def _questions(first: int, calls: int) -> Iterator[Question]:
    for number in range(first, first + calls):
        name = "".join(_NAMES[int(digit)] for digit in str(number))
        turns = [
            Turn(f"喂，我是{name}，上个月的宽带还是断断续续", "您好，我帮您查一下，请稍等。"),
            Turn("已经打过两次电话了，没有人处理", "非常抱歉，给您带来不便。"),
            Turn("再修不好我就取消了", "我马上为您催单，请问还有什么可以帮您？"),
            Turn("没有了，谢谢", "祝您生活愉快，再见。"),
        ]
        asked = _PROMPT.render(turns, 6000)
        yield Question(("default", _DAY, name), _DAY, asked.dialogue_hash, asked.messages)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds before each answer")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--outage", type=int, default=1_000, help="calls with nobody there")
    parser.add_argument("--folder", type=Path, help="where to work (default: /tmp)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
