"""The `cs` commands that take care of an installation.

Belongs here: arguments, tables and messages for people. Must not: what the platform does.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table

from cs_apps.console import console, errors, failure, reported, show_findings
from cs_apps.doctor import examine
from cs_apps.home import open_instance, upgrade_home
from cs_apps.lost_runs import end_lost_runs
from cs_apps.stale import Staleness, recipes_of, staleness
from cs_apps.stale import repair as repairs
from cs_assets.definitions import CONTRACTS, TABLES, build_definitions, retention_of
from cs_resources.dagster_retention import trim_event_log
from cs_resources.errors import PlatformError
from cs_resources.lake_maintenance import maintain_all
from cs_resources.settings import load_settings
from cs_resources.storage import migrator_of, storage_of

care = typer.Typer()


@care.command()
@reported
def stale(
    repair: Annotated[bool, typer.Option(help="Make again what is stale.")] = False,
) -> None:
    """List published partitions made from other code, rules or inputs than those of now."""
    settings = load_settings()
    storage = storage_of(settings, CONTRACTS)
    definitions = build_definitions(settings, storage)
    found = staleness(storage, recipes_of(definitions, storage), settings.calendar)
    _show_stale(found)
    if repair and found.repairs:
        with open_instance(settings) as instance:
            for result in repairs(definitions, instance, storage, settings.calendar):
                if not result.success:
                    raise PlatformError(failure(result))
                names = ", ".join(sorted(key.path[-1] for key in result.wave.assets))
                console.print(f"made again: {result.wave.label}  {names}")
        console.print("Nothing is stale any more.")


@care.command()
@reported
def restatements(
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day (UTC); default: a week ago.")
    ] = None,
) -> None:
    """List published partitions that were replaced by other content, newest first."""
    first = since.replace(tzinfo=UTC) if since else datetime.now(UTC) - timedelta(days=7)
    found = storage_of(load_settings(), CONTRACTS).restatements(first)
    if not found:
        console.print(f"Nothing was restated since {first:%Y-%m-%d %H:%M} UTC.")
        return
    table = Table(title=f"Restated since {first:%Y-%m-%d %H:%M} UTC", title_justify="left")
    for heading in ("at (UTC)", "asset", "partition", "rows", "what moved", "run"):
        table.add_column(heading, overflow="fold")
    for item in found:
        moved = [f"{n} {old:,} → {new:,}" for n, (old, new) in item.headline.items() if old != new]
        old_rows = "?" if item.old_rows is None else f"{item.old_rows:,}"
        table.add_row(
            f"{item.restated_at:%Y-%m-%d %H:%M:%S}",
            item.asset,
            item.partition,
            f"{old_rows} → {item.new_rows:,}",
            ", ".join(moved),
            item.run_id[:8],
        )
    console.print(table)


@care.command()
@reported
def prepare() -> None:
    """Make the home and Dagster's storage, or bring them to the installed version."""
    settings = load_settings()
    upgrade_home(settings)
    console.print(f"{settings.dagster_home} is ready.")


@care.command("lost-runs")
@reported
def lost_runs(
    host: Annotated[str, typer.Option(envvar="CODE_SERVER_HOST", help="As the daemon knows it.")],
    port: Annotated[int, typer.Option(envvar="CODE_SERVER_PORT", help="Its port.")],
) -> None:
    """Mark runs as failed whose process went with an earlier code server."""
    with open_instance(load_settings()) as instance:
        for run_id in end_lost_runs(instance, host, port):
            console.print(f"run {run_id}: its process is gone; marked as ended")


@care.command()
@reported
def retention(
    days: Annotated[
        int | None, typer.Option(min=1, help="Keep so many days; default: DAGSTER_RETENTION_DAYS.")
    ] = None,
) -> None:
    """Delete what Dagster logged of old runs; what assets and checks rest on is kept."""
    settings = load_settings()
    before = datetime.now(UTC) - timedelta(days=days or settings.dagster_retention_days)
    with open_instance(settings) as instance:
        trimmed = trim_event_log(instance, before)
    console.print(
        f"{trimmed.events:,} events of {trimmed.runs:,} runs that ended before {before:%Y-%m-%d}."
    )


@care.command()
@reported
def migrate(
    check: Annotated[bool, typer.Option("--check", help="Only say what is missing.")] = False,
) -> None:
    """Bring the warehouse's tables to this version, and make partitions some years ahead."""
    migrator = migrator_of(load_settings(), TABLES)
    if not check:
        for done in migrator.upgrade() or ["nothing to do"]:
            console.print(done)
    missing = migrator.missing()
    for part in missing:
        errors.print(f"missing: {part}", highlight=False, soft_wrap=True)
    if missing:
        raise typer.Exit(1)


@care.command()
@reported
def doctor() -> None:
    """Show what is set, reachable, writable, at which version, and what to fix."""
    if show_findings(examine()):
        raise typer.Exit(1)


@care.command()
@reported
def maintain() -> None:
    """Take care of the lake: fewer files, nothing kept longer than LAKE_RETENTION_DAYS."""
    settings = load_settings()
    reports = maintain_all(
        storage_of(settings, CONTRACTS), retention_of(settings), datetime.now(UTC)
    )
    table = Table()
    for number, report in enumerate(reports):
        if not number:
            table.add_column("table")
            for name in report.figures():
                table.add_column(name, justify="right")
        table.add_row(report.asset_name, *(f"{figure:,}" for figure in report.figures().values()))
    console.print(table if table.rows else "The lake holds no tables yet.")


def _show_stale(found: Staleness) -> None:
    if not found.repairs:
        console.print("Nothing is stale.")
        return
    table = Table(title="Stale partitions", title_justify="left")
    for heading in ("asset", "partitions", "first", "last", "changed since"):
        table.add_column(heading, overflow="fold")
    for line in found.lines():
        table.add_row(
            line.contract.asset_name, f"{line.partitions:,}", line.first, line.last, line.why
        )
    console.print(table)
    runs = len(found.repairs)
    made = sum(item.materializations for item in found.repairs)
    console.print(f"Repair begins with {runs} runs that make {made:,} partitions.")
    for contract, keys in found.may_follow.items():
        console.print(f"  may follow: {contract.asset_name}, up to {len(keys):,} partitions")
    console.print("`cs stale --repair` makes them; what turns out as it was has no followers.")
