"""Scores of both scorecards against figures worked out by hand, and what missing data does."""

from typing import Any

import ibis
import pytest

from cs_assets.health.scoring import contributions, factors, published, scores
from tests.health.score_cases import (
    SAAS,
    SCHEMA,
    SERVICE,
    Row,
    card_of,
    customer,
    numbered,
    one_dimension,
    scored,
    unbound,
    written,
)


@pytest.mark.parametrize(
    ("dimension", "known", "expected"),
    [
        ("usage", {"login_days": 10, "depth": 0.5}, 0.3 + 0.2),
        ("usage", {"login_days": 28, "depth": 0}, 0.6),
        ("engagement", {"engaged_events": 2, "onboarding_steps": 4}, 0.35 + 0.24),
        ("engagement", {"engaged_events": 9, "onboarding_steps": 9}, 1),
        ("support", {"tickets": 2, "resolution_hours": 18, "csat": 4}, 0.3 + 0.225 + 0.225),
        ("support", {"tickets": 9, "resolution_hours": 100, "csat": 1}, 0),
        # an old ticket is open, but none is new
        ("support", {"tickets": 0, "resolution_hours": 2400, "csat": 3}, 0.4 + 0.3 + 0.15),
        ("support", {"tickets": 0}, 1),
        ("support", {"resolution_hours": 18}, None),
        ("payment", {"payment_status": "current", "renewals": 3, "losses": 1}, 0.7 + 0.225),
        ("payment", {"payment_status": "late", "renewals": 0, "losses": 1}, 0.35),
        ("payment", {"payment_status": "overdue", "renewals": 0, "losses": 0}, 0.2),
        ("payment", {"payment_status": "suspended", "renewals": 2, "losses": 0}, 0.3),
        ("payment", {"payment_status": "current", "renewals": 2}, 1),
        ("adoption", {"core_rate": 0.8, "advanced_rate": 0.5, "integration_rate": 0.1}, 0.57),
        ("adoption", {"core_rate": 0.8, "advanced_rate": 0.5}, 0.55 / 0.8),
        ("satisfaction", {"nps": 40, "csat": 4}, 0.42 + 0.3),
        ("satisfaction", {"nps": -100, "csat": 5}, 0.4),
        ("lifecycle", {"remaining_months": 6, "tenure_months": 6}, 0.25 + 0.125),
        ("lifecycle", {"remaining_months": 24, "tenure_months": 48}, 1),
        ("value", {"mrr": 10_000, "contract_value": 60_000}, 0.3 + 0.1),
    ],
)
def test_dimensions_of_saas_8(dimension: str, known: Row, expected: float | None) -> None:
    (found,) = scored(SAAS, customer(1, "enterprise", **known))
    assert found[f"{dimension}_score"] == (expected and pytest.approx(expected, abs=5e-7))


@pytest.mark.parametrize(
    ("customer_type", "expected"), [("enterprise", 0.15), ("mid_market", 0.6), ("startup", 1)]
)
def test_benchmarks_go_by_type(customer_type: str, expected: float) -> None:
    (found,) = scored(SAAS, customer(1, customer_type, mrr=3000, contract_value=36_000))
    assert found["value_score"] == expected


