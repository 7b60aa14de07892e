"""Rows that come 1, 3 and 40 days late, changed and removed ones: the result is that of a source
in which they had always been.
"""

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg

from tests.calls.cases import Installation, record, turn, write_source
from tests.calls.nights import Nights, days

FIRST, LAST = date(2025, 10, 10), date(2025, 11, 24)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
LATE = (1, 3, 40)
RECORDS, DETAILS = "autodialer_call_record_2025_10", "autodialer_call_record_detail_2025_10"


def late_by(number: int) -> date:
    """The day of a row that arrives so many days late in the night after LAST."""
    return LAST + timedelta(days=1 - number)


def insert(source: Path, table: str, values: list[object]) -> None:
    with closing(sqlite3.connect(source)) as database:
        database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)
        database.commit()


def test_late_changed_and_removed_rows(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    rows = [
        record(n, calldate=f"{day} 10:00:00", customer_id=f"c{n % 7}")
        for n, day in enumerate(days(FIRST, LAST))
    ]
    said = [turn(row["id"], 1) for row in rows]
    house = Installation(tmp_path / "house", FIRST, date(2026, 3, 31))
    write_source(house.source, {"_2025_10": rows}, {"_2025_10": said})
    yesterday = LAST - timedelta(days=1)
    assert house.run("calls", FIRST, yesterday) == ""
    for number in LATE:
        late = record(900 + number, calldate=f"{late_by(number)} 20:00:00", customer_id="late")
        insert(house.source, RECORDS, list(late.values()))
        insert(house.source, DETAILS, list(turn(late["id"], 1, "我要投诉").values()))
    with closing(sqlite3.connect(house.source)) as database:
        gone, changed = LAST - timedelta(days=20), LAST - timedelta(days=30)
        of_day = f"SELECT id FROM {RECORDS} WHERE calldate LIKE '{gone}%'"
        database.execute(f"DELETE FROM {DETAILS} WHERE record_id IN ({of_day})")
        database.execute(f"DELETE FROM {RECORDS} WHERE calldate LIKE '{gone}%'")
        database.execute(
            f"UPDATE {DETAILS} SET question = '我要投诉' WHERE record_id = ("
            f"SELECT id FROM {RECORDS} WHERE calldate LIKE '{changed}%')"
        )
        database.commit()
    nights = Nights(house, instance)
    nights.night_after(LAST)
    assert nights.failures == []
    fresh = Installation(tmp_path / "fresh", FIRST, date(2026, 3, 31))
    fresh.source.parent.mkdir(parents=True)
    fresh.source.write_bytes(house.source.read_bytes())
    assert fresh.run("calls", FIRST, LAST) == ""
    assert house.hashes() == fresh.hashes()
    restated = {
        item.partition for item in house.storage.restatements(EPOCH) if "clean" in item.asset
    }
    touched = {late_by(number) for number in LATE} - {LAST} | {gone}
    assert restated == {str(day) for day in touched}
