"""Reports whose writers are killed or frozen: readers find three files of one version."""

import json
from datetime import UTC, date, datetime
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import sqlalchemy as sa
from storage_cases import Writer, asking, opened, provenance, warehouse_url

from cs_assets.calendar import Grain, period_from_partition
from cs_assets.health.report_assets import show
from cs_assets.health.report_checks import problem
from cs_assets.health.report_contracts import CUSTOMER_SUCCESS_REPORT
from cs_assets.health.report_texts import ALERTS, FILES
from cs_assets.health.report_writing import Entries, keep_versions, report_table, write_reports
from cs_assets.periods import loaded_periods
from cs_assets.results import Result
from cs_resources.report_files import ReportFiles
from cs_resources.scratch import own_folder
from cs_resources.storage import Storage

KILLED = -9
KEY = "2025-01"
REPORT = CUSTOMER_SUCCESS_REPORT.for_grain(Grain.MONTH)
AT = {KEY: datetime(2025, 2, 1, tzinfo=UTC)}
POINTS = (
    "begun",
    "report: written",
    "report: kept",
    "warehouse: audited",
    "warehouse: deleted",
    "warehouse: loading",
    "warehouse: before commit",
    "warehouse: committed",
    "report: showing",
    "report: shown",
)
SHOWN = POINTS.index("report: shown")
COMMITTED = POINTS.index("warehouse: committed")


def publish_report(storage: Storage, word: str, step: str) -> None:
    """Write files that all tell the word, and publish them."""
    rows = [
        {
            "tenant_id": "t",
            "period_key": KEY,
            "alert_id": word,
            "customer_id": word,
            "rule": word,
            "severity": "low",
            "message": word,
            "evidence": "{}",
            "first_seen": date(2025, 1, 1),
            "last_seen": date(2025, 1, 31),
            "owner": None,
        }
    ]
    histories = [
        {
            "tenant_id": "t",
            "period_key": KEY,
            "customer_id": word,
            "scorecard": "saas_8",
            "history": [
                {"period_key": KEY, "as_of": date(2025, 1, 31), "score": None, "grade": None}
            ],
        }
    ]
    (period,) = loaded_periods(
        [period_from_partition(Grain.MONTH, KEY)],
        list(period_from_partition(Grain.MONTH, KEY).days()),
    )
    with storage.reports.incoming() as folder:
        reports = write_reports(folder, Entries(alerts=rows, histories=histories), AT, [word])
        versions = keep_versions(storage.reports, REPORT, folder, reports)
    table = report_table(
        REPORT,
        {KEY: period.columns},
        reports,
        versions,
        AT,
        [word],
        {},
        scorecard="saas_8",
        locale="zh",
    )
    result = Result(table, published=partial(show, storage, REPORT))
    storage.publish(step, storage.stager.stage(result, REPORT, [KEY]), provenance(step))


def write_report(connection: Connection, root: Path, url: str, word: str) -> None:
    ask = asking(connection)
    with opened(root, REPORT, reached=ask, url=sa.make_url(url)) as storage:
        try:
            storage.begin("writer", [(REPORT, [KEY])])
            ask("begun")
            publish_report(storage, word, "writer")
        except Exception as error:  # noqa: BLE001  the parent judges
            connection.send(type(error).__name__)
        else:
            connection.send("done")


class ReportWriter(Writer):
    """A process that publishes a report and asks before each step on the way."""

    def __init__(self, root: Path, word: str) -> None:
        url = warehouse_url(root).render_as_string(hide_password=False)
        self.start(write_report, root, url, word)


def writer_at(root: Path, number: int) -> ReportWriter:
    writer = ReportWriter(root, "new")
    for _ in range(number):
        writer.go()
    assert writer.point == POINTS[number]
    return writer


def publish_here(root: Path, word: str) -> None:
    with opened(root, REPORT) as storage:
        storage.begin(word, [(REPORT, [KEY])])
        publish_report(storage, word, word)


