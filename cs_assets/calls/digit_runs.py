"""Runs of digits, written or spoken, in the plain text of a call.

Belongs here: the ways in which digits are said and written, what a number measures, what stands
between two runs. Must not: deciding what is an identifier (see `identifiers`, `redaction`).

Every pattern takes time in proportion to the text: alternatives begin with different characters or
are possessive, and what is looked at around a run is bounded.
"""

import re
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, Literal, NamedTuple

_VALUES: Final = {
    **{char: str(value) for value, char in enumerate("零一二三四五六七八九")},
    **{char: str(value) for value, char in enumerate("洞壹贰叁肆伍陆柒捌玖")},
    **dict(zip("〇○幺两兩貳參陸拐勾", "0012223679", strict=True)),
}
SPOKEN: Final = "".join(_VALUES)
# between two spoken digits: how speech recognition mishears one; 是, 就 and 吧 stand for themselves
_MISHEARD: Final = {
    **dict.fromkeys("要腰妖夭邀", "1"),
    **dict.fromkeys("林令领灵铃玲另", "0"),
    **dict.fromkeys("儿而耳", "2"),
    **dict.fromkeys("山伞散", "3"),
    **dict.fromkeys("事市死思", "4"),
    **dict.fromkeys("无吾舞武", "5"),
    **dict.fromkeys("留溜流刘", "6"),
    **dict.fromkeys("期起妻", "7"),
    **dict.fromkeys("巴把爸", "8"),
    **dict.fromkeys("久酒", "9"),
    **dict.fromkeys("是就吧", ""),
}
_NAMED: Final = {
    word: str(value)
    for words in (
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
        ("ling", "yao", "er", "san", "si", "wu", "liu", "qi", "ba", "jiu"),
        ("oh", "yi", "liang"),
        ("o",),
    )
    for value, word in enumerate(words)
}
_TIMES: Final = {"double": 2, "triple": 3}
_PLACES: Final = "十百千万亿拾佰仟萬億"

# what a number before it counts or measures; the soft ones begin other words too (5678家里的)
_HARD: Final = (
    r"美?元|块|毛|角|[万亿千百十兆档种款%‰年月]|[GMKTgmkt](?:[Bb](?:ps)?|[Hh]z)?(?![A-Za-z])"
    r"|毫安|小时|分钟|公里|公斤|单元|季度|积分|[x×*][0-9]"
)
_SOFT: Final = (
    "[个位号分人次天日周点时秒度折倍岁米平斤克层楼栋幢室期条笔张台部套集"
    "页步级代名家件份线班排座组项届刻寸版遍]"
)
_UNIT: Final = re.compile(f"(?P<hard>{_HARD})|{_SOFT}")
_PHRASE: Final = re.compile(f"{_HARD}|{_SOFT}|[下会样起直些定边共旦切般半致律]")
_MAX_MEASURED: Final = 6
_MAX_PRICE: Final = 9

