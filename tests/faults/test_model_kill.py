"""A run that is killed while a model is asked: it repeats what was under way, and no more."""

import multiprocessing
from pathlib import Path
from threading import Event

from engine_cases import ask, ledger, model_at, numbered

from cs_apps.scripted_model.faults import OK
from cs_apps.scripted_model.server import ScriptedModel

CONCURRENCY, QUESTIONS, KILLED_AT = 8, 200, 60
_PROCESSES = multiprocessing.get_context("spawn")


def _run(base_url: str, root: Path) -> None:
    with model_at(base_url, root, concurrency=CONCURRENCY) as model:
        ask(model, numbered(QUESTIONS), "killed")


def test_killed_in_mid_analysis(tmp_path: Path) -> None:
    reached = Event()
    with ScriptedModel(latency=0.02) as server:

        def count(received: object) -> object:
            if len(server.asked()) >= KILLED_AT:
                reached.set()
            return OK

        server.script = count  # type: ignore[assignment]
        process = _PROCESSES.Process(target=_run, args=(server.base_url, tmp_path))
        process.start()
        assert reached.wait(120)
        process.kill()
        process.join()
        with model_at(server.base_url, tmp_path, concurrency=CONCURRENCY) as model:
            found = ask(model, numbered(QUESTIONS), "retry")
            assert all(finding.answer for finding in found)
            assert QUESTIONS <= len(server.asked()) <= QUESTIONS + CONCURRENCY
            rows = ledger(model)
            unknown = [row for row in rows if row.outcome is None]
            assert {row.run_id for row in unknown} <= {"killed"}
            assert len(unknown) <= CONCURRENCY
            # opened before it is sent: what the server counted is never missing, and a request
            # that was opened and never sent is among the unknown
            assert len(server.asked()) <= len(rows) <= len(server.asked()) + len(unknown)