@pytest.mark.parametrize(
    ("dimension", "known", "expected"),
    [
        ("satisfaction", {"csat": 4.52}, 0.88),
        ("satisfaction", {"csat": 1}, 0),
        ("activity", {"login_days": 14, "depth": 0.9, "tickets": 4}, 0.35 + 0.27 + 0.2),
        ("activity", {"login_days": 0, "depth": 0, "tickets": 0}, 0.1),
        ("activity", {"login_days": 0, "depth": 0, "tickets": 1}, 0.2),
        ("activity", {"login_days": 0, "depth": 0, "tickets": 8}, 0.1),
        ("activity", {"login_days": 0, "depth": 0, "tickets": 12}, 0),
        ("activity", {"login_days": 0, "depth": 0, "tickets": 30}, 0),
        ("financial", {"payment_status": "current", "mrr": 1100, "mrr_90d_ago": 1000}, 0.9),
        ("financial", {"payment_status": "current", "mrr": 1200, "mrr_90d_ago": 1000}, 1),
        ("financial", {"payment_status": "late", "mrr": 500, "mrr_90d_ago": 1000}, 0.25 + 0.15),
        ("financial", {"payment_status": "overdue", "mrr": 0, "mrr_90d_ago": 1000}, 0.1),
        # from nothing: to something is unknown, to nothing is 0
        ("financial", {"payment_status": "late", "mrr": 500, "mrr_90d_ago": 0}, 0.5),
        ("financial", {"payment_status": "late", "mrr": 0, "mrr_90d_ago": 0}, 0.25),
        ("financial", {"mrr": 500, "mrr_90d_ago": 0}, None),
        ("financial", {"payment_status": "late", "mrr_90d_ago": 0}, 0.5),
        (
            "contract",
            {"remaining_months": 11.4, "renewals": 3, "losses": 1, "contract_changes": 1},
            0.38 + 0.3 + 0.15,
        ),
        ("contract", {"remaining_months": 6, "contract_changes": 5}, 0.2 / 0.6),
    ],
)
def test_dimensions_of_service_4(dimension: str, known: Row, expected: float | None) -> None:
    (found,) = scored(SERVICE, customer(1, "startup", **known))
    assert found[f"{dimension}_score"] == (expected and pytest.approx(expected, abs=5e-7))


@pytest.mark.parametrize(
    ("customer_type", "weights"),
    [
        ("enterprise", (0.15, 0.10, 0.15, 0.20, 0.10, 0.10, 0.10, 0.10)),
        ("mid_market", (0.20, 0.15, 0.15, 0.15, 0.10, 0.10, 0.05, 0.10)),
        ("startup", (0.25, 0.20, 0.10, 0.10, 0.15, 0.10, 0.05, 0.05)),
    ],
)
def test_weights_of_saas_8(customer_type: str, weights: tuple[float, ...]) -> None:
    """One dimension after the other is perfect, all others are at 0."""
    worst: Row = dict.fromkeys(SAAS.measures, 0)
    worst |= {"csat": 1, "nps": -100, "payment_status": "suspended", "losses": 1}
    worst |= {"tickets": 8, "resolution_hours": 72}
    best: dict[str, Row] = {
        "usage": {"login_days": 20, "depth": 1},
        "engagement": {"engaged_events": 4, "onboarding_steps": 5},
        "support": {"tickets": 0},
        "payment": {"payment_status": "current", "renewals": 1, "losses": 0},
        "adoption": {"core_rate": 1, "advanced_rate": 1, "integration_rate": 1},
        "satisfaction": {"nps": 100},
        "lifecycle": {"remaining_months": 12, "tenure_months": 24},
        "value": {"mrr": 1e6, "contract_value": 1e6},
    }
    share = {"support": 0.7, "satisfaction": 0.6}
    rows = [customer(1, customer_type, **(worst | changes)) for changes in best.values()]
    found = [row["overall"] for row in scored(SAAS, *numbered(rows))]
    expected = [w * share.get(name, 1) for w, name in zip(weights, best, strict=True)]
    assert found == pytest.approx(expected, abs=1e-9)


SAMPLE = customer(
    csat=4.52,
    login_days=14,
    depth=0.9,
    tickets=3,
    payment_status="current",
    mrr=1100,
    mrr_90d_ago=1000,
    remaining_months=11.4,
    renewals=3,
    losses=1,
    contract_changes=1,
)


def test_the_documents_sample_is_86() -> None:
    rows = scores(ibis.memtable([SAMPLE], schema=SCHEMA), SERVICE)
    names = ("satisfaction_score", "activity_score", "financial_score", "contract_score")
    bounds = ("overall", "score_low", "score_high")
    shown = rows.mutate(**{name: published(rows[name], SERVICE) for name in (*names, *bounds)})
    (found,) = shown.to_pyarrow().to_pylist()
    assert [found[name] for name in names] == [88.0, 82.0, 90.0, 83.0]
    assert [found[name] for name in bounds] == [86.0] * 3
    assert (found["coverage"], found["grade"], found["is_certain"]) == (1, "excellent", True)


def test_a_scale_of_1_is_published_as_it_is() -> None:
    score = scores(unbound("measures"), SAAS).overall
    assert published(score, SAAS).equals(score)


