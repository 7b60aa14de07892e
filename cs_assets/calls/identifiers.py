"""Shapes of identifiers: which digits are a phone number, an ID card, a bank card.

Belongs here: number plans and checksums. Must not: texts.
"""

import re
from collections.abc import Sequence
from typing import Final, Literal

Kind = Literal["PHONE", "ID", "CARD", "EMAIL", "NUMBER"]

LONGEST: Final = 19
_MOBILE: Final = re.compile(r"(?:(?:00)?86)?1[3-9][0-9]{9}")
_LANDLINE: Final = re.compile(r"0(?:10|2[0-9]|[3-9][0-9]{2})[2-9][0-9]{6,7}")
_HOTLINE: Final = re.compile(r"[48]00[0-9]{7}")
_MONTH_AND_DAY: Final = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_ID_CARD: Final = re.compile(rf"[1-8][0-9]{{5}}(?:19|20)[0-9]{{2}}{_MONTH_AND_DAY}[0-9]{{3}}[0-9X]")
_OLD_ID_CARD: Final = re.compile(rf"[1-8][0-9]{{5}}[0-9]{{2}}{_MONTH_AND_DAY}[0-9]{{3}}")
_SERVICE: Final = re.compile(r"1[0-2][0-9]|12[0-9]{3}|100[0-9]{2}|95[0-9]{3}|96[0-9]{3,4}")
_YEAR: Final = re.compile(r"(?:19|20)[0-9]{2}")


def is_mobile(digits: str) -> bool:
    """Say whether digits are a mobile number, with or without the country's code."""
    return _MOBILE.fullmatch(digits) is not None


def is_service(digits: str) -> bool:
    """Say whether digits are a service number: 110, 12315, 10086, 95588."""
    return _SERVICE.fullmatch(digits) is not None


def is_public(digits: str) -> bool:
    """Say whether digits are a service number or a year."""
    return is_service(digits) or _YEAR.fullmatch(digits) is not None


def shape(groups: Sequence[str], is_loose: bool) -> Kind | None:
    """Return what groups of digits are together; None if they have no shape of their own.

    `is_loose`: they stand further apart than one number's groups do in writing, so only a shape
    that a list of prices can hardly have counts.
    """
    digits = "".join(groups)
    # from another city a mobile number has a 0 before it
    if is_mobile(digits) or (not is_loose and is_mobile(digits.removeprefix("0"))):
        return "PHONE"
    if _LANDLINE.fullmatch(digits):
        return "PHONE"
    if _HOTLINE.fullmatch(digits):
        # 400, 800, 1200: round numbers are prices
        is_list = is_loose and all(group.endswith("0") for group in groups)
        return None if is_list else "PHONE"
    if _ID_CARD.fullmatch(digits) or (not is_loose and _OLD_ID_CARD.fullmatch(digits)):
        return "ID"
    if 16 <= len(digits) <= LONGEST and digits[0] in "3456":
        in_fours = not is_loose and len(groups) > 1 and {len(group) for group in groups[:-1]} == {4}
        return "CARD" if in_fours or luhn(digits) == 0 else None
    if 13 <= len(digits) <= LONGEST and not is_loose and luhn(digits) == 0:
        return "CARD"
    return None


def luhn(digits: str) -> int:
    """Return the Luhn sum, modulo 10; 0 for a bank card's number."""
    if not digits.isdecimal():
        return 1
    odd, even = digits[-1::-2], digits[-2::-2]
    return (sum(map(int, odd)) + sum(sum(divmod(2 * int(digit), 10)) for digit in even)) % 10
