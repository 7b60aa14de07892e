"""The `cs` commands about the language model.

Belongs here: arguments, tables and messages for people. Must not: sums (see `costs`).
"""

from typing import Annotated

import typer
from rich.table import Table

from cs_apps.console import console, reported
from cs_apps.costs import Costs, by_day, total
from cs_apps.days import span
from cs_assets.definitions import CONTRACTS
from cs_resources.model_store import ModelStore
from cs_resources.settings import load_settings
from cs_resources.storage import storage_of

model = typer.Typer()


@model.command()
@reported
def costs(
    first: Annotated[
        str, typer.Option("--from", help="First day, or a period: 2025-W48, 2025-11.")
    ],
    last: Annotated[str, typer.Option("--to", help="Last day, or a period.")],
) -> None:
    """List what the language model was asked about the days' calls, and what that cost."""
    settings = load_settings()
    days = span(first, last, settings)
    lines = ModelStore(storage_of(settings, CONTRACTS).warehouse).costs(*days)
    if not lines:
        console.print(f"No model was asked about calls of {days[0]} … {days[1]}.")
        return
    table = Table(title=f"Requests about calls of {days[0]} … {days[1]}", title_justify="left")
    for heading in ("day", "model", "purpose"):
        table.add_column(heading, overflow="fold")
    for heading in ("requests", "answered", "outcome unknown", "tokens in", "tokens out", "cost"):
        table.add_column(heading, justify="right", overflow="fold")
    for (day, name, purpose), sums in by_day(lines).items():
        table.add_row(str(day), name, purpose, *_figures(sums))
    table.add_section()
    everything = total(lines)
    table.add_row("all", "", "", *_figures(everything))
    console.print(table)
    if everything.unpriced_tokens:
        console.print(
            f"?: {everything.unpriced_tokens:,} tokens of models without a known price; add it to "
            "a file of your own (LLM_PRICES_FILE): later requests are priced by it."
        )


def _figures(sums: Costs) -> list[str]:
    counts = (
        sums.requests,
        sums.answered,
        sums.unknown,
        sums.prompt_tokens,
        sums.completion_tokens,
    )
    return [*(f"{count:,}" for count in counts), sums.money]