@pytest.mark.parametrize(
    ("card", "overall", "grade", "risk_level"),
    [
        ("saas_8", 0, "critical", "critical"),
        ("saas_8", 0.299999, "critical", "critical"),
        ("saas_8", 0.2999994, "critical", "critical"),
        ("saas_8", 0.2999996, "at_risk", "high"),
        ("saas_8", 0.30, "at_risk", "high"),
        ("saas_8", 0.599999, "at_risk", "high"),
        ("saas_8", 0.60, "good", "medium"),
        ("saas_8", 0.799999, "good", "medium"),
        ("saas_8", 0.80, "excellent", "low"),
        ("saas_8", 1, "excellent", "low"),
        ("service_4", 0.399999, "critical", "critical"),
        ("service_4", 0.40, "at_risk", "high"),
        ("service_4", 0.599999, "at_risk", "high"),
        ("service_4", 0.60, "good", "medium"),
        ("service_4", 0.799999, "good", "medium"),
        ("service_4", 0.80, "excellent", "low"),
    ],
)
def test_bands_hold_their_lower_edge(
    card: str, overall: float, grade: str, risk_level: str
) -> None:
    graded = one_dimension({"depth": {"weight": 1, "points": [[0, 0], [1, 1]]}}, card)
    (found,) = scored(graded, customer(depth=overall))
    assert found["overall"] == round(overall, 6)
    assert (found["grade"], found["risk_level"]) == (grade, risk_level)


@pytest.mark.parametrize("edge", [0.3, 0.6, 0.8])
def test_sums_of_weights_meet_an_edge(edge: float) -> None:
    """0.1 + 0.2 is not 0.3 in binary; the grade is of the rounded score."""
    flat = [[0, 0], [1, 1]]
    pieces = {
        "core_rate": {"weight": 0.1, "points": flat},
        "advanced_rate": {"weight": 0.2, "points": flat},
        "depth": {"weight": 0.7, "points": flat},
    }
    rest = (edge - 0.3) / 0.7
    (found,) = scored(one_dimension(pieces), customer(core_rate=1, advanced_rate=1, depth=rest))
    grades = {0.3: "at_risk", 0.6: "good", 0.8: "excellent"}
    assert (found["overall"], found["grade"]) == (edge, grades[edge])


def test_a_line_ends_where_it_says() -> None:
    """0.44 - 5 * 0.44 / 5 is below 0 in binary, and would be published as -0.0."""
    points = [[0, 0.44], [5, 0]]
    card = one_dimension({"login_days": {"weight": 1, "points": points}})
    (found,) = scored(card, customer(login_days=5))
    assert (str(found["overall"]), str(found["usage_score"])) == ("0.0", "0.0")


def test_complete_data_leaves_no_interval() -> None:
    """The score and its lower bound are the same sum in another order; here they round apart."""
    flat = [[0, 0], [1, 1]]
    title = {"zh": "一", "en": "One"}
    parts = {"core_rate": {"weight": 0.6, "points": flat}}
    parts["advanced_rate"] = {"weight": 0.4, "points": flat}
    one = {"title": title, "pieces": parts}
    two = {"title": title, "pieces": {"depth": {"weight": 1, "points": flat}}}
    card = card_of(dimensions={"one": one, "two": two}, weights={"all": {"one": 0.3, "two": 0.7}})
    rows = [(0.540381, 0.441191), (0.817363, 0.089093), (0.413817, 0.385512)]
    customers = [customer(core_rate=core, advanced_rate=rate, depth=0.5) for core, rate in rows]
    for found in scored(card, *numbered(customers)):
        assert found["score_low"] == found["overall"] == found["score_high"]


def test_missing_weight_goes_to_the_others() -> None:
    """Of `service_4`: satisfaction 0.5, activity 0.6 by login days alone, the rest unknown."""
    (found,) = scored(SERVICE, customer(csat=3, login_days=12))
    assert found["overall"] == round((0.30 * 0.5 + 0.25 * 0.6) / 0.55, 6)
    assert found["coverage"] == 0.425
    assert found["score_low"] == round(0.30 * 0.5 + 0.125 * 0.6, 6)
    assert found["score_high"] == round(0.225 + 0.575, 6)
    assert (found["grade"], found["is_certain"]) == ("at_risk", False)
    assert found["financial_score"] is None
    assert found["contract_score"] is None


