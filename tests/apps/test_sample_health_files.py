"""The files of the health sample: repeatable, bounded, whole or not at all; and its command."""

import re
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from cs_apps import cli
from cs_apps.sample_data import health
from cs_apps.sample_data.health import COLUMNS, HealthSummary, write_health_files
from cs_apps.sample_data.health_files import MARKER
from cs_apps.sample_data.health_plan import BLOCK_CUSTOMERS
from cs_resources.errors import ConfigurationError


def content(summary: HealthSummary) -> list[bytes]:
    return [file.read_bytes() for file in summary.files]


def test_same_arguments_same_bytes(tmp_path: Path) -> None:
    one = write_health_files(tmp_path / "one")
    two = write_health_files(tmp_path / "two")
    other = write_health_files(tmp_path / "other", seed=1)
    assert [file.name for file in one.files] == [f"{source}.csv" for source in COLUMNS]
    assert content(one) == content(two)
    assert all(a != b for a, b in zip(content(one), content(other), strict=True))


def test_memory_is_bounded_by_a_block(tmp_path: Path) -> None:
    few = write_health_files(tmp_path / "few", customers=BLOCK_CUSTOMERS, months=1)
    many = write_health_files(tmp_path / "many", customers=4 * BLOCK_CUSTOMERS + 1, months=1)
    assert many.rows["activity"] > 4 * few.largest_batch
    assert many.largest_batch <= BLOCK_CUSTOMERS * 31 * 3
    assert many.rows["customers"] == 4 * BLOCK_CUSTOMERS + 1


def test_a_large_source_lands_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = write_health_files(tmp_path / "landing")
    lines = (tmp_path / "landing" / "activity.csv").read_text("utf-8").splitlines()
    monkeypatch.setattr(health, "PART_ROWS", 4_000)
    summary = write_health_files(tmp_path / "landing")
    assert not (tmp_path / "landing" / "activity.csv").exists()
    parts = [file for file in summary.files if file.parent.name == "activity"]
    assert [part.name for part in parts] == [f"activity_{n:04d}.csv" for n in (1, 2, 3)]
    read = [part.read_text("utf-8").splitlines() for part in parts]
    assert [len(part) - 1 for part in read[:2]] == [4_000, 4_000]
    assert {part[0] for part in read} == {lines[0]}
    assert [line for part in read for line in part[1:]] == lines[1:]
    assert summary.rows == whole.rows
    monkeypatch.undo()
    write_health_files(tmp_path / "landing")
    assert not (tmp_path / "landing" / "activity").exists()


@pytest.mark.parametrize(
    "wrong", [{"customers": 0}, {"seed": -1}, {"months": 0}, {"end": date(2025, 12, 30)}]
)
def test_wrong_arguments_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"at least 1|not the last day"):
        write_health_files(tmp_path / "none", **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["customers.csv", "activity/mine.csv", "customers_2025-11-24.csv"])
def test_real_files_are_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("real", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=re.escape(name)):
        write_health_files(tmp_path, months=1)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [tmp_path / name]
    assert (tmp_path / name).read_text("utf-8") == "real"


def test_a_failure_leaves_the_old_files_alone(tmp_path: Path) -> None:
    before = content(write_health_files(tmp_path, months=1))
    listed = sorted(tmp_path.iterdir())

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_health_files(tmp_path, months=1, seed=1, progress=stop)
    assert sorted(tmp_path.iterdir()) == listed
    assert [(tmp_path / f"{source}.csv").read_bytes() for source in COLUMNS] == before
    assert (tmp_path / MARKER).exists()


def test_progress_counts_customers(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write_health_files(
        tmp_path,
        customers=BLOCK_CUSTOMERS + 1,
        months=1,
        progress=lambda done, total: told.append((done, total)),
    )
    total = BLOCK_CUSTOMERS + 1
    assert told == [(BLOCK_CUSTOMERS, total), (total, total)]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("CS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def command(*options: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, ["sample-data", "--scale", "0.01", *options])
    return result.exit_code, " ".join(result.output.split())


def test_the_command_writes_all_samples(home: Path) -> None:
    options = ("--customers", "4", "--months", "2", "--end", "2025-06-30")
    code, said = command(*options)
    assert code == 0, said
    assert "4 rows of customers" in said
    assert "planted: activity bad_usage_depth" in said
    activity = pd.read_csv(home / "landing" / "activity.csv")
    assert activity.date.min() == "2025-05-01"
    assert activity.customer_id.nunique() == 4
    assert (home / "landing" / "call_source.sqlite").exists()
    code, said = command(*options, "--no-defects")
    assert code == 0, said
    assert "planted" not in said
    assert len(pd.read_csv(home / "landing" / "activity.csv")) == len(activity) - 3


def test_the_command_writes_where_files_land(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANDING_URL", str(tmp_path / "dropped"))
    code, said = command("--months", "1", "--customers", "1")
    assert code == 0, said
    assert len(pd.read_csv(tmp_path / "dropped" / "customers.csv")) == 1
    monkeypatch.setenv("LANDING_URL", "memory://dropped")
    code, said = command("--months", "1", "--customers", "1")
    assert code == 1
    assert "LANDING_URL: samples are written to a local folder" in said


@pytest.mark.parametrize(
    "wrong", [("--customers", "0"), ("--months", "0"), ("--end", "2025-12-30"), ("--end", "soon")]
)
def test_the_command_refuses_nonsense(home: Path, wrong: tuple[str, str]) -> None:
    code, said = command(*wrong)
    assert code == 2
    assert wrong[0] in said
    assert not home.exists()