_DATE: Final = (
    r"(?:19|20)[0-9]{2}(?P<mark>[-/.])(?:1[0-2]|0?[1-9])(?P=mark)"
    r"(?:[12][0-9]|3[01]|0?[1-9])(?![0-9])"
)
_FIXED: Final = (
    rf"(?<![0-9.])(?:{_DATE}"
    r"|[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9])?(?![0-9])"
    rf"|(?<![0-9{SPOKEN}],)[0-9]{{1,3}}(?:,[0-9]{{3}}){{1,4}}(?:\.[0-9]{{1,2}})?(?!,?[0-9{SPOKEN}])"
    r"|(?:192\.168|10\.[0-9]{1,3})\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.])"
    r"|[0-9]{1,7}\.[0-9]{1,2}(?!\.?[0-9]))"
    r"|(?:版本号?是?|(?<![A-Za-z])[vV])[0-9]{1,6}(?:\.[0-9]{1,6}){1,5}"
)
_COMPOUND: Final = rf"(?:[{SPOKEN}]?[{_PLACES}]++[零〇]?)++(?:[{SPOKEN}](?![{SPOKEN}]))?"
_COUNTED: Final = (
    rf"(?:[两三四五六七八]|(?<![0-9])[2-8])个[0-9{SPOKEN}]"
    rf"(?![{_PLACES}个分点块元年月日号天次岁人位])"
)
_DIGITS: Final = (
    rf"(?:{_COUNTED}|[0-9]|[{SPOKEN}](?![{_PLACES}])"
    rf"|(?<=[{SPOKEN}])[{''.join(_MISHEARD)}]{{1,2}}(?=[{SPOKEN}])"
    r"|(?<=[0-9oO])[oO](?![A-NP-Za-np-z])|(?<=[0-9])[lI](?=[0-9]))++"
)
_WORDS: Final = rf"(?<![A-Za-z])(?:(?:double|triple)[ -])?(?:{'|'.join(_NAMED)})(?![A-Za-z])"
_RUN: Final = re.compile(
    rf"(?P<fixed>{_FIXED})|(?P<compound>{_COMPOUND})|(?P<digits>{_DIGITS})|(?P<word>(?i:{_WORDS}))"
)
_ONE_COUNTED: Final = re.compile(_COUNTED)
_SMALL: Final = re.compile(
    r"(?:([一二三四五六七八九])百零?)?(?:([一二三四五六七八九])?(十))?([一二三四五六七八九])?"
)
_ENDS_IN_X: Final = re.compile(
    r"[ ,]{0,2}(?:大写的?|字母)?(?:[xX×](?![A-Za-z0-9])|叉|艾克斯|埃克斯)"
)

_FILLERS: Final = (
    *"嗯恩呃额啊呀哦噢哎诶唉吧呢嘛哈喂那这再就是的你您我对好行杠点转加",
    *("那个", "这个", "然后", "接着", "接下来", "还有", "就是", "好的", "是吧", "对吧"),
    *("后面", "后边", "后头", "前面", "前边", "中间", "最后", "开头", "结尾", "区号"),
    *("逗号", "空格", "横杠", "横线", "短横", "减号"),
    *("不对", "不是", "错了", "说错了", "哦不", "我想想", "记一下", "记好"),
)
_FILLER: Final = "|".join(sorted(_FILLERS, key=len, reverse=True))
_PLACE_NAMED: Final = "(?:前|中间|最后|后|末)[一二两三四五六七八九几0-9]位(?:数字|数|号码)?"
PAUSE: Final = rf"(?:[\W_]|{_PLACE_NAMED}|{_FILLER})"
_PAUSE: Final = re.compile(f"{PAUSE}*+")
_TIGHT: Final = re.compile("[ \\-\u2010-\u2015\u2212.·•・()_*#'\"\\u0300-\\u036f\\u20d0-\\u20ff]*+")
_CHATTER: Final = re.compile(r"[^\[\]A-Za-z0-9]*+")
_TALK: Final = re.compile(
    f"(?:{PAUSE}|[他等记录写听清到见看想说慢了着过吗没得会儿往下来啦喽不一个重复知道明白可以先拿笔找稍])*+"
)
_MAX_PAUSE: Final = 40


class Joint(IntEnum):
    """How closely two runs belong together."""

    TIGHT = 0
    """Nothing but spaces and strokes."""
    PAUSE = 1
    """Commas and hesitation."""
    LINE = 2
    """The same, over the end of a line or an utterance."""
    TALK = 3
    """Talk about dictating (你记一下), or an utterance in between that holds no number."""
    APART = 4


class Run(NamedTuple):
    """Digits in a row: where they stand and which they are."""

    start: int
    end: int
    digits: str
    is_spoken: bool = False
    measure: Literal["hard", "soft"] | None = None
    is_compound: bool = False
    """Read as a number (三十六), not digit by digit."""
    x_end: int = 0
    """Where an X that closes an ID card's number ends, 0 if none follows."""


