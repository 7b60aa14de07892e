"""The `cs` command that writes sample data.

Belongs here: arguments, progress and messages for people. Must not: what the samples hold.
"""

from datetime import datetime
from typing import Annotated

import typer

from cs_apps.console import console, reported
from cs_apps.demo import LAST_DAY, local_landing, write_health_samples, write_samples
from cs_apps.home import prepare_home
from cs_apps.sample_data.health import DEFAULT_CUSTOMERS, DEFAULT_MONTHS
from cs_apps.sample_data.health_plan import SamplePeriod
from cs_resources.settings import load_settings

samples = typer.Typer()


@samples.command("sample-data")
@reported
def sample_data(
    scale: Annotated[float, typer.Option(min=0.01, help="1 = 1,700 calls a month.")] = 1.0,
    layout: Annotated[str, typer.Option(help="monthly or single call tables.")] = "monthly",
    customers: Annotated[
        int, typer.Option(min=1, help="Customers with deals, tickets and activity.")
    ] = DEFAULT_CUSTOMERS,
    months: Annotated[int, typer.Option(min=1, help="Whole months of data.")] = DEFAULT_MONTHS,
    end: Annotated[
        datetime,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Their last day, the end of a month.",
            show_default=str(LAST_DAY),
        ),
    ] = datetime.combine(LAST_DAY, datetime.min.time()),  # noqa: B008 (Typer reads defaults)
    defects: Annotated[
        bool, typer.Option("--defects/--no-defects", help="Plant rows that are wrong.")
    ] = True,
) -> None:
    """Write the sample call database and the landed customer files, replacing older samples."""
    if layout not in ("monthly", "single"):
        raise typer.BadParameter("--layout is monthly or single")
    try:
        period = SamplePeriod.ending(end.date(), months)
    except ValueError as error:
        raise typer.BadParameter(f"--end, --months: {error}") from None
    settings = load_settings()
    folder = local_landing(settings)
    prepare_home(settings)
    with console.status("Writing customers") as status:
        health = write_health_samples(
            folder,
            period,
            customers,
            defects,
            lambda done, total: status.update(f"Writing customers: {done:,} of {total:,}"),
        )
    calls = write_samples(settings, scale, layout, period, defects)
    console.print(f"{calls.calls:,} call records, {calls.turns:,} turns: {calls.path}")
    for kind, rows in calls.defects.items() if defects else ():
        console.print(f"  planted: {kind} {rows}")
    for source, rows in health.rows.items():
        console.print(f"{rows:,} rows of {source}: {folder}")
    for defect in health.defects:
        console.print(f"  planted: {defect.source} {defect.reason}")
