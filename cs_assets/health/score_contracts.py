"""The scores of the health system: tables in the warehouse.

Belongs here: marts made of measures by scorecards. Must not: formulas.
"""

from cs_assets.calendar import PERIOD_GRAINS
from cs_assets.contracts import PERIOD_COLUMNS, TENANT, Column, Contract, Place, Rule
from cs_assets.health.contracts import (
    CUSTOMER_MEASURES,
    CUSTOMER_MEASURES_BEFORE,
    OF_A_CARD,
    SYSTEM,
)
from cs_assets.sources.contracts import CUSTOMER, CUSTOMER_TYPES

RISK_LEVELS = ("low", "medium", "high", "critical")
DIRECTIONS = ("improving", "stable", "declining")
DIMENSIONS = {
    "usage": "How often and how deeply the product is used.",
    "engagement": "Trainings, feedback, onboarding.",
    "support": "Tickets, time to their solution, ratings.",
    "payment": "Payment status and renewals.",
    "adoption": "Share of the features in use.",
    "satisfaction": "Net promoter score and ratings.",
    "lifecycle": "Age and remaining time of the contract.",
    "value": "Revenue against the usual of the customer type.",
    "activity": "Use and contact (service_4).",
    "financial": "Payment, stability and growth of revenue (service_4).",
    "contract": "Remaining time, renewals and changes (service_4).",
}
"""Dimensions of the built-in scorecards; those of others stand in `dimension_scores` alone."""


def _share(name: str, description: str, *, nullable: bool = True) -> Column:
    return Column(name, "float64", description, nullable=nullable, minimum=0, maximum=1)


def _change(name: str, description: str) -> Column:
    return Column(name, "float64", description, nullable=True)


_SCORECARD = Column("scorecard", "string", "Name of the scorecard.")

CUSTOMER_HEALTH = Contract(
    system=SYSTEM,
    name="customer_health",
    table="customer_health_scores",
    place=Place.WAREHOUSE,
    description="How each customer is doing under each scorecard, with its dimensions and the "
    "bounds between which the score lies whatever the missing measures are.",
    partition_column="period_key",
    key=OF_A_CARD,
    kinds=frozenset({"duckdb"}),
    keeps_history=True,
    rules=(
        Rule(
            "score outside its bounds",
            "The score lies between score_low and score_high.",
            lambda rows: (rows.score_low <= rows.overall) & (rows.overall <= rows.score_high),
        ),
        Rule(
            "a grade without a score",
            "There is a grade exactly where there is a score.",
            lambda rows: rows.overall.isnull() == rows.grade.isnull(),
        ),
    ),
    columns=(
        TENANT,
        *PERIOD_COLUMNS,
        CUSTOMER,
        Column("customer_type", "string", "Type of customer.", allowed=CUSTOMER_TYPES),
        _SCORECARD,
        Column("scorecard_fingerprint", "string", "Content of the scorecard in use."),
        _share("overall", "Score of the customer, 0 to 1; null: nothing is known."),
        Column("published_score", "float64", "Score on the scorecard's own scale.", nullable=True),
        *(_share(f"{name}_score", text) for name, text in DIMENSIONS.items()),
        Column("dimension_scores", "string", "Scores of all dimensions, JSON."),
        Column("grade", "string", "Grade of the score.", nullable=True),
        Column("risk_level", "string", "Risk of the grade.", nullable=True, allowed=RISK_LEVELS),
        _share("coverage", "Share of the weight for which there is data.", nullable=False),
        _share("score_low", "Score if every missing measure were at its worst.", nullable=False),
        _share("score_high", "Score if every missing measure were at its best.", nullable=False),
        Column("is_certain", "boolean", "Both bounds have the same grade."),
    ),
)

OUTLOOK = (
    Column(
        "days_in_poor_health",
        "int64",
        "Days of the last 30 at high or critical risk; null: some are unknown.",
        nullable=True,
        minimum=0,
        maximum=30,
        unit="days",
    ),
    _share(
        "stability",
        "1 - 2 x standard deviation of the scores of the last 30 days.",
    ),
    _share("forecast_30d", "Score expected 30 days after as_of; null: too little history."),
    _share("forecast_low", "Lower bound of the forecast: 1 score of 10 should be below."),
    _share("forecast_high", "Upper bound of the forecast: 1 score of 10 should be above."),
)
"""Columns of `health_trend` that are made of daily scores."""

HEALTH_TREND = Contract(
    system=SYSTEM,
    name="health_trend",
    table="customer_health_trend",
    place=Place.WAREHOUSE,
    description="Where each customer's score comes from and where it is heading: changes since the "
    "previous period and over 30 days, the last 30 days, and the score expected in 30 days, all by "
    "the scorecard in use now.",
    partition_column="period_key",
    key=OF_A_CARD,
    kinds=frozenset({"duckdb", "scikitlearn"}),
    keeps_history=True,
    rules=(
        Rule(
            "forecast outside its interval",
            "The forecast lies between forecast_low and forecast_high.",
            lambda rows: (
                (rows.forecast_low <= rows.forecast_30d) & (rows.forecast_30d <= rows.forecast_high)
            ),
        ),
        Rule(
            "a forecast without an interval",
            "Both bounds are known exactly where there is a forecast.",
            lambda rows: (
                (rows.forecast_30d.isnull() == rows.forecast_low.isnull())
                & (rows.forecast_30d.isnull() == rows.forecast_high.isnull())
            ),
        ),
    ),
    columns=(
        TENANT,
        *PERIOD_COLUMNS,
        CUSTOMER,
        _SCORECARD,
        _share("overall", "Score at as_of."),
        _share("previous_score", "Score on the last day of the previous period."),
        _share("score_30d_ago", "Score 30 days before as_of."),
        Column("previous_grade", "string", "Grade on that day.", nullable=True),
        _change("change", "Change since the previous period."),
        _change("change_30d", "Change over 30 days."),
        _change("change_rate", "change_30d relative to the score 30 days before."),
        Column(
            "direction",
            "string",
            "improving above +0.03 in 30 days, declining below -0.03.",
            nullable=True,
            allowed=DIRECTIONS,
        ),
        *OUTLOOK,
    ),
)

HEALTH_CHANGE = Contract(
    system=SYSTEM,
    name="health_change",
    table="customer_health_change",
    place=Place.WAREHOUSE,
    description="The score-delta ledger: how much of a customer's change since the previous period "
    "came from which measure, from weights, thresholds or coverage. Sums to the change.",
    partition_column="period_key",
    key=(*OF_A_CARD, "step"),
    kinds=frozenset({"duckdb"}),
    columns=(
        TENANT,
        *PERIOD_COLUMNS,
        CUSTOMER,
        _SCORECARD,
        Column("step", "int64", "Place in the ledger.", minimum=1),
        Column(
            "kind",
            "string",
            "What changed.",
            allowed=("coverage", "measure", "thresholds", "weights"),
        ),
        Column("measure", "string", "The measure, if it is one.", nullable=True),
        Column("delta", "float64", "Its part of the change."),
    ),
)

MARTS = tuple(
    contract.for_grain(grain)
    for contract in (
        CUSTOMER_MEASURES,
        CUSTOMER_MEASURES_BEFORE,
        CUSTOMER_HEALTH,
        HEALTH_TREND,
        HEALTH_CHANGE,
    )
    for grain in PERIOD_GRAINS
)
