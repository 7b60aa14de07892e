"""Which facts count as of a date: trailing windows, and everything up to it.

Belongs here: the days of windows, joined to facts by equality. Must not: what is counted.

Facts meet as-of dates through a small table of days, so that the large table is only streamed
past a hash table; a join by range would sort it.
"""

import ibis
import ibis.expr.types as ir

KEY = ("tenant_id", "customer_id", "as_of")
"""One customer as of one date."""


def as_date(moved: ir.DateValue) -> ir.DateValue:
    """Return a date plus or minus an interval as a date.

    DuckDB makes a timestamp of it, which Ibis takes for a date and does not cast.
    """
    return moved.cast("timestamp").cast("date")


def in_window(facts: ir.Table, day: str, as_ofs: ir.Table, days: int) -> ir.Table:
    """Return the facts of the `days` days that end with each as-of date.

    `day` names the facts' date. Adds `as_of` and `age`, days before it (0 .. days - 1).
    """
    ages = as_ofs.select("as_of", age=ibis.range(0, days).unnest())
    window = ages.mutate(window_day=as_date(ages.as_of - ages.age.as_interval("D")))
    return facts.inner_join(window, facts[day] == window.window_day).drop("window_day")


def seen(facts: ir.Table, day: str, as_ofs: ir.Table) -> ir.Table:
    """Return each as-of date's facts of all days up to it. Adds `as_of`."""
    return _paired(facts, day, _days(facts, day, as_ofs))


def first_seen(facts: ir.Table, day: str, as_ofs: ir.Table) -> ir.Table:
    """Return each fact once, with the first as-of date that sees it. Adds `first_as_of`.

    Facts after the last as-of date are left out.
    """
    days = _days(facts, day, as_ofs)
    return _paired(facts, day, days.group_by("seen_day").agg(first_as_of=days.as_of.min()))


def seen_later(sums: ir.Table, as_ofs: ir.Table) -> ir.Table:
    """Return each row of `first_as_of` for every as-of date from that one on. Adds `as_of`."""
    first = as_ofs.select(seen_first=as_ofs.as_of)
    pairs = first.inner_join(as_ofs, first.seen_first <= as_ofs.as_of)
    return sums.inner_join(pairs, sums.first_as_of == pairs.seen_first).drop("seen_first")


def _days(facts: ir.Table, day: str, as_ofs: ir.Table) -> ir.Table:
    """Each day that has facts, with every as-of date that sees it."""
    days = facts.select(seen_day=facts[day]).distinct()
    return days.inner_join(as_ofs, days.seen_day <= as_ofs.as_of)


def _paired(facts: ir.Table, day: str, days: ir.Table) -> ir.Table:
    return facts.inner_join(days, facts[day] == days.seen_day).drop("seen_day")
