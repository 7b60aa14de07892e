"""Periods and their keys, and the partitions and mappings as Dagster itself sees them."""

from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cs_assets.calendar import (
    PERIOD_GRAINS,
    Calendar,
    Grain,
    Period,
    current_period,
    parse_date_or_period,
    parse_period,
    period_from_partition,
    period_key,
    period_of,
    period_range,
    periods_between,
)

DAY, WEEK, MONTH, QUARTER = Grain
ONE_DAY = timedelta(days=1)
SHANGHAI = "Asia/Shanghai"
FIRST, LAST = date(1999, 1, 1), date(2048, 12, 31)
LATER = datetime(2060, 1, 1, tzinfo=ZoneInfo("UTC"))

days_of_50_years, grains = st.dates(FIRST, LAST), st.sampled_from(Grain)
# Wednesday in the middle of a quarter, to Thursday in the middle of the next.
WEDNESDAY, THURSDAY = date(2025, 11, 19), date(2026, 2, 12)
SHORT = Calendar(history_start=WEDNESDAY, history_end=THURSDAY)
OPEN = Calendar(history_start=WEDNESDAY)


def at(text: str, zone: str = SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def span(first: date, last: date) -> list[str]:
    return [str(first + timedelta(days=n)) for n in range((last - first).days + 1)]


def keys(calendar: Calendar, grain: Grain, now: datetime) -> list[str]:
    return list(calendar.partitions(grain).get_partition_keys(current_time=now))


def upstream_days(
    calendar: Calendar, mapping: dg.PartitionMapping, period: Period, now: datetime
) -> list[str]:
    """Days that Dagster loads for a period. The subset is made without Dagster's cached clock."""
    partitions, days = calendar.partitions(period.grain), calendar.partitions(DAY)
    window = partitions.time_window_for_partition_key(period.partition_key)
    result = mapping.get_upstream_mapped_partitions_result_for_partitions(
        partitions.get_partition_subset_in_time_window(window), partitions, days, current_time=now
    )
    assert not list(result.required_but_nonexistent_partition_keys)
    with dg.partition_loading_context(now):
        return list(result.partitions_subset.get_partition_keys())


def test_iso_weeks_at_the_turn_of_the_year() -> None:
    cases = """2020-12-31 2020-W53, 2021-01-03 2020-W53, 2021-01-04 2021-W01, 2024-12-29 2024-W52,
        2024-12-30 2025-W01, 2026-12-28 2026-W53, 2027-01-01 2026-W53, 2027-01-04 2027-W01"""
    for day, key in (case.split() for case in cases.split(",")):
        week = period_of(WEEK, date.fromisoformat(day))
        assert (week.key, week.partition_key) == (key, f"{key}-1")
        assert (week.start.isoweekday(), week.end.isoweekday()) == (1, 7)
        assert parse_period(WEEK, key) == week


@pytest.mark.parametrize(
    ("grain", "key", "partition_key", "first", "last"),
    [
        (DAY, "2025-11-24", "2025-11-24", "2025-11-24", "2025-11-24"),
        (WEEK, "2025-W48", "2025-W48-1", "2025-11-24", "2025-11-30"),
        (MONTH, "2025-11", "2025-11", "2025-11-01", "2025-11-30"),
        (MONTH, "2024-02", "2024-02", "2024-02-01", "2024-02-29"),
        (QUARTER, "2025-Q4", "2025-10", "2025-10-01", "2025-12-31"),
    ],
)
def test_forms(grain: Grain, key: str, partition_key: str, first: str, last: str) -> None:
    bounds = (date.fromisoformat(first), date.fromisoformat(last))
    period = Period(grain, *bounds)
    assert (period.key, period.partition_key) == (key, partition_key)
    assert period_range(grain, key) == parse_date_or_period(key) == bounds
    assert period_from_partition(grain, partition_key) == period


def test_weeks_are_understood_as_dagster_names_them() -> None:
    assert parse_date_or_period("2025-W48-1") == parse_date_or_period("2025-W48")


@given(grains, days_of_50_years)
def test_a_day_lies_in_exactly_one_period_and_periods_tile(grain: Grain, day: date) -> None:
    period = period_of(grain, day)
    before, after = period.previous(), period.next()
    assert [day in each for each in (before, period, after)] == [False, True, False]
    assert (before.end + ONE_DAY, period.end + ONE_DAY) == (period.start, after.start)
    assert (before.next(), after.previous()) == (period, period)
    assert {period_of(grain, each) for each in period.days()} == {period}
    assert before < period < after
    assert before.key < period.key < after.key
    assert before.partition_key < period.partition_key < after.partition_key


@given(grains, days_of_50_years)
def test_keys_round_trip(grain: Grain, day: date) -> None:
    period = period_of(grain, day)
    assert parse_date_or_period(period_key(grain, day)) == (period.start, period.end)
    assert parse_period(grain, period.key) == period
    assert period_from_partition(grain, period.partition_key) == period


@given(days_of_50_years)
def test_a_quarter_is_its_months(day: date) -> None:
    quarter = period_of(QUARTER, day)
    months = periods_between(MONTH, quarter.start, quarter.end)
    assert len(months) == 3
    assert quarter.days() == [each for month in months for each in month.days()]


@pytest.mark.parametrize("grain", Grain)
def test_partitions_of_50_years_are_ours(grain: Grain) -> None:
    calendar = Calendar(history_start=FIRST, history_end=LAST)
    ours = [period.partition_key for period in periods_between(grain, FIRST, LAST)]
    assert keys(calendar, grain, LATER) == ours == sorted(ours)


@pytest.mark.parametrize("zone", [SHANGHAI, "America/New_York", "America/Sao_Paulo"])
@settings(deadline=None)
@given(grain=grains, day=days_of_50_years)
def test_time_windows_are_ours(zone: str, grain: Grain, day: date) -> None:
    period = period_of(grain, day)
    partitions = Calendar(timezone=zone, history_start=FIRST).partitions(grain)
    window = partitions.time_window_for_partition_key(period.partition_key)
    assert (window.start.date(), window.end.date()) == (period.start, period.end + ONE_DAY)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone))
    assert partitions.get_partition_key_for_timestamp(noon.timestamp()) == period.partition_key
    assert current_period(grain, noon.astimezone(ZoneInfo("UTC")), zone) == period


