"""The landing folder: what can be read is read to the letter, everything else is named."""

import csv
import gzip
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cs_resources.errors import ConfigurationError, SourceError
from cs_resources.landed_csv import Limits
from cs_resources.landing import Landing

COLUMNS = ("name", "note")
TEXT = "name,note\n张三,好\n李四,\n"


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(str(tmp_path / "landing"), tmp_path / "archive", "t1")


def land(landing: Landing, name: str, content: bytes | str) -> None:
    path = Path(landing.url) / "people" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def read(landing: Landing, optional: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    rows = landing.rows(landing.land("people").files, COLUMNS, optional)
    return rows.read_all().to_pylist()


def values(landing: Landing) -> list[tuple[str | None, str | None]]:
    return [(row["name"], row["note"]) for row in read(landing)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".CSV"])
def test_encodings_and_packing_make_no_difference(
    landing: Landing, encoding: str, suffix: str
) -> None:
    content = TEXT.encode(encoding)
    land(landing, f"a{suffix}", gzip.compress(content) if suffix.endswith("gz") else content)
    assert values(landing) == [("张三", "好"), ("李四", None)]


def test_rows_know_where_they_stand(landing: Landing) -> None:
    land(landing, "b.csv", "note,name\n二,y\n")
    land(landing, "a.csv", "name,note\nx,一\n\n,\nz,三\n")
    rows = read(landing)
    assert [(row["source_file"], row["row_number"], row["name"]) for row in rows] == [
        ("a.csv", 1, "x"),
        ("a.csv", 4, "z"),  # a blank line and a blank row were left
        ("b.csv", 1, "y"),
    ]
    assert {row["tenant_id"] for row in rows} == {"t1"}
    hashes = {file.name: file.content_hash for file in landing.land("people").files}
    assert {row["source_file"]: row["file_hash"] for row in rows} == hashes


def test_a_tenant_that_is_named_counts(landing: Landing) -> None:
    land(landing, "a.csv", "tenant_id,name,note\nt2,x,\n,y,\n")
    assert [row["tenant_id"] for row in read(landing)] == ["t2", "t1"]


def test_no_file_no_row_no_error(landing: Landing) -> None:
    assert read(landing) == []
    with pytest.raises(ConfigurationError, match=r"LANDING_URL: .* is not there"):
        replace(landing, must_exist=True).land("people")


