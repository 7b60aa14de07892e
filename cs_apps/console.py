"""What the `cs` commands share: where they print, and how they fail.

Belongs here: consoles, the exit code of a failure that an operator can mend. Must not: commands.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cs_apps.backfill import WaveResult
from cs_apps.finding import Finding, Health
from cs_resources.errors import PlatformError

console = Console()
errors = Console(stderr=True)
P = ParamSpec("P")


def reported(command: Callable[P, None]) -> Callable[P, None]:
    """End with the message and exit code 1 on a failure that an operator can mend."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except PlatformError as error:
            errors.print(f"[red]error:[/] {error}", highlight=False, soft_wrap=True)
            raise typer.Exit(1) from None

    return run


def failure(result: WaveResult) -> str:
    """Say which run failed, and why."""
    lines = "\n".join(f"  {problem[:2000]}" for problem in result.problems)
    return f"run {result.run_id} ({result.wave.label}) failed:\n{lines}\nSee the run in `make ui`."


def show_findings(findings: Sequence[Finding]) -> bool:
    """Show the findings; say whether something is broken."""
    table = Table(show_lines=False)
    for heading in ("part", "is", "seen", "to do"):
        table.add_column(heading, overflow="fold")
    colours = {Health.OK: "green", Health.WARNING: "yellow", Health.BROKEN: "red"}
    for finding in findings:
        state = f"[{colours[finding.health]}]{finding.health}[/]"
        table.add_row(finding.part, state, escape(finding.seen), escape(finding.remedy))
    console.print(table)
    return any(finding.health is Health.BROKEN for finding in findings)
