"""The `cs` commands about customers' health.

Belongs here: arguments and messages for people. Must not: what the platform does.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from cs_apps.console import console, reported
from cs_apps.days import span
from cs_apps.replay import replay as replay_periods
from cs_apps.replay_candidate import candidate
from cs_apps.replay_report import ReplayReport, kept_replays
from cs_apps.replay_texts import say
from cs_apps.replays_kept import kept, remove
from cs_assets.calendar import PERIOD_GRAINS, Grain, periods_between
from cs_assets.definitions import TABLES, health_rules_of
from cs_resources.settings import load_settings
from cs_resources.storage import storage_of

health = typer.Typer()


@health.command()
@reported
def replay(
    scorecard: Annotated[Path, typer.Option(help="The candidate, a scorecard file.")],
    first: Annotated[
        str, typer.Option("--from", help="First day, or a period: 2025-W48, 2025-Q4.")
    ],
    last: Annotated[str, typer.Option("--to", help="Last day, or a period.")],
    grain: Annotated[
        Literal["week", "month", "quarter"] | None, typer.Option(help="Default: all of them.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Scorecard that it would replace; default: of its name.")
    ] = None,
    alerts: Annotated[
        Path | None, typer.Option(help="Rules of alerts that go with it; default: those in use.")
    ] = None,
) -> None:
    """Score past periods by a candidate, and tell which grades and alerts would differ."""
    settings = load_settings()
    wanted = candidate(settings, health_rules_of(settings), scorecard, against, alerts)
    days = span(first, last, settings)
    grains = [Grain(grain)] if grain else PERIOD_GRAINS
    periods = {own: [p.partition_key for p in periods_between(own, *days)] for own in grains}
    found = replay_periods(storage_of(settings, TABLES), wanted, periods)
    console.print(ReplayReport(found, settings.cs_locale).shown())


@health.command()
@reported
def replays(
    remove_one: Annotated[
        str | None, typer.Option("--remove", metavar="CANDIDATE", help="Remove this one.")
    ] = None,
) -> None:
    """List the replays that are kept, or remove one."""
    settings = load_settings()
    storage = storage_of(settings, TABLES)
    if remove_one is not None:
        rows = remove(storage, remove_one)
        console.print(say("removed", settings.cs_locale, candidate=remove_one, rows=rows))
        return
    console.print(kept_replays(kept(storage), settings.cs_locale))
