"""Customers and facts made for measuring: the same rows for the same numbers, on any machine.

Belongs here: six made months of customers, deals, tickets and activity, and the installation in a
folder that holds them. Must not: measuring.
"""

import os
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

import sqlalchemy as sa

from cs_assets.audit import PartitionAudit
from cs_assets.calendar import Grain, parse_period, period_of
from cs_assets.contracts import Contract
from cs_assets.health.alert_contracts import RISK_SIGNALS
from cs_assets.health.bases import days_to_measure
from cs_assets.health.contracts import CUSTOMER_MEASURES, CUSTOMER_MEASURES_BEFORE
from cs_assets.health.features import Features
from cs_assets.health.forecast_contracts import DAILY_SCORES
from cs_assets.health.measures import Facts
from cs_assets.health.score_contracts import CUSTOMER_HEALTH
from cs_assets.periods import LoadedPeriod, loaded_periods
from cs_assets.sources.contracts import ACTIVITY_RAW, CUSTOMERS_RAW, SALES_RAW, SUPPORT_RAW
from cs_resources.staged_files import copy_statements
from cs_resources.staging import Staged
from cs_resources.storage import Storage
from cs_resources.writing import Provenance

GRAIN = Grain.MONTH
MONTH = parse_period(GRAIN, "2025-12")
FIRST: Final = date(2025, 7, 1)
LOADED_SINCE: Final = date(2024, 7, 1)
"""Earlier days are loaded and empty: every window is whole, every measure is known."""
HISTORY = [FIRST + timedelta(days=day) for day in range((MONTH.end - FIRST).days + 1)]
DAYS = [str(day) for day in HISTORY]
FACTS = {
    "customers": CUSTOMERS_RAW,
    "sales": SALES_RAW,
    "support": SUPPORT_RAW,
    "activity": ACTIVITY_RAW,
}
MEASURED = CUSTOMER_MEASURES.for_grain(GRAIN)
MEASURED_BEFORE = CUSTOMER_MEASURES_BEFORE.for_grain(GRAIN)
SCORED = CUSTOMER_HEALTH.for_grain(GRAIN)
OF_DAYS = (RISK_SIGNALS, DAILY_SCORES)
DEALS_PER_CUSTOMER: Final = 3
TICKETS_PER_CUSTOMER: Final = 6
_WRITER = Provenance(run_id="benchmark", write_id="made")
_NO_CONTENT: Final = "0" * 32


def storage(folder: Path, memory_limit: str) -> Storage:
    """Return the storage of an installation in a folder, the warehouse being SQLite."""
    return Storage(
        contracts=(*FACTS.values(), MEASURED, MEASURED_BEFORE, SCORED, *OF_DAYS),
        lake_root=folder / "lake",
        warehouse_url=sa.URL.create("sqlite", database=str(folder / "warehouse.sqlite")),
        staging_folder=folder / "staging",
        memory_limit=memory_limit,
    )


def facts(place: Storage) -> Facts:
    """Return the made facts as the platform reads them."""
    return Facts(
        **{name: place.lake.read(contract, DAYS) for name, contract in FACTS.items()},
        history=dict.fromkeys(FACTS, LOADED_SINCE),
    )


def month() -> list[LoadedPeriod]:
    """Return the month with all of its days loaded."""
    return loaded_periods([MONTH], MONTH.days())


def last_days(number: int) -> list[LoadedPeriod]:
    """Return the last days of the month, each a period of its own."""
    days = MONTH.days()[-number:]
    return loaded_periods([period_of(Grain.DAY, day) for day in days], days)


def as_of_dates() -> list[date]:
    """Return the days at which a step of the month measures, its as-of date first."""
    rows = days_to_measure(month(), LOADED_SINCE).to_pyarrow()["basis_date"].to_pylist()
    return sorted(set(rows), reverse=True)


