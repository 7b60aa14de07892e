"""What the UI shows about a published partition.

Belongs here: turning audits, previews and figures into Dagster metadata. Must not: computing them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from cs_assets.contracts import UNPARTITIONED
from cs_resources.staging import Rows, Staged

_CELL = 60
_SQL = 6_000


def partition_metadata(staged: Staged, key: str, stored_bytes: int | None) -> dict[str, Any]:
    """Return rows, hash, size, figures, preview and SQL of one partition."""
    audit = staged.audits[key]
    count = "dagster/row_count" if key == UNPARTITIONED else "dagster/partition_row_count"
    metadata: dict[str, Any] = {count: audit.rows, "content_hash": audit.content_hash}
    if stored_bytes is not None:
        metadata["bytes"] = stored_bytes
    metadata |= dict(staged.figures.get(key, {}))
    if rows := staged.previews.get(key):
        metadata["preview"] = dg.MetadataValue.md(markdown_table(rows))
    # the UI reads lineage off the newest event: once a run is enough, of the picture too
    if key == max(staged.audits):
        metadata |= {"dagster/column_lineage": staged.lineage} if staged.lineage else {}
        metadata |= {"picture": staged.picture} if staged.picture else {}
    if staged.sql:
        metadata["sql"] = dg.MetadataValue.md(f"```sql\n{_shortened(staged.sql)}\n```")
    return metadata


def check_metadata(staged: Staged, key: str) -> dict[str, Any]:
    """Return what the contract check shows: every broken law, and rows that break it."""
    metadata: dict[str, Any] = {"rows": staged.audits[key].rows}
    metadata |= dict(staged.figures.get(key, {}))
    if laws := staged.failures.get(key):
        metadata["broken"] = dg.MetadataValue.md("\n".join(f"- {law}" for law in laws))
    if rows := staged.samples.get(key):
        metadata["sample"] = dg.MetadataValue.md(markdown_table(rows))
    return metadata


def markdown_table(rows: Rows) -> str:
    """Return rows as a Markdown table; what could break out of a cell is replaced."""
    names: Sequence[str] = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(row, name) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def _cell(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    text = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    text = "".join(character if character.isprintable() else "·" for character in text)
    text = text if len(text) <= _CELL else text[: _CELL - 1] + "…"
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("`", "'")


def _shortened(sql: str) -> str:
    return sql if len(sql) <= _SQL else sql[:_SQL] + "\n-- …"
