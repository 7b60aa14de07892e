"""Measures of activity against figures worked out by hand."""

from pathlib import Path
from typing import Any

import pytest

from cs_assets.health.features import Features
from tests.health.measure_cases import LONG_AGO, Landed, activity, customer, day, features, one


@pytest.fixture
def tiers(tmp_path: Path) -> Features:
    return features(tmp_path)


def test_login_days_are_distinct_days_of_the_window(tiers: Features) -> None:
    # the first two are one day too early, the last three are two days
    days = ["2025-06-02", "2025-06-02", "2025-06-03", "2025-06-30", "2025-06-30"]
    row = one(Landed(activity=[activity(on) for on in days]), tiers)
    assert row["login_days"] == 2
    assert row["days_since_login"] == 0


def test_every_day_of_the_window_counts_once(tiers: Features) -> None:
    june = [activity(f"2025-06-{n:02}") for n in range(1, 31)]
    assert one(Landed(activity=june + june), tiers)["login_days"] == 28


def test_other_activity_is_no_login(tiers: Features) -> None:
    kinds = ("feature_use", "training", "feedback", "onboarding", "api_call")
    row = one(Landed(activity=[activity("2025-06-30", kind) for kind in kinds]), tiers)
    assert row["login_days"] == 0
    assert row["days_since_login"] is None
    assert row["engaged_events"] == 2


def test_the_last_login_may_lie_before_the_window(tiers: Features) -> None:
    logins = [activity("2024-06-30"), activity("2025-05-31"), activity("2025-05-01")]
    row = one(Landed(activity=logins), tiers)
    assert (row["login_days"], row["days_since_login"]) == (0, 30)


def test_engaged_events_are_rows(tiers: Features) -> None:
    rows = [
        activity("2025-06-02", "training"),
        activity("2025-06-03", "training"),
        activity("2025-06-03", "training"),
        activity("2025-06-30", "feedback"),
    ]
    assert one(Landed(activity=rows), tiers)["engaged_events"] == 3


@pytest.mark.parametrize(
    ("depths", "expected"),
    [
        ([], 0.0),
        # 0.9 / 3 in floats is 0.3000000000000000166
        (["0.1", "0.2", "0.6"], 0.3),
        (["0.5", None], 0.5),
        # used, but nobody knows how deeply
        ([None], None),
        (["0"], 0.0),
    ],
)
def test_depth_is_the_mean_of_known_depths(
    tiers: Features, depths: list[str | None], expected: float | None
) -> None:
    rows = [activity("2025-06-10", "feature_use", depth=depth) for depth in depths]
    early = activity("2025-06-02", "feature_use", depth="1")
    other = activity("2025-06-10", "api_call", depth="1")
    assert one(Landed(activity=[early, other, *rows]), tiers)["depth"] == expected


def used(on: str, name: str, kind: str = "feature_use") -> dict[str, Any]:
    return activity(on, kind, feature_name=name)


def test_adoption_counts_distinct_features_of_a_tier(tiers: Features) -> None:
    rows = [
        used("2025-04-01", "search"),  # a day too early
        used("2025-04-02", "reports"),
        used("2025-04-03", "reports"),
        used("2025-06-30", "forecasts", "api_call"),
        used("2025-06-30", "segments"),
        used("2025-06-30", "automation", "training"),  # trained, not used
        used("2025-06-30", "unheard of"),
    ]
    row = one(Landed(activity=rows), tiers)
    assert row["core_rate"] == 1 / 2
    assert row["advanced_rate"] == 2 / 3
    assert row["integration_rate"] is None  # no feature in the tier


def test_onboarding_counts_distinct_steps_ever(tiers: Features) -> None:
    steps = [("2021-01-01", "invite"), ("2025-06-30", "import"), ("2025-02-01", "invite")]
    rows = [activity(on, "onboarding", feature_name=name) for on, name in steps]
    assert one(Landed(activity=rows), tiers)["onboarding_steps"] == 2


@pytest.mark.parametrize(
    ("contract_date", "rows", "expected"),
    [
        ("2019-12-31", [], None),
        ("2020-01-01", [], 0),
        ("2019-12-31", [activity("2025-01-01", "onboarding", feature_name="invite")], 1),
        # onboarded, in a step without a name
        ("2019-12-31", [activity("2025-01-01", "onboarding")], 0),
    ],
)
def test_onboarding_before_history_is_not_known(
    tiers: Features, contract_date: str, rows: list[dict[str, Any]], expected: int | None
) -> None:
    begun = customer(contract_date=day(contract_date))
    row = one(Landed([begun], activity=rows, since=LONG_AGO), tiers)
    assert row["onboarding_steps"] == expected
