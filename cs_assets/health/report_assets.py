"""The customer-success report as Dagster assets by period.

Belongs here: inputs, totals, figures, which version readers are shown. Must not: rows, text (see
`report_rows`, `report_texts`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import dagster as dg
import ibis.expr.types as ir
import pandas as pd
import sqlalchemy as sa

from cs_assets.calendar import Calendar, Grain, period_from_partition
from cs_assets.contracts import Contract
from cs_assets.health.advice_contracts import RECOMMENDATION
from cs_assets.health.alert_contracts import RISK_ALERT
from cs_assets.health.forecast_contracts import EVERY_TYPE, FORECAST_ACCURACY
from cs_assets.health.report_contracts import CUSTOMER_SUCCESS_REPORT
from cs_assets.health.report_pictures import PERIODS, distribution_picture
from cs_assets.health.report_rows import (
    HISTORY_COLUMNS,
    HISTORY_PERIODS,
    ReportRules,
    alert_rows,
    customer_rows,
    history_rows,
)
from cs_assets.health.report_writing import (
    Entries,
    Owner,
    keep_versions,
    place_of,
    report_table,
    write_reports,
)
from cs_assets.health.score_contracts import CUSTOMER_HEALTH, HEALTH_TREND
from cs_assets.periods import COLUMNS
from cs_assets.results import ExpectedTotal, Result
from cs_assets.sources.contracts import CUSTOMERS_RAW
from cs_assets.steps import counts_by_partition, nothing_loaded, step_periods, zeros
from cs_assets.table_assets import days, same, table_asset, with_earlier
from cs_resources.io_managers import to_pandas
from cs_resources.storage import Storage

_BATCH = 2_000
_MADE_OF = (CUSTOMER_HEALTH, HEALTH_TREND, RECOMMENDATION, RISK_ALERT)


def report_asset(
    calendar: Calendar, grain: Grain, facts: Sequence[Contract], rules: ReportRules
) -> dg.AssetsDefinition:
    """Return the report of a grain; `facts` are those that health is made of."""
    contract, health = CUSTOMER_SUCCESS_REPORT.for_grain(grain), CUSTOMER_HEALTH.for_grain(grain)

    @table_asset(
        contract,
        partitions=calendar.partitions(grain),
        ins={
            "customer_health": with_earlier(health, calendar, HISTORY_PERIODS, HISTORY_COLUMNS),
            "health_trend": same(HEALTH_TREND.for_grain(grain)),
            "recommendations": same(RECOMMENDATION.for_grain(grain)),
            "risk_alerts": same(RISK_ALERT.for_grain(grain)),
            "forecast_accuracy": same(FORECAST_ACCURACY.for_grain(grain)),
            "customers_raw": days(CUSTOMERS_RAW, calendar.days_of_period()),
        },
        configuration=rules.fingerprint,
    )
    def customer_success_report_of_period(
        context: dg.AssetExecutionContext,
        customer_health: ir.Table,
        forecast_accuracy: ir.Table,
        **tables: ir.Table,
    ) -> Result:
        """Write the three JSON files of each period from what health has published.

        Readers are shown the new files all at once, when the warehouse has taken note of them.
        """
        storage: Storage = context.resources.storage
        # in whole only of the periods themselves
        scores = storage.read(health, context.partition_keys)
        loaded = step_periods(context, grain, *facts)
        entries = Entries(
            customers=_in_order(storage, customer_rows(scores, **tables, rules=rules)),
            histories=_in_order(
                storage, history_rows(customer_health, contract, context.partition_keys)
            ),
            alerts=_in_order(storage, alert_rows(tables["risk_alerts"], rules.locale)),
        )
        periods = {item.period.key: item.columns for item in loaded} | _periods(scores)
        forecasts = _forecasts(forecast_accuracy, rules)
        table = _written(storage, contract, entries, periods, forecasts, rules)
        return Result(
            table,
            totals=_totals(context, scores, tables["risk_alerts"], contract, rules),
            figures=_figures(storage, contract, table),
            refused=nothing_loaded(context, loaded),
            picture=distribution_picture(pd.concat([_before(context, contract), table])),
            published=lambda keys: show(storage, contract, keys),
        )

    return customer_success_report_of_period


def show(storage: Storage, contract: Contract, partitions: Sequence[str]) -> None:
    """Show readers the files that the warehouse names now, whoever published them."""
    for key in partitions:
        place = place_of(contract, str(contract.partition_value(key)))
        storage.reports.show(place, partial(published_version, storage, contract, key))


def published_version(storage: Storage, contract: Contract, partition: str) -> str:
    """Return the version of a published period's files."""
    table = storage.warehouse.table(contract)
    scope = storage.warehouse.tables.scope(contract, [partition])
    with storage.warehouse.engine.connect() as connection:
        found = connection.execute(sa.select(table.c.file_version).where(scope).distinct())
        return str(found.scalar_one())


