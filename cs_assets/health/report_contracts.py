"""The customer-success report: what was written for each tenant and period, in the warehouse.

Belongs here: the table of reports. Must not: the shape of the files (see `report_shapes`).
"""

from cs_assets.calendar import PERIOD_GRAINS
from cs_assets.contracts import PERIOD_COLUMNS, TENANT, Column, Contract, Place, Rule
from cs_assets.health.contracts import SYSTEM


def _count(name: str, description: str) -> Column:
    return Column(name, "int64", description, minimum=0)


def _error(name: str, description: str) -> Column:
    return Column(name, "float64", f"{description} Null: none was graded.", True, "points", 0)


CUSTOMER_SUCCESS_REPORT = Contract(
    system=SYSTEM,
    name="customer_success_report",
    place=Place.WAREHOUSE,
    description="The JSON files of each tenant and period: customer_success_data.json, "
    "health_scores_history.json, risk_alerts.json. Readers find them below reports/ at "
    "customer_success_report/<grain>/<period>/<tenant>; this table says which version counts.",
    partition_column="period_key",
    key=("tenant_id", "period_type", "period_key"),
    kinds=frozenset({"json"}),
    keeps_history=True,
    rules=(
        Rule(
            "more scores than customers",
            "No more customers have a score than there are.",
            lambda rows: rows.scored_customers <= rows.customers,
        ),
    ),
    columns=(
        TENANT,
        *PERIOD_COLUMNS,
        Column("scorecard", "string", "Scorecard of the scores: that of the rules of alerts."),
        Column("locale", "string", "Language of the texts.", allowed=("zh", "en")),
        _count("customers", "Customers in the report."),
        _count("scored_customers", "Those of them that have a score."),
        Column(
            "avg_health_score",
            "float64",
            "Mean of their scores, 0 to 1; null: nobody has one.",
            nullable=True,
            minimum=0,
            maximum=1,
        ),
        Column("distribution", "string", "Customers by grade, JSON."),
        _count("alerts", "Open alerts in the report."),
        _count("histories", "Customers and scorecards whose history is told."),
        Column(
            "forecast_beats_no_change",
            "boolean",
            "Whether forecasts for as_of were better than expecting no change; null: none was "
            "graded.",
            nullable=True,
        ),
        _error("forecast_mae", "Mean absolute error of the forecasts for as_of."),
        _error("forecast_mae_no_change", "The same of expecting no change."),
        _count("bytes", "Size of the three files."),
        Column("data_sha256", "string", "Content of the customers' file, without calculated_at."),
        Column("history_sha256", "string", "Content of the file of histories."),
        Column("alerts_sha256", "string", "Content of the file of alerts."),
        Column(
            "file_version",
            "string",
            "Version of the period's files, their bytes.",
            is_provenance=True,
        ),
        Column(
            "calculated_at",
            "timestamp(6)",
            "Since when the tables that the report is made of hold what they hold, UTC.",
            is_provenance=True,
        ),
    ),
)

MARTS = tuple(CUSTOMER_SUCCESS_REPORT.for_grain(grain) for grain in PERIOD_GRAINS)
