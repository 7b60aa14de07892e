"""Invented e-mail addresses and ids of letters and digits, as they are said and written in a call.

Belongs here: forms as people speak, type and as speech recognition writes them down. Must not:
knowledge of how they are found again (see `cs_assets.calls.redaction`).
"""

import re
from random import Random
from typing import Final

from benchmarks.spoken_identifiers import say

_LOCALS: Final = (
    "zhangsan",
    "li.si",
    "wang_wu",
    "chenxiaoming",
    "liuwei88",
    "zhao-min",
    "sunny2020",
)
_DOMAINS: Final = ("qq", "163", "126", "gmail", "foxmail", "sina", "outlook", "example")


def email(random: Random) -> tuple[str, str, str]:
    """Return form, e-mail address as it is said or written, and its local part as written."""
    name, domain = random.choice(_LOCALS), random.choice(_DOMAINS)
    if random.random() < 0.3:
        name = str(random.randrange(10**6, 10**10))
    dot, end = (
        random.choice(["点", " 点 ", "点儿", "dot"]),
        random.choice(["com", "康母", "康姆", "COM"]),
    )
    said = random.choice([domain, say(domain, "一") if domain.isdigit() else domain])
    at = random.choice(["艾特", " 艾特 ", "爱特", "圈a", " at ", "@"])
    forms = {
        "written": f"{name}@{domain}.com",
        "upper case, long": f"{name.upper()}@mail.{domain}.com.cn",
        "full width": f"{name}＠{domain}．com",
        "spaces": f"{name} @ {domain} . com",
        "said": f"{name}{at}{said}{dot}{end}",
        "spelt": f"{' '.join(name)}{at}{said}{dot}{end}",
        "said, spoken digits": f"{_spoken_digits(name)}{at}{said}{dot}{end}",
        "misheard name": f"zhang 三{at}{said}{dot}{end}",
        "provider only": f"{name}{at}{random.choice(['qq', '163', '126', '新浪'])}邮箱",
        "underscore said": f"zhang下划线{name[-4:]}{at}{said}{dot}{end}",
    }
    form = random.choice(list(forms))
    return form, forms[form], name[-4:] if form == "underscore said" else name


def _spoken_digits(text: str) -> str:
    return re.sub("[0-9]", lambda digit: say(digit[0]), text)


def document(random: Random) -> tuple[str, str, str]:
    """Return form, an id of letters and digits as written or said, and its digits."""
    digits = f"{random.randrange(10**7, 10**8)}"
    letter = random.choice("EGHC")
    forms = {
        "passport": f"{letter}{digits}",
        "passport, spaced": f"{letter} {digits[:4]} {digits[4:]}",
        "passport, spoken": f"{letter}{say(digits)}",
        "parcel": f"SF{digits}{digits[:5]}",
        "serial number": f"SN{digits[:4]}X{digits}",
    }
    form = random.choice(list(forms))
    return form, forms[form], digits
