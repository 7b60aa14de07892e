"""The audit's formulas: against figures worked out by hand, published ones, and planted truths."""

import random
from collections import Counter
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cs_assets.calls.audit_rules import AuditRules
from cs_assets.calls.audit_statistics import (
    Confusion,
    Estimate,
    Flagged,
    Stratum,
    interval,
    precision,
    recall,
    stratified,
    weighted_kappa,
)
from cs_assets.calls.review_queue import allocate

QUEUE = AuditRules.load().file.queue


def test_kappa_worked_out_by_hand() -> None:
    """20 both, 5 and 10 alone, 15 neither: agreed 0.7, by chance (25 * 30 + 25 * 20) / 2500."""
    confusion = Confusion(both=20, first_only=5, second_only=10, neither=15)
    assert (confusion.total, confusion.agreement) == (50, 0.7)
    assert confusion.kappa == pytest.approx((0.7 - 0.5) / (1 - 0.5))


def test_linear_weighted_kappa_worked_out_by_hand() -> None:
    """Distances: observed 3 of 10; by chance (20 + 2 * 10 + 12 + 6 + 2 * 8 + 8) / 100 = 0.82."""
    counts = [[4, 1, 0], [0, 2, 1], [0, 1, 1]]
    assert weighted_kappa(counts) == pytest.approx(1 - 0.3 / 0.82)
    assert weighted_kappa([[3, 0, 0], [0, 2, 0], [0, 0, 1]]) == 1


@pytest.mark.parametrize(
    "counts", [(0, 0, 0, 0), (7, 0, 0, 0), (0, 0, 0, 7)], ids=["none", "all yes", "all no"]
)
def test_kappa_is_null_where_chance_decides(counts: tuple[int, int, int, int]) -> None:
    assert Confusion(*counts).kappa is None


def test_one_judge_who_always_says_yes_agrees_by_chance_alone() -> None:
    assert Confusion(30, 70, 0, 0).kappa == 0
    assert Confusion(0, 5, 5, 0).kappa == -1


counts = st.integers(0, 1_000)


@given(counts, counts, counts, counts)
def test_kappa_is_symmetric_and_at_most_one(a: int, b: int, c: int, d: int) -> None:
    own, swapped = Confusion(a, b, c, d).kappa, Confusion(a, c, b, d).kappa
    mirrored = Confusion(d, c, b, a).kappa
    assert own == swapped == mirrored
    assert own is None or -1 <= own <= 1
    assert (own == 1) == (b == c == 0 and a > 0 and d > 0)