def make(customers: int, activity: int, folder: Path, memory_limit: str) -> None:
    """Write the facts of `customers` and `activity` rows of what they did into the lake.

    They are published as an asset's rows are, but not audited: no figure depends on it.
    """
    place = storage(folder, memory_limit)
    for name, query in (
        ("customers", _customers_sql(customers)),
        ("sales", _sales_sql(customers)),
        ("support", _support_sql(customers)),
        ("activity", _activity_sql(customers, activity)),
    ):
        contract = FACTS[name]
        place.begin(name, [(contract, DAYS)])
        path = place.scratch / f"{name}-{uuid4().hex}"
        place.scratch.mkdir(parents=True, exist_ok=True)
        _write(place, contract, query, path)
        if name == "customers":
            _same_every_day(path)
        audits = {
            day: PartitionAudit(day, rows, _NO_CONTENT)
            for day, rows in _rows_by_day(place, contract, path).items()
        }
        staged = Staged(contract, path, audits, failures={}, previews={}, samples={})
        place.publish(name, staged, _WRITER)


def _write(place: Storage, contract: Contract, query: str, path: Path) -> None:
    types = place.session.backend.compiler.type_mapper
    for statement in copy_statements(f"({query})", contract, path, types):
        place.session.backend.con.execute(statement)


def _same_every_day(path: Path) -> None:
    """Give every day the files of the first, without copying them."""
    first = path / f"snapshot_date={FIRST}"
    for day in DAYS[1:]:
        shutil.copytree(first, path / f"snapshot_date={day}", copy_function=os.link)


def _rows_by_day(place: Storage, contract: Contract, path: Path) -> dict[str, int]:
    column = contract.partition_column
    counted = place.session.backend.con.execute(
        f"SELECT CAST({column} AS VARCHAR), count(*) "
        f"FROM read_parquet('{path}/*/*.parquet', hive_partitioning = true) GROUP BY ALL"
    ).fetchall()
    return dict.fromkeys(DAYS, 0) | dict(counted)


_CUSTOMER: Final = "'C' || lpad(({})::VARCHAR, 8, '0')"


def _drawn(text: str) -> str:
    """A number from 0 to 2^63 - 1 that the text draws."""
    return f"(md5_number_lower({text}) >> 1)::BIGINT"


def _customers_sql(customers: int) -> str:
    """One snapshot. One in twenty is a customer from the as-of date's last 60 days on."""
    return f"""
        WITH drawn AS (SELECT n, {_drawn("'customer' || n")} AS a FROM range({customers}) t(n))
        SELECT 'default' AS tenant_id, DATE '{FIRST}' AS snapshot_date,
            {_CUSTOMER.format("n")} AS customer_id, 'Customer ' || n AS name,
            ['retail', 'finance', 'health'][(a % 3)::INTEGER + 1] AS industry,
            ['1-99', '100-999', '1000+'][(a // 3 % 3)::INTEGER + 1] AS company_size,
            ['enterprise', 'mid_market', 'startup'][(a // 9 % 3)::INTEGER + 1] AS customer_type,
            DATE '{MONTH.end}' - CASE WHEN a // 27 % 20 = 0 THEN a // 540 % 60 - 10
                ELSE 60 + a // 540 % 1000 END::INTEGER AS contract_date,
            (6 + a // 540000 % 43)::BIGINT AS contract_length_months,
            ['current', 'current', 'late', 'overdue', 'suspended'][(a // 23220000 % 5)::INTEGER + 1]
                AS payment_status,
            CASE WHEN a // 116100000 % 10 > 0 THEN a // 1161000000 % 201 - 100 END::BIGINT
                AS nps_score,
            false AS is_backdated, 'customers.csv' AS source_file, n + 1 AS row_number
        FROM drawn"""


def _sales_sql(customers: int) -> str:
    """Three deals a customer, never two on a day: chains of renewals, some of which are churned."""
    return f"""
        WITH drawn AS (
            SELECT n, n // {customers} AS k, {_drawn("'deal' || n")} AS a
            FROM range({customers * DEALS_PER_CUSTOMER}) t(n)
        ), staged AS (
            SELECT *, DATE '{FIRST}' + (k * 61 + a % 61)::INTEGER AS deal_date,
                CASE WHEN a // 61 % 8 = 0 THEN 'prospect' WHEN a // 61 % 8 = 1 THEN 'lost'
                    WHEN k = 0 THEN 'won' WHEN a // 61 % 8 = 2 THEN 'churned'
                    WHEN a // 61 % 8 < 6 THEN 'renewed' ELSE 'won' END AS deal_stage
            FROM drawn
        )
        SELECT 'default' AS tenant_id, deal_date, {_CUSTOMER.format(f"n % {customers}")}
                AS customer_id,
            CASE WHEN deal_stage IN ('won', 'renewed') THEN 500 + a // 488 % 50000 END
                AS deal_amount,
            deal_stage, 'Manager ' || a // 488 % 50 AS account_manager,
            CASE WHEN deal_stage != 'churned' OR a // 24400 % 2 = 0
                THEN ['suite', 'cloud'][(a // 48800 % 2)::INTEGER + 1] END AS product_type,
            CASE WHEN deal_stage IN ('won', 'renewed') THEN 1 + a // 97600 % 24 END::BIGINT
                AS contract_length_months,
            CASE WHEN a // 2342400 % 2 = 0
                THEN deal_date + (a // 4684800 % 700)::INTEGER END AS renewal_date,
            'sales.csv' AS source_file, n + 1 AS row_number
        FROM staged"""


