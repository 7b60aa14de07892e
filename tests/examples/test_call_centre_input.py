"""What the call-centre example says of input it cannot read, and what it leaves alone."""

import lzma
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from cs_resources.errors import SourceError
from examples.call_centre.load import load, main
from tests.examples.call_centre_cases import USUAL, crosswoz, line, written, zipped


def bad_log(path: Path, content: bytes | None) -> Path:
    if content is not None:
        path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (b"", "not a whole xz file"),
        (b"vru+line,call_id", "not a whole xz file"),
        (lzma.compress(",".join(USUAL).encode())[:-20], "not a whole xz file"),
        (lzma.compress(b""), "has no column vru\\+line"),
        (lzma.compress(b"vru+line,call_id,priority"), "has no column customer_id, type, date"),
        (lzma.compress((",".join(USUAL) + ",type").encode()), "names a column twice"),
        (lzma.compress((",".join(USUAL) + '\n"open').encode()), "is not CSV"),
    ],
)
def test_a_bad_log_is_named_and_nothing_is_written(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    target = tmp_path / "calls.sqlite"
    with pytest.raises(SourceError, match=message):
        load(bad_log(tmp_path / "log.csv.xz", content), crosswoz(tmp_path / "zh.zip"), target)
    assert not target.exists()
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


@pytest.mark.parametrize(
    "found",
    [
        [],
        {},
        {"1": {"goal": []}},
        {"1": {"messages": []}},
        {"1": {"messages": [{"role": "usr"}]}},
        {"1": {"messages": [{"role": "cat", "content": "喵"}]}},
        {"1": {"messages": ["喵"]}},
        {"1": None},
    ],
)
def test_dialogues_of_another_shape_are_refused(tmp_path: Path, found: Any) -> None:
    log, target = written(tmp_path / "log.csv.xz", line()), tmp_path / "calls.sqlite"
    with pytest.raises(SourceError, match="holds no CrossWOZ dialogues"):
        load(log, zipped(tmp_path / "zh.zip", found), target)
    assert not target.exists()


def test_dialogues_that_are_no_zip_of_one_json_file_are_refused(tmp_path: Path) -> None:
    log, target = written(tmp_path / "log.csv.xz", line()), tmp_path / "calls.sqlite"
    with pytest.raises(SourceError, match=r"none\.zip: No such file"):
        load(log, tmp_path / "none.zip", target)
    with pytest.raises(SourceError, match="not a zip file"):
        load(log, log, target)
    with ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("readme.txt", "")
    with pytest.raises(SourceError, match="one JSON file; it holds 0"):
        load(log, tmp_path / "empty.zip", target)
    with ZipFile(tmp_path / "text.zip", "w") as archive:
        archive.writestr("val.json", "{")
    with pytest.raises(SourceError, match="is not JSON"):
        load(log, tmp_path / "text.zip", target)
    assert not target.exists()


def test_only_a_call_database_is_replaced(tmp_path: Path) -> None:
    log, dialogues = written(tmp_path / "log.csv.xz", line()), crosswoz(tmp_path / "zh.zip")
    notes = tmp_path / "notes.txt"
    notes.write_text("mine", encoding="utf-8")
    below = notes / "calls.sqlite"
    for target, message in (
        (log, "is an input"),
        (tmp_path, "folder"),
        (notes, "no SQLite file"),
        (below, "cannot be written"),
    ):
        with pytest.raises(SourceError, match=message):
            load(log, dialogues, target)
    assert notes.read_text(encoding="utf-8") == "mine"


def test_the_command_says_what_it_did_or_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = str(written(tmp_path / "log.csv.xz", line()))
    rest = [str(crosswoz(tmp_path / "zh.zip")), str(tmp_path / "calls.sqlite")]
    assert main([log, *rest, "--unidentified", "quarantine"]) == 0
    assert capsys.readouterr().out.startswith("rows read 1 = written 1 + dropped 0 (none)\n")
    assert main(["missing.csv.xz", *rest]) == 1
    assert capsys.readouterr().err == "error: missing.csv.xz: No such file or directory\n"
