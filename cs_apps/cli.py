"""The `cs` command.

Belongs here: arguments, progress, tables and messages for people. Must not: what the platform does.
"""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import wraps
from time import monotonic
from typing import Annotated, Any, ParamSpec

import dagster as dg
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cs_apps.backfill import Wave, last_day, plan, run_waves, select_contracts
from cs_apps.demo import FIRST_DAY, LAST_DAY, demo_settings, write_samples
from cs_apps.doctor import Finding, Health, examine
from cs_apps.home import PROJECT, open_instance, prepare_home, upgrade_home
from cs_apps.lost_runs import end_lost_runs
from cs_apps.stale import Staleness, recipes_of, staleness
from cs_apps.stale import repair as repairs
from cs_assets.calendar import parse_date_or_period
from cs_assets.contracts import UNPARTITIONED, Contract
from cs_assets.definitions import CONTRACTS, SYSTEMS, build_definitions, retention_of
from cs_resources.dagster_retention import trim_event_log
from cs_resources.errors import PlatformError
from cs_resources.lake_maintenance import maintain_all
from cs_resources.settings import Settings, load_settings
from cs_resources.storage import migrator_of, storage_of

app = typer.Typer(
    help="Customer-success data platform.", no_args_is_help=True, pretty_exceptions_enable=False
)
console = Console()
errors = Console(stderr=True)
P = ParamSpec("P")


def _reported(command: Callable[P, None]) -> Callable[P, None]:
    """End with the message and exit code 1 on a failure that an operator can mend."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except PlatformError as error:
            errors.print(f"[red]error:[/] {error}", highlight=False, soft_wrap=True)
            raise typer.Exit(1) from None

    return run


@app.command()
@_reported
def demo() -> None:
    """Make sample data, run every system over it and show what came out."""
    started = monotonic()
    settings = demo_settings()
    prepare_home(settings)
    sample = write_samples(settings)
    console.print(
        f"Sample call database: {sample.calls:,} call records of {sample.tasks} tasks, "
        f"{sum(sample.defects.values())} of them with planted defects, in "
        f"{_short(str(sample.path))}"
    )
    try:
        _backfill(settings, list(CONTRACTS), FIRST_DAY, LAST_DAY)
    except PlatformError:
        _show_findings(examine())
        raise
    _show_inventory(settings)
    console.print(
        f"Lake: {_short(str(settings.lake_root))}  "
        f"Warehouse: {_short(settings.warehouse.render_as_string())}"
    )
    console.print(f"Done in {monotonic() - started:.0f} s. Everything lies in {settings.cs_home}.")
    console.print("Next: [bold]make ui[/] opens Dagster on it, [bold]make test[/] runs all tests.")


@app.command("sample-data")
@_reported
def sample_data(
    scale: Annotated[float, typer.Option(min=0.01, help="1 = about 10,000 calls in all.")] = 1.0,
    layout: Annotated[str, typer.Option(help="monthly or single call tables.")] = "monthly",
) -> None:
    """Write the sample call database into the home's landing folder."""
    if layout not in ("monthly", "single"):
        raise typer.BadParameter("--layout is monthly or single")
    settings = load_settings()
    prepare_home(settings)
    sample = write_samples(settings, scale, layout)
    console.print(f"{sample.calls:,} call records, {sample.turns:,} turns: {sample.path}")
    for kind, rows in sample.defects.items():
        console.print(f"  planted: {kind} {rows}")


@app.command()
@_reported
def backfill(
    select: Annotated[str, typer.Option(help="Systems or assets, comma-separated.")],
    first: Annotated[
        str, typer.Option("--from", help="First day, or a period: 2025-W48, 2025-Q4.")
    ],
    last: Annotated[str, typer.Option("--to", help="Last day, or a period.")],
) -> None:
    """Materialize assets for every period that overlaps the days, facts before marts."""
    settings = load_settings()
    days = _span(first, last, settings)
    _backfill(settings, select_contracts(select, CONTRACTS), *days)
    console.print("Done.")


@app.command()
@_reported
def stale(
    repair: Annotated[bool, typer.Option(help="Make again what is stale.")] = False,
) -> None:
    """List published partitions made from other code, rules or inputs than those of now."""
    settings = load_settings()
    definitions, storage = build_definitions(settings), storage_of(settings, CONTRACTS)
    found = staleness(storage, recipes_of(definitions, storage), settings.calendar)
    _show_stale(found)
    if repair and found.repairs:
        with open_instance(settings) as instance:
            for result in repairs(definitions, instance, storage, settings.calendar):
                if not result.success:
                    raise PlatformError(_failure(result.run_id, result.wave, result.problems))
                names = ", ".join(sorted(key.path[-1] for key in result.wave.assets))
                console.print(f"made again: {result.wave.label}  {names}")
        console.print("Nothing is stale any more.")


@app.command()
@_reported
def prepare() -> None:
    """Make the home and Dagster's storage, or bring them to the installed version."""
    settings = load_settings()
    upgrade_home(settings)
    console.print(f"{settings.dagster_home} is ready.")