def test_days_of_23_and_25_hours() -> None:
    zone = "America/New_York"
    days = Calendar(timezone=zone, history_start=date(2025, 3, 8)).partitions(DAY)
    for key, hours in [("2025-03-09", 23), ("2025-03-10", 24), ("2025-11-02", 25)]:
        window = days.time_window_for_partition_key(key)
        assert window.end.timestamp() - window.start.timestamp() == hours * 3600
    assert days.get_partition_keys(at("2025-03-10T00:00", zone)) == ["2025-03-08", "2025-03-09"]
    for utc, day in [("2025-03-10T03:59", "2025-03-09"), ("2025-03-10T04:00", "2025-03-10")]:
        assert current_period(DAY, at(utc, "UTC"), zone).key == day


def test_history_is_aligned_outwards() -> None:
    found = [keys(SHORT, grain, LATER) for grain in Grain]
    assert [each[0] for each in found] == ["2025-11-19", "2025-W47-1", "2025-11", "2025-10"]
    assert [each[-1] for each in found] == ["2026-02-12", "2026-W07-1", "2026-02", "2026-01"]


@given(days_of_50_years, st.integers(0, 800), st.integers(0, 900), st.integers(0, 86_399))
@settings(deadline=None)
def test_periods_exist_once_they_run_and_days_once_over(
    start: date, length: int, passed: int, second: int
) -> None:
    end, today = start + timedelta(days=length), start + timedelta(days=passed)
    now = at(f"{today}T00:00") + timedelta(seconds=second)
    closed = Calendar(history_start=start, history_end=end)
    endless = Calendar(history_start=start)
    for calendar, last in [(closed, min(end, today)), (endless, today)]:
        assert keys(calendar, DAY, now) == span(start, min(last, today - ONE_DAY))
        for grain in PERIOD_GRAINS:
            ours = [period.partition_key for period in periods_between(grain, start, last)]
            assert keys(calendar, grain, now) == ours


