"""Landed CSV files: from bytes to rows of text, with what cannot be read named or set apart.

Belongs here: encodings, decompression within limits, header, rows. Must not: where files lie (see
`landing`), what a column means.
"""

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from cs_resources.errors import SourceError

SUFFIXES = (".csv", ".csv.gz")
ENCODINGS = ("utf-8", "gb18030")
RAGGED, NUL, OVERSIZED = "ragged_row", "nul_character", "oversized_value"
_BATCH_ROWS = 10_000
_CHUNK = 1 << 20
_SHOWN_CHARACTERS = 1_000


@dataclass(frozen=True)
class Limits:
    """What a file may be: bytes as landed and unpacked, how far it may unfold, length of a value.

    `ratio` is looked at once `ratio_from_bytes` have been unpacked: little files of equal rows
    unfold far without doing harm.
    """

    file_bytes: int = 2 << 30
    unpacked_bytes: int = 4 << 30
    ratio: int = 200
    ratio_from_bytes: int = 16 << 20
    value_characters: int = 32_767


DEFAULT = Limits()


@dataclass(frozen=True)
class LandedFile:
    """A file as it landed: its name, the SHA-256 of its bytes, and the archived copy."""

    name: str
    content_hash: str
    path: Path

    @contextmanager
    def opened(self, limits: Limits) -> Iterator[BinaryIO]:
        """Open the unpacked bytes; raises SourceError where they cannot be had or are too many."""
        with self.path.open("rb") as raw:
            if not self.name.lower().endswith(".gz"):
                yield raw
                return
            with gzip.open(raw) as packed:
                try:
                    yield io.BufferedReader(_Bounded(self.name, raw, packed, limits), _CHUNK)
                except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                    raise SourceError(
                        f"{self.name}: not a whole gzip file ({error}); land it again"
                    ) from error


class _Bounded(io.RawIOBase):
    """Unpacked bytes that end in an error when a small file unfolds into too many."""

    def __init__(self, name: str, raw: BinaryIO, packed: gzip.GzipFile, limits: Limits) -> None:
        self._name, self._raw, self._packed, self._limits = name, raw, packed, limits
        self._unpacked = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        data = self._packed.read(len(view))
        view[: len(data)] = data
        self._unpacked += len(data)
        limits, read = self._limits, max(self._raw.tell(), 1)
        unfolds = self._unpacked > limits.ratio_from_bytes and self._unpacked > limits.ratio * read
        if unfolds or self._unpacked > limits.unpacked_bytes:
            raise SourceError(
                f"{self._name}: unfolds from {read:,} to more than {self._unpacked:,} bytes; the "
                f"limit is {limits.ratio} times and {limits.unpacked_bytes:,} bytes. Land it "
                "unpacked, or in parts"
            )
        return len(data)


