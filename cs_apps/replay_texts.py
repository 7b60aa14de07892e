"""What a replay tells, in the words of those who read it.

Belongs here: texts by code and language (CS_LOCALE). Must not: figures.
"""

from cs_apps.model_texts import Locale

TEXTS: dict[str, dict[Locale, str]] = {
    "title": {
        "zh": "评分卡 {new}（{new_print}）与已发布的 {old}（{old_print}）对比",
        "en": "Scorecard {new} ({new_print}) against {old} as published ({old_print})",
    },
    "week": {"zh": "周", "en": "weeks"},
    "month": {"zh": "月", "en": "months"},
    "quarter": {"zh": "季度", "en": "quarters"},
    "period": {"zh": "周期", "en": "period"},
    "customers": {"zh": "客户", "en": "customers"},
    "rescored": {"zh": "分数不同", "en": "other score"},
    "mean": {"zh": "平均差", "en": "mean difference"},
    "regraded": {"zh": "等级不同", "en": "other grade"},
    "opens": {"zh": "新增告警", "en": "alerts open"},
    "ends": {"zh": "消失告警", "en": "alerts end"},
    "all": {"zh": "合计", "en": "all"},
    "grades": {
        "zh": "等级变化（{grain}）：行为已发布，列为候选",
        "en": "Grades by {grain}: published down, candidate across",
    },
    "unknown": {"zh": "无分数", "en": "no score"},
    "largest": {"zh": "分数变化最大的客户", "en": "Customers whose score differs most"},
    "customer": {"zh": "客户", "en": "customer"},
    "was": {"zh": "已发布", "en": "published"},
    "now": {"zh": "候选", "en": "candidate"},
    "difference": {"zh": "差", "en": "difference"},
    "causes": {"zh": "来自", "en": "comes from"},
    "dimensions": {"zh": "按维度", "en": "by dimension"},
    "stale": {"zh": "已发布的分数过期", "en": "published score is stale"},
    "thresholds": {"zh": "曲线", "en": "curves"},
    "weights": {"zh": "权重", "en": "weights"},
    "coverage": {"zh": "数据缺失", "en": "coverage"},
    "measure": {"zh": "指标", "en": "measures"},
    "alerts": {"zh": "各周期末（as_of）的告警", "en": "Alerts at the periods' as_of"},
    "rule": {"zh": "规则", "en": "rule"},
    "same": {
        "zh": "没有不同：{scores:,} 个分数、等级和告警与已发布的一致。",
        "en": "Nothing would differ: {scores:,} scores, their grades and alerts are as published.",
    },
    "total": {
        "zh": "{scores:,} 个分数中 {rescored:,} 个不同；{regraded:,} 个等级不同；"
        "新增 {opens:,} 条、消失 {ends:,} 条告警（同一客户在周、月、季度中各算一次）。",
        "en": "Of {scores:,} scores {rescored:,} would differ, and {regraded:,} grades; {opens:,} "
        "alerts would open, {ends:,} end (a customer counts in each week, month and quarter).",
    },
    "is_stale": {
        "zh": "注意：有 {stale:,} 个已发布的分数，用现行评分卡重算的结果也不同"
        "（`cs stale` 会列出）；它们的差异不只来自候选评分卡。",
        "en": "Beware: {stale:,} published scores are not what the scorecard in use gives now (`cs "
        "stale` lists them); what differs there does not come from the candidate alone.",
    },
    "missing": {
        "zh": "没有发布、因此没有重算：{grain} {periods}",
        "en": "Not published, so not replayed: {grain} {periods}",
    },
    "other_alerts": {
        "zh": "告警规则看的是评分卡 {card}，不受影响。",
        "en": "The rules of alerts look at scorecard {card} and are not concerned.",
    },
    "lies": {
        "zh": "候选的分数在表 customer_health_replay 中（scorecard_fingerprint = '{new_print}'）；"
        "已发布的表没有改动。`cs replays` 列出，`cs replays --remove {new_print}` 删除。",
        "en": "The candidate's scores lie in customer_health_replay (scorecard_fingerprint = "
        "'{new_print}'); nothing published was touched. `cs replays` lists replays, `cs replays "
        "--remove {new_print}` removes this one.",
    },
    "none_kept": {"zh": "没有保存的重算。", "en": "No replays are kept."},
    "kept": {"zh": "保存的重算", "en": "Replays that are kept"},
    "candidate": {"zh": "候选", "en": "candidate"},
    "scorecard": {"zh": "评分卡", "en": "scorecard"},
    "periods": {"zh": "周期", "en": "periods"},
    "rows": {"zh": "行", "en": "rows"},
    "at": {"zh": "时间（UTC）", "en": "at (UTC)"},
    "removed": {
        "zh": "{candidate}：删除了 {rows:,} 行。",
        "en": "{candidate}: {rows:,} rows removed.",
    },
}


def say(code: str, locale: Locale, **values: object) -> str:
    """Return a text with its values; raises KeyError for a code that there is not."""
    return TEXTS[code][locale].format(**values)
