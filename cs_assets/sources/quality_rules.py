"""What is asked of the landed rows of each source.

Belongs here: fields that should be filled, reasons by dimension, dates in order, as data. Must not:
counting (see `quality`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import ibis.expr.types as ir

from cs_assets.sources import rules
from cs_assets.sources.judging import SourceRules
from cs_assets.sources.values import cleaned, day

Rows = Callable[[ir.Table], ir.BooleanValue]
INCONSISTENT = ("unknown_customer", "repeated_customer")
"""Reasons that are about other rows; all others are about a field."""
CONTRADICTORY = "contradictory"
"""Rows of a quarantine whose two dates are readable, and in the wrong order."""


@dataclass(frozen=True)
class Dates:
    """`later` must not lie before the row's day; `reason` sets rows aside where it does."""

    later: str
    reason: str | None = None


@dataclass(frozen=True)
class Questions:
    """What is asked of a source's rows.

    `filled` maps fields to the rows that should have them (None: all).
    """

    rules: SourceRules
    filled: Mapping[str, Rows | None]
    dates: Dates | None = None

    @property
    def name(self) -> str:
        """The source's name."""
        return self.rules.source.name


def _is_one_of(column: str, *values: str) -> Rows:
    return lambda rows: rows[column].isin(values)


def _is_resolved(rows: ir.Table) -> ir.BooleanValue:
    return rows.resolved_date.notnull()


_RUNNING = _is_one_of("deal_stage", "won", "renewed")
_OF_FEATURES = _is_one_of("activity_type", "feature_use", "api_call", "onboarding")

QUESTIONS = (
    Questions(
        rules.CUSTOMERS,
        dict.fromkeys(("name", "industry", "company_size", "nps_score")),
    ),
    Questions(
        rules.SALES,
        {"account_manager": None, "product_type": None, "renewal_date": _RUNNING},
        Dates("renewal_date"),
    ),
    Questions(
        rules.SUPPORT,
        {
            "category": None,
            "agent_id": _is_resolved,
            "resolution_hours": _is_resolved,
            "satisfaction_score": _is_resolved,
        },
        Dates("resolved_date", "bad_resolved_date"),
    ),
    Questions(
        rules.ACTIVITY,
        {
            "user_count": None,
            "feature_name": _OF_FEATURES,
            "usage_depth": _is_one_of("activity_type", "feature_use"),
            "session_minutes": _is_one_of("activity_type", "login", "feature_use"),
        },
    ),
)
BY_NAME = {own.name: own for own in QUESTIONS}


def is_contradictory(own: Questions, quarantine: ir.Table) -> ir.BooleanValue:
    """Tell which quarantined rows have readable dates in the wrong order."""
    dates = own.dates
    if dates is None or dates.reason is None:
        return quarantine.reason.isnull()
    said = quarantine.record.cast("json")[dates.later].str
    is_before = day(cleaned(said)) < quarantine[own.rules.day]
    return (quarantine.reason == dates.reason) & is_before.fill_null(False)
