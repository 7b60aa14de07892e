"""Landed text as values: what counts as a date, a number, a flag.

Belongs here: the forms of values, the same in every source. Must not: which values a column may
have (see `rules`). Each function takes text and returns null where it cannot be read.
"""

import ibis
import ibis.expr.types as ir

_DAY = r"^(\d{4}-\d{1,2}-\d{1,2}|\d{4}/\d{1,2}/\d{1,2})([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)?$"
_WHOLE = r"^[+-]?\d+(\.0*)?$"
_NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)$"
_YES, _NO = ("true", "yes", "1", "是"), ("false", "no", "0", "否")


def cleaned(text: ir.Value) -> ir.StringValue:
    """Return the text without blanks around it; null if nothing is left."""
    return text.strip().nullif("")


def day(text: ir.Value) -> ir.DateValue:
    """Read `2025-11-24` or `2025/11/24`, also with a local time of day after it."""
    return text.re_extract(_DAY, 1).replace("/", "-").try_cast("date")


def whole(text: ir.Value) -> ir.IntegerValue:
    """Read a whole number; a spreadsheet's `12.0` is one."""
    return ibis.ifelse(text.re_search(_WHOLE), text, ibis.null("string")).try_cast("int64")


def number(text: ir.Value, dtype: str) -> ir.DecimalValue:
    """Read a number, without thousands separators, rounded to the decimals of `dtype`."""
    return ibis.ifelse(text.re_search(_NUMBER), text, ibis.null("string")).try_cast(dtype)


def flag(text: ir.Value) -> ir.BooleanValue:
    """Read yes or no."""
    said = text.lower()
    return ibis.cases((said.isin(_YES), True), (said.isin(_NO), False))
