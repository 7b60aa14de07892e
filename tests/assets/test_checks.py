"""The newest partition, and the usual size."""

from datetime import UTC, date, datetime, timedelta

import pytest

from cs_assets.calendar import Calendar
from cs_assets.checks import expected_day, volume_verdict

CALENDAR = Calendar(history_start=date(2025, 7, 1))
DUE = timedelta(hours=7)
DAY = date(2025, 11, 24)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2025, 11, 24, 22, 59, tzinfo=UTC), date(2025, 11, 23)),  # 06:59 in Shanghai
        (datetime(2025, 11, 24, 23, 0, tzinfo=UTC), date(2025, 11, 24)),  # 07:00
        (datetime(2025, 6, 1, tzinfo=UTC), None),
    ],
)
def test_the_day_that_is_due(now: datetime, expected: date | None) -> None:
    assert expected_day(now, CALENDAR, DUE) == expected


def test_nothing_is_due_after_the_end_of_history() -> None:
    calendar = Calendar(history_start=date(2025, 7, 1), history_end=date(2025, 12, 31))
    now = datetime(2026, 5, 1, tzinfo=UTC)
    assert expected_day(now, calendar, DUE) == date(2025, 12, 31)


def weeks(rows: int, count: int = 8) -> dict[date, int]:
    return {DAY - timedelta(weeks=week): rows for week in range(1, count + 1)}


@pytest.mark.parametrize(
    ("rows", "passed"),
    [(100, True), (34, True), (33, False), (300, True), (301, False), (0, False)],
)
def test_the_usual_size(rows: int, passed: bool) -> None:
    assert volume_verdict({**weeks(100), DAY: rows}, DAY, 3.0).passed is passed


def test_the_tested_day_is_no_part_of_its_baseline() -> None:
    counts = {**weeks(100, 4), DAY: 100_000}
    assert volume_verdict(counts, DAY, 3.0).figures["median_before"] == 100


def test_later_days_are_no_part_of_the_baseline() -> None:
    counts = {**weeks(100, 4), DAY: 100, DAY + timedelta(weeks=1): 10**6}
    assert volume_verdict(counts, DAY, 3.0).passed


def test_too_little_history_says_so() -> None:
    verdict = volume_verdict({**weeks(100, 3), DAY: 0}, DAY, 3.0)
    assert verdict.passed
    assert "too few" in verdict.description
