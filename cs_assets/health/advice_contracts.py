"""What speaks for and against a customer, and what to do: tables in the warehouse.

Belongs here: factors and recommendations. Must not: formulas.
"""

from cs_assets.calendar import PERIOD_GRAINS
from cs_assets.contracts import PERIOD_COLUMNS, TENANT, Column, Contract, Place
from cs_assets.health.contracts import OF_A_CARD, SYSTEM
from cs_assets.sources.contracts import CUSTOMER

SIGNS = ("positive", "negative")
ACTION, STANDING = KINDS = ("action", "standing")
_SCORECARD = Column("scorecard", "string", "Name of the scorecard.")


def _share(name: str, description: str, *, nullable: bool = False) -> Column:
    return Column(name, "float64", description, nullable=nullable, minimum=0, maximum=1)


HEALTH_FACTOR = Contract(
    system=SYSTEM,
    name="health_factors",
    table="customer_health_factor",
    place=Place.WAREHOUSE,
    description="What speaks for a customer (dimensions of 0.8 or more) and against it (below 0.6, "
    "or fallen by more than 0.05 since the previous period).",
    partition_column="period_key",
    key=(*OF_A_CARD, "dimension", "sign"),
    kinds=frozenset({"duckdb"}),
    columns=(
        TENANT,
        *PERIOD_COLUMNS,
        CUSTOMER,
        _SCORECARD,
        Column("dimension", "string", "Dimension of the scorecard."),
        Column("sign", "string", "For or against.", allowed=SIGNS),
        _share("score", "Score of the dimension."),
        Column("change", "float64", "Since the previous period.", nullable=True),
        Column("text_zh", "string", "In words, in Chinese."),
        Column("text_en", "string", "In words, in English."),
    ),
)

RECOMMENDATION = Contract(
    system=SYSTEM,
    name="recommendations",
    table="customer_recommendation",
    place=Place.WAREHOUSE,
    description="What to do for a customer: actions on its weak dimensions, first those that could "
    "win most, and the standing actions of its grade.",
    partition_column="period_key",
    key=(*OF_A_CARD, "kind", "rank"),
    kinds=frozenset({"duckdb"}),
    columns=(
        TENANT,
        *PERIOD_COLUMNS,
        CUSTOMER,
        _SCORECARD,
        Column("kind", "string", "For a weak dimension, or always.", allowed=KINDS),
        Column("rank", "int64", "Order within the kind, from 1.", minimum=1),
        Column("action", "string", "Id of the action."),
        Column("dimension", "string", "The weak dimension; null: standing.", nullable=True),
        _share("score", "Its score.", nullable=True),
        _share("score_to_win", "What a full score of it would add.", nullable=True),
        Column("text_zh", "string", "What to do, in Chinese."),
        Column("text_en", "string", "What to do, in English."),
    ),
)

MARTS = tuple(
    contract.for_grain(grain)
    for contract in (HEALTH_FACTOR, RECOMMENDATION)
    for grain in PERIOD_GRAINS
)