@pytest.mark.parametrize("card", [SAAS, SERVICE])
def test_nothing_known_is_no_score(card: Any) -> None:
    (found,) = scored(card, customer())
    assert [found[name] for name in ("overall", "grade", "risk_level")] == [None] * 3
    assert [found[name] for name in ("coverage", "score_low", "score_high")] == [0, 0, 1]
    assert found["is_certain"] is False


def test_a_dimension_that_does_not_count_makes_no_score() -> None:
    weights = {"all": {name: float(name == "usage") for name in SAAS.dimensions}}
    (found,) = scored(card_of(weights=weights), customer(nps=50))
    assert (found["overall"], found["coverage"]) == (None, 0)
    assert (found["score_low"], found["score_high"]) == (0, 1)
    assert found["satisfaction_score"] == 0.75


def test_a_certain_grade_may_miss_data() -> None:
    known = {name: value for name, value in SAMPLE.items() if name != "contract_changes"}
    (found,) = scored(SERVICE, {**known, "contract_changes": None})
    assert found["coverage"] == 0.96
    assert (found["score_low"], found["score_high"]) == (0.83, 0.87)
    assert (found["grade"], found["is_certain"]) == ("excellent", True)


def test_what_is_no_measure_passes_through() -> None:
    columns = scores(unbound("measures").mutate(period_key=ibis.literal("2025-11")), SERVICE)
    assert columns.columns == (
        *("tenant_id", "customer_id", "customer_type", "period_key"),
        "overall",
        *("satisfaction_score", "activity_score", "financial_score", "contract_score"),
        *("coverage", "score_low", "score_high", "is_certain", "grade", "risk_level"),
    )


def factors_of(after: Row, before: Row | None = None) -> list[tuple[Any, ...]]:
    tables = [
        scores(ibis.memtable([row], schema=SCHEMA), SERVICE) for row in (after, before) if row
    ]
    found = factors(tables[0], SERVICE, *tables[1:]).to_pyarrow().to_pylist()
    return sorted((r["dimension"], r["sign"], r["score"], r["change"]) for r in found)


def test_factors_for_and_against() -> None:
    after = customer(csat=4.2, login_days=12, payment_status="late", remaining_months=7)
    assert factors_of(after) == [
        ("contract", "negative", 0.583333, None),
        ("financial", "negative", 0.5, None),
        ("satisfaction", "positive", 0.8, None),
    ]


@pytest.mark.parametrize(
    ("csat", "signs"),
    [
        (4.4, ["positive"]),
        (4.401, ["negative", "positive"]),
        (3, ["positive"]),
        (None, ["positive"]),
    ],
)
def test_a_high_score_that_fell_is_both(csat: float | None, signs: list[str]) -> None:
    """4.2 is 0.8, 4.4 is 0.85: a fall of exactly 0.05 is none."""
    found = factors_of(customer(csat=4.2), customer(csat=csat))
    assert [sign for _, sign, _, _ in found] == signs


def test_a_lookup_may_leave_a_word_unknown() -> None:
    values = {"current": 1, "late": 0.5, "overdue": "unknown", "suspended": 0}
    card = one_dimension({"payment_status": {"weight": 1, "values": values}})
    rows = [customer(payment_status=status) for status in values]
    assert [row["overall"] for row in scored(card, *numbered(rows))] == [1, 0.5, None, 0]


def test_weights_in_the_file_are_the_specifications() -> None:
    assert written("service_4")["weights"] == {
        "all": {"satisfaction": 0.30, "activity": 0.25, "financial": 0.25, "contract": 0.20}
    }


def test_what_dimensions_contribute_sums_to_the_score() -> None:
    rows = numbered([customer(), customer(login_days=10, csat=4), customer(payment_status="late")])
    found = scores(ibis.memtable(rows, schema=SCHEMA), SAAS)
    parts = contributions(found, SAAS)
    table = found.select("customer_id", "overall", **parts).order_by("customer_id")
    for row in table.to_pyarrow().to_pylist():
        known = [row[name] for name in parts if row[name] is not None]
        assert row["overall"] == (pytest.approx(sum(known), abs=2e-6) if known else None)
    unknown, *_ = table.to_pyarrow().to_pylist()
    assert all(unknown[name] is None for name in parts)
