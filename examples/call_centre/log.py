"""The call-centre log as text: one mapping of column to text per line.

Belongs here: opening the compressed CSV, its header, lines that do not fit it. Must not: what the
values mean (see `mapping`).
"""

import csv
import lzma
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from cs_resources.errors import SourceError

LogRow: TypeAlias = Mapping[str, str]

USED_COLUMNS: Final = (
    "vru+line",
    "call_id",
    "customer_id",
    "type",
    "date",
    "vru_entry",
    "vru_time",
    "q_start",
    "q_exit",
    "q_time",
    "outcome",
    "ser_start",
    "ser_exit",
    "ser_time",
    "server",
)
"""Columns of the log that the mapping reads; `priority` and `vru_exit` are not needed."""


def read_log(path: Path) -> Iterator[tuple[int, LogRow | None]]:
    """Yield each data line's number (from 1) and its stripped values; None if it does not fit.

    A line does not fit if it has more or fewer fields than the header. One line is held at a time.
    Raises SourceError for a file that is missing, not xz, cut off, not CSV or lacks a column.
    """
    try:
        with lzma.open(path, "rt", encoding="utf-8", errors="replace", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = [name.strip() for name in next(lines, [])]
            _check_header(path, header)
            for number, values in enumerate(lines, start=1):
                fits = len(values) == len(header)
                row = dict(zip(header, map(str.strip, values), strict=True)) if fits else None
                yield number, row
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error
    except (lzma.LZMAError, EOFError) as error:
        raise SourceError(
            f"{path} is not a whole xz file ({error}). Give the log compressed with xz; if it is, "
            "fetch it again."
        ) from error
    except csv.Error as error:
        raise SourceError(f"{path} is not CSV: {error}") from error


def _check_header(path: Path, header: list[str]) -> None:
    missing = [name for name in USED_COLUMNS if name not in header]
    if missing:
        raise SourceError(
            f"{path} has no column {', '.join(missing)}; its first line names "
            f"{', '.join(header) or 'nothing'}."
        )
    if len(set(header)) < len(header):
        raise SourceError(f"{path} names a column twice: {', '.join(header)}")
