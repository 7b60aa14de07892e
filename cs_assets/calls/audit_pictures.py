"""Pictures of the audit for metadata.

Belongs here: which figures are drawn of the audit's rows, and their tables in people's words. Must
not: drawing (see `figures`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
import pandas as pd

from cs_assets.calls.audit_contracts import REVIEW_REASONS
from cs_assets.calls.audit_rules import AuditRules, Locale
from cs_assets.calls.keywords import KINDS
from cs_resources.figures import intervals_figure, shares_figure
from cs_resources.metadata import markdown_table

MONTHS = 12
"""How many months the picture of rates shows at most."""
_HEADINGS: Mapping[Locale, Mapping[str, str]] = {
    "zh": {"reason": "为什么请人看", "complaint": "投诉", "churn": "流失"},
    "en": {"reason": "why people should look", "complaint": "complaint", "churn": "leaving"},
}


def reasons_table(
    counts: Iterable[Mapping[str, Any]], rules: AuditRules, locale: Locale
) -> object | None:
    """Show why the newest month's calls are in the queue, and how many for each kind of risk.

    `counts`: rows with `period_key`, `kind`, `reason` and `calls`; none of them: no table.
    """
    counts = list(counts)
    newest = max((row["period_key"] for row in counts), default=None)
    calls = Counter[tuple[str, str]]()
    for row in counts:
        if row["period_key"] == newest:
            calls[row["reason"], row["kind"]] += row["calls"]
    said = [reason for reason in REVIEW_REASONS if any(calls[reason, kind] for kind in KINDS)]
    if not said:
        return None
    names = _HEADINGS[locale]
    rows = [
        {names["reason"]: rules.file.reasons[reason][locale]}
        | {names[kind]: calls[reason, kind] for kind in KINDS}
        for reason in said
    ]
    return dg.MetadataValue.md(f"{newest}\n\n{markdown_table(rows)}")


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
