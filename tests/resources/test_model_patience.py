"""An endpoint that asks for patience gets it from every request, and no question loses by it."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from engine_cases import ask, model_at, numbered, require_ledger_of

from cs_apps.scripted_model.log import Received
from cs_apps.scripted_model.server import ScriptedModel
from cs_resources.model_asking import Patience
from cs_resources.model_circuit import Circuit, CircuitOpenError
from cs_resources.model_window import Limits

SECONDS = 2
PARALLEL = 8
LIMITED = Limits(requests_per_minute=6000)


@dataclass
class _TooMany:
    """Answers 429 once so many requests have come, and drips what else it says till then."""

    requests: int
    came: int = 0
    told: list[float] = field(default_factory=list)

    def __call__(self, received: Received) -> str:
        self.came += 1
        if self.told:
            return "ok"
        if self.came <= self.requests:
            return "ok" if self.came == 1 else "drip:0.001"
        self.told.append(time.monotonic())
        return f"rate_limited:{SECONDS}"


@pytest.mark.parametrize("limits", [Limits(), LIMITED], ids=["unlimited", "limited"])
@pytest.mark.parametrize("before", [0, PARALLEL], ids=["probe", "parallel"])
def test_after_retry_after_no_request_comes_too_early(
    tmp_path: Path, before: int, limits: Limits
) -> None:
    script = _TooMany(before)
    with (
        ScriptedModel(script=script) as server,
        model_at(server.base_url, tmp_path, concurrency=PARALLEL, limits=limits) as model,
    ):
        found = ask(model, numbered(3 * PARALLEL))
        assert all(finding.method == "llm" for finding in found)
        (told,) = script.told
        later = [received.at for received in server.asked() if received.at > told]
        assert len(later) == 3 * PARALLEL - before
        assert min(later) >= told + SECONDS
        require_ledger_of(server, model)


def test_waiting_because_others_were_told_to_costs_no_patience(tmp_path: Path) -> None:
    script = {piece: ["rate_limited:1"] for piece in ("甲次", "乙次", "丙次", "丁次")}
    with (
        ScriptedModel(script=script) as server,
        model_at(server.base_url, tmp_path, patience=Patience(1.5, 1.5)) as model,
    ):
        found = ask(model, numbered(5))
        assert all(finding.method == "llm" for finding in found)
        assert [row.outcome for row in require_ledger_of(server, model)].count("answered") == 5


def test_more_patience_than_a_question_has_is_given_to_nobody(tmp_path: Path) -> None:
    with (
        ScriptedModel(script="rate_limited:3600") as server,
        model_at(server.base_url, tmp_path, patience=Patience(1, 0.3), limits=LIMITED) as model,
    ):
        found = ask(model, numbered(20))
        assert all(finding.is_unfinished for finding in found)
        # five open the circuit, each of the two pauses ends with one more
        assert len(require_ledger_of(server, model)) == 7


@pytest.mark.parametrize("is_tried", [False, True])
def test_nobody_is_held_back_by_an_endpoint_that_is_given_up(is_tried: bool) -> None:
    async def held_then_given_up() -> list[object]:
        circuit = Circuit(5)
        await circuit.leave(True, True if is_tried else None)
        circuit.hold(3600)
        waiting = [asyncio.create_task(circuit.enter()) for _ in range(PARALLEL)]
        await asyncio.sleep(0)
        await circuit.give_up("the key was withdrawn")
        async with asyncio.timeout(30):
            return list(await asyncio.gather(*waiting, return_exceptions=True))

    ended = asyncio.run(held_then_given_up())
    assert [type(each) for each in ended] == [CircuitOpenError] * PARALLEL