def _in_order(storage: Storage, rows: ir.Table) -> Iterator[dict[str, Any]]:
    """Return rows in the order of files and entries, a batch at a time."""
    order = [name for name in ("tenant_id", "period_key", "customer_id") if name in rows.columns]
    order += [name for name in ("scorecard", "rule") if name in rows.columns]
    for batch in storage.stager.batches(storage.stager.kept(rows).order_by(order), _BATCH):
        yield from batch.to_pylist()


def _periods(scores: ir.Table) -> dict[str, Mapping[str, object]]:
    rows = scores.select(*COLUMNS).distinct().to_pyarrow().to_pylist()
    return {row["period_key"]: row for row in rows}


def _written(
    storage: Storage,
    contract: Contract,
    entries: Entries,
    periods: Mapping[str, Mapping[str, object]],
    forecasts: Mapping[Owner, Mapping[str, object]],
    rules: ReportRules,
) -> pd.DataFrame:
    """Write and keep the files, shown to nobody yet; return the rows that tell of them."""
    instants = _instants(storage, contract, periods)
    with storage.reports.incoming() as folder:
        reports = write_reports(folder, entries, instants, rules.grades)
        told = {owner.period_key for owner in reports}
        nobodys = [Owner(rules.tenant_id, key) for key in periods if key not in told]
        reports |= write_reports(folder, Entries(), instants, rules.grades, nobodys)
        versions = keep_versions(storage.reports, contract, folder, reports)
    common = {"scorecard": rules.card.name, "locale": rules.locale}
    return report_table(
        contract, periods, reports, versions, instants, rules.grades, forecasts, **common
    )


def _forecasts(accuracy: ir.Table, rules: ReportRules) -> dict[Owner, Mapping[str, object]]:
    """Say how good the forecasts were that were made for the periods, of all customers together."""
    own = accuracy.filter(
        accuracy.scorecard == rules.card.name, accuracy.customer_type == EVERY_TYPE
    )
    return {
        Owner(row["tenant_id"], row["period_key"]): {
            "forecast_beats_no_change": row["beats_no_change"],
            "forecast_mae": row["mae"],
            "forecast_mae_no_change": row["mae_no_change"],
        }
        for row in own.to_pyarrow().to_pylist()
    }


def _instants(
    storage: Storage, contract: Contract, periods: Mapping[str, object]
) -> dict[str, datetime]:
    """Map periods to the instant since which what their report is made of is as it is now.

    No clock is asked: as long as nothing changes, neither does this.
    """
    keys = {period: contract.partition_key(period) for period in periods}
    since = [
        storage.warehouse.known_from(made_of.for_grain(contract.grain), keys.values())
        for made_of in _MADE_OF
        if contract.grain
    ]
    return {
        period: max(instants[key] for instants in since).replace(microsecond=0)
        for period, key in keys.items()
    }


def _totals(
    context: dg.AssetExecutionContext,
    scores: ir.Table,
    alerts: ir.Table,
    contract: Contract,
    rules: ReportRules,
) -> tuple[ExpectedTotal, ...]:
    own = scores.filter(scores.scorecard == rules.card.name)
    expected = {
        "customers": ("every customer of the scorecard", own),
        "alerts": ("every open alert", alerts),
        "histories": ("a history of every score", scores),
    }
    return tuple(
        ExpectedTotal(name, zeros(context) | counts_by_partition(rows, contract), column)
        for column, (name, rows) in expected.items()
    )


def _figures(
    storage: Storage, contract: Contract, table: pd.DataFrame
) -> dict[str, dict[str, int | float | str]]:
    """Say where the files are, and what is in them, of all tenants together."""
    figures: dict[str, dict[str, int | float | str]] = {}
    for period, rows in table.groupby("period_key"):
        summed = rows[["customers", "scored_customers", "alerts", "bytes"]].sum()
        own: dict[str, int | float | str] = {str(n): int(value) for n, value in summed.items()}
        if len(rows) == 1:
            own |= _told(rows.iloc[0])
        for counts in rows["distribution"]:
            for grade, count in json.loads(counts).items():
                own[grade] = int(own.get(grade, 0)) + count
        own["files"] = str(storage.reports.path(place_of(contract, str(period))))
        figures[contract.partition_key(period)] = own
    return figures


def _told(report: "pd.Series[Any]") -> dict[str, float | str]:
    """Say the average, and plainly whether the forecasts were worth anything; unknown: nothing."""
    told: dict[str, float | str] = {
        name: float(report[name])
        for name in ("avg_health_score", "forecast_mae", "forecast_mae_no_change")
        if pd.notna(report[name])
    }
    if pd.notna(report["forecast_beats_no_change"]):
        told["forecast_beats_no_change"] = str(bool(report["forecast_beats_no_change"])).lower()
    return told


def _before(context: dg.AssetExecutionContext, contract: Contract) -> pd.DataFrame:
    storage: Storage = context.resources.storage
    if contract.grain is None:
        raise ValueError(f"{contract.asset_name} has no periods")
    period = period_from_partition(contract.grain, min(context.partition_keys))
    keys = [(period := period.previous()).partition_key for _ in range(PERIODS)]
    published = sorted(storage.warehouse.published(contract, keys))
    return to_pandas(storage.stream(contract, published), contract)
