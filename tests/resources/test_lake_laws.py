"""Laws of the lake under any sequence of publications, checkpoints and care."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st
from storage_cases import ORDERS, day_keys, day_orders, opened, publish, rows_of

from cs_resources.lake_maintenance import Retention, maintain
from cs_resources.storage import Storage

DAYS = day_keys(4)
RETENTION = Retention(files=timedelta(days=30), log=timedelta(days=1000))
CHECKPOINT = "checkpoint"

publications = st.tuples(st.sets(st.sampled_from(DAYS), min_size=1), st.integers(0, 3))
care = st.sampled_from([0, 29, 32, 1002])
steps = st.lists(st.one_of(publications, care, st.just(CHECKPOINT)), min_size=1, max_size=10)


def counted(storage: Storage, days: list[str]) -> dict[str, int]:
    """Rows of the days as a reader finds them."""
    found = [str(row["order_date"]) for row in rows_of(storage, ORDERS, days)]
    return {day: found.count(day) for day in days}


@settings(max_examples=25)
@given(steps)
def test_published_content_and_transactions_survive_everything(
    sequence: list[tuple[set[str], int] | int | str],
) -> None:
    expected: dict[str, int] = {}
    with TemporaryDirectory() as folder, opened(Path(folder)) as storage:
        uri = storage.lake.uri(ORDERS)
        for number, step in enumerate(sequence):
            if isinstance(step, tuple):
                days, rows = sorted(step[0]), step[1]
                publish(storage, ORDERS, day_orders(days, rows), days, f"run {number}")
                expected |= dict.fromkeys(days, rows)
            elif isinstance(step, int):
                maintain(storage.lake, ORDERS, RETENTION, datetime.now(UTC) + timedelta(days=step))
            elif DeltaTable.is_deltatable(str(uri)):
                DeltaTable(uri).create_checkpoint()
            published = storage.lake.published(ORDERS, DAYS)
            assert published.keys() == expected.keys()
            assert counted(storage, sorted(expected)) == expected
            if expected:
                table = DeltaTable(uri)
                numbers = {day: table.transaction_version(f"content_hash/{day}") for day in DAYS}
                assert {day: n for day, n in numbers.items() if n is not None} == published
