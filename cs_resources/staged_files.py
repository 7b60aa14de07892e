"""The files of a staged table: how they are written, found and deleted.

Belongs here: the COPY statement, folders of partitions. Must not: computing or judging rows.
"""

import shutil
from pathlib import Path

from ibis.backends.sql.datatypes import DuckDBType

from cs_assets.contracts import Contract, Place

_FILE_ROWS = 100_000
_PARTITION_ROWS = 8_192
"""Rows of a row group where many files are written at once: each is held in memory until full."""
_SCATTERED_ROWS = 32_768
"""Rows that a thread collects before it hands them to the files of their partitions."""


def partitioned_by(contract: Contract) -> str | None:
    """Return the column that has a folder per value: the lake's files stay as they are staged."""
    return contract.partition_column if contract.place is Place.LAKE else None


def copy_statements(
    rows: str, contract: Contract, path: Path, types: type[DuckDBType]
) -> tuple[str, str]:
    """Return the statements that write rows with every column cast by the database itself.

    Ibis takes a sum of integers for a 64-bit integer and leaves the cast out; DuckDB computes
    128 bits, which a Parquet file would hold as a float.
    """
    casts = ", ".join(
        f'CAST("{name}" AS {types.to_string(type_)}) AS "{name}"'
        for name, type_ in contract.schema.items()
    )
    target = str(path).replace("'", "''")
    column = partitioned_by(contract)
    form = (
        f'PARTITION_BY ("{column}"), ROW_GROUP_SIZE {_PARTITION_ROWS}'
        if column
        else f"ROW_GROUP_SIZE {_FILE_ROWS}"
    )
    return (
        f"SET partitioned_write_flush_threshold = {_SCATTERED_ROWS}",
        f"COPY (SELECT {casts} FROM {rows}) TO '{target}' "  # noqa: S608
        f"(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, {form})",
    )


def listed(path: Path) -> list[str]:
    """Return the files of a staged table that are still where they were written."""
    return sorted(str(file) for file in path.rglob("*.parquet")) if path.is_dir() else [str(path)]


def remove(path: Path) -> None:
    """Delete the files of a staged table, as far as there are any."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