def _support_sql(customers: int) -> str:
    """A ticket a customer and month, one in ten still open."""
    return f"""
        WITH drawn AS (
            SELECT n, n // {customers} AS k, {_drawn("'ticket' || n")} AS a
            FROM range({customers * TICKETS_PER_CUSTOMER}) t(n)
        )
        SELECT 'default' AS tenant_id, DATE '{FIRST}' + (k * 30 + a % 30)::INTEGER AS created_date,
            'T' || lpad(n::VARCHAR, 9, '0') AS ticket_id,
            {_CUSTOMER.format(f"n % {customers}")} AS customer_id,
            CASE WHEN a // 30 % 10 > 0 THEN created_date + (a // 300 % 20)::INTEGER END
                AS resolved_date,
            ['low', 'medium', 'high', 'urgent'][(a // 6000 % 4)::INTEGER + 1] AS priority,
            'usage' AS category,
            CASE WHEN resolved_date IS NOT NULL AND a // 24000 % 3 > 0
                THEN 1 + a // 72000 % 5 END::BIGINT AS satisfaction_score,
            'A' || a // 72000 % 40 AS agent_id,
            CASE WHEN resolved_date IS NOT NULL AND a // 360000 % 4 > 0
                THEN (a // 1440000 % 4800) / 10 END AS resolution_hours,
            a // 360000 % 9 = 0 AS is_sla_missed, 'support.csv' AS source_file,
            n + 1 AS row_number
        FROM drawn"""


def _activity_sql(customers: int, activity: int) -> str:
    """What customers did, by day: of 16 rows five logins, six uses of a feature, two of the API."""
    return f"""
        WITH drawn AS (
            SELECT n, a % {customers} AS customer, a // {customers} AS b
            FROM (SELECT n, {_drawn("n::VARCHAR")} AS a FROM range({activity}) t(n))
        ), placed AS (
            SELECT *, DATE '{FIRST}' + (n * {len(DAYS)} // {activity})::INTEGER AS activity_date,
                ['login', 'login', 'login', 'login', 'login', 'feature_use', 'feature_use',
                 'feature_use', 'feature_use', 'feature_use', 'feature_use', 'api_call', 'api_call',
                 'training', 'feedback', 'onboarding'][(b % 16)::INTEGER + 1] AS activity_type
            FROM drawn
        )
        SELECT 'default' AS tenant_id, activity_date, {_CUSTOMER.format("customer")} AS customer_id,
            activity_type, b // 16 % 500 AS activity_value,
            (1 + b // 16 % 90)::BIGINT AS user_count,
            CASE WHEN activity_type = 'login' THEN b // 16 % 120 END AS session_minutes,
            CASE activity_type WHEN 'onboarding' THEN 'step ' || b // 16 % 6
                WHEN 'feature_use' THEN feature WHEN 'api_call' THEN feature END AS feature_name,
            CASE WHEN activity_type = 'feature_use' THEN b // 192 % 1001 / 1000 END AS usage_depth,
            'activity.csv' AS source_file, n + 1 AS row_number
        FROM (SELECT *, [{_features()}][(b // 16 % 12)::INTEGER + 1] AS feature FROM placed)"""


def _features() -> str:
    """Twelve names: those of the packaged tiers, and others that count nowhere."""
    named = [name for names in Features.load().tiers.values() for name in names]
    return ", ".join(f"'{name}'" for name in [*named, "export", "themes", "tour"][:12])
