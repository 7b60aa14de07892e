"""Invented identifiers of people, and the ways in which they are said and written in a call.

Belongs here: forms as people speak, type and as speech recognition writes them down. Must not:
knowledge of how they are found again (see `cs_assets.calls.redaction`).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final

from cs_assets.calls.identifiers import luhn

Form = Callable[[Random, str], str]
SPOKEN: Final = "零一二三四五六七八九"
_FULL_WIDTH: Final = "０１２３４５６７８９"
_CAPITAL: Final = "零壹贰叁肆伍陆柒捌玖"
_RADIO: Final = "洞幺两三四五六拐八勾"
_CIRCLED: Final = "⓪①②③④⑤⑥⑦⑧⑨"
_BOLD: Final = "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗"
_ODD_GROUPS: Final = 0.08
_ENGLISH: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# what speech recognition writes for a digit now and then
_MISHEARD: Final = {"1": "要腰", "0": "林令", "8": "吧", "9": "久", "7": "期", "5": "无"}
_PINYIN: Final = ("ling", "yao", "er", "san", "si", "wu", "liu", "qi", "ba", "jiu")
_TALK: Final = (
    "你等一下啊",
    "，你记一下，",
    "，记好了没，",
    "，听得清吗，",
    "，我想想啊，",
    "，对吧，",
)
_HESITATIONS: Final = (
    "，嗯，",
    "，呃，",
    "，然后",
    "，然后是",
    "，那个，",
    "，后面是",
    "，就是",
    "啊，",
)


def say(digits: str, one: str = "幺") -> str:
    """Return digits as they are spoken one by one."""
    return "".join(one if digit == "1" else SPOKEN[int(digit)] for digit in digits)


def groups(digits: str, sizes: Sequence[int]) -> list[str]:
    """Return digits in groups of these sizes, what is left as the last one."""
    parts, at = [], 0
    for size in sizes:
        parts.append(digits[at : at + size])
        at += size
    return [part for part in [*parts, digits[at:]] if part]


def natural(random: Random, digits: str) -> list[str]:
    """Return digits in the groups in which people say them."""
    if random.random() < _ODD_GROUPS:
        return groups(digits, random.choice([(5,), (2, 3, 3), (2, 2, 2, 2, 2), (3, 1, 4), (6,)]))
    if len(digits) == 11 and digits[0] == "1":
        sizes = random.choice([(3, 4, 4), (3, 4, 4), (3, 4, 4), (3, 3, 5), (4, 3, 4), (3, 2, 3, 3)])
    elif len(digits) == 10 and digits[:3] in ("400", "800"):
        sizes = random.choice([(3, 3, 4), (3, 4, 3)])
    elif len(digits) in (11, 12) and digits[0] == "0":
        sizes = (3 if digits[1] in "12" else 4, 4, 4)
    elif len(digits) == 18:
        sizes = random.choice([(6, 8, 4), (3, 3, 4, 4, 4), (6, 4, 4, 4)])
    else:
        sizes = (4,) * (len(digits) // 4)
    return groups(digits, sizes)


def _table(symbols: Sequence[str]) -> Form:
    return lambda _, digits: "".join(symbols[int(digit)] for digit in digits)


def _joined(*marks: str, spoken: bool = False) -> Form:
    def form(random: Random, digits: str) -> str:
        parts = natural(random, digits)
        one = random.choice("幺幺一")
        return random.choice(marks).join(say(part, one) if spoken else part for part in parts)

    return form


def _hesitating(random: Random, digits: str) -> str:
    parts = [say(part, random.choice("幺一")) for part in natural(random, digits)]
    return parts[0] + "".join(random.choice(_HESITATIONS) + part for part in parts[1:])


def _mixed(random: Random, digits: str) -> str:
    parts = natural(random, digits)
    return random.choice(["", " ", "，"]).join(
        say(part) if random.random() < 0.5 else part for part in parts
    )


def _counted(random: Random, digits: str) -> str:
    """幺三八，四个零，五六七: runs of a digit are counted."""
    counts = ("两", "三", "四", "五", "六", "七", "八")
    said = re.sub(
        r"([0-9])\1{2,7}",
        lambda run: f"，{counts[len(run[0]) - 2]}个{say(run[1])}，",
        digits,
    )
    spoken = "".join(say(char) if char.isascii() and char.isdigit() else char for char in said)
    return spoken.strip("，").replace("，，", "，")


def _tens(random: Random, digits: str) -> str:
    """幺三八，二十六，五十八: the rest in pairs read as numbers."""
    pairs = [
        say(pair, "一") if pair[0] == "0" else _number(int(pair)) for pair in _pairs(digits[3:])
    ]
    return "，".join([say(digits[:3]), *pairs])


def _pairs(digits: str) -> list[str]:
    return [digits[at : at + 2].zfill(2) for at in range(0, len(digits) - len(digits) % 2, 2)]


def _number(value: int) -> str:
    tens, ones = divmod(value, 10)
    return ("" if tens == 1 else SPOKEN[tens]) + "十" + (SPOKEN[ones] if ones else "")


def _misheard(random: Random, digits: str) -> str:
    said = list(say(digits, "一"))
    places = [at for at in range(1, len(digits) - 1) if digits[at] in _MISHEARD]
    for at in random.sample(places, min(len(places), random.choice([1, 1, 2]))):
        said[at] = random.choice(_MISHEARD[digits[at]])
    return "".join(said)


def _english(random: Random, digits: str) -> str:
    zero = random.choice(["zero", "oh"])
    words = [zero if digit == "0" else _ENGLISH[int(digit)] for digit in digits]
    return random.choice([" ", ", "]).join(words)


def _corrected(random: Random, digits: str) -> str:
    parts = [say(part) for part in natural(random, digits)]
    wrong = say(str(random.randrange(10**3, 10**4)))
    return f"{parts[0]}，{wrong}，不对，{'，'.join(parts[1:])}"


def _places(random: Random, digits: str) -> str:
    first, middle, last = (say(part) for part in groups(digits, (3, 4)))
    return f"前三位{first}，中间四位是{middle}，后四位{last}"


def _twice(random: Random, digits: str) -> str:
    return f"{digits}，我再说一遍，{_joined('，', spoken=True)(random, digits)}"


def _talking(random: Random, digits: str) -> str:
    """幺三八你等一下啊零零一二: words of all sorts between the groups."""
    parts = [say(part) for part in natural(random, digits)]
    return parts[0] + "".join(random.choice(_TALK) + part for part in parts[1:])


def _digit_lost(random: Random, digits: str) -> str:
    """Speech recognition drops a digit."""
    lost = random.randint(4, 9)
    return _joined("，", " ", "", spoken=True)(random, digits[:lost] + digits[lost + 1 :])


def _hundreds(random: Random, digits: str) -> str:
    """一百三十八，四百五十六: groups of three read as numbers."""
    parts = groups(digits, (3, 3, 3))
    return "，".join(
        say(part, "一") if "0" in part[:2] or len(part) < 3 else _hundred(int(part))
        for part in parts
    )


def _hundred(value: int) -> str:
    hundreds, rest = divmod(value, 100)
    zero = "零" if 0 < rest < 10 else ""
    tens = "一" + _number(rest) if 10 <= rest < 20 else _number(rest) if rest >= 10 else ""
    ones = SPOKEN[rest] if 0 < rest < 10 else ""
    return f"{SPOKEN[hundreds]}百{zero}{tens}{ones}"


def _pinyin(_: Random, digits: str) -> str:
    return " ".join(_PINYIN[int(digit)] for digit in digits)


def _letter_o(_: Random, digits: str) -> str:
    return digits[:3] + digits[3:].replace("0", "O")


def _hidden(random: Random, digits: str) -> str:
    return random.choice(["\u200b", "\u2060", "\u00ad", "\ufe0f", "\u202c"]).join(digits)


def _keycaps(_: Random, digits: str) -> str:
    return "".join(f"{digit}\ufe0f\u20e3" for digit in digits)


_ANY: Final[Mapping[str, Form]] = {
    "written": lambda _, digits: digits,
    "spaced": _joined(" "),
    "dashed": _joined("-"),
    "dots, long dashes": _joined(".", "－", "—", "·", " - "),
    "full width": _table(_FULL_WIDTH),
    "each apart": lambda random, digits: random.choice([" ", "-", "  ", "、", "，"]).join(digits),
    "spoken": lambda random, digits: say(digits, random.choice("幺一")),
    "spoken, spaced": _joined(" ", spoken=True),
    "spoken, commas": _joined("，", "、", "。", "…", spoken=True),
    "spoken, hesitating": _hesitating,
    "spoken and written": _mixed,
    "each spoken apart": lambda random, digits: random.choice(" ，").join(say(digits)),
    "written, commas": _joined("，", ","),
    "capital numerals": _table(_CAPITAL),
    "misheard": _misheard,
    "invisible characters": _hidden,
    "circled, bold, keycaps": lambda random, digits: random.choice(
        [_table(_CIRCLED), _table(_BOLD), _keycaps]
    )(random, digits),
}
_MOBILE: Final[Mapping[str, Form]] = {
    "+86": lambda random, digits: (
        random.choice(["+86", "+86 ", "0086", "86-", "(+86)", "＋８６"])
        + random.choice([digits, _joined(" ", "-")(random, digits)])
    ),
    "radio digits": _table(_RADIO),
    "English": _english,
    "counted": _counted,
    "in tens": _tens,
    "corrected": _corrected,
    "by places": _places,
    "said twice": _twice,
    "letter O": _letter_o,
    "talking between": _talking,
    "digit lost": _digit_lost,
    "hundreds": _hundreds,
    "pinyin": _pinyin,
    "glued to letters": lambda random, digits: random.choice(["tel", "wx", "QQ", "V"]) + digits,
    "unit behind": lambda random, digits: (
        _joined(" ", "-", "")(random, digits)
        + random.choice(["家里的", "人工打过", "号", "时间不定"])
    ),
}
_ID_ENDS: Final = ("X", "x", "Ｘ", "叉", " X", "，X", "，艾克斯", "大写的X")

FORMS: Final[Mapping[str, Mapping[str, Form]]] = {
    "mobile": {**_ANY, **_MOBILE},
    "landline": {
        **{name: _ANY[name] for name in _ANY if name not in ("capital numerals", "misheard")},
        "brackets": lambda _, digits: f"（{digits[:-8]}）{digits[-8:]}",
        "said dash": lambda _, digits: f"{say(digits[:-8])}杠{say(digits[-8:])}",
        "area code named": lambda _, digits: f"区号{digits[:-8]}，{digits[-8:]}",
        "extension": lambda random, digits: (
            f"{digits[:-8]}-{digits[-8:]}转{random.randrange(1000, 9999)}"
        ),
    },
    "local number": {
        name: _ANY[name]
        for name in ("written", "spaced", "dashed", "spoken", "spoken, spaced", "spoken, commas")
    },
    "hotline": {name: _ANY[name] for name in _ANY if name not in ("capital numerals", "misheard")},
    "id card": {
        **_ANY,
        "ends in X": lambda random, digits: (
            random.choice([digits[:17], say(digits[:17], "一")]) + random.choice(_ID_ENDS)
        ),
        "15 digits": lambda _, digits: digits[:6] + digits[8:17],
    },
    "bank card": _ANY,
    "account": {
        name: _ANY[name]
        for name in ("written", "spaced", "full width", "spoken", "spoken, spaced", "each apart")
    },
}


def digits_of(random: Random, kind: str) -> str:
    """Return the digits of an invented identifier of a kind."""
    if kind == "mobile":
        digits = f"1{random.randint(3, 9)}{random.randrange(10**9):09}"
        return digits if random.random() < 0.7 else _with_run(random, digits)
    if kind == "landline":
        return random.choice(["010", "021", "0571", "0755", "028", "0731"]) + str(
            random.randrange(20_000_000, 89_999_999)
        )
    if kind == "hotline":
        return random.choice(["400", "400", "800"]) + str(random.randrange(10**6, 10**7))
    if kind == "local number":
        return str(random.randrange(20_000_000, 89_999_999))
    if kind == "id card":
        return id_card(random)
    if kind == "bank card":
        start = random.choice(["6222", "6217", "6228", "4367", "5218"])
        body = start + "".join(random.choices("0123456789", k=random.choice([11, 14])))
        return body + str(-luhn(body + "0") % 10)
    return str(random.randrange(10**7, 10 ** random.randint(8, 12)))


def _with_run(random: Random, digits: str) -> str:
    at, length = random.randint(3, 6), random.choice([3, 4, 4])
    return digits[:at] + digits[at] * length + digits[at + length :]


def id_card(random: Random) -> str:
    """Return 18 digits of an ID card with a good checksum (that of cards ending in X left out)."""
    while True:
        area = random.choice(["110101", "330106", "440305", "510107", "430102"])
        born = f"{random.randint(1950, 2005)}{random.randint(1, 12):02}{random.randint(1, 28):02}"
        body = f"{area}{born}{random.randrange(1000):03}"
        weights = [2 ** (17 - at) % 11 for at in range(17)]
        rest = sum(weight * int(digit) for weight, digit in zip(weights, body, strict=True)) % 11
        if (check := (12 - rest) % 11) < 10:
            return f"{body}{check}"
