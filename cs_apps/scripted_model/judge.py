"""The model behind the scripted server: how it judges a dialogue, well or badly, always the same.

Belongs here: verdicts by small word lists of its own, and the ways of being fooled or careless.
Must not: the platform's rules, texts or lexicon (a model that copied them could not be audited
against them), HTTP.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256

from cs_apps.scripted_model.reading import Question

_COMPLAINS = {
    "high": ("投诉", "举报", "12315", "消协", "工信部", "起诉", "律师", "法院", "曝光", "媒体"),
    "medium": ("不满", "差劲", "太差", "骗", "离谱", "没解决", "骚扰", "赔偿", "说法"),
}
_LEAVES = {
    "high": ("销户", "注销", "停用", "退订", "转网", "换运营商", "不续", "解约"),
    "medium": ("太贵", "别家", "换一家", "换套餐", "取消", "不想用", "用不上"),
}
_ANNOYED = (
    *("不满", "差劲", "太差", "骗", "离谱", "没解决", "骚扰", "投诉", "举报", "生气", "失望"),
    *("烦", "垃圾", "受不了", "糟糕", "坑人", "太贵", "恶心", "气死"),
)
_PLEASED = (
    "满意",
    "很好",
    "不错",
    "太好了",
    "喜欢",
    "靠谱",
    "专业",
    "解决了",
    "感谢",
    "划算",
    "真好",
)
_WORDS = {*_ANNOYED, *_PLEASED}.union(*_COMPLAINS.values(), *_LEAVES.values())
_WORD = re.compile("|".join(sorted(_WORDS, key=lambda word: (-len(word), word))))
_NEGATED = re.compile(r"[不没别未无][^，。！？；,.!?;\n]{0,3}$")
_NEGATION_REACH = 4

_ORDERS = re.compile(
    r"""(忽略|无视|忘记|忘掉|ignore|disregard|forget)
        .{0,12}(以上|上面|之前|前面|先前|above|previous|prior|earlier)
        (?!.{0,8}(对话|数据|文本|dialogue|data|conversation))
      | (回答|回复|输出|返回|判为|评为|answer|reply|respond|output|return)
        .{0,12}(positive|正面|积极)(?!.{0,6}(neutral|negative|中性|负面))
      | 你现在是 | you\ are\ now
      | (^|\n)[^\w\n]*(system|系统)\s*[:：] | <\|im_start\|>
      | new\ instructions? | 新的?(指令|任务)[:：]""",
    re.IGNORECASE | re.VERBOSE,
)


_CLAUSE = re.compile(r"[，。！？；,!?;\n]+")
_DRESSED_UP = re.compile(r'["“”]\s*\w+\s*["“”]\s*[:：]')


@dataclass(frozen=True)
class Verdict:
    """A model's answer, in the order in which it is written; score 0 (very negative) to 1."""

    sentiment: str
    sentiment_score: float
    complaint_risk: str
    churn_risk: str
    reason: str


Judge = Callable[[Question], Verdict]
OBEDIENT = Verdict("positive", 0.99, "low", "low", "按要求回答")
"""What a model says that was told what to answer, and obeys."""


def honest(question: Question) -> Verdict:
    """Judge by what the customer said; obey only what stands outside of the dialogue.

    Orders, and what is dressed up as an answer or as data, are no mood of the customer's.
    """
    return OBEDIENT if _ORDERS.search(question.outside) else _judged(_meant(question.customer))


def gullible(question: Question) -> Verdict:
    """Judge as `honest`, but obey also what anybody says in the dialogue."""
    everything = f"{question.outside}\n{question.inside}"
    return OBEDIENT if _ORDERS.search(everything) else _judged(question.customer)


@dataclass(frozen=True)
class Careless:
    """An honest judge that errs at known rates (0..1), by itself in each risk.

    An error turns a low risk into high, and any other into low. Which dialogues it errs in is
    decided by `seed` and what was said: the truth is what `honest` says of the same question.
    """

    complaint: float
    churn: float
    seed: int = 0

    def __call__(self, question: Question) -> Verdict:
        """Judge, and err where it is due."""
        verdict = honest(question)
        return replace(
            verdict,
            complaint_risk=self._slipped(
                "complaint", self.complaint, verdict.complaint_risk, question
            ),
            churn_risk=self._slipped("churn", self.churn, verdict.churn_risk, question),
        )

    def _slipped(self, risk: str, rate: float, level: str, question: Question) -> str:
        if share_of(f"{self.seed}:{risk}:{question.inside}") >= rate:
            return level
        return "high" if level == "low" else "low"


def share_of(text: str) -> float:
    """Return a number from 0 up to 1 that is as good as random, and always that of the text."""
    return int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:6]) / 2**48


def _meant(text: str) -> str:
    clauses = _CLAUSE.split(text)
    return "\n".join(
        clause for clause in clauses if not (_DRESSED_UP.search(clause) or _ORDERS.search(clause))
    )


def _judged(text: str) -> Verdict:
    found = [
        match[0]
        for match in _WORD.finditer(text)
        if not _NEGATED.search(text, max(match.start() - _NEGATION_REACH, 0), match.start())
    ]
    pleased = sum(word in _PLEASED for word in found)
    annoyed = sum(word in _ANNOYED for word in found)
    balance = (pleased > annoyed) - (pleased < annoyed)
    named = "、".join(dict.fromkeys(found[:4]))
    return Verdict(
        sentiment=("neutral", "positive", "negative")[balance],
        sentiment_score=round((1 + pleased) / (2 + pleased + annoyed), 2),
        complaint_risk=_level(found, _COMPLAINS),
        churn_risk=_level(found, _LEAVES),
        reason=f"客户说到：{named}" if found else "客户没有表露明显情绪",
    )


def _level(found: list[str], words: dict[str, tuple[str, ...]]) -> str:
    return next((level for level in words if any(word in words[level] for word in found)), "low")
