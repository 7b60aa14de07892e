"""What customers did: measures of activity.

Belongs here: recent use, adoption of features, onboarding, the last login. Must not: tickets and
deals; what stands for a customer without rows (see `measures`).

Every function takes `activity_raw` and as-of dates, and returns a row per `KEY` that has facts.
Sums are taken on whole numbers, usage depth in millionths; the division comes last.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from cs_assets.health.features import Features
from cs_assets.health.measures_windows import KEY, first_seen, in_window, seen_later

RECENT_DAYS: Final = 28
ADOPTION_DAYS: Final = 90
_DEPTH_UNITS: Final = 1_000_000
_CUSTOMER: Final = ("tenant_id", "customer_id")


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def bit_count(bits: int) -> int:  # type: ignore[empty-body]
    """Count the bits that are set."""


def recent_use(activity: ir.Table, as_ofs: ir.Table) -> ir.Table:
    """Columns: login_days, uses (rows of feature_use), depth (null if no use has one),
    engaged_events.
    """
    kinds = activity.filter(
        activity.activity_type.isin(("login", "feature_use", "training", "feedback"))
    )
    rows = in_window(kinds, "activity_date", as_ofs, RECENT_DAYS)
    is_use = rows.activity_type == "feature_use"
    # a bit per day: distinct days of a million customers without a set for each
    day = ibis.literal(1, "int64") << rows.age
    sums = rows.group_by(KEY).agg(
        login_bits=day.bit_or(where=rows.activity_type == "login"),
        uses=rows.count(where=is_use),
        depths=rows.usage_depth.count(where=is_use),
        depth_units=(rows.usage_depth * _DEPTH_UNITS).cast("int64").sum(where=is_use),
        engaged_events=rows.count(where=rows.activity_type.isin(("training", "feedback"))),
    )
    return sums.select(
        *KEY,
        "uses",
        "engaged_events",
        login_days=bit_count(sums.login_bits.fill_null(0)).cast("int64"),
        depth=sums.depth_units / (sums.depths * _DEPTH_UNITS).nullif(0),
    )


def adoption(activity: ir.Table, as_ofs: ir.Table, features: Features) -> ir.Table:
    """Columns `<tier>_used`: distinct features of the tier in the window."""
    known = [name for names in features.tiers.values() for name in names]
    uses = activity.filter(
        activity.activity_type.isin(("feature_use", "api_call")), activity.feature_name.isin(known)
    )
    rows = in_window(uses, "activity_date", as_ofs, ADOPTION_DAYS)
    used = rows.group_by(KEY).agg(
        **{f"feature_{n}": (rows.feature_name == name).any() for n, name in enumerate(known)}
    )
    zero = ibis.literal(0, "int64")
    return used.select(
        *KEY,
        **{
            f"{tier}_used": sum(
                (used[f"feature_{known.index(name)}"].cast("int64") for name in names), zero
            )
            for tier, names in features.tiers.items()
        },
    )


def onboarding(activity: ir.Table, as_ofs: ir.Table) -> ir.Table:
    """Columns: onboarding_steps, distinct steps ever taken; steps without a name are none."""
    rows = first_seen(
        activity.filter(activity.activity_type == "onboarding"), "activity_date", as_ofs
    )
    steps = rows.group_by(*_CUSTOMER, "feature_name").agg(first_as_of=rows.first_as_of.min())
    taken = seen_later(steps, as_ofs)
    return taken.group_by(KEY).agg(onboarding_steps=taken.feature_name.count())


def last_login(activity: ir.Table, as_ofs: ir.Table) -> ir.Table:
    """Columns: last_login, a date."""
    rows = first_seen(activity.filter(activity.activity_type == "login"), "activity_date", as_ofs)
    # one row per customer and as-of date before they are compared with the later ones
    newest = rows.group_by(*_CUSTOMER, "first_as_of").agg(last_login=rows.activity_date.max())
    known = seen_later(newest, as_ofs)
    return known.group_by(KEY).agg(last_login=known.last_login.max())