@pytest.mark.parametrize(
    ("key", "now", "first", "last"),
    [
        ("2025-W47", "2026-03-01", "2025-11-19", "2025-11-23"),
        ("2025-W48", "2026-03-01", "2025-11-24", "2025-11-30"),
        ("2025-W48", "2025-11-27", "2025-11-24", "2025-11-26"),
        ("2025-W48", "2025-11-24T08:00", "2025-11-24", "2025-11-23"),
        ("2025-11", "2026-03-01", "2025-11-19", "2025-11-30"),
        ("2025-Q4", "2026-03-01", "2025-11-19", "2025-12-31"),
        ("2025-Q4", "2025-12-25T23:59", "2025-11-19", "2025-12-24"),
        ("2026-W07", "2026-03-01", "2026-02-09", "2026-02-12"),
        ("2026-Q1", "2026-03-01", "2026-01-01", "2026-02-12"),
    ],
)
def test_a_period_maps_to_its_days(key: str, now: str, first: str, last: str) -> None:
    grain = WEEK if "W" in key else QUARTER if "Q" in key else MONTH
    days = upstream_days(SHORT, SHORT.days_of_period(), parse_period(grain, key), at(now))
    assert days == span(date.fromisoformat(first), date.fromisoformat(last))


@settings(deadline=None)
@given(grain=grains, window=st.integers(1, 400), day=st.dates(WEDNESDAY, THURSDAY))
def test_trailing_loads_the_window_clamped_to_history(grain: Grain, window: int, day: date) -> None:
    period = period_of(grain, day)
    days = upstream_days(SHORT, SHORT.trailing(grain, window), period, LATER)
    first, last = max(WEDNESDAY, period.end - timedelta(days=window - 1)), min(THURSDAY, period.end)
    assert set(span(first, last)) <= set(days)
    assert days == span(date.fromisoformat(days[0]), last)


@pytest.mark.parametrize("grain", Grain)
def test_trailing_covers_with_the_fewest_periods(grain: Grain) -> None:
    periods = periods_between(grain, FIRST, date(2012, 12, 31))

    @cache
    def shortest(n: int) -> int:
        return min((b.start - a.start).days for a, b in zip(periods, periods[n:], strict=False))

    for window in range(1, 401):
        mapping = OPEN.trailing(grain, window)
        assert isinstance(mapping, dg.TimeWindowPartitionMapping)
        before = -mapping.start_offset
        assert shortest(before + 1) >= window
        assert before == 0 or shortest(before) < window


def test_trailing_and_its_inverse_agree() -> None:
    months, days, mapping = OPEN.partitions(MONTH), OPEN.partitions(DAY), OPEN.trailing(MONTH, 60)
    day = days.get_partition_subset_in_time_window(days.time_window_for_partition_key("2025-12-31"))
    touched = mapping.get_downstream_partitions_for_partitions(day, days, months, LATER)
    assert list(touched.get_partition_keys()) == ["2025-12", "2026-01", "2026-02"]


def test_a_mart_loads_across_the_start_of_history() -> None:
    # Runs know no other time than the clock's: this history is over on any clock.
    past = Calendar(history_start=date(2023, 11, 15), history_end=date(2024, 2, 8))
    dep = dg.AssetDep("fact", partition_mapping=past.trailing(QUARTER, 180))
    seen = []

    @dg.asset(partitions_def=past.partitions(DAY))
    def fact() -> None: ...

    @dg.asset(partitions_def=past.partitions(QUARTER), deps=[dep])
    def mart(context: dg.AssetExecutionContext) -> None:
        seen.extend(context.asset_partition_keys_for_input("fact"))

    assert dg.materialize([fact, mart], partition_key="2024-01", selection=["mart"]).success
    assert seen == span(date(2023, 11, 15), date(2024, 2, 8))


