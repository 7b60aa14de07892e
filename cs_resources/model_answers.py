"""The cache of a language model's answers: what was asked once is not paid for again.

Belongs here: finding and keeping answers. Must not: asking, judging, making keys.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Literal

import sqlalchemy as sa

from cs_resources.sql_dialects import Dialect
from cs_resources.warehouse import Warehouse

_KEYS_OF_A_QUERY = 10_000
"""SQLite takes no more than 32,766 parameters."""


@dataclass(frozen=True)
class StoredAnswer:
    """A final answer: `answer` is JSON text, or null where the endpoint refused for good.

    `key` is the digest of prompt version, model, endpoint and redacted dialogue, `analyzed_at` is
    UTC without a zone. Tokens are null where the endpoint did not tell them.
    """

    key: str
    prompt_version: str
    model: str
    endpoint: str
    dialogue_hash: str
    outcome: Literal["answered", "refused"]
    answer: str | None
    error: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    analyzed_at: datetime


@dataclass(frozen=True)
class AnswerCache:
    """The answers that are kept, in the warehouse's database."""

    warehouse: Warehouse

    def answers(self, keys: Collection[str]) -> dict[str, StoredAnswer]:
        """Return what is kept under any number of keys; the others are not in the result."""
        return {answer.key: answer for answer in self.answers_of(keys)}

    def answers_of(self, keys: Iterable[str]) -> Iterator[StoredAnswer]:
        """Yield what is kept under the keys, in bounded memory and in no particular order."""
        table, dialect = self.warehouse.tables.models.answers, self.warehouse.dialect
        for some in portions(keys):
            query = sa.select(table).where(dialect.among(table.c.key, some))
            with self.warehouse.engine.connect() as connection:
                rows = connection.execute(query).all()
            yield from (StoredAnswer(*row) for row in rows)


def keep(
    connection: sa.Connection, dialect: Dialect, table: sa.Table, answers: Sequence[StoredAnswer]
) -> None:
    """Keep answers in an open transaction; one that is there gives way to a later one only."""
    if not answers:
        return
    insert = dialect.insert(table)
    new = insert.excluded
    upsert = insert.on_conflict_do_update(
        index_elements=[table.c.key],
        set_={column.name: new[column.name] for column in table.columns if column.name != "key"},
        where=new.analyzed_at > table.c.analyzed_at,
    )
    # in one order, or two writers of the same answers could wait for each other
    connection.execute(upsert, [vars(answer) for answer in sorted(answers, key=_key)])


def portions(keys: Iterable[str]) -> Iterator[list[str]]:
    """Cut keys into lists that fit into one query."""
    rest = iter(keys)
    while some := list(islice(rest, _KEYS_OF_A_QUERY)):
        yield some


def _key(answer: StoredAnswer) -> str:
    return answer.key
