"""What a model changes, in the words of those who read it.

Belongs here: texts by code and language (CS_LOCALE). Must not: figures.
"""

from typing import Literal

Locale = Literal["zh", "en"]

TEXTS: dict[str, dict[Locale, str]] = {
    "title": {"zh": "模型带来的变化", "en": "What the model changes"},
    "dialogues": {"zh": "有对话的通话", "en": "calls with a dialogue"},
    "rules_alone": {"zh": "仅规则", "en": "rules alone"},
    "with_model": {"zh": "加上模型", "en": "with the model"},
    "judged": {"zh": "得到判定", "en": "judged"},
    "by_model": {"zh": "　由模型（本次询问）", "en": "  by the model, asked now"},
    "from_cache": {"zh": "　由模型（已有答案）", "en": "  by the model, answer kept"},
    "judged_by_rules": {"zh": "　由规则", "en": "  by rules"},
    "positive": {"zh": "正面", "en": "positive"},
    "neutral": {"zh": "中性", "en": "neutral"},
    "negative": {"zh": "负面", "en": "negative"},
    "high_complaint_risk": {"zh": "高投诉风险", "en": "high risk of a complaint"},
    "high_churn_risk": {"zh": "高流失风险", "en": "high risk of leaving"},
    "high_seen_by": {"zh": "高风险由谁发现", "en": "High risks seen by"},
    "rules_only": {"zh": "仅规则", "en": "rules only"},
    "model_only": {"zh": "仅模型", "en": "model only"},
    "both": {"zh": "两者", "en": "both"},
    "kappa": {"zh": "一致性（kappa）", "en": "agreement (kappa)"},
    "complaint": {"zh": "投诉", "en": "complaint"},
    "churn": {"zh": "流失", "en": "leaving"},
    "used": {
        "zh": "本次：{requests:,} 次请求，{answered:,} 次得到答案，"
        "{prompt:,} + {completion:,} 个词元。"
        "按 {model} 的价格约为 {price}；{own} 没有价格，不花钱。",
        "en": "This run: {requests:,} requests, {answered:,} answered, {prompt:,} + {completion:,} "
        "tokens. At the price of {model} that would be {price}; {own} has none and costs nothing.",
    },
    "look": {
        "zh": "在哪里看：`cs ui` 中的资产 call_sentiment（谁判定、为什么）、"
        "llm_rule_audit_month（规则与模型对照）、llm_review_queue_month（请人复核）；"
        "花费：`cs costs --from {first} --to {last}`。",
        "en": "Where to look: `cs ui`, assets call_sentiment (who judged, and why), "
        "llm_rule_audit_month (rules against model), llm_review_queue_month (calls for people); "
        "costs: `cs costs --from {first} --to {last}`.",
    },
    "gone": {
        "zh": "这个模型只在本次运行中存在，设置中没有留下它。因此 `cs stale` 会说 {days} 天的 "
        "call_sentiment 由别的配置生成。接下来：`cs stale --repair` 改回仅规则；再次运行 `cs demo "
        "--with-llm-server` 则使用已有答案；或者设置 LLM_API_BASE_URL 和 LLM_MODEL 使用自己的模型"
        "（docs/how-to/use-a-language-model.md）。",
        "en": "The model was there for this run only, no setting names it. So `cs stale` tells "
        "that {days} days of call_sentiment were made with another configuration. Go on: `cs stale "
        "--repair` goes back to rules alone; `cs demo --with-llm-server` again uses the answers "
        "kept; or name a model of your own by LLM_API_BASE_URL and LLM_MODEL "
        "(docs/how-to/use-a-language-model.md).",
    },
}


def text(code: str, locale: Locale) -> str:
    """Return a text; raises KeyError for a code that there is not."""
    return TEXTS[code][locale]
