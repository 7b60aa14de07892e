"""Time and peak memory of a piece of work, each piece in a process of its own.

Belongs here: clocks, processes, tables of figures. Must not: knowing what is measured.
"""

import pickle
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WHOLE = "whole"
_STATUS = Path("/proc/self/status")
_RESET_PEAK = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Lap:
    """A piece of work: elapsed and processor seconds, and the process's peak memory in MiB."""

    name: str
    seconds: float
    cpu_seconds: float
    peak: float


@dataclass
class Stopwatch:
    """Measures laps one after the other; `stop` adds the lap of all of them."""

    laps: list[Lap] = field(default_factory=list)
    _running: tuple[str, float, float] | None = None

    def start(self, name: str) -> None:
        """End the running lap and begin another."""
        self._end()
        _forget_peak()
        self._running = (name, time.perf_counter(), time.process_time())

    def stop(self) -> list[Lap]:
        """End the running lap; return all, the whole of them last."""
        self._end()
        whole = Lap(
            WHOLE,
            sum(lap.seconds for lap in self.laps),
            sum(lap.cpu_seconds for lap in self.laps),
            max(lap.peak for lap in self.laps),
        )
        return [*self.laps, whole]

    def _end(self) -> None:
        if self._running is None:
            return
        name, began, cpu = self._running
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
        self.laps.append(Lap(name, seconds, cpu_seconds, peak_memory()))
        self._running = None


def peak_memory() -> float:
    """Return the peak of this process's resident memory in MiB (on Linux since the last lap)."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024**2 if sys.platform == "darwin" else peak / 1024


def _forget_peak() -> None:
    if _RESET_PEAK.exists():
        _RESET_PEAK.write_text("5")


def alone(work: Callable[..., Any], *arguments: object) -> Any:
    """Return the outcome of a function that runs in a fresh process.

    Raises ChildProcessError if the process fails or is killed, for want of memory for example.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.child"],
        input=pickle.dumps((work, arguments)),
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise ChildProcessError(f"{work.__name__} ended with {done.returncode}")
    return pickle.loads(done.stdout)


def best(runs: Sequence[Sequence[Lap]]) -> dict[str, Lap]:
    """Return of each lap the least times and the greatest peak of several runs."""
    return {
        laps[0].name: Lap(
            laps[0].name,
            min(lap.seconds for lap in laps),
            min(lap.cpu_seconds for lap in laps),
            max(lap.peak for lap in laps),
        )
        for laps in zip(*runs, strict=True)
    }


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns: the first to the left, figures to the right."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]

    def written(line: Sequence[str]) -> str:
        first, *rest = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        return "| " + " | ".join([first, *(cell.strip().rjust(len(cell)) for cell in rest)]) + " |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([written(lines[0]), written(rule), *(written(line) for line in lines[1:])])
