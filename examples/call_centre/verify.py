"""Recompute the figures from the log alone and compare them with an installation's warehouse.

`python -m examples.call_centre.verify LOG_CSV_XZ WAREHOUSE_SQLITE`, after a backfill of August 1999
with unidentified calls kept anonymous.

Belongs here: plain SQL over the raw lines. Must not: anything of `mapping` or of the platform, or
the comparison would prove nothing.
"""

import sqlite3
import sys
from argparse import ArgumentParser
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import pandas as pd

_CALLS: Final = """
CREATE TABLE calls AS
SELECT type, date AS day, strftime(date::date, '%G-W%V') AS week,
    outcome = 'AGENT' AND ser_time::int > 0 AS connected,
    greatest(vru_time::int, 0) + q_time::int + ser_time::int AS seconds,
    CASE WHEN outcome = 'AGENT' THEN ser_time::int ELSE 0 END AS talk,
    q_time::int AS waited,
    customer_id::bigint > 0 AND NOT (length(customer_id) >= 12 AND customer_id LIKE '%000000')
        AS is_known,
    CASE WHEN is_known THEN customer_id ELSE 'anonymous' END AS customer
FROM log WHERE outcome <> 'PHANTOM'
"""
_SUMS: Final = """
    count(*) AS calls, count(*) FILTER (connected) AS connected,
    avg(connected::int) AS connect_rate, avg(seconds) AS avg_duration"""


@dataclass(frozen=True)
class Question:
    """A question to the log (figures `of` each `by`, of calls `only`) and to the warehouse."""

    title: str
    by: str
    of: str
    only: str
    warehouse: str


QUESTIONS: Final = (
    Question(
        "calls per day",
        "day",
        f"{_SUMS}, sum(talk) AS talk",
        "true",
        """
        SELECT date(call_date), count(*), sum(is_connected), avg(is_connected),
            avg(duration_ms / 1000.0), sum(talk_ms) / 1000
        FROM call_record_enriched GROUP BY 1 ORDER BY 1""",
    ),
    Question(
        "calls per task",
        "type",
        f"{_SUMS}, count(DISTINCT customer) FILTER (is_known) + count(*) FILTER (NOT is_known) "
        "AS customers",
        "true",
        """
        SELECT substr(task_name, 1, 2) AS type, total_calls, connected_calls, connect_rate,
            avg_duration, total_customers
        FROM task_portrait_summary WHERE period_key = '1999-08' ORDER BY 1""",
    ),
    Question(
        "calls per ISO week",
        "week",
        _SUMS,
        "true",
        """
        SELECT period_key, sum(total_calls), sum(connected_calls),
            1.0 * sum(connected_calls) / sum(total_calls),
            sum(avg_duration * total_calls) / sum(total_calls)
        FROM task_portrait_summary WHERE period_type = 'week' GROUP BY 1 ORDER BY 1""",
    ),
    Question(
        "calls per known customer and task",
        "customer, type",
        _SUMS,
        "is_known",
        """
        SELECT customer_id, substr(task_name, 1, 2), customers.total_calls,
            customers.connected_calls, customers.connect_rate, customers.avg_duration
        FROM user_portrait_snapshot customers
        JOIN task_portrait_summary USING (tenant_id, period_type, period_key, task_id)
        WHERE period_key = '1999-08' AND customer_id NOT LIKE 'anonymous-%' ORDER BY 1, 2""",
    ),
    Question(
        "calls of nobody known",
        "customer",
        _SUMS,
        "NOT is_known",
        """
        SELECT 'anonymous', count(*), sum(is_connected), avg(is_connected),
            avg(duration_ms / 1000.0)
        FROM call_record_enriched WHERE customer_id LIKE 'anonymous-%'""",
    ),
)
_LONGEST_SHOWN: Final = 31


def differences(expected: pd.DataFrame, found: pd.DataFrame) -> str | None:
    """Return how two tables of the same columns differ; None if they do not."""
    found.columns = expected.columns
    try:
        pd.testing.assert_frame_equal(expected, found, check_dtype=False, rtol=1e-9, atol=0)
    except AssertionError as error:
        return str(error)
    return None


def answer(calls: duckdb.DuckDBPyRelation, question: Question) -> pd.DataFrame:
    """Answer a question from the log."""
    groups = calls.filter(question.only).aggregate(f"{question.by}, {question.of}", question.by)
    return groups.order(question.by).df()


def show(calls: duckdb.DuckDBPyRelation) -> None:
    """Print figures of the log that the warehouse has no table for."""
    known = "count(DISTINCT customer) FILTER (is_known) AS known_customers"
    queued = "avg((waited > 0)::int) AS share_queued"
    busy = f"customer, {_SUMS}, count(DISTINCT day) AS days, string_agg(DISTINCT type) AS types"
    busiest = calls.filter("is_known").aggregate(busy, "customer").order("calls DESC, customer")
    for title, table in (
        ("all calls", calls.aggregate(f"{_SUMS}, {known}")),
        ("who is known", calls.aggregate(f"is_known, {_SUMS}, {queued}", "is_known")),
        ("busiest customers", busiest.limit(5)),
    ):
        print(f"{title}\n{table.df().to_string(index=False)}\n")


def compare(calls: duckdb.DuckDBPyRelation, published: sqlite3.Connection) -> int:
    """Print every question's answer from the log; return how many the warehouse has otherwise."""
    wrong = 0
    for question in QUESTIONS:
        expected = answer(calls, question)
        problem = differences(expected, pd.read_sql(question.warehouse, published))
        wrong += problem is not None
        if len(expected) <= _LONGEST_SHOWN:
            print(expected.to_string(index=False))
        print(f"{question.title}: {problem or f'{len(expected):,} rows equal'}\n")
    return wrong


def main() -> int:
    """Compare an installation's figures with those of the log itself; return the exit code."""
    parser = ArgumentParser(
        "python -m examples.call_centre.verify",
        description="Compare an installation's figures with those of the log itself.",
    )
    parser.add_argument("log", type=Path, help="the log: CSV compressed with xz")
    parser.add_argument("warehouse", type=Path, help="SQLite warehouse of the installation")
    given = parser.parse_args()
    for path in (given.log, given.warehouse):
        if not path.is_file():
            parser.error(f"there is no file {path}")
    database = duckdb.connect()
    database.register("log", pd.read_csv(given.log, dtype="str", keep_default_na=False))
    database.execute(_CALLS)
    calls = database.table("calls")
    show(calls)
    warehouse = f"{given.warehouse.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(warehouse, uri=True)) as published:
        return 1 if compare(calls, published) else 0


if __name__ == "__main__":
    sys.exit(main())
