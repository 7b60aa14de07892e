"""Replays: past periods under another scorecard, and how that differs from what was published.

Belongs here: differences of scores, grades and alerts between two scorecards. Must not: scores
(see `scoring`), alerts (see `alerts`), reading, publishing.
"""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from cs_assets.health.alert_rules import CHANGES, SCORES, AlertRules
from cs_assets.health.alerts import signals
from cs_assets.health.contracts import OF_A_CUSTOMER
from cs_assets.health.health import health
from cs_assets.health.rated import dated
from cs_assets.health.replay_contracts import HEALTH_REPLAY
from cs_assets.health.score_change import change_ledger
from cs_assets.health.score_contracts import CUSTOMER_HEALTH
from cs_assets.health.scorecard import Scorecard
from cs_assets.health.scoring import contributions, scores
from cs_assets.health.trend import changes, difference

SIDES = ("opens", "ends")
"""What becomes of an alert under the candidate."""
_MILLIONTHS = 1_000_000
_PERIOD = ("period_type", "period_key")


def replayed(now: ir.Table, before: ir.Table, card: Scorecard) -> ir.Table:
    """Return the columns of `customer_health_replay`.

    `now` has the measures at the as-of dates, `before` those at earlier days (`basis`).
    """
    scored = health([(card, scores(now, card))])
    moved = changes(scored, health([(card, scores(before, card))]))
    return moved.select(*HEALTH_REPLAY.column_names)


def compared(replay: ir.Table, again: ir.Table, published: ir.Table) -> ir.Table:
    """Put the candidate's scores beside the published ones, one row per customer and period.

    All three have the columns of `customer_health`, of one scorecard each; `again` are the scores
    that the scorecard in use gives now. Columns: the key, `was`, `now`, `again` (overall),
    `grade_was`, `grade_now`, `gap` (now - was in millionths; null: no score on a side), `is_stale`:
    the row was published from other measures or by another state of the scorecard. Customers that
    only one side has are there with nulls on the other.
    """
    sides = {"was": published, "now": replay, "again": again}
    rows = ibis.union(
        *(
            side.select(*OF_A_CUSTOMER, "overall", "grade", side=ibis.literal(name))
            for name, side in sides.items()
        )
    )
    # a customer's row of each side into one: a full join of three tables, in one pass
    is_of = {name: rows.side == name for name in sides}
    beside = rows.group_by(OF_A_CUSTOMER).agg(
        **{name: rows.overall.max(where=own) for name, own in is_of.items()},
        **{f"grade_{name}": rows.grade.max(where=own) for name, own in is_of.items()},
        **{f"in_{name}": own.any() for name, own in is_of.items()},
    )
    moved = difference(beside.now, beside.was) * _MILLIONTHS
    is_same = beside.was.identical_to(beside.again) & (beside.in_was == beside.in_again)
    is_same &= beside.grade_was.identical_to(beside.grade_again)
    return beside.mutate(gap=moved.round().cast("int64"), is_stale=~is_same).drop(
        "in_was", "in_now", "in_again", "grade_again"
    )


def period_counts(rows: ir.Table) -> ir.Table:
    """Count by period, of what `compared` returns: whose score, and whose grade, would differ.

    `gap` is the sum over customers with both scores (`both`), in millionths.
    """
    is_regraded = ~rows.grade_was.identical_to(rows.grade_now)
    return rows.group_by(_PERIOD).agg(
        customers=rows.count(),
        both=rows.gap.count(),
        rescored=rows.count(where=~rows.was.identical_to(rows.now)),
        regraded=rows.count(where=is_regraded),
        gap=rows.gap.sum().fill_null(0).cast("int64"),
        stale=rows.count(where=rows.is_stale),
    )


def grade_counts(rows: ir.Table) -> ir.Table:
    """Count customers by period, published grade and the candidate's grade."""
    return rows.group_by([*_PERIOD, "grade_was", "grade_now"]).agg(customers=rows.count())


def largest(rows: ir.Table, count: int) -> ir.Table:
    """Return the rows that differ most, of each customer the period in which it does."""
    size = rows.gap.abs()
    order = [size.desc(), rows.period_key.desc(), rows.period_type.asc()]
    own = ibis.window(group_by=["tenant_id", "customer_id"], order_by=order)
    ranked = rows.filter(rows.gap != 0).mutate(place=ibis.row_number().over(own))
    first = ranked.filter(ranked.place == 0).drop("place")
    order = [first.gap.abs().desc(), first.tenant_id.asc(), first.customer_id.asc()]
    return first.order_by(order).limit(count)


def reasons(now: ir.Table, old: Scorecard, new: Scorecard) -> ir.Table:
    """Return what of the difference comes from thresholds, and what from weights.

    The ledger of changes (`score_change`) between two scorecards over the same measures.
    """
    return change_ledger(now, now, old, new, key=OF_A_CUSTOMER)


def dimensions(now: ir.Table, old: Scorecard, new: Scorecard) -> ir.Table:
    """Return what each dimension contributes under either scorecard, 0..1; null: nothing."""
    return ibis.union(
        *(_contributed(now, card, side) for side, card in (("was", old), ("now", new)))
    )


def _contributed(now: ir.Table, card: Scorecard, side: str) -> ir.Table:
    scored = scores(now, card)
    parts = contributions(scored, card)
    return ibis.union(
        *(
            scored.select(
                *OF_A_CUSTOMER,
                side=ibis.literal(side),
                dimension=ibis.literal(name),
                contribution=part,
            )
            for name, part in parts.items()
        )
    )


def holding(now: ir.Table, replay: ir.Table, rules: AlertRules) -> ir.Table:
    """Return the rules that hold at the as-of dates of one grain: the customer's key and `rule`.

    `replay` has the scores of the scorecard that the rules look at, as `replayed` gives them.
    """
    named = [*SCORES, *CHANGES]
    rows = dated(now.inner_join(replay.select(*OF_A_CUSTOMER, *named), OF_A_CUSTOMER))
    found = signals(rows.mutate(owner=ibis.null("string")), rules)
    periods = now.select(*_PERIOD, signal_date="as_of").distinct()
    return found.inner_join(periods, "signal_date").select(*OF_A_CUSTOMER, "rule")


def alert_changes(was: ir.Table, now: ir.Table) -> ir.Table:
    """Return the alerts that open or end under the candidate: columns of `holding`, `side`."""
    opens, ends = SIDES
    own = [*OF_A_CUSTOMER, "rule"]
    return ibis.union(
        now.anti_join(was, own).mutate(side=ibis.literal(opens)),
        was.anti_join(now, own).mutate(side=ibis.literal(ends)),
    )


def alert_counts(changes: ir.Table) -> ir.Table:
    """Count what `alert_changes` returns by period, rule and side."""
    return changes.group_by([*_PERIOD, "rule", "side"]).agg(alerts=changes.count())


def of_card(
    rows: ir.Table, card: str, columns: Sequence[str] = CUSTOMER_HEALTH.column_names
) -> ir.Table:
    """Return the scores of one scorecard."""
    return rows.filter(rows.scorecard == card).select(*columns)
