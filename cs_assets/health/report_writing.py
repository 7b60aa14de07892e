"""Writing the report's files: all periods and tenants of a step, each file in one pass.

Belongs here: which entries go into which file, what the table of reports says of them. Must not:
shapes (see `report_shapes`), rows (see `report_rows`), which version readers are shown.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pandas as pd

from cs_assets.contracts import Contract
from cs_assets.health.report_rows import PLACE
from cs_assets.health.report_texts import (
    ALERTS,
    DATA,
    FILES,
    HISTORY,
    Tally,
    alert_pieces,
    data_pieces,
    history_pieces,
)
from cs_assets.results import Piece
from cs_resources.report_files import ReportFiles, Written, version_of, write

_SECONDS = "%Y-%m-%dT%H:%M:%SZ"
Rows = Iterable[Mapping[str, Any]]


class Owner(NamedTuple):
    """Whose files: a tenant's, of a period."""

    tenant_id: str
    period_key: str


@dataclass(frozen=True)
class Entries:
    """Rows of each file, in the order of PLACE and of the entries; see `report_rows`."""

    customers: Rows = ()
    histories: Rows = ()
    alerts: Rows = ()


@dataclass
class Report:
    """The files of one owner."""

    files: dict[str, Written] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=lambda: {name: Tally() for name in FILES})


Pieces = Callable[[Owner, Rows, Tally], Iterator[Piece]]


def write_reports(
    folder: Path,
    entries: Entries,
    instants: Mapping[str, datetime],
    grades: Sequence[str],
    owners: Iterable[Owner] = (),
) -> dict[Owner, Report]:
    """Write the files of `owners` and of all who have entries below `folder`.

    A file without entries holds an empty list.

    `instants` maps period keys to what `calculated_at` says, `grades` are the scorecard's.
    """
    reports = {owner: Report() for owner in owners}
    writers: dict[str, tuple[Rows, Pieces]] = {
        DATA: (
            entries.customers,
            lambda owner, rows, tally: data_pieces(
                rows, f"{instants[owner.period_key]:{_SECONDS}}", grades, tally
            ),
        ),
        HISTORY: (entries.histories, lambda owner, rows, tally: history_pieces(rows, tally)),
        ALERTS: (
            entries.alerts,
            lambda owner, rows, tally: alert_pieces(rows, owner.period_key, tally),
        ),
    }
    for name, (rows, pieces) in writers.items():
        for owner, own in _by_owner(rows):
            _write(folder, owner, name, pieces, own, reports.setdefault(owner, Report()))
    for owner, report in reports.items():
        for name in FILES:
            if name not in report.files:
                _write(folder, owner, name, writers[name][1], (), report)
    return reports


def _write(
    folder: Path, owner: Owner, name: str, pieces: Pieces, rows: Rows, report: Report
) -> None:
    path = folder / owner.period_key / tenant_folder(owner.tenant_id) / name
    report.files[name] = write(path, pieces(owner, rows, report.tallies[name]))


def _by_owner(rows: Rows) -> Iterator[tuple[Owner, Rows]]:
    for key, own in groupby(rows, itemgetter(*PLACE)):
        yield Owner(*key), ({k: v for k, v in row.items() if k not in PLACE} for row in own)


def tenant_folder(tenant_id: str) -> str:
    """Return a tenant's folder: its id, made fit to be the name of one."""
    return quote(tenant_id, safe="").replace(".", "%2E")


def place_of(contract: Contract, period_key: str) -> str:
    """Return where readers find the report of a period, below the folder of reports."""
    return f"{contract.table_name}/{contract.grain}/{period_key}"


def keep_versions(
    files: ReportFiles, contract: Contract, folder: Path, reports: Mapping[Owner, Report]
) -> dict[str, str]:
    """Keep the written files of each period as a version of it; return versions by period key."""
    versions = {}
    for period_key in sorted({owner.period_key for owner in reports}):
        version = version_of(
            (f"{tenant_folder(owner.tenant_id)}/{name}", written.sha256)
            for owner, report in reports.items()
            for name, written in report.files.items()
            if owner.period_key == period_key
        )
        files.keep(folder / period_key, place_of(contract, period_key), version)
        versions[period_key] = version
    return versions


def report_table(
    contract: Contract,
    periods: Mapping[str, Mapping[str, object]],
    reports: Mapping[Owner, Report],
    versions: Mapping[str, str],
    instants: Mapping[str, datetime],
    grades: Sequence[str],
    forecasts: Mapping[Owner, Mapping[str, object]],
    **common: str,
) -> pd.DataFrame:
    """Return the rows of `customer_success_report`.

    `periods` maps period keys to the period columns, `forecasts` owners to how good forecasts were,
    `common` are the columns that all share.
    """
    rows = [
        {
            "tenant_id": owner.tenant_id,
            **periods[owner.period_key],
            **common,
            **_figures(report, grades),
            **forecasts.get(owner, {}),
            "file_version": versions[owner.period_key],
            "calculated_at": instants[owner.period_key].replace(tzinfo=None),
        }
        for owner, report in reports.items()
    ]
    frame = pd.DataFrame(rows, columns=list(contract.column_names))
    # where no forecast was graded at all, nothing else tells its type
    return frame.astype({"forecast_beats_no_change": "boolean"})


def _figures(report: Report, grades: Sequence[str]) -> dict[str, object]:
    data = report.tallies[DATA]
    return {
        "customers": data.entries,
        "scored_customers": data.scored,
        "avg_health_score": data.average,
        "distribution": json.dumps(data.summary(grades).distribution, ensure_ascii=False),
        "alerts": report.tallies[ALERTS].entries,
        "histories": report.tallies[HISTORY].entries,
        "bytes": sum(file.bytes for file in report.files.values()),
        "data_sha256": report.files[DATA].content_sha256,
        "history_sha256": report.files[HISTORY].content_sha256,
        "alerts_sha256": report.files[ALERTS].content_sha256,
    }