def words(folder: Path) -> set[str]:
    """The words that the files of a folder tell, each as often as it may."""
    alerts = json.loads((folder / "t" / ALERTS).read_text("utf-8"))
    (history,) = json.loads((folder / "t" / FILES[1]).read_text("utf-8"))
    data = json.loads((folder / "t" / FILES[0]).read_text("utf-8"))
    return {alerts["alerts"][0]["rule"], history["customer_id"], *data["summary"]["distribution"]}


def seen(root: Path) -> set[str]:
    """What a reader finds who resolves the link once, as readers are told to."""
    return words((root / "reports" / REPORT.table_name / "month" / KEY).resolve(strict=True))


def healthy(root: Path) -> bool:
    with opened(root, REPORT) as storage:
        return problem(storage, REPORT, KEY) == ""


def test_readers_on_the_way_see_the_old_files_until_all_are_shown(tmp_path: Path) -> None:
    publish_here(tmp_path, "old")
    writer, found = ReportWriter(tmp_path, "new"), []
    while writer.point != "done":
        found.append((writer.point, seen(tmp_path)))
        writer.go()
    assert tuple(point for point, _ in found) == POINTS
    assert [own for _, own in found] == [{"old"}] * SHOWN + [{"new"}]
    assert healthy(tmp_path)


def test_killed_at_every_write_point(tmp_path: Path) -> None:
    for number, point in enumerate(POINTS):
        root = tmp_path / str(number)
        publish_here(root, "old")
        assert writer_at(root, number).kill() == KILLED
        assert seen(root) == ({"new"} if number >= SHOWN else {"old"}), point
        # what was committed and is not shown yet is found out
        assert healthy(root) == (not COMMITTED <= number < SHOWN), point
        publish_here(root, "new")
        assert seen(root) == {"new"}
        assert healthy(root)
        left = [path for path in (root / "reports/.incoming").iterdir() if path.is_dir()]
        assert left == [own_folder(root / "reports/.incoming")], "the victim's folder is gone"


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_frozen_before_its_commit_it_is_refused(tmp_path: Path, number: int) -> None:
    publish_here(tmp_path, "old")
    frozen = writer_at(tmp_path, number)
    frozen.freeze()
    publish_here(tmp_path, "newer")
    frozen.let_go()
    frozen.thaw()
    assert frozen.outcome() == "StaleWriterError"
    assert seen(tmp_path) == {"newer"}
    assert healthy(tmp_path)


@pytest.mark.parametrize("number", [COMMITTED, COMMITTED + 1])
def test_frozen_before_showing_it_ends_with_its_successors_files(
    tmp_path: Path, number: int
) -> None:
    publish_here(tmp_path, "old")
    frozen = writer_at(tmp_path, number)
    frozen.freeze()
    publish_here(tmp_path, "newer")
    assert seen(tmp_path) == {"newer"}
    frozen.let_go()
    frozen.thaw()
    assert frozen.outcome() == "done"
    assert seen(tmp_path) == {"newer"}
    assert healthy(tmp_path)


def test_a_reader_goes_on_reading_what_it_has_resolved(tmp_path: Path) -> None:
    publish_here(tmp_path, "old")
    place = f"{REPORT.table_name}/month/{KEY}"
    folder = (tmp_path / "reports" / place).resolve(strict=True)
    publish_here(tmp_path, "new")
    assert words(folder) == {"old"}
    files = ReportFiles(tmp_path / "reports")
    at = datetime.now(UTC)
    assert files.tidy(f"{REPORT.table_name}/month", at.replace(year=at.year - 1)).versions == 0
    removed = files.tidy(f"{REPORT.table_name}/month", at.replace(year=at.year + 1))
    assert (removed.versions, removed.left) == (1, 1)
    assert not folder.exists()
    assert seen(tmp_path) == {"new"}