MALFORMED = {
    DAY: "2025-02-29 2025-1-1 20251124 2025-W48-1 2025-11-24T00 ２０２５-11-24 0000-01-01",
    WEEK: "2025-W54 2025-W53 2025-W00 2025-W1 2025-w48 2025-48 2025-W４8 2025-W48-1 9999-W52",
    MONTH: "2025-13 2025-00 2025-1 202511 2025-１１ 25-11 2025-11-01 2025/11",
    QUARTER: "2025-Q5 2025-Q0 2025-Q 2025-q4 2025Q4 2025-Q４ 2025-10 2025-Q04",
}


@pytest.mark.parametrize("grain", Grain)
def test_malformed_keys_are_refused_with_an_example(grain: Grain) -> None:
    good = period_key(grain, date(2025, 11, 24))
    for bad in [*MALFORMED[grain].split(), "", " ", f" {good}", f"{good} ", f"{good}\n", "latest"]:
        with pytest.raises(ValueError, match=f"is not a {grain}: expected the form {good}"):
            parse_period(grain, bad)
    for bad in ["2025-W54", "2025-13", "2025-Q5", "2025-W48-2", f"{good} ", "", "latest"]:
        with pytest.raises(ValueError, match=r"expected .*2025-"):
            parse_date_or_period(bad)


def test_malformed_partition_keys() -> None:
    for grain, bad in [(WEEK, "2025-W48"), (WEEK, "2025-W48-2"), (QUARTER, "2025-11")]:
        with pytest.raises(ValueError, match=r"expected the form 2025-(W48-1|10)"):
            period_from_partition(grain, bad)


def test_instants_are_no_days_and_days_need_a_zone() -> None:
    with pytest.raises(TypeError, match="local date"):
        period_of(WEEK, at("2025-11-24T00:00"))
    with pytest.raises(ValueError, match="time zone"):
        current_period(DAY, at("2025-11-24").replace(tzinfo=None), SHANGHAI)
    for zone in ("Asia", "Asia/Beijing", "", "../etc/passwd"):
        with pytest.raises(ValueError, match="unknown time zone"):
            Calendar(timezone=zone, history_start=FIRST)


def test_bounds_in_the_wrong_order() -> None:
    with pytest.raises(ValueError, match=r"CS_HISTORY_START \(2025-11-19\) .* CS_HISTORY_END"):
        Calendar(history_start=WEDNESDAY, history_end=WEDNESDAY - ONE_DAY)
    with pytest.raises(ValueError, match="lies after"):
        periods_between(DAY, THURSDAY, WEDNESDAY)
    with pytest.raises(ValueError, match="not one whole week"):
        Period(WEEK, WEDNESDAY, WEDNESDAY + timedelta(days=6))
    with pytest.raises(ValueError, match="at least 1 day"):
        SHORT.trailing(WEEK, 0)


def test_clip() -> None:
    assert [str(day) for day in SHORT.clip(WEDNESDAY, THURSDAY)] == span(WEDNESDAY, THURSDAY)
    assert OPEN.clip(LAST, LAST) == [LAST]
    with pytest.raises(ValueError, match=r"before CS_HISTORY_START \(2025-11-19\)$"):
        SHORT.clip(FIRST, WEDNESDAY)
    with pytest.raises(ValueError, match=r"^.*after CS_HISTORY_END \(2026-02-12\)$"):
        SHORT.clip(THURSDAY, LAST)
    with pytest.raises(ValueError, match=r"CS_HISTORY_START .* and ends after CS_HISTORY_END"):
        SHORT.clip(FIRST, LAST)
