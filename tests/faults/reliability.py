"""Write docs/reliability.md by making every fault: `python -m tests.faults.reliability`.

Belongs here: which tests make which fault, and the table of what they found. Must not: making
faults (see the tests).
"""

import platform
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
SAME = "same"
_HEAD = """# Reliability

What was broken on purpose, and what came of it. Written by `make reliability`, which makes every
one of these faults on real files, processes and servers; nothing here is an estimate.

"Same" means: after a retry the content hash equals that of a run in which nothing failed, every row
read is accounted for, and no reader saw a part of a partition.

| fault | how it is made | expected | found |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Fault:
    """A fault, how it is made, what is expected, and the tests that make it (node id prefixes)."""

    name: str
    how: str
    expected: str
    tests: tuple[str, ...]


def _in(folder: str, file: str, *names: str) -> tuple[str, ...]:
    return tuple(f"tests/{folder}/{file}.py::{name}" for name in names)


FAULTS = (
    Fault(
        "kill -9 at every write point",
        "a counter in the storage layer, lake and SQLite",
        SAME,
        _in("faults", "test_kill", "test_killed", "test_readers"),
    ),
    Fault(
        "kill -9 at every write point, PostgreSQL",
        "the same, marts on a server",
        SAME,
        _in("faults", "test_warehouse_faults", "TestWriters"),
    ),
    Fault(
        "kill -9 at every write point, JSON reports",
        "the same, files and their row in the warehouse",
        "same; readers see the old three files or the new ones",
        _in("faults", "test_report_kill", "test_killed", "test_reader", "test_a_reader"),
    ),
    Fault(
        "frozen writer wakes up after the retry",
        "SIGSTOP, SIGCONT",
        "its commit is refused",
        _in("faults", "test_kill", "test_frozen")
        + _in("faults", "test_report_kill", "test_frozen"),
    ),
    Fault(
        "run worker killed",
        "its pid, daemon and queue running",
        "same; marked failed within 60 s, launched again",
        _in("deploy", "test_processes", "test_a_killed_run_worker"),
    ),
    Fault(
        "code server killed",
        "its pid, with and without the worker",
        "same; an outliving worker publishes nothing after the retry",
        _in("deploy", "test_processes", "test_a_worker_that_outlives", "test_a_run_that_went_down"),
    ),
    Fault(
        "daemon killed",
        "its pid, a run in the queue",
        "the run is made when it is back",
        _in("deploy", "test_processes", "test_a_queued_run"),
    ),
    Fault(
        "reply to COMMIT lost",
        "proxy on loopback",
        "applied once",
        _in("faults", "test_warehouse_faults", "test_the_reply_to_commit"),
    ),
    Fault(
        "PostgreSQL stopped at once, a backend killed",
        "pg_ctl, kill, at three points of a publication",
        SAME,
        _in("faults", "test_warehouse_faults", "test_the_server_stops", "test_a_backend"),
    ),
    Fault(
        "warehouse answers nothing",
        "proxy that drops",
        "error within 60 s, retry",
        _in(
            "faults",
            "test_warehouse_faults",
            "test_the_database_answers",
            "test_silence",
            "test_a_statement_that_takes",
        ),
    ),
    Fault(
        "call database answers nothing",
        "proxy that drops",
        "error within 60 s, retry",
        _in("faults", "test_source", "test_a_database_that_answers", "test_silence"),
    ),
    Fault(
        "disk full: lake",
        "small tmpfs; staging, data files, log, maintenance",
        "old partition intact, clear error; same after space",
        _in("faults", "test_lake_faults", "test_a_full_disk"),
    ),
    Fault(
        "disk full: warehouse",
        "small tmpfs; PostgreSQL and SQLite",
        "old partition intact, clear error; same after space",
        _in("faults", "test_warehouse_faults", "test_the_disk"),
    ),
    Fault(
        "MySQL connection cut in mid-read, server killed",
        "proxy, kill",
        "nothing partial published; same",
        _in("faults", "test_source", "test_a_cut", "test_a_server_that_is_killed"),
    ),
    Fault(
        "monthly table gone, column renamed, type changed",
        "DDL",
        "the table named in the error; other days go on",
        _in("faults", "test_source", "test_a_changed_table"),
    ),
    Fault(
        "late rows of 1, 3 and 40 days",
        "inserts",
        "caught or reported; exact",
        _in("faults", "test_late_rows", "test_"),
    ),
    Fault(
        "duplicates x 10",
        "inserts",
        "exact; the dropped are counted",
        _in("faults", "test_source", "test_duplicates"),
    ),
    Fault(
        "1 poison row; a flood of them",
        "inserts",
        "quarantined; the flood blocks publishing",
        (
            *_in("faults", "test_source", "test_poison"),
            *_in("faults", "test_lake_faults", "test_poison"),
        ),
    ),
    Fault(
        "one bad partition in a range of 180",
        "a row that breaks the contract",
        "179 published and shown, one failed and named",
        _in("faults", "test_range", "test_one_bad_day", "test_the_bad_day_is_cured"),
    ),
    Fault(
        "two runs of one partition at once",
        "two processes",
        "one result, no deadlock",
        (
            *_in("faults", "test_range", "test_of_two_runs", "test_tables_made", "test_a_rival"),
            *_in("faults", "test_lake_faults", "test_of_two_runs"),
        ),
    ),
    Fault(
        "maintenance of the lake beside readers and writers, killed",
        "processes; kill -9 at its points",
        "no reader broken, no writer refused; same",
        (
            *_in("faults", "test_lake_care", "test_"),
            *_in("faults", "test_lake_faults", "test_writers_and_readers"),
        ),
    ),
    Fault(
        "ten days with late rows, a database restart, a killed scheduler",
        "simulated clock, real servers",
        "all laws hold at the end",
        _in("faults", "test_week_in_the_life", "test_"),
    ),
    *(
        Fault(f"language model: {name}", "scripted server", expected, tests)
        for name, expected, tests in (
            (
                "429 with and without Retry-After, 5xx, reset",
                "answered in the end; the ledger equals the server's count",
                _in(
                    "resources",
                    "test_model_failures",
                    "test_what_passes",
                    "test_a_server_that_asks",
                )
                + _in("resources", "test_model_patience", "test_after_retry_after"),
            ),
            (
                "hang, slow drip",
                "left in time; the ledger equals the server's count",
                _in(
                    "resources", "test_model_failures", "test_a_server_that_keeps", "test_the_dead"
                ),
            ),
            (
                "redirect",
                "not followed",
                _in("resources", "test_model_failures", "test_a_redirect"),
            ),
            (
                "HTML, truncated JSON, empty, wrong enum, duplicate keys, refusal",
                "one re-ask, then rules; never kept as an answer",
                _in("resources", "test_model_failures", "test_an_invalid_answer"),
            ),
            (
                "401, quota",
                "the circuit opens after at most 5 requests",
                _in("resources", "test_model_failures", "test_a_hopeless", "test_a_key_that"),
            ),
            (
                "down for 1,000 calls",
                "all marked; later asked again, only those",
                _in("resources", "test_model_failures", "test_nobody_there", "test_after_an_outage")
                + _in("calls", "test_graph_model", "test_an_outage"),
            ),
            (
                "killed in mid-analysis",
                "no more repeated than were under way",
                _in("faults", "test_model_kill", "test_killed"),
            ),
            (
                "unchanged partition again",
                "0 requests",
                _in("calls", "test_graph_model", "test_the_same_again"),
            ),
            (
                "50 injected dialogues",
                "no answer changes; the rules' floor holds when the model is fooled",
                _in("calls", "test_graph_model", "test_injected"),
            ),
        )
    ),
)


class Findings:
    """A pytest plugin that keeps the outcome of every test."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst of a test's phases."""
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.nodeid] = report.outcome

    def of(self, fault: Fault) -> str:
        """Return what was found, in words."""
        found = Counter(
            outcome for node, outcome in self.outcomes.items() if node.startswith(fault.tests)
        )
        if not found:
            return "**not made**"
        words = [f"{number} {outcome}" for outcome, number in sorted(found.items())]
        text = f"{', '.join(words)} of {sum(found.values())} tests"
        return f"as expected ({found['passed']} tests)" if set(found) == {"passed"} else text


def page(findings: Findings, faults: Sequence[Fault] = FAULTS) -> str:
    """Return the document."""
    rows = [f"| {f.name} | {f.how} | {f.expected} | {findings.of(f)} |\n" for f in faults]
    where = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{_HEAD}{''.join(rows)}\nMade on {where}. Which tests: `tests/faults/reliability.py`.\n"


def main() -> int:
    """Make the faults and write the page; 1 if anything was not as expected."""
    findings = Findings()
    files = sorted({test.partition("::")[0] for fault in FAULTS for test in fault.tests})
    code = pytest.main(["-q", *files], plugins=[findings])
    PAGE.write_text(page(findings), encoding="utf-8")
    print(f"{PAGE}: {sum(outcome == 'passed' for outcome in findings.outcomes.values())} passed")
    return int(code != 0)


if __name__ == "__main__":
    sys.exit(main())
