"""How customers were helped: measures of support tickets.

Belongs here: tickets, their solution and rating. Must not: activity and deals; what stands for a
customer without tickets (see `measures`).

A resolution after the as-of date has not happened: the ticket is open, and what else its row may
have learnt by then (rating, hours, missed SLA) is not known.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from cs_assets.health.measures_windows import KEY, seen

TICKET_DAYS: Final = 90
RATING_DAYS: Final = 180
_HOUR_UNITS: Final = 10_000


def ticket_measures(support: ir.Table, as_ofs: ir.Table) -> ir.Table:
    """Return a row per `KEY` with tickets, from `support_raw`.

    Columns: tickets, urgent_tickets, open_tickets, resolution_hours, csat, sla_breaches,
    is_sla_known (a ticket's SLA is known to be kept or missed), oldest_urgent_open_days.
    """
    rows = _as_known(support, as_ofs)
    is_new = rows.age < TICKET_DAYS
    is_urgent = rows.priority == "urgent"
    is_solved = rows.solved_age.notnull()
    is_rated = is_solved & (rows.solved_age < RATING_DAYS)
    hours = ~is_solved | (rows.solved_age < TICKET_DAYS)
    is_miss_known = rows.is_sla_missed.notnull() & ~rows.is_rewritten
    sums = rows.group_by(KEY).agg(
        tickets=rows.count(where=is_new),
        urgent_tickets=rows.count(where=is_new & is_urgent),
        open_tickets=rows.count(where=~is_solved),
        hour_units=rows.hour_units.median(where=hours),
        ratings=rows.satisfaction_score.count(where=is_rated),
        rating_sum=rows.satisfaction_score.sum(where=is_rated),
        sla_breaches=rows.count(where=is_new & is_miss_known & rows.is_sla_missed),
        is_sla_known=is_miss_known.any(),
        oldest_urgent_open_days=rows.age.max(where=is_urgent & ~is_solved),
    )
    return sums.mutate(
        resolution_hours=sums.hour_units / _HOUR_UNITS,
        csat=sums.rating_sum / sums.ratings.nullif(0),
    ).drop("hour_units", "ratings", "rating_sum")


def sla_sources(tickets: ir.Table) -> ir.Table:
    """Return tenant_id and as_of for which `ticket_measures` know any ticket's SLA."""
    return tickets.filter(tickets.is_sla_known).select("tenant_id", "as_of").distinct()


def _as_known(support: ir.Table, as_ofs: ir.Table) -> ir.Table:
    """Add what each ticket was at as_of.

    age, solved_age: days since creation and solution (null: open); hour_units: ten-thousandths
    of hours to the solution, or until as_of; is_rewritten: the row is known from after as_of.
    """
    rows = seen(support, "created_date", as_ofs)
    is_solved = (rows.resolved_date <= rows.as_of).fill_null(False)
    solved_on = ibis.ifelse(is_solved, rows.resolved_date, ibis.null("date"))
    day_units = 24 * _HOUR_UNITS
    told = (rows.resolution_hours * _HOUR_UNITS).cast("int64")
    counted = rows.resolved_date.delta(rows.created_date, unit="day") * day_units
    age = rows.as_of.delta(rows.created_date, unit="day")
    return rows.mutate(
        age=age,
        solved_age=rows.as_of.delta(solved_on, unit="day"),
        hour_units=ibis.ifelse(is_solved, told.fill_null(counted), age * day_units),
        is_rewritten=(rows.resolved_date > rows.as_of).fill_null(False),
    )
