"""A language model behind a scripted server, and dialogues to ask it about: what tests share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from storage_cases import opened

from cs_apps.scripted_model.server import ScriptedModel
from cs_assets.calls.model_answers import assignment
from cs_assets.calls.prompt import Prompt, Turn
from cs_resources.language_model import LanguageModel
from cs_resources.model_asking import Patience
from cs_resources.model_client import Endpoint
from cs_resources.model_prices import Prices
from cs_resources.model_questions import Finding, Question
from cs_resources.model_store import ModelStore
from cs_resources.model_window import Limits

DAY = "2025-11-24"
PROMPT = Prompt.load()
MODEL = "qwen-turbo"


@contextmanager
def model_at(base_url: str, root: Path, **changes: object) -> Iterator[LanguageModel]:
    """A model that waits for nothing, with an empty store."""
    endpoint = {
        name: changes.pop(name)
        for name in ("api_key", "gateway_token", "concurrency", "extra_body", "connect_timeout")
        if name in changes
    }
    with opened(root) as storage:
        yield LanguageModel(
            endpoint=Endpoint(base_url, MODEL, **({"api_key": "sk-test"} | endpoint)),  # type: ignore[arg-type]
            store=ModelStore(storage.warehouse),
            tenant_id="default",
            prices=Prices.load(),
            **(  # type: ignore[arg-type]
                {
                    "limits": Limits(),
                    "patience": Patience(attempt=10, question=10),
                    "pauses": (0.0, 0.0),
                }
                | changes
            ),
        )


def questions(*said: str, day: str = DAY) -> list[Question]:
    """One question for each text that a customer says."""
    made = []
    for number, text in enumerate(said):
        rendered = PROMPT.render([Turn(text, "您好")], 6000)
        made.append(
            Question(
                ("default", day, str(number)),
                day,
                rendered.dialogue_hash,
                rendered.messages,
                rendered.is_truncated,
            )
        )
    return made


def numbered(count: int, text: str = "第{}次来电，还是没有修好") -> list[Question]:
    """Many different questions."""
    names = "甲乙丙丁戊己庚辛壬癸"
    return questions(
        *(text.format("".join(names[int(digit)] for digit in str(n))) for n in range(count))
    )


def ask(model: LanguageModel, asked: Sequence[Question], run_id: str = "run") -> list[Finding]:
    """All findings, in the order of the questions."""
    session = model.session(assignment(PROMPT), run_id)
    days = sorted({question.partition for question in asked})
    found = [finding for batch in session.findings(asked, days) for finding in batch]
    order = {question.id: place for place, question in enumerate(asked)}
    return sorted(found, key=lambda finding: order[finding.question.id])


def ledger(model: LanguageModel) -> list[sa.Row]:
    """Every attempt, in the order in which they were opened."""
    table = model.store.warehouse.tables.models.attempts
    with model.store.warehouse.engine.connect() as connection:
        return list(connection.execute(sa.select(table).order_by(table.c.opened_at)))


def require_ledger_of(server: ScriptedModel, model: LanguageModel) -> list[sa.Row]:
    """The ledger, after proving that it holds what the server has counted."""
    rows = ledger(model)
    assert len(rows) == len(server.asked())
    return rows
