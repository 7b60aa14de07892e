"""Pictures of scores and forecasts: what they say in words."""

from typing import Any

from cs_assets.health.health_pictures import (
    forecast_words,
    forecasts_picture,
    grades_picture,
    movement_table,
)
from tests.health.score_cases import SAAS

JUDGED: dict[str, Any] = {
    "tenant_id": "t",
    "scorecard": "saas_8",
    "customer_type": "all",
    "period_key": "2025-12",
    "mae": 0.03,
    "mae_no_change": 0.02,
    "beats_no_change": False,
}


def test_a_forecast_that_is_no_better_is_told_plainly() -> None:
    fails, beats = JUDGED, JUDGED | {"mae": 0.01, "beats_no_change": True}
    assert forecast_words(fails, "en") == (
        'the forecast does not beat "no change": mean error 0.0300 against 0.0200'
    )
    assert "没有优于" in forecast_words(fails, "zh")
    assert forecast_words(beats, "en").startswith('the forecast beats "no change"')
    unknown = JUDGED | {"mae": None, "mae_no_change": None, "beats_no_change": None}
    assert forecast_words(unknown, "en") == "no forecast could be graded"
    picture = forecasts_picture([fails, fails | {"period_key": "2025-11"}, unknown], "en")
    assert picture is not None
    assert f"- saas_8, 2025-12: {forecast_words(fails, 'en')}" in str(picture.value)
    assert "2025-11:" not in str(picture.value)
    assert forecasts_picture([unknown], "en") is None


def test_movements_between_grades_of_the_newest_period() -> None:
    moved = {"scorecard": "saas_8", "period_key": "2025-12", "rows": 4}
    rows = [
        moved | {"previous_grade": "good", "grade": "at_risk"},
        moved | {"previous_grade": None, "grade": "good", "rows": 2},
        moved | {"previous_grade": "good", "grade": "good", "period_key": "2025-11"},
    ]
    table = movement_table(rows, [SAAS], "en")
    assert table is not None
    lines = str(table.value).splitlines()
    assert lines[2].endswith("| Excellent | Good | At risk | Critical | unknown |")
    assert "| Good | 0 | 0 | 4 | 0 | 0 |" in lines
    assert "| unknown | 0 | 2 | 0 | 0 | 0 |" in lines
    said = movement_table(rows, [SAAS], "zh")
    assert said is not None
    assert "有风险" in str(said.value)
    assert movement_table([], [SAAS], "zh") is None


def test_grades_are_drawn_for_each_scorecard() -> None:
    rows = [{"period_key": "2025-12", "scorecard": "saas_8", "grade": "good", "rows": 3}]
    picture = grades_picture(rows, [SAAS])
    assert picture is not None
    assert str(picture.value).startswith("![customers by grade, 2025-12](data:image/png")
    assert str(picture.value).endswith(")"), "names are drawn, not told below"
    assert grades_picture([], [SAAS]) is None