def test_other_files_are_named_and_left(landing: Landing) -> None:
    land(landing, "a.xlsx", b"PK")
    land(landing, ".hidden.csv", TEXT)
    land(landing, "deep/a.csv", TEXT)
    assert landing.land("people").ignored == ("a.xlsx",)
    assert read(landing) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "a.csv: empty; its first line must be name,note"),
        ("name\nx\n", "column note is missing; add it: expected are name, note"),
        ("name,note,age\nx,y,3\n", "unknown column age; rename or remove it"),
        ("name,note,\nx,y,\n", r"unknown column \(without a name\)"),
        ("name,name,note\n", "column name stands twice"),
        ("name;note\nx;y\n", "values must be separated by commas"),
        (TEXT.encode("utf-16"), "neither UTF-8 nor GB18030; save it as CSV UTF-8"),
        (b"name,note\nx,\xff\n", "neither UTF-8 nor GB18030"),
        ('name,note\nx,y\nz,"open\n1,2\n', "a.csv, line 4: .*quotation mark"),
        ('name,note\n"x"y,z\n', "a.csv, line 2: .*quotation mark"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_remedy(
    landing: Landing, content: bytes | str, said: str
) -> None:
    land(landing, "a.csv", content)
    with pytest.raises(SourceError, match=said):
        read(landing)


def test_rows_that_cannot_be_read_are_kept_apart(landing: Landing) -> None:
    long = "长" * 40_000
    land(landing, "a.csv", f"name,note\nx\nx,y,z\nn\0l,y\n{long},y\ngood,row\n")
    rows = read(landing)
    assert [(row["row_number"], row["problem"], row["name"]) for row in rows] == [
        (1, "ragged_row", None),
        (2, "ragged_row", None),
        (3, "nul_character", None),
        (4, "oversized_value", None),
        (5, None, "good"),
    ]
    assert [json.loads(row["cells"]) for row in rows[:3]] == [["x"], ["x", "y", "z"], ["n�l", "y"]]
    assert json.loads(rows[3]["cells"]) == ["长" * 1_000, "y"]


def test_a_bomb_is_refused_long_before_it_is_unpacked(landing: Landing) -> None:
    land(landing, "a.csv.gz", gzip.compress(b"name,note\n" + b"0" * (64 << 20)))
    with pytest.raises(SourceError, match=r"a\.csv\.gz: unfolds from .* Land it"):
        read(landing)
    (file,) = landing.land("people").files
    with pytest.raises(SourceError, match="unfolds"), file.opened(Limits(unpacked_bytes=10)) as f:
        f.read()


def test_a_file_within_its_limits_may_unfold(landing: Landing) -> None:
    land(landing, "a.csv.gz", gzip.compress(b"name,note\n" + b"x,y\n" * 50_000, 9))
    assert len(read(landing)) == 50_000


@pytest.mark.parametrize("cut", [5, 20, -4])
def test_half_a_packed_file_is_refused(landing: Landing, cut: int) -> None:
    land(landing, "a.csv.gz", gzip.compress(TEXT.encode())[:cut])
    with pytest.raises(SourceError, match=r"a\.csv\.gz: not a whole gzip file"):
        read(landing)


def test_a_file_that_is_too_large_is_refused(landing: Landing) -> None:
    land(landing, "a.csv", TEXT)
    with pytest.raises(SourceError, match="more than 10 bytes; land it in parts"):
        replace(landing, limits=Limits(file_bytes=10)).land("people")
    assert list(landing.archive.rglob("*.csv")) == []
    assert list(landing.archive.rglob("incoming*")) == []


def test_every_content_that_landed_is_kept_once(landing: Landing) -> None:
    for content in (TEXT, "name,note\nnew,\n", TEXT):
        land(landing, "a.csv", content)
        read(landing)
    kept = sorted(path.read_text("utf-8") for path in landing.archive.rglob("a.csv"))
    assert kept == sorted([TEXT, "name,note\nnew,\n"])


def test_a_file_that_is_overwritten_while_it_is_read_does_no_harm(landing: Landing) -> None:
    land(landing, "a.csv", TEXT)
    files = landing.land("people").files
    land(landing, "a.csv", "name,note\nnew,\n")
    assert landing.rows(files, COLUMNS).read_all().num_rows == 2


def test_files_of_a_source_also_lie_beside_its_folder(landing: Landing) -> None:
    land(landing, "a.csv", TEXT)
    for name in ("people.csv", "people_2025.CSV", "peoples.csv", "other.csv", "people_x.txt"):
        land(landing, f"../{name}", TEXT)
    names = ["a.csv", "people.csv", "people_2025.CSV"]
    assert [file.name for file in landing.land("people").files] == names
    assert [file.name for file in landing.found("people")] == names
    land(landing, "people.csv", TEXT)
    with pytest.raises(SourceError, match=r"people\.csv: lies in .* rename one of them"):
        landing.found("people")


def test_columns_that_nobody_asked_for_can_be_kept_out(landing: Landing) -> None:
    land(landing, "a.csv", "age,name,problem,note,,\n3,x,none,y,,\n")
    files = landing.land("people").files
    (row,) = landing.rows(files, COLUMNS, is_extra_ignored=True).read_all().to_pylist()
    assert (row["name"], row["note"], row["problem"]) == ("x", "y", None)


def test_urls_are_read_through_fsspec(tmp_path: Path) -> None:
    import fsspec

    files = fsspec.filesystem("memory")
    files.pipe_file("/inbox/people/a.csv", TEXT.encode())
    landing = Landing("memory://inbox", tmp_path / "archive")
    assert values(landing) == [("张三", "好"), ("李四", None)]
    with pytest.raises(ConfigurationError, match="LANDING_URL: nowhere:// cannot be read"):
        Landing("nowhere://x", tmp_path).land("people")


cells = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(rows=st.lists(st.tuples(cells, cells)), encoding=st.sampled_from(["utf-8", "utf-8-sig"]))
def test_what_a_spreadsheet_writes_comes_back(
    landing: Landing, rows: list[tuple[str, str]], encoding: str
) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([COLUMNS, *rows])
    land(landing, "a.csv", text.getvalue().encode(encoding))
    expected = [(name or None, note or None) for name, note in rows if name or note]
    assert values(landing) == expected
