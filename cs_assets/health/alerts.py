"""Alerts: the rules that hold on a day, and the unbroken runs of days on which they hold.

Belongs here: conditions, runs, messages. Must not: measures, scores, which rules there are.

An alert is no record that somebody opens and closes, but a run of days: whoever makes a day again
corrects every alert that the day is part of.
"""

from collections.abc import Iterable

import ibis
import ibis.expr.types as ir

from cs_assets.health.alert_contracts import RISK_ALERT, RISK_SIGNALS
from cs_assets.health.alert_rules import AlertRule, AlertRules, Condition

_SHOWN_DECIMALS = 2
_ALERT = ("tenant_id", "customer_id", "rule")


def signals(customers: ir.Table, rules: AlertRules) -> ir.Table:
    """Return the rules that hold, in the columns of `risk_signals`.

    `customers` has one row per `signal_date` and customer, with `owner` and everything that rules
    may name (`alert_rules.COLUMNS`).
    """
    found = (_signals_of(customers, rule) for rule in rules.rules)
    return ibis.union(*found, distinct=False)


def _signals_of(customers: ir.Table, rule: AlertRule) -> ir.Table:
    holds = ibis.or_(*(_holds(customers, condition) for condition in rule.any))
    evidence = ibis.struct({name: customers[name] for name in rule.evidence})
    return (
        customers.filter(holds)
        .mutate(
            rule=ibis.literal(rule.id),
            severity=ibis.literal(rule.severity),
            evidence=evidence.cast("json").cast("string"),
            **{
                f"message_{locale}": _said(customers, text, rule.evidence)
                for locale, text in rule.message.items()
            },
        )
        .select(*RISK_SIGNALS.column_names)
    )


def _holds(customers: ir.Table, condition: Condition) -> ir.BooleanValue:
    value = customers[condition.column]
    if condition.equals:
        return value.isin(condition.equals)
    kept = []
    if condition.at_least is not None:
        kept.append(value >= condition.at_least)
    if condition.at_most is not None:
        kept.append(value <= condition.at_most)
    if condition.above is not None:
        kept.append(value > condition.above)
    if condition.below is not None:
        kept.append(value < condition.below)
    return ibis.and_(*kept)


def _said(customers: ir.Table, text: str, named: Iterable[str]) -> ir.StringValue:
    """Fill the values into a text; what is unknown shows as a question mark."""
    said: ir.StringValue = ibis.literal(text)
    for name in named:
        value = customers[name]
        shown = value.round(_SHOWN_DECIMALS) if value.type().is_floating() else value
        said = said.replace(f"{{{name}}}", shown.cast("string").fill_null("?"))
    return said


def open_alerts(signals: ir.Table, periods: ir.Table) -> ir.Table:
    """Return the alerts open at the periods' as-of dates, in the columns of `risk_alert`.

    `signals` holds all days of history up to the last as-of date; `periods` one row per period
    with the period columns.
    """
    own = ibis.cumulative_window(group_by=_ALERT, order_by="signal_date")
    day = signals.signal_date
    is_first = (day.lag().over(own) != day - ibis.interval(days=1)).fill_null(True)
    runs = signals.mutate(began=ibis.ifelse(is_first, day, ibis.null("date")))
    runs = runs.mutate(first_seen=runs.began.max().over(own))
    alerts = runs.inner_join(periods, runs.signal_date == periods.as_of)
    identity = ibis.literal("|").join(
        [alerts.tenant_id, alerts.customer_id, alerts.rule, alerts.first_seen.cast("string")]
    )
    return alerts.mutate(
        alert_id=identity.hexdigest("md5"),
        last_seen=alerts.as_of,
    ).select(*RISK_ALERT.column_names)