@app.command("lost-runs")
@_reported
def lost_runs(
    host: Annotated[str, typer.Option(envvar="CODE_SERVER_HOST", help="As the daemon knows it.")],
    port: Annotated[int, typer.Option(envvar="CODE_SERVER_PORT", help="Its port.")],
) -> None:
    """Mark runs as failed whose process went with an earlier code server."""
    with open_instance(load_settings()) as instance:
        for run_id in end_lost_runs(instance, host, port):
            console.print(f"run {run_id}: its process is gone; marked as ended")


@app.command()
@_reported
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


@app.command()
@_reported
def migrate(
    check: Annotated[bool, typer.Option("--check", help="Only say what is missing.")] = False,
) -> None:
    """Bring the warehouse's tables to this version, and make partitions some years ahead."""
    migrator = migrator_of(load_settings(), CONTRACTS)
    if not check:
        for done in migrator.upgrade() or ["nothing to do"]:
            console.print(done)
    missing = migrator.missing()
    for part in missing:
        errors.print(f"missing: {part}", highlight=False, soft_wrap=True)
    if missing:
        raise typer.Exit(1)


@app.command()
@_reported
def doctor() -> None:
    """Show what is set, reachable, writable, at which version, and what to fix."""
    if _show_findings(examine()):
        raise typer.Exit(1)


@app.command()
@_reported
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


@app.command()
@_reported
def ui(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 3000,
    host: Annotated[
        str, typer.Option(help="Address; the UI has no login of its own.")
    ] = "127.0.0.1",
) -> None:
    """Open Dagster's UI and daemon on this installation."""
    settings = load_settings()
    prepare_home(settings)
    console.print(f"Dagster on http://{host}:{port} (Ctrl-C ends it)")
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(settings.dagster_home),
        "CS_HOME": str(settings.cs_home),
    }
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(PROJECT / "workspace.yaml")]
    os.execve(sys.executable, [*command, "-h", host, "-p", str(port)], environment)


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


def _show_findings(findings: Sequence[Finding]) -> bool:
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


def _span(first: str, last: str, settings: Settings) -> tuple[date, date]:
    """Turn --from and --to into days; periods are cut to the history that there is so far."""
    start, end = settings.cs_history_start, last_day(settings.calendar) or date.max
    days = []
    for option, text, side in (("--from", first, 0), ("--to", last, 1)):
        try:
            span = parse_date_or_period(text)
        except ValueError as error:
            raise PlatformError(f"{option}: {error}") from None
        is_cut = span[0] != span[1] and span[0] <= end and span[1] >= start
        days.append((max(span[0], start), min(span[1], end))[side] if is_cut else span[side])
    if days[0] > days[1]:
        raise PlatformError(f"--from ({days[0]}) lies after --to ({days[1]})")
    return days[0], days[1]


def _backfill(settings: Settings, contracts: Sequence[Contract], first: date, last: date) -> None:
    definitions = build_definitions(settings)
    try:
        waves = plan(contracts, definitions.resolve_asset_graph(), settings.calendar, first, last)
    except ValueError as error:
        raise PlatformError(str(error)) from None
    with open_instance(settings) as instance:
        _run_with_progress(definitions, instance, waves)


def _run_with_progress(
    definitions: dg.Definitions, instance: dg.DagsterInstance, waves: Sequence[Wave]
) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bars = {
            wave: progress.add_task(wave.label, total=wave.materializations, start=False)
            for wave in waves
        }
        current = iter(waves)
        running = [next(current)]
        progress.start_task(bars[running[0]])

        def count(event: dg.DagsterEvent) -> None:
            if event.is_step_materialization:
                progress.advance(bars[running[0]])

        for result in run_waves(definitions, instance, waves, count):
            progress.stop_task(bars[result.wave])
            if not result.success:
                raise PlatformError(_failure(result.run_id, result.wave, result.problems))
            with suppress(StopIteration):
                running[0] = next(current)
                progress.start_task(bars[running[0]])


def _failure(run_id: str, wave: Wave, problems: Sequence[str]) -> str:
    lines = "\n".join(f"  {problem[:2000]}" for problem in problems)
    return f"run {run_id} ({wave.label}) failed:\n{lines}\nSee the run in `make ui`."


def _show_inventory(settings: Settings) -> None:
    storage = storage_of(settings, CONTRACTS)
    table = Table(title=f"Published: {', '.join(SYSTEMS)}", title_justify="left")
    for heading, justify in (
        ("asset", "left"),
        ("partitions", "right"),
        ("rows", "right"),
        ("content", "left"),
        ("place", "left"),
    ):
        table.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for contract in CONTRACTS:
        keys = (
            settings.calendar.partitions(contract.grain).get_partition_keys()
            if contract.grain
            else [UNPARTITIONED]
        )
        found = storage.inventory(contract, keys)
        table.add_row(
            contract.name,
            f"{found.partitions:,}",
            f"{found.rows:,}",
            found.content_hash[:8],
            contract.place.value,
        )
    console.print(table)


def _short(path: str) -> str:
    """Return the path as seen from the working folder."""
    return os.path.relpath(path) if path.startswith(os.getcwd()) else path  # noqa: PTH109


def main() -> Any:
    """Run the command line."""
    return app()
