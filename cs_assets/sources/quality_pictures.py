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
REASON_WORDS: Mapping[str, Mapping[Locale, str]] = {
    "known_customer": {"zh": "客户不存在", "en": "unknown customer"},
    "not_repeated": {"zh": "重复行", "en": "repeated rows"},
    "dates_in_order": {"zh": "日期先后矛盾", "en": "dates in the wrong order"},
    "landed_in_time": {"zh": "到达过晚", "en": "landed late"},
    "not_backdated": {"zh": "客户快照补记", "en": "snapshot of a later day"},
    "unreadable_row": {"zh": "行无法解析", "en": "unreadable row"},
    "no_customer_id": {"zh": "缺少客户编号", "en": "no customer id"},
    "unknown_customer": {"zh": "客户不存在", "en": "unknown customer"},
    "bad_customer_type": {"zh": "客户类型无效", "en": "customer type not valid"},
    "bad_contract_date": {"zh": "合同日期无效", "en": "contract date not valid"},
    "bad_contract_length": {"zh": "合同期限无效", "en": "contract length not valid"},
    "bad_payment_status": {"zh": "付款状态无效", "en": "payment status not valid"},
    "bad_nps_score": {"zh": "NPS 无效", "en": "NPS not valid"},
    "repeated_customer": {"zh": "客户重复", "en": "customer repeated"},
    "bad_deal_date": {"zh": "成交日期无效", "en": "deal date not valid"},
    "bad_deal_stage": {"zh": "成交阶段无效", "en": "deal stage not valid"},
    "bad_deal_amount": {"zh": "成交金额无效", "en": "deal amount not valid"},
    "bad_renewal_date": {"zh": "续约日期无效", "en": "renewal date not valid"},
    "no_ticket_id": {"zh": "缺少工单编号", "en": "no ticket id"},
    "bad_created_date": {"zh": "创建日期无效", "en": "creation date not valid"},
    "bad_resolved_date": {"zh": "解决日期无效", "en": "resolution date not valid"},
    "bad_priority": {"zh": "优先级无效", "en": "priority not valid"},
    "bad_satisfaction_score": {"zh": "满意度无效", "en": "satisfaction not valid"},
    "bad_resolution_time": {"zh": "解决时长无效", "en": "resolution time not valid"},
    "bad_sla_missed": {"zh": "服务时限标记无效", "en": "SLA flag not valid"},
    "bad_date": {"zh": "日期无效", "en": "date not valid"},
    "bad_activity_type": {"zh": "活动类型无效", "en": "type of activity not valid"},
    "bad_usage_depth": {"zh": "使用深度无效", "en": "depth of use not valid"},
    "bad_number": {"zh": "数值无效", "en": "number not valid"},
}
"""Measures that rows fail and quarantines' reasons; a column that is empty keeps its name."""


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
    said = [item for text in own["reasons"] for item in json.loads(text)]
    told = (f"{_word(item['reason'], locale)} {item['rows']}" for item in said)
    return ("、" if locale == "zh" else ", ").join(told)


def _word(reason: str, locale: Locale) -> str:
    return REASON_WORDS[reason][locale] if reason in REASON_WORDS else reason
