"""Daily scores and how good forecasts were: tables of the health system.

Belongs here: their tables. Must not: formulas.
"""

from cs_assets.calendar import PERIOD_GRAINS, Grain
from cs_assets.contracts import PERIOD_COLUMNS, TENANT, Column, Contract, Place, Rule
from cs_assets.health.contracts import SYSTEM
from cs_assets.health.score_contracts import RISK_LEVELS
from cs_assets.sources.contracts import CUSTOMER, CUSTOMER_TYPES

EVERY_TYPE = "all"
"""Customer type of the rows that grade the forecasts of all customers."""

_SCORECARD = Column("scorecard", "string", "Name of the scorecard.")


def _points(name: str, description: str) -> Column:
    return Column(name, "float64", description, nullable=True, minimum=0, maximum=1)


DAILY_SCORES = Contract(
    system=SYSTEM,
    name="daily_scores",
    place=Place.LAKE,
    description="The score of each customer under each scorecard on the day, of what was known by "
    "then. Forecasts, days in poor health and stability are made of these.",
    grain=Grain.DAY,
    partition_column="score_date",
    key=("tenant_id", "score_date", "customer_id", "scorecard"),
    kinds=frozenset({"duckdb"}),
    rules=(
        Rule(
            "a risk without a score",
            "There is a risk exactly where there is a score.",
            lambda rows: rows.overall.isnull() == rows.risk_level.isnull(),
        ),
    ),
    columns=(
        TENANT,
        Column("score_date", "date", "Day of the score."),
        CUSTOMER,
        Column("customer_type", "string", "Type of customer.", allowed=CUSTOMER_TYPES),
        _SCORECARD,
        Column("scorecard_fingerprint", "string", "Content of the scorecard in use."),
        _points("overall", "Score of the customer, 0 to 1; null: nothing is known."),
        Column("risk_level", "string", "Risk of the grade.", nullable=True, allowed=RISK_LEVELS),
    ),
)

FORECAST_ACCURACY = Contract(
    system=SYSTEM,
    name="forecast_accuracy",
    table="health_forecast_accuracy",
    place=Place.WAREHOUSE,
    description="How good the forecast for as_of was, made 30 days before from what was known "
    'then, and how good it would have been to expect no change. Whether the forecast beats "no '
    'change" is said plainly.',
    partition_column="period_key",
    key=("tenant_id", "scorecard", "customer_type", "period_type", "period_key"),
    kinds=frozenset({"duckdb", "scikitlearn"}),
    rules=(
        Rule(
            "a judgement without forecasts",
            "Errors and shares are known exactly where a forecast could be graded.",
            lambda rows: (
                ((rows.graded > 0) == rows.mae.notnull())
                & ((rows.graded > 0) == rows.mae_no_change.notnull())
                & ((rows.graded > 0) == rows.within_rate.notnull())
                & ((rows.graded > 0) == rows.beats_no_change.notnull())
            ),
        ),
        Rule(
            "a judgement that its errors do not bear out",
            "beats_no_change says whether mae is below mae_no_change.",
            lambda rows: rows.beats_no_change == (rows.mae < rows.mae_no_change),
        ),
    ),
    columns=(
        TENANT,
        *PERIOD_COLUMNS,
        _SCORECARD,
        Column(
            "customer_type",
            "string",
            "Type of the customers when the forecast was made; all: every type together.",
            allowed=(EVERY_TYPE, *CUSTOMER_TYPES),
        ),
        Column("forecast_date", "date", "Day whose forecast is graded: 30 days before as_of."),
        Column(
            "fitted_pairs",
            "int64",
            "Changes over 30 days, all ended by forecast_date, from which the forecast had learnt; "
            "0: too few, no forecast.",
            minimum=0,
        ),
        Column("graded", "int64", "Customers with a forecast and a score at as_of.", minimum=0),
        _points("mae", "Mean absolute error of the forecast, in points of the score."),
        _points("mae_no_change", "Mean absolute error of expecting no change, of the same."),
        Column(
            "skill",
            "float64",
            "1 - mae / mae_no_change: above 0 the forecast is better, below 0 worse. Null if "
            "nothing was graded, or nobody's score changed.",
            nullable=True,
            maximum=1,
        ),
        Column("interval_level", "float64", "Share that the interval should hold.", minimum=0),
        _points("within_rate", "Share of actual scores inside forecast_low to forecast_high."),
        Column(
            "beats_no_change",
            "boolean",
            "Whether the forecast was better than expecting no change; null: nothing was graded.",
            nullable=True,
        ),
    ),
)

MARTS = tuple(FORECAST_ACCURACY.for_grain(grain) for grain in PERIOD_GRAINS)
