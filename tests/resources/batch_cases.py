"""A model in batch mode behind a scripted server: what its tests share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine_cases import PROMPT, model_at

from cs_apps.scripted_model.batches import BatchPlan
from cs_apps.scripted_model.server import ScriptedModel
from cs_assets.calls.model_answers import assignment
from cs_resources.language_model import LanguageModel
from cs_resources.model_batches import Batch
from cs_resources.model_batching import BatchModel
from cs_schedules.batches import looked_at

PRICED = "qwen-plus"
"""A model whose batches have a known price."""
AT_ONCE = BatchPlan(polls=0)
NOON = datetime(2025, 11, 25, 12, tzinfo=UTC)


class Clock:
    """Goes on by a second at each look, and when it is told to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        self.pass_(seconds=1)
        return self.now

    def pass_(self, **time: int) -> None:
        self.now += timedelta(**time)


@contextmanager
def live_model(server: ScriptedModel, root: Path, **changes: object) -> Iterator[LanguageModel]:
    """The priced model, asked live."""
    with model_at(server.base_url, root, **changes) as model:
        yield replace(model, endpoint=replace(model.endpoint, model=PRICED))


def in_batches(live: LanguageModel, root: Path, **changes: object) -> BatchModel:
    """The same model in batch mode, with a clock of its own."""
    parts = {part.name: getattr(live, part.name) for part in fields(live)}
    usual = {"scratch": root / "scratch", "clock": Clock()}
    return BatchModel(**parts, **(usual | changes))  # type: ignore[arg-type]


@contextmanager
def batch_model(server: ScriptedModel, root: Path, **changes: object) -> Iterator[BatchModel]:
    """The priced model in batch mode."""
    own = {
        name: changes.pop(name)
        for name in ("most_requests", "most_bytes", "grace", "clock")
        if name in changes
    }
    with live_model(server, root, **changes) as live:
        yield in_batches(live, root, **own)


def look(model: BatchModel) -> list[str]:
    """What the sensor says after one look."""
    return looked_at(model, assignment(PROMPT))


def closed(model: BatchModel) -> list[Batch]:
    """Every batch that is over, the last first."""
    return model.store.closed_batches(model.endpoint.name, datetime.fromisoformat("2000-01-01"))


def counted(server: ScriptedModel) -> dict[str, int]:
    """Requests by method and path, ids left out."""
    found: dict[str, int] = {}
    for received in server.received:
        name = f"{received.method} /{received.path.split('/')[2]}"
        found[name] = found.get(name, 0) + 1
    return found
