"""Which days are measured, and how many of them at once."""

from datetime import date, timedelta

import ibis
import pytest

from cs_assets.calendar import Grain, period_of
from cs_assets.health import bases
from cs_assets.health.bases import few_at_once
from cs_assets.periods import LoadedPeriod

DAYS = [date(2025, 12, 1) + timedelta(days=n) for n in range(7)]
PERIODS = [LoadedPeriod(period_of(Grain.DAY, day), (day,)) for day in DAYS]


def sizes(customers: int, at_once: int, of_bases: list[str]) -> list[int]:
    """How many of seven days come together; the last day has ten times the customers."""
    rows = [
        {"snapshot_date": day, "customer_id": str(n)}
        for day in DAYS
        for n in range(customers * (10 if day == DAYS[-1] else 1))
    ]
    # other days' snapshots do not count
    rows += [{"snapshot_date": date(2025, 1, 1), "customer_id": str(n)} for n in range(999)]
    table = ibis.memtable(rows, schema={"snapshot_date": "date", "customer_id": "string"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bases, "MEASURED_AT_ONCE", at_once)
        runs = few_at_once(PERIODS, table, of_bases)
    assert [period for run in runs for period in run] == PERIODS
    return [len(run) for run in runs]


@pytest.mark.parametrize(
    ("at_once", "of_bases", "expected"),
    [
        (7 * 20, [], [7]),
        (7 * 20 - 1, [], [6, 1]),
        (3 * 20, [], [3, 3, 1]),
        (3 * 20, ["30_days_before"], [1] * 7),
        (6 * 20, ["30_days_before"], [3, 3, 1]),
        (1, [], [1] * 7),
    ],
)
def test_the_day_with_most_customers_decides(
    at_once: int, of_bases: list[str], expected: list[int]
) -> None:
    assert sizes(2, at_once, of_bases) == expected


def test_without_customers_all_come_together() -> None:
    assert sizes(0, 7, []) == [7]


def test_without_periods_there_is_one_empty_run() -> None:
    table = ibis.memtable([], schema={"snapshot_date": "date", "customer_id": "string"})
    assert few_at_once([], table) == [[]]
