"""Forecasts: what they learn from, when there is none, and that nothing later moves them."""

import random
from datetime import timedelta

import ibis
import numpy as np
import pyarrow as pa
import pytest

from cs_assets.contracts import Contract
from cs_assets.health.forecast import (
    SAMPLE_CUSTOMERS,
    current,
    forecasts,
    made_on,
    pairs,
    standing,
)
from cs_assets.health.forecast_contracts import DAILY_SCORES, FORECAST_ACCURACY
from cs_assets.health.forecast_fit import FEWEST_PAIRS, fit
from cs_assets.health.score_contracts import HEALTH_TREND
from tests.calls.cases import table_of
from tests.health.forecast_cases import (
    AS_OF,
    Row,
    daily,
    expected,
    fits_of,
    judged,
    paths,
    step,
    table,
)

GOOD: Row = {
    "graded": 3,
    "mae": 0.03,
    "mae_no_change": 0.02,
    "within_rate": 0.8,
    "beats_no_change": False,
    "overall": 0.5,
    "risk_level": "low",
    "forecast_30d": 0.5,
    "forecast_low": 0.5,
    "forecast_high": 0.6,
}


def falling(scores: np.ndarray, left: int) -> np.ndarray:
    """Every customer loses a tenth of the score in 30 days."""
    return scores * 0.9


def every_type(rows: list[Row]) -> Row:
    """The row that grades all customers."""
    (whole,) = (row for row in judged(rows) if row["customer_type"] == "all")
    return whole


def test_a_planted_trend_is_found_and_beats_no_change() -> None:
    rows = paths(falling)
    today = {row["customer_id"]: row["overall"] for row in rows if row["score_date"] == AS_OF}
    made = [row for row in expected(rows) if row["forecast_date"] == AS_OF]
    assert len(made) == 60
    for row in made:
        assert row["forecast_30d"] == pytest.approx(0.9 * today[row["customer_id"]], abs=1e-5)
        assert row["forecast_low"] <= row["forecast_30d"] <= row["forecast_high"]
    whole = every_type(rows)
    assert whole["beats_no_change"] is True
    assert whole["skill"] > 0.99
    assert whole["graded"] == 60


def test_a_random_walk_is_not_beaten() -> None:
    """By luck some are; of ten alike, nothing is gained."""
    rows: list[Row] = []
    for seed in range(10):
        draws = np.random.default_rng(seed).normal(0, 0.02, (9, 60))
        walk = paths(lambda scores, left, by=draws: scores + by[left])
        rows += [row | {"tenant_id": f"t{seed}"} for row in walk]
    whole = [row for row in judged(rows) if row["customer_type"] == "all"]
    assert {row["graded"] for row in whole} == {60}
    assert sum(row["skill"] for row in whole) < 0
    for row in whole:
        assert row["beats_no_change"] == (row["skill"] > 0)


def test_a_trend_that_turns_is_not_beaten_and_the_row_says_so() -> None:
    whole = every_type(paths(lambda scores, left: scores * (1.1 if left == 1 else 0.9)))
    assert whole["beats_no_change"] is False
    assert whole["skill"] < -0.5
    assert whole["within_rate"] == 0


def test_the_interval_holds_about_its_share_of_what_comes() -> None:
    draws = np.random.default_rng(1).normal(0, 0.02, (9, 400))
    whole = every_type(paths(lambda scores, left: scores + draws[left], customers=400))
    assert whole["interval_level"] == 0.8
    assert whole["within_rate"] == pytest.approx(0.8, abs=0.06)


