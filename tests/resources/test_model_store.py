"""Answers and ledger of language models: written once, found again, summed up."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from store_cases import Stores, model_stores, opened_stores, store

from cs_resources.model_answers import StoredAnswer
from cs_resources.model_ledger import ClosedAttempt, CostLine, OpenedAttempt, Spent
from cs_resources.model_store import ModelStore

__all__ = ["model_stores", "opened_stores", "store"]
NOON = datetime.fromisoformat("2025-11-25T12:00:00.123456")
DAY, NEXT_DAY = "2025-11-24", "2025-11-25"
URL, MODEL, PROMPT = "https://model.example/v1", "qwen-plus", "1-0123456789ab"


def answer(key: str = "k", **changes: Any) -> StoredAnswer:
    plain = StoredAnswer(
        key=key,
        prompt_version=PROMPT,
        model=MODEL,
        endpoint=URL,
        dialogue_hash=f"hash of {key}",
        outcome="answered",
        answer='{"reason": "客户要投诉"}',
        error=None,
        prompt_tokens=812,
        completion_tokens=61,
        analyzed_at=NOON,
    )
    return replace(plain, **changes)


def opened_attempt(attempt_id: str = "a", **changes: Any) -> OpenedAttempt:
    plain = OpenedAttempt(
        attempt_id=attempt_id,
        answer_key="k",
        tenant_id="t",
        partition=DAY,
        run_id="run",
        purpose="live",
        endpoint=URL,
        model=MODEL,
        prompt_version=PROMPT,
        structured_output="json_schema",
        number=1,
        opened_at=NOON,
    )
    return replace(plain, **changes)


def closed_attempt(attempt_id: str = "a", **changes: Any) -> ClosedAttempt:
    plain = ClosedAttempt(
        attempt_id=attempt_id,
        outcome="answered",
        http_status=200,
        prompt_tokens=800,
        completion_tokens=60,
        cost_micros=760,
        currency="CNY",
        latency_ms=1234,
        request_id="req-1",
        error=None,
        closed_at=NOON + timedelta(seconds=1),
    )
    return replace(plain, **changes)


def attempts(store: ModelStore) -> list[dict[str, Any]]:
    table = store.warehouse.tables.models.attempts
    with store.warehouse.engine.connect() as connection:
        rows = connection.execute(sa.select(table).order_by(table.c.attempt_id)).mappings()
        return [dict(row) for row in rows]


def test_an_answer_is_found_again_as_it_was(store: ModelStore) -> None:
    refused = answer("no", outcome="refused", answer=None, error="DataInspectionFailed")
    unknown = answer("?", prompt_tokens=None, completion_tokens=None)
    store.commit(answers=[answer(), refused, unknown])
    assert store.answers(["k", "no", "?", "never asked"]) == {
        "k": answer(),
        "no": refused,
        "?": unknown,
    }
    assert store.answers([]) == {}


def test_more_keys_than_a_statement_takes(store: ModelStore) -> None:
    kept = [answer(f"k{n:05}") for n in range(0, 70_000, 7_000)]
    store.commit(answers=kept)
    found = list(store.answers_of(f"k{n:05}" for n in range(70_000)))
    assert sorted(found, key=lambda each: each.key) == kept


def test_only_a_later_answer_replaces_one(store: ModelStore) -> None:
    first, later = answer(answer="{}"), answer(analyzed_at=NOON + timedelta(microseconds=1))
    store.commit(answers=[first])
    store.commit(answers=[answer(answer="another at the same instant")])
    store.commit(answers=[answer(answer="an earlier one", analyzed_at=NOON - timedelta(hours=1))])
    assert store.answers(["k"]) == {"k": first}
    store.commit(answers=[later])
    assert store.answers(["k"]) == {"k": later}


def test_an_attempt_is_open_until_it_is_closed(store: ModelStore) -> None:
    store.commit(opened=[opened_attempt("a"), opened_attempt("b")])
    store.commit(closed=[closed_attempt("a")], opened=[opened_attempt("c")])
    assert [(row["attempt_id"], row["outcome"]) for row in attempts(store)] == [
        ("a", "answered"),
        ("b", None),
        ("c", None),
    ]
    assert attempts(store)[0] == vars(opened_attempt("a")) | vars(closed_attempt("a"))


def test_nothing_is_written_when_an_attempt_was_never_opened(store: ModelStore) -> None:
    with pytest.raises(LookupError, match="1 of 2 attempts were never opened in llm_attempt"):
        store.commit(
            opened=[opened_attempt("a")],
            closed=[closed_attempt("a"), closed_attempt("b")],
            answers=[answer()],
        )
    assert attempts(store) == []
    assert store.answers(["k"]) == {}


def test_committed_twice_is_committed_once(store: ModelStore) -> None:
    group = {"opened": [opened_attempt()], "closed": [closed_attempt()], "answers": [answer()]}
    store.commit(**group)
    before = attempts(store)
    store.commit(**group)
    assert attempts(store) == before
    assert store.answers(["k"]) == {"k": answer()}


def test_what_was_spent_counts_what_is_not_known(store: ModelStore) -> None:
    names = "abcdef"
    store.commit(
        opened=[
            *(opened_attempt(name) for name in names),
            opened_attempt("next", partition=NEXT_DAY),
            opened_attempt("other tenant", tenant_id="u"),
            opened_attempt("other model", model="other"),
            opened_attempt("other prompt", prompt_version="2"),
        ],
        closed=[
            closed_attempt("a"),
            closed_attempt("b", outcome="invalid"),
            closed_attempt("c", cost_micros=11, currency="USD"),
            closed_attempt("d", cost_micros=None, currency=None),
            closed_attempt(
                "e", outcome="timeout", prompt_tokens=None, completion_tokens=None, cost_micros=None
            ),
            closed_attempt("next"),
        ],
    )
    spent = store.spent("t", [DAY, NEXT_DAY, "2025-11-26"], MODEL, PROMPT)
    assert spent == {
        DAY: Spent(6, 1, 1, 3200, 240, {"CNY": 1520, "USD": 11}),
        NEXT_DAY: Spent(1, 0, 0, 800, 60, {"CNY": 760}),
        "2025-11-26": Spent(),
    }
    assert spent[DAY].tokens == 3440


def test_costs_are_told_by_day_model_and_purpose(store: ModelStore) -> None:
    store.commit(
        opened=[
            opened_attempt("a"),
            opened_attempt("b", number=2),
            opened_attempt("c", purpose="batch"),
            opened_attempt("d"),
            opened_attempt("e", partition=NEXT_DAY, model="qwen-flash"),
            opened_attempt("f", partition="2025-11-26"),
        ],
        closed=[
            closed_attempt("a", outcome="invalid"),
            closed_attempt("b"),
            closed_attempt("c", cost_micros=380),
            closed_attempt("e"),
            closed_attempt("f"),
        ],
    )
    lines = store.costs(date(2025, 11, 24), date(2025, 11, 25))
    day = date(2025, 11, 24)
    expected = [
        CostLine("t", day, MODEL, "batch", "CNY", 1, 1, 0, 800, 60, 380),
        CostLine("t", day, MODEL, "live", "CNY", 2, 1, 0, 1600, 120, 1520),
        CostLine("t", day, MODEL, "live", None, 1, 0, 1, 0, 0, None),
        CostLine("t", date(2025, 11, 25), "qwen-flash", "live", "CNY", 1, 1, 0, 800, 60, 760),
    ]
    assert sorted(lines, key=repr) == sorted(expected, key=repr)
    assert [line.call_date for line in lines] == sorted(line.call_date for line in lines)


def test_a_mode_is_remembered_until_another_works(store: ModelStore) -> None:
    assert store.mode(URL, MODEL) is None
    for mode in ("json_schema", "json_object", "json_schema"):
        store.remember_mode(URL, MODEL, mode)
        assert store.mode(URL, MODEL) == mode
    assert store.mode(URL, "another model") is None


def test_two_stores_write_the_same_answers_at_once(model_stores: Stores) -> None:
    keys = [f"k{n:03}" for n in range(200)]

    def write(turn: int) -> None:
        order = keys if turn % 2 else keys[::-1]
        at = NOON + timedelta(seconds=turn)
        model_stores[turn % 2].commit(answers=[answer(key, analyzed_at=at) for key in order])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(12)))
    found = model_stores[0].answers(keys)
    assert {each.analyzed_at for each in found.values()} == {NOON + timedelta(seconds=11)}
    assert len(found) == 200