@dataclass(frozen=True)
class CsvFile:
    """A landed file whose encoding and header are known."""

    file: LandedFile
    encoding: str
    header: tuple[str, ...]
    wanted: frozenset[str]
    limits: Limits

    @classmethod
    def of(
        cls,
        file: LandedFile,
        required: Sequence[str],
        optional: Sequence[str],
        limits: Limits,
        is_extra_ignored: bool = False,
    ) -> "CsvFile":
        """Look at a file: all of it decodes, and its header is as expected.

        Columns that are not expected are kept out if `is_extra_ignored`. Raises SourceError naming
        file, column and remedy.
        """
        encoding = _encoding(file, limits)
        with file.opened(limits) as data, _text(data, encoding) as text:
            cells = next(_lines(file.name, text), None)
        if not cells:
            raise SourceError(f"{file.name}: empty; its first line must be {','.join(required)}")
        cells[0] = cells[0].removeprefix("\ufeff")
        header = tuple(cell.strip() for cell in cells)
        if problems := list(_problems(header, required, optional, is_extra_ignored)):
            raise SourceError("; ".join(f"{file.name}: {problem}" for problem in problems))
        return cls(file, encoding, header, frozenset((*required, *optional)), limits)

    def batches(self, schema: pa.Schema, constant: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows in the columns of `landed_schema`; `constant` fills empty values."""
        rows: list[tuple[int, list[str]]] = []
        with self.file.opened(self.limits) as data, _text(data, self.encoding) as text:
            for number, cells in enumerate(_lines(self.file.name, text)):
                if number and any(cells):  # spreadsheets leave blank rows
                    rows.append((number, cells))
                if len(rows) == _BATCH_ROWS:
                    yield self._batch(rows, schema, constant)
                    rows = []
        yield self._batch(rows, schema, constant)

    def _batch(
        self,
        rows: Sequence[tuple[int, list[str]]],
        schema: pa.Schema,
        constant: Mapping[str, str],
    ) -> pa.RecordBatch:
        """Build the columns one by one: rows as mappings take several times as long."""
        problems = [self._problem(cells) for _, cells in rows]
        nothing = [""] * len(self.header)
        values = [
            nothing if problem else cells
            for (_, cells), problem in zip(rows, problems, strict=True)
        ]
        columns: dict[str, list[Any]] = {
            name: [text or constant.get(name) for text in texts]
            for name, texts in zip(self.header, zip(*values, strict=True), strict=False)
            if name in self.wanted
        }
        columns |= {
            "source_file": [self.file.name] * len(rows),
            "file_hash": [self.file.content_hash] * len(rows),
            "row_number": [number for number, _ in rows],
            "problem": problems,
            "cells": [
                _shown(cells) if problem else None
                for (_, cells), problem in zip(rows, problems, strict=True)
            ],
        }
        return pa.RecordBatch.from_arrays(
            [
                pa.array(
                    columns.get(field.name, [constant.get(field.name)] * len(rows)), field.type
                )
                for field in schema
            ],
            schema=schema,
        )

    def _problem(self, cells: Sequence[str]) -> str | None:
        if len(cells) != len(self.header):
            return RAGGED
        if "\0" in "".join(cells):
            return NUL
        return OVERSIZED if max(map(len, cells)) > self.limits.value_characters else None


def _shown(cells: Sequence[str]) -> str:
    shown = [cell.replace("\0", "\ufffd")[:_SHOWN_CHARACTERS] for cell in cells]
    return json.dumps(shown, ensure_ascii=False)


def landed_schema(columns: Sequence[str]) -> pa.Schema:
    """Return the schema of landed rows: the columns as text, and where each row stands.

    `row_number` is 1 for the first row below the header; blank rows count, so that the number is
    that of the spreadsheet less one. A row that cannot be read has a `problem` (`ragged_row`,
    `nul_character`, `oversized_value`) and no values; its `cells` are kept as JSON.
    """
    texts = [*columns, "source_file", "file_hash", "problem", "cells"]
    return pa.schema([*((name, pa.string()) for name in texts), ("row_number", pa.int64())])


def _encoding(file: LandedFile, limits: Limits) -> str:
    """Return the first encoding in which the whole file can be read; nothing is guessed."""
    for encoding in ENCODINGS:
        decoder = codecs.getincrementaldecoder(encoding)("strict")
        with file.opened(limits) as data:
            try:
                while chunk := data.read(_CHUNK):
                    decoder.decode(chunk)
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                continue
        return encoding
    raise SourceError(
        f"{file.name}: neither UTF-8 nor GB18030; save it as CSV UTF-8 (in spreadsheets: 'CSV "
        "UTF-8, comma separated') and land it again"
    )


@contextmanager
def _text(data: BinaryIO, encoding: str) -> Iterator[io.TextIOWrapper]:
    text = io.TextIOWrapper(data, encoding=encoding, errors="strict", newline="")
    try:
        yield text
    finally:
        text.detach()


def _lines(name: str, text: io.TextIOWrapper) -> Iterator[list[str]]:
    reader = csv.reader(text, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise SourceError(
            f"{name}, line {reader.line_num}: {error}. A quotation mark is probably not closed: "
            'values that hold one are written with two ("")'
        ) from error


def _problems(
    header: Sequence[str],
    required: Sequence[str],
    optional: Sequence[str],
    is_extra_ignored: bool,
) -> Iterator[str]:
    expected = f"expected are {', '.join(required)}" + (
        f" and, if you like, {', '.join(optional)}" if optional else ""
    )
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        yield "values must be separated by commas"
        return
    for name in dict.fromkeys(header):
        if name not in (*required, *optional) and is_extra_ignored:
            continue
        if header.count(name) > 1:
            yield f"column {name or '(without a name)'} stands twice; remove one"
        elif name not in (*required, *optional):
            yield f"unknown column {name or '(without a name)'}; rename or remove it: {expected}"
    for name in required:
        if name not in header:
            yield f"column {name} is missing; add it: {expected}"
