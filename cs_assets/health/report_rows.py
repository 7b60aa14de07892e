"""The rows behind the report's files: one per customer, history or alert, nested as in the files.

Belongs here: putting marts together, order, words in the reader's language. Must not: text of
files (see `report_texts`), scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from cs_assets.calendar import Period, period_from_partition
from cs_assets.contracts import Contract
from cs_assets.health.advice_contracts import KINDS
from cs_assets.health.alert_rules import SEVERITIES
from cs_assets.health.contracts import OF_A_CARD, OF_A_CUSTOMER
from cs_assets.health.scorecard import Scorecard

PLACE = ("tenant_id", "period_key")
"""What tells whose file an entry belongs to."""
HISTORY_PERIODS = 12
"""How many periods before its own a history tells at most."""
HISTORY_COLUMNS = (*OF_A_CARD, "as_of", "overall", "grade")
_FORECAST = "forecast_30d"


@dataclass(frozen=True)
class ReportRules:
    """Of which scorecard a report is, its language, the landed sources that there are besides
    customers, and the tenant that has a report even when there is no customer.
    """

    card: Scorecard
    locale: str
    sources: tuple[str, ...]
    tenant_id: str

    @property
    def grades(self) -> list[str]:
        """The scorecard's grades, best first."""
        return [grade.name for grade in sorted(self.card.grades, key=lambda own: -own.from_)]

    @property
    def fingerprint(self) -> str:
        """All of it as one text."""
        sources = ",".join(self.sources)
        return f"{self.card.fingerprint}/{self.locale}/{sources}/{self.tenant_id}"


def customer_rows(
    scores: ir.Table,
    health_trend: ir.Table,
    recommendations: ir.Table,
    risk_alerts: ir.Table,
    customers_raw: ir.Table,
    rules: ReportRules,
) -> ir.Table:
    """Return PLACE and the fields of `CustomerEntry` but `calculated_at`, one row per customer.

    `scores` are those of all scorecards, `customers_raw` holds the landed snapshots, of which those
    of the as-of dates name the customers.
    """
    card = rules.card
    scored = scores.filter(scores.scorecard == card.name)
    days = scored.select("as_of").distinct()
    named = customers_raw.semi_join(days, customers_raw.snapshot_date == days.as_of)
    rows = scored.left_join(
        named.select("tenant_id", "customer_id", "name", as_of="snapshot_date"),
        ["tenant_id", "customer_id", "as_of"],
        rname="{name}_named",
    )
    for more in (
        _trend_of(health_trend, card),
        _alerts_of(risk_alerts, rules.locale),
        _advice_of(recommendations, card, rules.locale),
    ):
        rows = rows.left_join(more, list(OF_A_CUSTOMER), rname="{name}_more").drop(
            *(f"{name}_more" for name in OF_A_CUSTOMER)
        )
    # the order of the scorecard, whatever order the JSON in the table has
    score_of = rows.dimension_scores.cast("json")
    breakdown = ibis.struct({name: score_of[name].float for name in card.dimensions})
    return rows.select(
        *PLACE,
        "customer_id",
        customer_name=rows["name"],
        health_score=rows.overall,
        health_grade=rows.grade,
        risk_level=rows.risk_level,
        score_breakdown=breakdown,
        trend=rows.trend,
        alerts=rows.alerts,
        recommendations=rows.recommendations,
        data_sources=ibis.literal(list(rules.sources), type="array<string>"),
    )


def _trend_of(trends: ir.Table, card: Scorecard) -> ir.Table:
    own = trends.filter(trends.scorecard == card.name)
    forecast = own[_FORECAST] if _FORECAST in own.columns else ibis.null("float64")
    told = {"direction": own.direction, "change_30d": own.change_30d, _FORECAST: forecast}
    return own.select(*OF_A_CUSTOMER, trend=ibis.struct(told))


def _alerts_of(alerts: ir.Table, locale: str) -> ir.Table:
    said = ibis.struct(
        {
            "alert_id": alerts.alert_id,
            "rule": alerts["rule"],
            "severity": alerts.severity,
            "message": alerts[f"message_{locale}"],
            "first_seen": alerts.first_seen,
            "last_seen": alerts.last_seen,
        }
    )
    worst_first = [_place(alerts.severity, SEVERITIES), alerts["rule"]]
    return alerts.group_by(OF_A_CUSTOMER).agg(alerts=said.collect(order_by=worst_first))


def _advice_of(recommendations: ir.Table, card: Scorecard, locale: str) -> ir.Table:
    own = recommendations.filter(recommendations.scorecard == card.name)
    said = ibis.struct(
        {
            "action": own.action,
            "kind": own.kind,
            "dimension": own.dimension,
            "text": own[f"text_{locale}"],
            "score_to_win": own.score_to_win,
        }
    )
    order = [_place(own.kind, KINDS), own["rank"]]
    return own.group_by(OF_A_CUSTOMER).agg(recommendations=said.collect(order_by=order))


def history_rows(scores: ir.Table, contract: Contract, partitions: Sequence[str]) -> ir.Table:
    """Return PLACE and the fields of `ScoreHistory`, one row per customer and scorecard.

    `scores` holds HISTORY_COLUMNS of the partitions and of the periods before them.
    """
    if contract.grain is None:
        raise ValueError(f"{contract.asset_name} has no periods")
    pairs = [
        {"report_key": own.key, "period_key": told.key}
        for own in (period_from_partition(contract.grain, key) for key in partitions)
        for told in _with_earlier(own)
    ]
    wanted = ibis.memtable(pairs, schema={"report_key": "string", "period_key": "string"})
    told = scores.inner_join(wanted, "period_key")
    point = ibis.struct(
        {
            "period_key": told.period_key,
            "as_of": told.as_of,
            "score": told.overall,
            "grade": told.grade,
        }
    )
    of = ["tenant_id", "report_key", "customer_id", "scorecard"]
    histories = told.group_by(of).agg(
        history=point.collect(order_by="as_of"),
        is_there=(told.period_key == told.report_key).any(),
    )
    # who is no customer any more is in no report
    return histories.filter("is_there").select(
        "tenant_id", "customer_id", "scorecard", "history", period_key="report_key"
    )


def _with_earlier(period: Period) -> list[Period]:
    periods = [period]
    for _ in range(HISTORY_PERIODS):
        periods.append(periods[-1].previous())
    return periods


def alert_rows(alerts: ir.Table, locale: str) -> ir.Table:
    """Return PLACE and the fields of `AlertEntry`, one row per alert."""
    return alerts.select(
        *PLACE,
        "alert_id",
        "customer_id",
        "rule",
        "severity",
        "evidence",
        "first_seen",
        "last_seen",
        "owner",
        message=f"message_{locale}",
    )


def _place(value: ir.StringValue, order: Sequence[str]) -> ir.IntegerValue:
    return ibis.cases(*((value == word, number) for number, word in enumerate(order)), else_=99)
