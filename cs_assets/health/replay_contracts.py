"""Replays: what past periods would have been under a candidate scorecard.

Belongs here: their table, and the contract of one candidate's part of it. Must not: formulas.

The table stands beside the published ones and is no asset: a candidate is somebody's experiment,
not a part of the installation.
"""

from dataclasses import replace

from cs_assets.calendar import PERIOD_GRAINS, Grain
from cs_assets.contracts import Contract
from cs_assets.health.contracts import OF_A_CARD
from cs_assets.health.score_contracts import CUSTOMER_HEALTH, HEALTH_TREND, OUTLOOK

CANDIDATE = "scorecard_fingerprint"
"""The column that tells candidates apart."""

HEALTH_REPLAY = replace(
    CUSTOMER_HEALTH,
    name="health_replay",
    table="customer_health_replay",
    description="What `customer_health_scores` and `customer_health_trend` would hold of past "
    "periods under a candidate scorecard, but for what is made of daily scores: written by `cs "
    "replay`, removed by `cs replays`, read by no asset.",
    key=tuple(CANDIDATE if name == "scorecard" else name for name in OF_A_CARD),
    keeps_history=False,
    columns=(
        *CUSTOMER_HEALTH.columns,
        # nobody has daily scores of a candidate
        *(
            column
            for column in HEALTH_TREND.columns
            if column.name not in CUSTOMER_HEALTH.column_names and column not in OUTLOOK
        ),
    ),
)

SHADOWS = tuple(HEALTH_REPLAY.for_grain(grain) for grain in PERIOD_GRAINS)


def replay_contract(grain: Grain, fingerprint: str) -> Contract:
    """Return the contract of one candidate: its rows are replaced, and removed, by themselves."""
    own = HEALTH_REPLAY.for_grain(grain)
    columns = tuple(
        replace(column, allowed=(fingerprint,)) if column.name == CANDIDATE else column
        for column in own.columns
    )
    return replace(own, name=f"{own.name}_{fingerprint}", columns=columns)


def candidate_of(asset_name: str) -> tuple[Grain, str] | None:
    """Return grain and fingerprint of a replay by the name it is published under; None: none."""
    for own in SHADOWS:
        if own.grain and asset_name.startswith(f"{own.asset_name}_"):
            return own.grain, asset_name.removeprefix(f"{own.asset_name}_")
    return None
