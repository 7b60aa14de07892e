"""Every table of the health system.

Belongs here: the list. Must not: tables themselves.
"""

from cs_assets.health import (
    advice_contracts,
    alert_contracts,
    forecast_contracts,
    replay_contracts,
    report_contracts,
    score_contracts,
)

FACTS = (alert_contracts.RISK_SIGNALS, forecast_contracts.DAILY_SCORES)
MARTS = (
    *score_contracts.MARTS,
    *forecast_contracts.MARTS,
    *advice_contracts.MARTS,
    *alert_contracts.MARTS,
    *report_contracts.MARTS,
)
SHADOWS = replay_contracts.SHADOWS
"""Tables beside the published ones, which no asset makes."""