def runs(text: str) -> list[Run]:
    """Return the runs of digits of a plain text, in order; counting words (一个) are none."""
    return list(_runs(text))


def _runs(text: str) -> Iterator[Run]:
    for match in _RUN.finditer(text):
        start, end = match.span()
        if match.lastgroup == "fixed":
            digits = "".join(char for char in match[0] if char.isdigit())
            yield Run(start, end, digits, measure="hard")
        elif match.lastgroup == "compound":
            if digits := _small_number(match[0]):
                yield Run(start, end, digits, True, _measure(text, end, digits), True)
        elif match.lastgroup == "word":
            *times, word = re.split(
                "[ -]",
                match[0].lower().replace("double", "double ").replace("triple", "triple ").strip(),
            )
            count = {"double": 2, "triple": 3}.get(times[0] if times else "", 1)
            yield Run(start, end, _NAMED[word] * count, True)
        else:
            yield from _plain_run(text, start, end)


def _plain_run(text: str, start: int, end: int) -> Iterator[Run]:
    said = text[start:end]
    if len(said) > 1 and said[-1] in _VALUES and said[-2].isascii() and _PHRASE.match(text, end):
        # 599三种: the last one counts something
        end, said = end - 1, said[:-1]
    digits = _digits(said)
    measure = _measure(text, end, digits)
    if len(digits) == 1 and _PHRASE.match(text, end):
        return
    ends_in_x = _ENDS_IN_X.match(text, end)
    is_spoken = not any(char.isascii() for char in said)
    yield Run(start, end, digits, is_spoken, measure, x_end=ends_in_x.end() if ends_in_x else 0)


def _digits(said: str) -> str:
    if said.isdecimal() and said.isascii():
        return said
    said = _ONE_COUNTED.sub(lambda match: match[0][2] * int(_value(match[0][0])), said)
    return "".join(map(_value, said))


def _value(char: str) -> str:
    if char in "oO":
        return "0"
    return "1" if char in "lI" else _VALUES.get(char, _MISHEARD.get(char, char))


def _measure(text: str, end: int, digits: str) -> Literal["hard", "soft"] | None:
    unit = _UNIT.match(text, end)
    if unit is None or len(digits) > (_MAX_PRICE if unit["hard"] else _MAX_MEASURED):
        return None
    return "hard" if unit["hard"] else "soft"


def _small_number(said: str) -> str:
    """Return the digits of a number below 1,000, or of full thousands; empty for any other."""
    if len(said) == 2 and said[0] in _VALUES and said[1] == "千":
        return f"{_VALUES[said[0]]}000"
    match = _SMALL.fullmatch(said)
    if match is None:
        return ""
    hundreds, tens, ten, ones = match.groups()
    value = int(_VALUES.get(hundreds, "0")) * 100 + int(_VALUES.get(ones, "0"))
    value += int(_VALUES.get(tens, "1")) * 10 if ten else 0
    return str(value)


def joint(text: str, start: int, end: int) -> Joint:
    """Say what stands between two runs, from the end of one to the start of the next."""
    if _TIGHT.fullmatch(text, start, end):
        return Joint.TIGHT
    if end - start > _MAX_PAUSE:
        return Joint.APART
    if _PAUSE.fullmatch(text, start, end):
        return Joint.LINE if text.find("\n", start, end) >= 0 else Joint.PAUSE
    between = text[start:end]
    return Joint.TALK if _TALK.fullmatch(between) or _is_chatter(between) else Joint.APART


def _is_chatter(between: str) -> bool:
    """Say whether it is whole utterances without numbers, and nothing of those around them."""
    before, *lines = between.split("\n")
    return bool(
        len(lines) > 1
        and _PAUSE.fullmatch(before)
        and _PAUSE.fullmatch(lines.pop())
        and all(_CHATTER.fullmatch(line) for line in lines)
    )
