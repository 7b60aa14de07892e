"""What is kept of a language model's work, in the warehouse's database.

Belongs here: the store as its users see it, and the one transaction that answers and ledger share.
Must not: sending requests, judging answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from cs_resources.model_answers import AnswerCache, StoredAnswer, keep
from cs_resources.model_batches import Batches
from cs_resources.model_ledger import (
    ClosedAttempt,
    Ledger,
    OpenedAttempt,
    record_closed,
    record_opened,
)
from cs_resources.model_pace import Pace
from cs_resources.repeating import repeatable
from cs_resources.warehouse import Warehouse


@dataclass(frozen=True)
class ModelStore(AnswerCache, Ledger, Pace, Batches):
    """Answers, ledger, pace and batches of all models, shared by every process."""

    warehouse: Warehouse

    def commit(
        self,
        opened: Sequence[OpenedAttempt] = (),
        closed: Sequence[ClosedAttempt] = (),
        answers: Sequence[StoredAnswer] = (),
    ) -> None:
        """Write attempts and answers in one transaction, exactly once.

        An answer that is kept already gives way to a later one only. Raises LookupError if an
        attempt is closed that was never opened; then nothing is written.
        """
        tables, dialect = self.warehouse.tables.models, self.warehouse.dialect

        def work(connection: sa.Connection) -> None:
            record_opened(connection, dialect, tables.attempts, opened)
            record_closed(connection, tables.attempts, closed)
            keep(connection, dialect, tables.answers, answers)

        if opened or closed or answers:
            repeatable(self.warehouse, work)
