"""Data quality for metadata: a picture of shares, and a table in people's words.

Belongs here: which rows are shown, and words. Must not: drawing (see `figures`), counting.
"""

import json
from collections.abc import Mapping
from typing import Literal

import dagster as dg
import pandas as pd

from cs_assets.sources.quality_contracts import ALL, DIMENSIONS, SOURCES
from cs_resources.figures import grid_figure
from cs_resources.metadata import markdown_table

Locale = Literal["zh", "en"]
_HEADINGS: Mapping[Locale, tuple[str, ...]] = {
    "zh": ("数据源", "维度", "判定行数", "合格行数", "合格率", "主要原因"),
    "en": ("source", "dimension", "judged", "passed", "share", "main reasons"),
}
_WORDS: Mapping[str, Mapping[Locale, str]] = {
    "customers": {"zh": "客户", "en": "customers"},
    "sales": {"zh": "销售", "en": "sales"},
    "support": {"zh": "工单", "en": "support"},
    "activity": {"zh": "活动", "en": "activity"},
    "completeness": {"zh": "完整性", "en": "completeness"},
    "validity": {"zh": "有效性", "en": "validity"},
    "consistency": {"zh": "一致性", "en": "consistency"},
    "timeliness": {"zh": "及时性", "en": "timeliness"},
}
_MEASURES_ZH: Mapping[str, str] = {
    "known_customer": "客户不存在",
    "not_repeated": "重复行",
    "dates_in_order": "日期先后矛盾",
    "landed_in_time": "到达过晚",
    "not_backdated": "客户快照补记",
}
_MEASURES_EN: Mapping[str, str] = {
    "known_customer": "unknown customer",
    "not_repeated": "repeated rows",
    "dates_in_order": "dates in the wrong order",
    "landed_in_time": "landed late",
    "not_backdated": "snapshot of a later day",
}


def quality_picture(rows: pd.DataFrame, locale: Locale) -> object | None:
    """Show the newest month of `landed_quality_month` rows, all tenants together."""
    newest = rows[(rows["period_key"] == rows["period_key"].max()) & (rows["measure"] == ALL)]
    if newest.empty:
        return None
    sums = newest.groupby(["source", "dimension"])[["judged", "passed"]].sum()
    cells = [(s, d) for s in SOURCES for d in DIMENSIONS if (s, d) in sums.index]
    counts = {cell: tuple(int(count) for count in sums.loc[[cell]].iloc[0]) for cell in cells}
    shares = {cell: passed / judged for cell, (judged, passed) in counts.items() if judged}
    sources = [name for name in SOURCES if any(name == source for source, _ in cells)]
    month = newest["period_key"].iloc[0]
    figure = grid_figure(
        f"share of landed rows that pass, {month}",
        sources,
        list(DIMENSIONS),
        [[shares.get((source, dimension)) for dimension in DIMENSIONS] for source in sources],
    )
    table = [
        dict(
            zip(
                _HEADINGS[locale],
                (
                    _WORDS[source][locale],
                    _WORDS[dimension][locale],
                    *counts[source, dimension],
                    f"{shares[source, dimension]:.2%}" if (source, dimension) in shares else "–",
                    _reasons(newest, source, dimension, locale),
                ),
                strict=True,
            )
        )
        for source, dimension in cells
    ]
    return dg.MetadataValue.md(f"{figure.value}\n\n{month}\n\n{markdown_table(table)}")


def _reasons(newest: pd.DataFrame, source: str, dimension: str, locale: Locale) -> str:
    own = newest[(newest["source"] == source) & (newest["dimension"] == dimension)]
    words = _MEASURES_ZH if locale == "zh" else _MEASURES_EN
    said = [item for text in own["reasons"] for item in json.loads(text)]
    told = (f"{words.get(item['reason'], item['reason'])} {item['rows']}" for item in said)
    return ("、" if locale == "zh" else ", ").join(told)
