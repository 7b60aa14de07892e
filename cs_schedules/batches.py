"""Batches of a language model: looked at now and then; the days whose answers came are made again.

Belongs here: when batches are looked at, which days follow. Must not: reading results (see
`model_collecting`).
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)

from cs_resources.errors import PlatformError
from cs_resources.model_batch_api import BatchApi, BatchApiError
from cs_resources.model_batches import Batch
from cs_resources.model_batching import BatchModel, brought_something
from cs_resources.model_collecting import Collector
from cs_resources.model_questions import Assignment
from cs_schedules.jobs import ANALYSE
from cs_schedules.requests import day_requests

COLLECTED = "batch answered"
_INTERVAL_SECONDS = 300
_ENOUGH_SECONDS = 30.0
"""Dagster gives a tick a minute; the batches that are left are for the next one."""
_LOOK_BACK = timedelta(days=1)


def batch_sensor(
    assignment: Assignment, is_enabled: bool, jobs: Mapping[str, UnresolvedAssetJobDefinition]
) -> dg.SensorDefinition:
    """Return the sensor that collects batches and requests exactly the days of their calls."""
    status = dg.DefaultSensorStatus

    @dg.sensor(
        name="llm_batches",
        job=jobs[ANALYSE],
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=status.RUNNING if is_enabled else status.STOPPED,
        required_resource_keys={"language_model"},
        description="Asks the language model's endpoint how far its batches are, keeps the "
        "answers of those that are over, and requests the days of their calls.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        model: BatchModel = context.resources.language_model
        since = datetime.fromisoformat(context.cursor) if context.cursor else _first(model)
        said = looked_at(model, assignment)
        for line in said:
            context.log.info(line)
        closed = model.store.closed_batches(model.endpoint.name, since)
        requests = list(followers(model, closed))
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else "; ".join(said) or "no batch is open",
            # a tick that is cut short leaves the cursor: the next one requests the same days
            cursor=max((batch.closed_at or since for batch in closed), default=since).isoformat(),
        )

    return look


def looked_at(model: BatchModel, assignment: Assignment) -> list[str]:
    """Bring every open batch as far as it goes; return what is to be said of each."""
    began, open_ = time.monotonic(), model.store.open_batches()
    own = [batch for batch in open_ if batch.endpoint == model.endpoint.name]
    said = []
    if len(own) < len(open_):
        others = len(open_) - len(own)
        said.append(f"left alone, as of another LLM_API_BASE_URL: {others} batches")
    if not own:
        return said
    with BatchApi(model.endpoint) as api:
        collector = Collector(model, assignment, api)
        try:
            said += model.submitter(api).resume(model.now() - model.grace)
            for batch in own:
                if batch.status != "submitted":
                    continue
                if time.monotonic() - began > _ENOUGH_SECONDS:
                    said.append("the other batches are for the next tick")
                    break
                said.append(f"batch {batch.batch_id}: {_look(collector, batch)}")
        except PlatformError as error:
            # the endpoint is to blame, not the sensor: say so at every tick, and look again
            said.append(f"the language model cannot be asked: {error}")
    return said


def followers(model: BatchModel, closed: Iterable[Batch]) -> Iterator[dg.RunRequest]:
    """Request the days of calls about which batches brought something."""
    fruitful = [
        batch
        for batch in closed
        if brought_something(batch, model.store.outcomes(batch.batch_id, model.tenant_id))
    ]
    ids = sorted(batch.batch_id for batch in fruitful)
    digest = hashlib.md5(repr(ids).encode(), usedforsecurity=False).hexdigest()[:12]
    days = {date.fromisoformat(day) for batch in fruitful for day in batch.partitions}
    yield from day_requests(days, f"batches/{digest}", COLLECTED)


def _look(collector: Collector, batch: Batch) -> str:
    try:
        return collector.look(batch)
    except BatchApiError as error:
        if not error.is_certain:
            raise
        return str(error)  # of this batch alone


def _first(model: BatchModel) -> datetime:
    return model.now() - _LOOK_BACK