def test_errors_are_those_worked_out_by_hand() -> None:
    """Everybody falls by a tenth, but in the last 30 days three customers do something else."""
    odd = {"c0000": 0.5, "c0001": 0.1, "c0002": None}
    rows = [
        row | {"overall": odd[row["customer_id"]]}
        if row["score_date"] == AS_OF and row["customer_id"] in odd
        else row
        for row in paths(falling)
    ]
    before = {row["customer_id"]: row["overall"] for row in rows if row["score_date"] == step(1)}
    now = {row["customer_id"]: row["overall"] for row in rows if row["score_date"] == AS_OF}
    said = {row["customer_id"]: row for row in expected(rows) if row["forecast_date"] == step(1)}
    graded = [key for key in now if now[key] is not None]
    whole = {row["customer_type"]: row for row in judged(rows)}
    errors = [abs(said[key]["forecast_30d"] - now[key]) for key in graded]
    still = [abs(before[key] - now[key]) for key in graded]
    held = [said[k]["forecast_low"] <= now[k] <= said[k]["forecast_high"] for k in graded]
    row = whole["all"]
    assert row["graded"] == len(graded) == 59
    assert row["mae"] == pytest.approx(sum(errors) / 59, abs=1e-12)
    assert row["mae_no_change"] == pytest.approx(sum(still) / 59, abs=1e-12)
    assert row["skill"] == pytest.approx(1 - sum(errors) / sum(still), abs=1e-12)
    assert row["within_rate"] == pytest.approx(sum(held) / 59, abs=1e-12)
    assert 0.9 * before["c0000"] == pytest.approx(said["c0000"]["forecast_30d"], abs=1e-5)
    assert sum(whole[kind]["graded"] for kind in whole if kind != "all") == 59
    assert (row["forecast_date"], row["fitted_pairs"]) == (step(1), 6 * 60)


def test_what_comes_later_moves_no_forecast() -> None:
    rows = paths(falling)
    later = [daily(n, AS_OF + timedelta(days=d), 0.99) for n in range(60) for d in (1, 15, 30)]
    assert expected(rows + later) == expected(rows)
    # and the forecast that is graded knows nothing of the 30 days that it is graded by
    told = [row for row in expected(rows) if row["forecast_date"] == step(1)]
    known = [row for row in rows if row["score_date"] <= step(1)]
    assert [row for row in expected(known) if row["forecast_date"] == step(1)] == told


