"""Pictures of the report for metadata.

Belongs here: which figures are drawn of the rows of reports. Must not: drawing (see `figures`).
"""

import json
from collections import Counter

import pandas as pd

from cs_resources.figures import BEST_TO_WORST, shares_figure

PERIODS = 13
"""How many periods the picture shows at most."""


def distribution_picture(reports: pd.DataFrame) -> object | None:
    """Show customers by grade over the periods of `customer_success_report` rows."""
    counts: dict[str, Counter[str]] = {}
    for period, said in zip(reports["period_key"], reports["distribution"], strict=True):
        counts.setdefault(period, Counter()).update(json.loads(said))
    periods = sorted(counts)[-PERIODS:]
    if not any(counts[period].total() for period in periods):
        return None
    grades = dict.fromkeys(grade for period in periods for grade in counts[period])
    bars = {grade: [counts[period][grade] for period in periods] for grade in grades}
    return shares_figure("customers by grade", periods, bars, BEST_TO_WORST)