@pytest.mark.parametrize(
    ("positive", "reviewed", "low", "high"),
    # Wilson's interval as in Newcombe 1998, table I; Agresti and Coull's holds it, about its middle
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_of_a_stratum_holds_wilsons(
    positive: int, reviewed: int, low: float, high: float
) -> None:
    found = interval(Stratum(10**12, reviewed, positive), 0.95)
    assert max(0, low - 0.03) <= found[0] <= low + 5e-5
    assert high - 5e-5 <= found[1] <= high + 0.04


def test_the_interval_of_a_stratum_worked_out_by_hand() -> None:
    """n + z^2 = 103.84146, (y + z^2 / 2) / that = 0.1147974, z * sqrt(...) = 0.0613126."""
    found = interval(Stratum(10**12, 100, 10), 0.95)
    assert found == pytest.approx((0.0534848, 0.1761100), abs=1e-6)


def test_a_stratum_that_is_all_reviewed_is_known() -> None:
    assert interval(Stratum(7, 7, 2), 0.95) == (2 / 7, 2 / 7)
    assert stratified([Stratum(7, 7, 2), Stratum(3, 3, 3)], 0.95) == Estimate(0.5, 0.5, 0.5)


strata = st.lists(
    st.integers(0, 500).flatmap(
        lambda calls: st.integers(0, calls).flatmap(
            lambda seen: st.builds(Stratum, st.just(calls), st.just(seen), st.integers(0, seen))
        )
    ),
    max_size=6,
)


@given(strata)
def test_an_interval_holds_its_share_and_what_was_seen(groups: list[Stratum]) -> None:
    found = stratified(groups, 0.95)
    if not any(group.reviewed for group in groups):
        assert found == Estimate(None, None, None)
        return
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.high <= 1
    if found.share is not None:
        assert found.low <= found.share <= found.high
    assert (found.share is None) == any(g.calls and not g.reviewed for g in groups)


@given(strata, st.randoms(use_true_random=False))
def test_the_order_of_strata_does_not_matter(groups: list[Stratum], chance: random.Random) -> None:
    mixed = groups.copy()
    chance.shuffle(mixed)
    for one, other in zip(
        vars(stratified(groups, 0.95)).values(), vars(stratified(mixed, 0.95)).values(), strict=True
    ):
        assert one == other or isclose(one, other, abs_tol=1e-12)


def test_a_stratum_without_a_verdict_may_be_anything() -> None:
    known = Stratum(900, 900, 90)
    assert stratified([known, Stratum(100, 0, 0)], 0.95) == Estimate(
        None, pytest.approx(0.09), pytest.approx(0.19)
    )


def test_more_verdicts_make_the_interval_narrower() -> None:
    widths = []
    for reviewed in (10, 100, 1_000):
        found = stratified([Stratum(10_000, reviewed, reviewed // 10)], 0.95)
        assert found.low is not None
        assert found.high is not None
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)


def test_precision_and_recall_worked_out_by_hand() -> None:
    groups = [
        Flagged(True, 100, 0.9),
        Flagged(True, 50, 0.2),
        Flagged(False, 1_000, 0.01),
        Flagged(False, 0, None),
    ]
    assert precision(groups) == pytest.approx((90 + 10) / 150)
    assert recall(groups) == pytest.approx(100 / 110)
    unknown = [*groups, Flagged(False, 5, None)]
    assert precision(unknown) == precision(groups)
    assert recall(unknown) is None
    assert precision([Flagged(True, 5, None)]) is None
    assert precision([Flagged(True, 0, None), Flagged(False, 9, 0.5)]) is None
    assert recall([Flagged(True, 5, 0.0)]) is None


sizes = st.dictionaries(st.sampled_from(list(QUEUE.uncertainty)), st.integers(0, 100_000))


@given(sizes)
def test_the_queue_is_shared_out_within_its_bounds(cells: dict[str, int]) -> None:
    drawn = allocate(cells, QUEUE)
    if not any(size for cell, size in cells.items() if cell != "no_answer"):
        assert drawn == {}
        return
    filled = {cell: size for cell, size in cells.items() if size}
    assert set(drawn) == set(filled)
    assert sum(drawn.values()) == min(QUEUE.calls_per_month, sum(filled.values()))
    for cell, taken in drawn.items():
        assert min(filled[cell], QUEUE.at_least) <= taken <= filled[cell]


def test_disagreements_get_more_than_their_share() -> None:
    month = {"both": 600, "rules_only": 600, "model_only": 1_800, "neither": 57_000}
    drawn = allocate(month, QUEUE)
    assert drawn == {"both": 11, "rules_only": 19, "model_only": 33, "neither": 37}
    assert drawn["model_only"] / 1_800 > 10 * drawn["neither"] / 57_000


# share of calls at risk in truth, and how often each judge sees it there and where there is none
TRUTH, RULES, MODEL = 0.06, (0.45, 0.02), (0.8, 0.04)
CALLS = 6_000


def month(seed: int) -> tuple[list[Stratum], float, float]:
    """Return a month's verdicts on its queue by cell, the true rate, the published one."""
    chance = random.Random(seed)
    calls: dict[str, list[bool]] = {}
    names = {(True, True): "both", (True, False): "rules_only", (False, True): "model_only"}
    for _ in range(CALLS):
        is_at_risk = chance.random() < TRUTH
        seen = tuple(chance.random() < judge[0 if is_at_risk else 1] for judge in (RULES, MODEL))
        cell = names.get(seen, "neither")  # type: ignore[call-overload]
        calls.setdefault("no_answer" if chance.random() < 0.02 else cell, []).append(is_at_risk)
    drawn = allocate({cell: len(own) for cell, own in calls.items()}, QUEUE)
    looked_at = [
        Stratum(len(own), drawn[cell], sum(chance.sample(own, drawn[cell])))
        for cell, own in calls.items()
    ]
    published = sum(len(calls.get(cell, [])) for cell in ("both", "rules_only", "model_only"))
    return looked_at, sum(map(sum, calls.values())) / CALLS, published / CALLS


def test_corrected_rates_hold_the_planted_truth_and_published_ones_do_not() -> None:
    """Rules and model err as planted; people look at the queue and tell the truth."""
    found: Counter[str] = Counter()
    distance = 0.0
    for seed in range(200):
        strata_, truth, published = month(seed)
        estimate = stratified(strata_, 0.95)
        assert estimate.share is not None
        assert estimate.low is not None
        assert estimate.high is not None
        found["held"] += estimate.low <= truth <= estimate.high
        found["nearer"] += abs(estimate.share - truth) < abs(published - truth)
        distance += (estimate.share - truth) / 200
        assert published > 1.5 * truth
    assert found["held"] >= 190
    assert found["nearer"] >= 180
    assert abs(distance) < 0.004  # the estimate leans to no side
