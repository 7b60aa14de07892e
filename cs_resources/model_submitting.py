"""Bringing batches to their endpoint, also after whoever began it was killed.

Belongs here: the steps from a batch that is written down to one that the endpoint works on. Must
not: which requests it holds (see `model_batching`), results (see `model_collecting`).

An upload costs nothing and may be done again. A batch costs: where it is not known whether one was
submitted, it is looked for at the endpoint first.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import IO

from cs_resources.errors import ConfigurationError
from cs_resources.model_batch_api import BatchApi, BatchApiError, BatchRecord
from cs_resources.model_batches import Batch, BatchItem
from cs_resources.model_ledger import OpenedAttempt
from cs_resources.model_store import ModelStore

PORTION = 500
"""Rows of a transaction."""


@dataclass(frozen=True)
class Submitter:
    """Submits batches; after a failure that may pass it waits the `pauses` in seconds.

    `now` returns the present instant in UTC, without a zone.
    """

    store: ModelStore
    api: BatchApi
    pauses: tuple[float, ...]
    now: Callable[[], datetime]

    def submit(self, batch: Batch, content: IO[bytes]) -> str:
        """Upload a batch's requests and submit it; return what stands in its way, empty: nothing.

        Raises ConfigurationError where the endpoint has no Batch API.
        """
        try:
            file = self._uploaded(batch, content)
        except (BatchApiError, ConfigurationError) as error:
            self._fail(batch, str(error))
            if isinstance(error, ConfigurationError):
                raise
            return str(error)
        uploaded = replace(batch, status="uploaded", input_file=file)
        if not self.store.update_batch(uploaded, "preparing"):
            return "another process has taken it over"
        return self._submit(uploaded)

    def resume(self, began_before: datetime) -> list[str]:
        """Go on with batches whose submitter was killed; return what became of them.

        Those that began later are left alone: their submitter may be at work.
        """
        return [
            f"batch {batch.batch_id}: {self._resume(batch)}"
            for batch in self.store.open_batches()
            if batch.endpoint == self.api.endpoint.name
            and batch.status != "submitted"
            and batch.opened_at <= began_before
        ]

    def _resume(self, batch: Batch) -> str:
        try:
            if batch.status == "preparing":
                file = self._found_file(batch)
                if file is None:
                    return self._fail(batch, "its submitter ended before the upload")
                uploaded = replace(batch, status="uploaded", input_file=file)
                self.store.update_batch(uploaded, "preparing")
                batch = uploaded
            found = self._found_batch(batch)
        except BatchApiError as error:
            return str(error)
        if found is None:
            return self._submit(batch) or "submitted again"
        self._begun(batch, found)
        return "found at the endpoint"

    def _submit(self, batch: Batch) -> str:
        try:
            record = self._submitted(batch)
        except ConfigurationError as error:
            self._fail(batch, str(error))
            raise
        except BatchApiError as error:
            if error.is_certain:
                return self._fail(batch, str(error))
            # it may have arrived: who resumes it looks for it
            self.store.update_batch(replace(batch, error=str(error)), "uploaded")
            return str(error)
        self._begun(batch, record)
        return ""

    def _uploaded(self, batch: Batch, content: IO[bytes]) -> str:
        for pause in self.pauses:
            try:
                return self.api.upload(batch.batch_id, content)
            except BatchApiError as error:
                if error.is_certain:
                    raise
            time.sleep(pause)
        return self.api.upload(batch.batch_id, content)

    def _submitted(self, batch: Batch) -> BatchRecord:
        for pause in self.pauses:
            try:
                return self._create(batch)
            except BatchApiError as error:
                if error.is_certain:
                    raise
            time.sleep(pause)
            if found := self._found_batch(batch):
                return found
        return self._create(batch)

    def _create(self, batch: Batch) -> BatchRecord:
        if batch.input_file is None:
            raise RuntimeError(f"batch {batch.batch_id} is {batch.status} and has no file")
        return self.api.submit(batch.batch_id, batch.input_file)

    def _begun(self, batch: Batch, record: BatchRecord) -> None:
        """Open the ledger for every request, then let the batch be collected."""
        items = self.store.batch_items(batch.batch_id)
        for start in range(0, len(items), PORTION):
            self.store.commit(opened=self._attempts(batch, items[start : start + PORTION]))
        submitted = replace(
            batch,
            status="submitted",
            provider_id=record.id,
            provider_status=record.status,
            submitted_at=self.now(),
            error=None,
        )
        self.store.update_batch(submitted, "uploaded")

    def _fail(self, batch: Batch, reason: str) -> str:
        failed = replace(batch, status="failed", error=reason, closed_at=self.now())
        if self.store.update_batch(failed, batch.status) and batch.input_file:
            with suppress(BatchApiError):  # the provider deletes it in time
                self.api.delete(batch.input_file)
        return reason

    def _found_file(self, batch: Batch) -> str | None:
        try:
            return self.api.find_file(batch.batch_id, batch.opened_at)
        except BatchApiError as error:
            if error.is_unknown_there:
                return None  # an endpoint without a list of files
            raise

    def _found_batch(self, batch: Batch) -> BatchRecord | None:
        try:
            return self.api.find_batch(batch.batch_id, batch.input_file, batch.opened_at)
        except BatchApiError as error:
            if error.is_unknown_there:
                return None  # an endpoint without a list of batches
            raise

    def _attempts(self, batch: Batch, items: Sequence[BatchItem]) -> list[OpenedAttempt]:
        return [
            OpenedAttempt(
                attempt_id=item.attempt_id,
                answer_key=item.custom_id,
                tenant_id=item.tenant_id,
                partition=item.partition,
                run_id=batch.run_id,
                purpose="batch",
                endpoint=batch.endpoint,
                model=batch.model,
                prompt_version=batch.prompt_version,
                structured_output=batch.mode,
                number=1,
                opened_at=self.now(),
            )
            for item in items
        ]
