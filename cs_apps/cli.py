"""The `cs` command.

Belongs here: arguments, progress, tables and messages for people. Must not: what the platform does.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from datetime import date
from time import monotonic
from typing import Annotated, Any

import dagster as dg
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cs_apps.backfill import Wave, plan, run_waves, select_contracts
from cs_apps.cli_care import care
from cs_apps.cli_health import health as health_commands
from cs_apps.cli_model import model
from cs_apps.cli_samples import samples
from cs_apps.console import console, failure, reported, show_findings
from cs_apps.days import span
from cs_apps.demo import (
    FIRST_DAY,
    LAST_DAY,
    SAMPLED,
    demo_settings,
    local_landing,
    write_health_samples,
    write_samples,
)
from cs_apps.demo_model import scripted_model
from cs_apps.demo_report import costs_so_far, report
from cs_apps.doctor import examine
from cs_apps.home import PROJECT, open_instance, prepare_home
from cs_apps.set_aside import set_aside
from cs_assets.contracts import UNPARTITIONED, Contract
from cs_assets.definitions import CONTRACTS, build_definitions
from cs_resources.errors import PlatformError
from cs_resources.settings import Settings, load_settings
from cs_resources.storage import storage_of

app = typer.Typer(
    help="Customer-success data platform.", no_args_is_help=True, pretty_exceptions_enable=False
)
app.add_typer(care)
app.add_typer(health_commands)
app.add_typer(model)
app.add_typer(samples)


@app.command()
@reported
def demo(
    with_llm_server: Annotated[
        bool,
        typer.Option(
            "--with-llm-server", help="Have the calls judged by a scripted model, without a key."
        ),
    ] = False,
) -> None:
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
    folder = local_landing(settings)
    health = write_health_samples(folder)
    console.print(
        f"Sample of {health.rows['customers']} customers: {health.rows['sales']} deals, "
        f"{health.rows['support']} tickets, {health.rows['activity']:,} rows of activity, "
        f"{len(health.defects)} of them wrong on purpose, in {_short(str(folder))}"
    )
    before = costs_so_far(settings, FIRST_DAY, LAST_DAY) if with_llm_server else None
    made = select_contracts(",".join(SAMPLED), CONTRACTS)
    try:
        with scripted_model() if with_llm_server else nullcontext(settings) as used:
            _backfill(used, made, FIRST_DAY, LAST_DAY)
    except PlatformError:
        show_findings(examine())
        raise
    _show_inventory(settings, made)
    if before:
        used_now = costs_so_far(settings, FIRST_DAY, LAST_DAY) - before
        console.print(report(settings, used_now, FIRST_DAY, LAST_DAY))
    console.print(
        f"Lake: {_short(str(settings.lake_root))}  "
        f"Warehouse: {_short(settings.warehouse.render_as_string())}"
    )
    console.print(f"Done in {monotonic() - started:.0f} s. Everything lies in {settings.cs_home}.")
    console.print("Next: [bold]make ui[/] opens Dagster on it, [bold]make test[/] runs all tests.")


@app.command()
@reported
def backfill(
    select: Annotated[str, typer.Option(help="Systems or assets, comma-separated.")],
    first: Annotated[
        str, typer.Option("--from", help="First day, or a period: 2025-W48, 2025-Q4.")
    ],
    last: Annotated[str, typer.Option("--to", help="Last day, or a period.")],
) -> None:
    """Materialize assets for every period that overlaps the days, facts before marts."""
    settings = load_settings()
    days = span(first, last, settings)
    waves = _backfill(settings, select_contracts(select, CONTRACTS), *days)
    for found in set_aside(storage_of(settings, CONTRACTS), waves):
        what = f"set aside in {found.table}: {found.rows:,} for {found.reason}"
        console.print(f"[yellow]{what}[/]", highlight=False, soft_wrap=True)
    console.print("Done.")


@app.command()
@reported
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


def _backfill(
    settings: Settings, contracts: Sequence[Contract], first: date, last: date
) -> list[Wave]:
    definitions = build_definitions(settings)
    try:
        waves = plan(contracts, definitions.resolve_asset_graph(), settings.calendar, first, last)
    except ValueError as error:
        raise PlatformError(str(error)) from None
    with open_instance(settings) as instance:
        _run_with_progress(definitions, instance, waves)
    return waves


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
                raise PlatformError(failure(result))
            with suppress(StopIteration):
                running[0] = next(current)
                progress.start_task(bars[running[0]])


def _show_inventory(settings: Settings, contracts: Sequence[Contract]) -> None:
    storage = storage_of(settings, CONTRACTS)
    table = Table(title=f"Published: {', '.join(SAMPLED)}", title_justify="left")
    for heading, justify in (
        ("asset", "left"),
        ("partitions", "right"),
        ("rows", "right"),
        ("content", "left"),
        ("place", "left"),
    ):
        table.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for contract in contracts:
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
            found.content_hash[:7],  # 80 columns hold the longest name beside it
            contract.place.value,
        )
    console.print(table)


def _short(path: str) -> str:
    """Return the path as seen from the working folder."""
    return os.path.relpath(path) if path.startswith(os.getcwd()) else path  # noqa: PTH109


def main() -> Any:
    """Run the command line."""
    return app()
