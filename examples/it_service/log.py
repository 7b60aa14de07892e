"""The incident log as text: one mapping of column to text per event.

Belongs here: opening the zipped CSV, its header, lines that do not fit it. Must not: what the
values mean (see `mapping`).
"""

import csv
from collections.abc import Iterator, Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import Final, TypeAlias
from zipfile import BadZipFile, ZipFile

from cs_resources.errors import SourceError

Event: TypeAlias = Mapping[str, str]

USED_COLUMNS: Final = (
    "number",
    "incident_state",
    "sys_mod_count",
    "made_sla",
    "caller_id",
    "opened_at",
    "sys_updated_at",
    "category",
    "priority",
    "assigned_to",
    "resolved_by",
    "resolved_at",
    "closed_at",
)
"""Columns of the log that the mapping reads, of 36."""


def read_log(path: Path) -> Iterator[tuple[int, Event | None]]:
    """Yield each data line's number (from 1) and its stripped values; None if it does not fit.

    One line is held at a time. Raises SourceError for a file that is missing, no zip of one CSV
    file, cut off, not CSV or lacks a column.
    """
    try:
        with ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.lower().endswith(".csv")]
            if len(names) != 1:
                raise SourceError(f"{path} is to hold one CSV file; it holds {len(names)}.")
            with archive.open(names[0]) as member:
                yield from _events(path, TextIOWrapper(member, "utf-8-sig", "replace", newline=""))
    except BadZipFile as error:
        raise SourceError(f"{path} is not a whole zip file ({error}); fetch it again.") from error
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error
    except csv.Error as error:
        raise SourceError(f"{path} is not CSV: {error}") from error


def _events(path: Path, file: TextIOWrapper) -> Iterator[tuple[int, Event | None]]:
    lines = csv.reader(file, strict=True)
    header = [name.strip() for name in next(lines, [])]
    if missing := [name for name in USED_COLUMNS if name not in header]:
        raise SourceError(f"{path} has no column {', '.join(missing)}; is it the incident log?")
    for number, values in enumerate(lines, start=1):
        fits = len(values) == len(header)
        yield number, dict(zip(header, map(str.strip, values), strict=True)) if fits else None
