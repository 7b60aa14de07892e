"""People's verdicts as a Dagster asset, read again as a whole from the landing folder.

Belongs here: names, figures, totals. Must not: what a row may say (see `verdicts`).
"""

import dagster as dg

from cs_assets.calls.audit_contracts import CALL_VERDICTS, CALL_VERDICTS_QUARANTINE
from cs_assets.calls.verdicts import OPTIONAL, REQUIRED, account, judge, quarantine, verdicts
from cs_assets.contracts import UNPARTITIONED
from cs_assets.quarantine import QuarantineLimit
from cs_assets.results import ExpectedTotal, Result
from cs_assets.table_assets import table_asset
from cs_resources.lake import Lake
from cs_resources.landing import Landing

SOURCE = "verdicts"
"""The folder of verdict files in the landing folder."""


def verdict_assets(limit: QuarantineLimit) -> list[dg.AssetsDefinition]:
    """Return the verdicts and their quarantine, made in one step."""

    @table_asset(CALL_VERDICTS, CALL_VERDICTS_QUARANTINE, resources=["landing"])
    def call_verdicts(context: dg.AssetExecutionContext) -> tuple[Result, Result]:
        """Read all landed verdict files and sort their rows."""
        landing: Landing = context.resources.landing
        lake: Lake = context.resources.storage.lake
        files = landing.land(SOURCE)
        rows = landing.rows(files.files, REQUIRED, OPTIONAL).read_all().to_pandas()
        judged = judge(rows)
        counts = account(judged)
        gone = lake.distinct(CALL_VERDICTS, "source_file") - {file.name for file in files.files}
        told: dict[str, int | float | str] = {
            **counts,
            "files": len(files.files),
            "files_ignored": ", ".join(files.ignored) or "none",
            "files_gone": ", ".join(sorted(gone)) or "none",
        }
        return (
            Result(
                verdicts(judged),
                totals=(_total("rows read = loaded + duplicates + quarantined", counts["loaded"]),),
                figures={UNPARTITIONED: told},
                refused=limit.refused({UNPARTITIONED: counts}),
            ),
            Result(
                quarantine(judged, rows),
                totals=(_total("every bad row is kept", counts["quarantined"]),),
            ),
        )

    return [call_verdicts]


def _total(name: str, rows: int) -> ExpectedTotal:
    return ExpectedTotal(name, {UNPARTITIONED: rows})
