"""Pictures of the audit for metadata.

Belongs here: which figures are drawn of the audit's rows. Must not: drawing (see `figures`).
"""

import pandas as pd

from cs_resources.figures import intervals_figure, shares_figure

MONTHS = 12
"""How many months the picture of rates shows at most."""


def keywords_picture(audit: pd.DataFrame) -> object | None:
    """Show the newest month's keywords, the commonest first: how often the model agrees."""
    rows = audit[(audit["period_key"] == audit["period_key"].max()) & (audit["keyword"] != "")]
    said = rows.groupby("keyword")[["both_calls", "rules_only_calls"]].sum()
    said = said[said.sum(axis=1) > 0].sort_values(["both_calls", "rules_only_calls"])[::-1]
    if said.empty:
        return None
    bars = {
        "the model agrees": said["both_calls"].tolist(),
        "the model sees no risk": said["rules_only_calls"].tolist(),
    }
    title = f"calls in which a keyword was said, {rows['period_key'].iloc[0]}"
    return shares_figure(title, said.index.tolist(), bars)


def rates_picture(rates: pd.DataFrame) -> object | None:
    """Show published and corrected rates over the months of `call_risk_rate` rows, if any is."""
    if rates["corrected_low"].isna().all():
        return None
    months = sorted(set(rates["period_key"]))[-MONTHS:]
    is_one_tenant = rates["tenant_id"].nunique() == 1
    published, corrected = {}, {}
    for (tenant, kind), own in rates.groupby(["tenant_id", "kind"]):
        name = str(kind) if is_one_tenant else f"{tenant} {kind}"
        by_month = own.set_index("period_key").reindex(months)
        published[f"{name}, published"] = by_month["published_rate"].tolist()
        ends = by_month[["corrected_low", "corrected_rate", "corrected_high"]]
        corrected[f"{name}, corrected"] = list(ends.itertuples(index=False, name=None))
    title = "share of calls at risk: published, and corrected with its interval"
    return intervals_figure(title, months, published, corrected)
