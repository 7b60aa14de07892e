"""Fitting the forecast: quantile regression of the change over 30 days.

Belongs here: the regression, and when there is too little to learn from. Must not: reading tables,
what a forecast says (see `forecast`).
"""

from typing import Any

import pandas as pd

from cs_assets.health.forecast import COEFFICIENTS, LEARNERS, LEVEL

FEWEST_PAIRS = 30
"""With fewer changes to learn from there is no forecast."""
_DECIMALS = 7
"""Of coefficients: what the solver's tolerance leaves, and what no order of sums moves."""


def fit(pairs: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of `forecast.FITS`, one for each of LEARNERS with enough `pairs`.

    `pairs` has the columns of `forecast.pairs`, in any order of rows. The median is the forecast:
    it has the least absolute error; the outer quantiles hold LEVEL of the changes between them.
    """
    ordered = pairs.sort_values([*LEARNERS, "start", "customer_id"])
    return [
        dict(zip(LEARNERS, key, strict=True)) | {"pairs": len(own)} | _quantiles(own)
        for key, own in ordered.groupby(list(LEARNERS))
        if len(own) >= FEWEST_PAIRS
    ]


def _quantiles(pairs: pd.DataFrame) -> dict[str, float]:
    # not at the top: importing takes two seconds, and only forecasts need it
    from sklearn.linear_model import QuantileRegressor

    known, moved = pairs[["score", "change"]].to_numpy(), pairs["moved"].to_numpy()
    found: dict[str, float] = {}
    wanted = ((1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2)
    for names, quantile in zip(COEFFICIENTS.values(), wanted, strict=True):
        fitted = QuantileRegressor(quantile=quantile, alpha=0).fit(known, moved)
        values = (fitted.intercept_, *fitted.coef_)
        found |= {n: round(float(v), _DECIMALS) for n, v in zip(names, values, strict=True)}
    return found
