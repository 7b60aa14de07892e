"""How good the landed data of a month is: a table in the warehouse.

Belongs here: the table, dimensions and measures. Must not: counting (see `quality`).
"""

from cs_assets.calendar import Grain
from cs_assets.contracts import PERIOD_COLUMNS, TENANT, Column, Contract, Place, Rule
from cs_assets.sources.contracts import SYSTEM

COMPLETENESS, VALIDITY, CONSISTENCY, TIMELINESS = DIMENSIONS = (
    "completeness",
    "validity",
    "consistency",
    "timeliness",
)
ALL = "all"
"""The measure that stands for a whole dimension."""
SOURCES = ("customers", "sales", "support", "activity")

LANDED_QUALITY = Contract(
    system=SYSTEM,
    name="landed_quality",
    place=Place.WAREHOUSE,
    description="How good the landed rows of each source are, by dimension and measure. "
    "completeness: fields that should be filled, and days with rows; validity: rows that no rule "
    "on a field's form or value sets aside; consistency: known customers, no repeats, dates in "
    "order; timeliness: rows that landed by the day after their own. The measure `all` sums the "
    "measures of a dimension that count rows.",
    partition_column="period_key",
    key=("tenant_id", "period_type", "period_key", "source", "dimension", "measure"),
    kinds=frozenset({"duckdb"}),
    keeps_history=True,
    rules=(
        Rule(
            "more passed than judged",
            "No more rows pass than are judged.",
            lambda rows: rows.passed <= rows.judged,
        ),
        Rule(
            "a share of nothing",
            "There is a share exactly where something was judged.",
            lambda rows: rows.share.isnull() == (rows.judged == 0),
        ),
    ),
    columns=(
        TENANT,
        *PERIOD_COLUMNS,
        Column("source", "string", "Landed source.", allowed=SOURCES),
        Column("dimension", "string", "Dimension of quality.", allowed=DIMENSIONS),
        Column("measure", "string", "Field, rule or question; `all`: the whole dimension."),
        Column("judged", "int64", "Rows (of days_with_rows: days) judged.", minimum=0),
        Column("passed", "int64", "Those of them that pass.", minimum=0),
        Column(
            "share",
            "float64",
            "passed / judged; null: nothing was judged.",
            nullable=True,
            minimum=0,
            maximum=1,
        ),
        Column(
            "delay_days",
            "int64",
            "Days from the rows' own to their landing, summed; null: not known, or not asked.",
            nullable=True,
            minimum=0,
        ),
        Column("reasons", "string", "Why rows do not pass, the commonest five, JSON."),
    ),
).for_grain(Grain.MONTH)

MARTS = (LANDED_QUALITY,)
