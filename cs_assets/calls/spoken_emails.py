"""E-mail addresses, written or spoken, in the plain text of a call.

Belongs here: how they are said (艾特, 点康母) and where they begin and end. Must not: digits.
"""

import re
from collections.abc import Iterator
from typing import Final

from cs_assets.calls.digit_runs import SPOKEN

_AT: Final = re.compile(
    r"@|[艾爱埃唉哎]特|[圈花][aA]|小老鼠|[(\[]?(?<![A-Za-z])(?i:at)(?![A-Za-z])[)\]]?"
)
_DOT: Final = r" ?(?:\.|。|点儿?|[(\[]?dot[)\]]?) ?"
_LABEL: Final = rf"[A-Za-z0-9{SPOKEN}](?:[A-Za-z0-9{SPOKEN} -]{{0,30}}?[A-Za-z0-9{SPOKEN}])?"
_TOP: Final = r"(?:c ?o ?m|[康抗肯克][母姆木]|[A-Za-z]{2,6}|耐特)"
_PROVIDER: Final = (
    "(?:qq|163|126|139|189|gmail|foxmail|outlook|hotmail|sina|sohu|icloud|新浪|搜狐|网易|腾讯|谷歌)"
)
_DOMAIN: Final = re.compile(
    rf"(?i: ?(?:{_LABEL}{_DOT}){{1,3}}{_TOP}(?:{_DOT}(?:cn|hk|tw))?| ?{_PROVIDER}(?:的?邮箱)?)"
)
_WRITTEN_DOMAIN: Final = re.compile(r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,4}")
_LOCAL: Final = re.compile(
    rf"(?:[A-Za-z0-9._%+{SPOKEN}-]|下划线|下横线|横杠|中杠|减号|杠|点|加|(?<! ) (?! ))+ ?$"
)
_NAME: Final = re.compile(r"[\u4e00-\u9fff]{1,3} ?$")
_MAX_LOCAL: Final = 64


def emails(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each e-mail address of a plain text."""
    free = 0
    for at in _AT.finditer(text):
        domain = _DOMAIN.match(text, at.end())
        if domain is None and at[0] == "@":
            domain = _WRITTEN_DOMAIN.match(text, at.end())
        if domain is None or at.start() < free:
            continue
        before = text[max(free, at.start() - _MAX_LOCAL) : at.start()]
        local = _LOCAL.search(before) or _NAME.search(before)
        if local is None:
            continue
        start = at.start() - len(before) + local.start()
        free = domain.end()
        yield start + len(local[0]) - len(local[0].lstrip()), free
