"""Plain text: one form for what can be written in many ways, and nothing that hides.

Belongs here: Unicode. Must not: what a text means.
"""

import re
import unicodedata
from typing import Final

# Cc but for \\n, Cf, Cs, Zl and Zp (a test holds it), variation selectors, what is drawn as nothing
_INVISIBLE: Final = re.compile(
    "["
    "\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\\xad\\u034f\\u0600-\\u0605\\u061c\\u06dd\\u070f"
    "\\u0890\\u0891\\u08e2\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f"
    "\\u2028-\\u202e\\u2060-\\u206f\\u2800\\u3164\\ud800-\\udfff\\ufe00-\\ufe0f\\ufeff"
    "\\uffa0\\ufff0-\\ufffb\\U000110bd\\U000110cd\\U00013430-\\U0001343f"
    "\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a\\U000e0000-\\U000e0fff"
    "]+"
)
_LINE_ENDS: Final = re.compile("\\r\\n|[\\r\\v\\f\\x85\\u2028\\u2029]")
# decimal digits of any script, and circled ones that NFKC leaves alone
_FOREIGN_DIGIT: Final = re.compile(
    "[^\\D0-9]|[\\u24f5-\\u24fd\\u24ff\\u2776-\\u277e\\u2780-\\u2788\\u278a-\\u2792]"
)


def visible(text: str) -> str:
    """Return text with `\\n` for every line end, a space for a tab, and nothing invisible."""
    if not _INVISIBLE.search(text):
        return text
    return _INVISIBLE.sub("", _LINE_ENDS.sub("\n", text).replace("\t", " "))


def plain(text: str) -> str:
    """Return visible text in NFKC with plain digits; applying it twice changes nothing."""
    if text.isascii() and text.isprintable():
        return text
    text = visible(text)
    # taking a character away may let its neighbours compose
    while (clean := visible(unicodedata.normalize("NFKC", text))) != text:
        text = clean
    return _FOREIGN_DIGIT.sub(lambda match: str(unicodedata.digit(match[0])), text)
