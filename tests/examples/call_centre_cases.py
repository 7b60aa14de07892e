"""Hand-written logs and dialogues in the formats of the call-centre example."""

import json
import lzma
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import ibis
import sqlalchemy as sa

from cs_assets.calls.clean import judge
from cs_assets.calls.contracts import CALL_RECORDS_RAW
from cs_resources.call_database import CallDatabase
from examples.call_centre.load import Account, load
from examples.call_centre.mapping import Unidentified
from tests.calls.cases import tasks_table

USUAL = {
    "vru+line": "AA0101",
    "call_id": "70001",
    "customer_id": "90000001",
    "priority": "2",
    "type": "PS",
    "date": "1999-08-03",
    "vru_entry": "9:00:00",
    "vru_exit": "9:00:05",
    "vru_time": "5",
    "q_start": "9:00:05",
    "q_exit": "9:00:25",
    "q_time": "20",
    "outcome": "AGENT",
    "ser_start": "9:00:25",
    "ser_exit": "9:01:55",
    "ser_time": "90",
    "server": "NOA",
}
HUNG_UP = {
    "outcome": "HANG",
    "ser_start": "0:00:00",
    "ser_exit": "0:00:00",
    "ser_time": "0",
    "server": "NO_SERVER",
}
CHAT = {
    "20": [("usr", "你好，想找家餐馆。"), ("sys", "推荐这一家。"), ("usr", "谢谢。")],
    "10": [("usr", "明天去故宫。"), ("sys", "门票六十元。")],
    "30": [("sys", "您好。"), ("usr", "再见。"), ("sys", "再见。")],
}
TABLE = "autodialer_call_record_1999_08"


def line(**changes: str) -> dict[str, str]:
    """A line of the log: a call of a known customer that was queued and served."""
    return USUAL | changes


def written(path: Path, *lines: Mapping[str, str] | str) -> Path:
    """The log with these lines, each as values by column or as it stands."""
    rows = [row if isinstance(row, str) else ",".join(row.values()) for row in lines]
    path.write_bytes(lzma.compress("\r\n".join([",".join(USUAL), *rows, ""]).encode()))
    return path


def zipped(path: Path, found: Any) -> Path:
    """A zip of one JSON file."""
    with ZipFile(path, "w") as archive:
        archive.writestr("val.json", json.dumps(found, ensure_ascii=False))
    return path


def crosswoz(path: Path) -> Path:
    """Three dialogues in the format of CrossWOZ."""
    return zipped(
        path,
        {
            number: {
                "sys-usr": [1, 2],
                "goal": [[1, "餐馆", "名称", "", False]],
                "messages": [
                    {"role": role, "content": text, "dialog_act": [["General", "greet"]]}
                    for role, text in messages
                ],
            }
            for number, messages in CHAT.items()
        },
    )


class Loaded:
    """A log loaded into a new call database."""

    def __init__(
        self,
        folder: Path,
        *lines: Mapping[str, str] | str,
        unidentified: Unidentified = Unidentified.ANONYMOUS,
    ) -> None:
        self.path = folder / "calls.sqlite"
        log, dialogues = written(folder / "log.csv.xz", *lines), crosswoz(folder / "zh.zip")
        self.account: Account = load(log, dialogues, self.path, unidentified)

    def rows(self, query: str) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.path)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(query)]

    @property
    def records(self) -> list[dict[str, Any]]:
        return self.rows(f"SELECT * FROM {TABLE}")

    @property
    def record(self) -> dict[str, Any]:
        (only,) = self.records
        return only

    def fates(self) -> Counter[str]:
        """What the platform makes of the records it reads on the days of August."""
        url = sa.URL.create("sqlite", database=str(self.path))
        source = CallDatabase(url=url, history_start=date(1999, 8, 1))
        days = [date(1999, 8, day) for day in range(1, 32)]
        read = source.records(days, CALL_RECORDS_RAW.schema.to_pyarrow()).read_all()
        known = tasks_table(*(row["uuid"] for row in self.rows("SELECT * FROM autodialer_task")))
        judged = judge(ibis.memtable(read), known).select("reason", "is_duplicate")
        return Counter(
            "duplicate" if row["is_duplicate"] else row["reason"] or "loaded"
            for row in judged.to_pyarrow().to_pylist()
        )
