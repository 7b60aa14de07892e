"""Which days and periods a tick asks for."""

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cs_assets.calendar import Grain
from cs_schedules.timing import (
    contiguous,
    contiguous_periods,
    day_range,
    days_to_read,
    periods_touched,
)

START = date(2025, 7, 1)
YESTERDAY = date(2025, 11, 24)


def days(*numbers: int) -> list[date]:
    return [date(2025, 11, number) for number in numbers]


def read(loaded: list[date], look_back: int = 3, catch_up: int = 40) -> list[date]:
    return days_to_read(loaded, YESTERDAY, START, look_back, catch_up)


def test_a_usual_night_reads_the_look_back() -> None:
    assert read(day_range(START, date(2025, 11, 23))) == days(22, 23, 24)


def test_two_days_off_are_within_the_look_back() -> None:
    assert read(day_range(START, date(2025, 11, 21))) == days(22, 23, 24)


def test_a_week_off_is_caught_up() -> None:
    assert read(day_range(START, date(2025, 11, 17))) == days(*range(18, 25))


def test_catching_up_ends_somewhere() -> None:
    assert len(read([date(2025, 8, 1)], catch_up=40)) == 40


def test_a_fresh_installation_starts_with_the_look_back() -> None:
    assert read([]) == days(22, 23, 24)


def test_nothing_before_history() -> None:
    assert days_to_read([], START, START, 3, 40) == [START]


def test_ranges_without_gaps() -> None:
    assert contiguous(days(3, 1, 2, 7, 9, 8, 8)) == [
        (date(2025, 11, 1), date(2025, 11, 3)),
        (date(2025, 11, 7), date(2025, 11, 9)),
    ]


@given(st.sets(st.dates(date(2024, 1, 1), date(2025, 12, 31))))
def test_ranges_hold_exactly_the_days(wanted: set[date]) -> None:
    ranges = contiguous(wanted)
    assert {day for first, last in ranges for day in day_range(first, last)} == wanted
    gaps = [later[0] - earlier[1] for earlier, later in pairwise(ranges)]
    assert all(gap > timedelta(days=1) for gap in gaps)


def test_periods_that_a_turn_of_the_year_touches() -> None:
    touched = day_range(date(2024, 12, 30), date(2025, 1, 2))
    keys = {grain: [p.key for p in periods_touched(grain, touched)] for grain in Grain}
    assert keys[Grain.WEEK] == ["2025-W01"]
    assert keys[Grain.MONTH] == ["2024-12", "2025-01"]
    assert keys[Grain.QUARTER] == ["2024-Q4", "2025-Q1"]


def test_periods_apart_make_two_runs() -> None:
    periods = periods_touched(Grain.MONTH, [date(2025, 1, 5), date(2025, 2, 1), date(2025, 5, 1)])
    spans = [(first.key, last.key) for first, last in contiguous_periods(periods)]
    assert spans == [("2025-01", "2025-02"), ("2025-05", "2025-05")]