def test_too_little_history_gives_no_forecast() -> None:
    few = [row for row in paths(falling, customers=60) if row["score_date"] >= step(1)]
    assert expected(few) == []  # nobody's change is known before the last
    nothing = every_type(few)
    assert (nothing["graded"], nothing["fitted_pairs"], nothing["forecast_date"]) == (0, 0, step(1))
    assert [nothing[name] for name in ("mae", "skill", "within_rate", "beats_no_change")] == [
        None
    ] * 4
    steps = 6
    enough = paths(falling, customers=FEWEST_PAIRS // steps)
    assert expected(enough)
    assert expected(paths(falling, customers=FEWEST_PAIRS // steps - 1)) == []


def test_a_customer_without_a_score_30_days_ago_has_no_forecast() -> None:
    rows = [*paths(falling), daily(900, AS_OF, 0.5), daily(901, step(1), None)]
    rows.append(daily(901, AS_OF, 0.5))
    assert {"c0900", "c0901"}.isdisjoint(row["customer_id"] for row in expected(rows))


def test_order_of_rows_changes_nothing() -> None:
    draws = np.random.default_rng(3).normal(0, 0.02, (9, 60))
    rows = paths(lambda scores, left: scores + draws[left])
    shuffled = random.Random(7).sample(rows, len(rows))
    assert fits_of(shuffled) == fits_of(rows)
    assert expected(shuffled) == expected(rows)


def test_the_number_of_threads_changes_nothing() -> None:
    draws = np.random.default_rng(5).normal(0, 0.02, (9, 60))
    few = table(paths(lambda scores, left: scores + draws[left])).to_pyarrow()
    found = []
    for threads in (1, 4):
        engine = ibis.duckdb.connect(threads=threads)
        numbers = ibis.memtable(pa.table({"copy": range(300)}))
        copies = engine.create_table("few", few).cross_join(numbers)
        # so many rows that more than one thread reads them
        many = copies.mutate(customer_id=copies.customer_id + copies["copy"].cast("string"))
        daily = engine.create_table("daily", many.drop("copy"))
        learnt = fit(engine.to_pyarrow(pairs(daily, made_on([AS_OF]))).to_pandas())
        made = engine.to_pyarrow(forecasts(standing(daily, made_on([AS_OF])), learnt))
        found.append((learnt, made.sort_by([(name, "ascending") for name in made.column_names])))
    assert found[0][1].num_rows == 2 * 60 * 300
    assert found[0] == found[1]


def test_a_forecast_stays_a_score() -> None:
    made = expected(paths(lambda scores, left: np.minimum(scores + 0.09, 1)))
    assert {row["forecast_30d"] for row in made if row["forecast_date"] == AS_OF} <= {1.0}
    assert all(0 <= row["forecast_low"] <= row["forecast_high"] <= 1 for row in made)


def test_tenants_and_scorecards_learn_alone() -> None:
    rows = paths(falling)
    other = [
        row | {"tenant_id": "u"}
        for row in paths(lambda scores, left: np.minimum(scores * 1.1, 1), customers=40)
    ]
    card = [row | {"scorecard": "own"} for row in rows]
    alone = [row for row in expected(rows + other + card) if row["tenant_id"] == "t"]
    assert [row for row in alone if row["scorecard"] == "saas_8"] == expected(rows)


def test_the_sample_is_bounded_and_is_the_same_every_time() -> None:
    rows = paths(falling, customers=SAMPLE_CUSTOMERS + 50)
    learnt = pairs(table(rows), [AS_OF]).to_pyarrow().to_pylist()
    assert len({row["customer_id"] for row in learnt}) == SAMPLE_CUSTOMERS
    assert len(learnt) == 6 * SAMPLE_CUSTOMERS
    assert fit(pairs(table(reversed(rows)), [AS_OF]).to_pyarrow().to_pandas()) == fit(
        pairs(table(rows), [AS_OF]).to_pyarrow().to_pandas()
    )


def test_scores_of_another_scorecard_do_not_count() -> None:
    class Card:
        name, fingerprint = "saas_8", "f"

    old: list[Row] = [daily(1, AS_OF, 0.5), daily(2, AS_OF, 0.5, scorecard_fingerprint="old")]
    kept = current(table(old), [Card]).to_pyarrow().to_pylist()  # type: ignore[list-item]
    assert [row["customer_id"] for row in kept] == ["c0001"]


@pytest.mark.parametrize(
    ("contract", "broken"),
    [
        (HEALTH_TREND, {"forecast_30d": 0.5, "forecast_low": 0.6, "forecast_high": 0.7}),
        (HEALTH_TREND, {"forecast_30d": 0.5, "forecast_low": 0.4, "forecast_high": None}),
        (HEALTH_TREND, {"forecast_30d": None, "forecast_low": 0.4, "forecast_high": 0.5}),
        (FORECAST_ACCURACY, {"beats_no_change": True}),
        (FORECAST_ACCURACY, {"mae": None}),
        (FORECAST_ACCURACY, {"graded": 0}),
        (DAILY_SCORES, {"overall": None, "risk_level": "low"}),
    ],
)
def test_contracts_refuse_what_cannot_be(contract: Contract, broken: Row) -> None:
    assert keeps_rules(contract, GOOD)
    assert not keeps_rules(contract, {**GOOD, **broken})


def keeps_rules(contract: Contract, values: Row) -> bool:
    """Whether a row keeps every rule of its contract."""
    rows = table_of(contract, [{name: values.get(name) for name in contract.column_names}])
    held = [rule.holds(rows).as_scalar().to_pyarrow().as_py() for rule in contract.rules]
    return all(value is not False for value in held)
