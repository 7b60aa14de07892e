"""Load the call-centre log into a call database: `python -m examples.call_centre.load`.

Belongs here: the command, the order of writing, the account of every line. Must not: what a line
becomes (see `mapping`).
"""

import sqlite3
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid5

from cs_apps.sample_data.call_source import RECORD_TABLE, SourceWriter, replacing
from cs_resources.call_schema import TURN
from cs_resources.errors import PlatformError, SourceError
from examples.call_centre import mapping
from examples.call_centre.dialogues import Dialogues, read_dialogues
from examples.call_centre.log import LogRow, read_log
from examples.call_centre.mapping import SUFFIX, Unidentified

_LINES_AT_ONCE: Final = 2_000
_SQLITE: Final = b"SQLite format 3\0"

Line: TypeAlias = tuple[int, LogRow | None]


@dataclass
class Account:
    """What became of the log's lines: every one is written or dropped for one reason.

    `remarks` counts what was odd about lines that were written; a line may have several.
    """

    read: int = 0
    written: int = 0
    repeated_calls: int = 0
    turns: int = 0
    calls_with_dialogue: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        """Yield the account in words."""
        reasons = ", ".join(f"{name} {rows:,}" for name, rows in sorted(self.dropped.items()))
        yield (
            f"rows read {self.read:,} = written {self.written:,} + dropped "
            f"{self.dropped.total():,} ({reasons or 'none'})"
        )
        yield f"of the written: repeats of a call {self.repeated_calls:,}"
        for name, rows in sorted(self.remarks.items()):
            yield f"of the written: {name} {rows:,}"
        yield f"synthetic: {self.turns:,} turns lent to {self.calls_with_dialogue:,} calls"


def load(
    log: Path,
    dialogues: Path,
    target: Path,
    unidentified: Unidentified = Unidentified.ANONYMOUS,
) -> Account:
    """Write the log's calls to a SQLite file, replacing it whole, and return the account.

    The same input gives the same bytes; memory does not grow with the log. Raises SourceError for
    input that cannot be read and for a target that is not ours to replace; then nothing is written.
    """
    _check_target(target, (log, dialogues))
    bank = read_dialogues(dialogues)
    account = Account()
    try:
        with replacing(target) as connection:
            writer = SourceWriter(connection, [SUFFIX])
            with writer.transaction():
                connection.executemany(
                    "INSERT INTO autodialer_task VALUES (?, ?, ?)", mapping.tasks()
                )
            for lines in _chunks(read_log(log)):
                with writer.transaction():
                    _write(writer, lines, bank, unidentified, account)
            writer.create_indexes()
            account.written, account.repeated_calls = _counts(connection)
    except (OSError, sqlite3.Error) as error:
        raise SourceError(f"{target} cannot be written: {error}") from error
    if account.read != account.written + account.dropped.total():
        raise RuntimeError(f"rows were lost: {account}")
    return account


def _write(
    writer: SourceWriter,
    lines: Iterable[Line],
    bank: Dialogues,
    unidentified: Unidentified,
    account: Account,
) -> None:
    records: list[tuple[Any, ...]] = []
    details: list[tuple[Any, ...]] = []
    for number, row in lines:
        account.read += 1
        reason = mapping.dropped(row)
        if row is None or reason:
            account.dropped[reason or ""] += 1
            continue
        call = mapping.call(number, row, unidentified)
        callid = call.record["callid"]
        turns = bank.of_call(callid) if callid and call.has_talk else ()
        records.append(call.values(rounds=len(turns) or None))
        details += _details(call.record["id"], callid, turns)
        account.remarks.update(call.remarks)
        account.turns += len(turns)
        account.calls_with_dialogue += bool(turns)
    writer.write_records(SUFFIX, records)
    writer.write_details(SUFFIX, details)


def _details(record_id: str, callid: str | None, turns: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the detail rows of a record: id, record, call, sequence, kind, customer, answer."""
    for sequence, (said, answered) in enumerate(turns, start=1):
        own_id = str(uuid5(UUID(record_id), str(sequence)))
        yield own_id, record_id, callid, sequence, TURN, said, answered


def _chunks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while chunk := list(islice(lines, _LINES_AT_ONCE)):
        yield chunk


def _counts(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return how many records there are, and how many of them repeat another one's call."""
    query = f"SELECT count(*), count(callid) - count(DISTINCT callid) FROM {RECORD_TABLE}{SUFFIX}"  # noqa: S608 (constants)
    rows, repeats = connection.execute(query).fetchone()
    return rows, repeats


def _check_target(target: Path, inputs: Iterable[Path]) -> None:
    if any(target.exists() and path.exists() and target.samefile(path) for path in inputs):
        raise SourceError(f"{target} is an input; name another file for the call database.")
    if target.is_dir():
        raise SourceError(f"{target} is a folder; name a file for the call database.")
    if target.exists():
        with closing(target.open("rb")) as file:
            if file.read(len(_SQLITE)) not in (b"", _SQLITE):
                raise SourceError(f"{target} is there and no SQLite file; it is not replaced.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = ArgumentParser(
        "python -m examples.call_centre.load",
        description="Write the call-centre log of August 1999 as a call database.",
    )
    parser.add_argument("log", type=Path, help="the log: CSV compressed with xz")
    parser.add_argument("dialogues", type=Path, help="CrossWOZ dialogues: a zip of one JSON file")
    parser.add_argument("target", type=Path, help="SQLite file to write")
    parser.add_argument(
        "--unidentified",
        type=Unidentified,
        choices=list(Unidentified),
        default=Unidentified.ANONYMOUS,
        help="calls of nobody known get an identity each, or none (default: %(default)s)",
    )
    given = parser.parse_args(arguments)
    try:
        account = load(given.log, given.dialogues, given.target, given.unidentified)
    except PlatformError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(*account.lines(), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
