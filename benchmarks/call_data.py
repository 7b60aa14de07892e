"""Calls made for measuring: the same rows for the same number, on any machine.

Belongs here: the made month of calls, and the installation in a folder that holds it. Must not:
measuring.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from cs_assets.calendar import Grain, parse_period
from cs_assets.calls.contracts import CALL_RECORDS_CLEAN
from cs_assets.calls.mart_contracts import PORTRAIT_SNAPSHOT
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT
from cs_assets.contracts import Contract
from cs_assets.periods import LoadedPeriod, loaded_periods
from cs_resources.storage import Storage

CALLS = CALL_RECORDS_CLEAN
SENTIMENT = CALL_SENTIMENT
SNAPSHOT = PORTRAIT_SNAPSHOT.for_grain(Grain.MONTH)
MONTH = parse_period(Grain.MONTH, "2025-11")
DAYS = [str(day) for day in MONTH.days()]
_BATCH_ROWS = 100_000


def storage(folder: Path, memory_limit: str) -> Storage:
    """Return the storage of an installation in a folder, the warehouse being SQLite."""
    return Storage(
        contracts=(CALLS, SENTIMENT, SNAPSHOT),
        lake_root=folder / "lake",
        warehouse_url=sa.URL.create("sqlite", database=str(folder / "warehouse.sqlite")),
        staging_folder=folder / "staging",
        memory_limit=memory_limit,
    )


def source(folder: Path, contract: Contract) -> Path:
    """Return the file of the rows made for a fact."""
    return folder / "source" / f"{contract.name}.parquet"


def month() -> list[LoadedPeriod]:
    """Return the month with all of its days loaded."""
    return loaded_periods([MONTH], [date.fromisoformat(day) for day in DAYS])


def stream(path: Path) -> pa.RecordBatchReader:
    """Return made rows batch by batch; no more than a row group is held in memory."""
    file = pq.ParquetFile(path, pre_buffer=False)

    def batches() -> Iterator[pa.RecordBatch]:
        with file:
            yield from file.iter_batches(_BATCH_ROWS)

    return pa.RecordBatchReader.from_batches(file.schema_arrow, batches())


def make(calls: int, folder: Path) -> None:
    """Write a month of calls, ordered by day, and what was said in them."""
    made = source(folder, CALLS)
    made.parent.mkdir(parents=True)
    with duckdb.connect(config={"memory_limit": "1GB"}) as connection:
        connection.execute("SET enable_progress_bar = false")
        for path, query in (
            (made, calls_sql(calls)),
            (source(folder, SENTIMENT), _sentiment_sql(made)),
        ):
            connection.execute(
                f"COPY ({query}) TO '{path}' "
                "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000)"
            )


def _uuid(text: str) -> str:
    return f"md5({text})::UUID::VARCHAR"


def calls_sql(calls: int) -> str:
    """Return calls in the columns of `call_records_clean`.

    A call falls on one of nearly ten times as many pairs of customer and task as there are calls:
    that leaves about 0.95 snapshots per call. Identifiers are UUIDs in 36 characters; all else is
    taken from the digits of two MD5 numbers of the call's position: of `a` customer, task,
    intention and who hung up, of `b` time, talk and rounds.
    """
    return f"""
        WITH numbers AS (
            SELECT n, md5_number_lower(n::VARCHAR) AS a, md5_number_upper(n::VARCHAR) AS b
            FROM range({calls}) AS t(n)
        ), drawn AS (
            SELECT n, (n * {len(DAYS)} // {calls})::INTEGER AS day,
                a % {calls * 966 // 100} AS pair, a % 7 AS level, a % 3 AS side,
                b % 86400 AS second, b // 86400 % 100 AS luck, b // 8640000 % 240000 AS length,
                b // 2073600000000 % 8 AS turns
            FROM numbers
        ), placed AS (
            SELECT *, DATE '{MONTH.start}' + day AS call_date,
                CASE WHEN luck < 38 THEN length ELSE 0 END::BIGINT AS talk_ms
            FROM drawn
        )
        SELECT 'default' AS tenant_id, call_date, {_uuid("'call' || n")} AS callid,
            {_uuid("'record' || n")} AS id, 'autodialer_call_record_2025_11' AS source_table,
            {_uuid("'customer' || pair // 16")} AS customer_id,
            {_uuid("'task' || pair % 16")} AS task_id,
            call_date + to_seconds(second::BIGINT) AS called_at,
            talk_ms, (talk_ms + 5000 + length % 20000)::BIGINT AS total_ms,
            talk_ms > 0 AS is_connected, CASE WHEN luck < 99 THEN turns END::BIGINT AS rounds,
            ['A', 'B', 'C', 'D', 'E', 'F', NULL][level::INTEGER + 1] AS intention_level,
            ['robot', 'customer', 'unknown'][side::INTEGER + 1] AS hangup_by,
            CASE WHEN talk_ms > 0 THEN turns ELSE 0 END::BIGINT AS dialogue_turns
        FROM placed"""


def _sentiment_sql(calls: Path) -> str:
    """Return the judgement of calls with a dialogue, a third of all; one in ten stays unjudged."""
    names = ", ".join(SENTIMENT.column_names)
    return f"""
        WITH said AS (
            SELECT tenant_id, call_date, callid, md5_number_lower('said' || callid) AS a
            FROM '{calls}' WHERE dialogue_turns > 0
        ), scored AS (
            SELECT *, CASE WHEN a % 10 > 0 THEN a // 10 % 101 / 100 END AS sentiment_score,
                CASE WHEN a % 10 > 0 THEN ['high', 'medium', 'low'] END AS levels
            FROM said
        ), judged AS (
            SELECT *,
                CASE WHEN sentiment_score >= 0.6 THEN 'positive'
                    WHEN sentiment_score <= 0.4 THEN 'negative'
                    WHEN sentiment_score IS NOT NULL THEN 'neutral' END AS sentiment,
                levels[(a // 1010 % 3)::INTEGER + 1] AS complaint_risk,
                levels[(a // 3030 % 3)::INTEGER + 1] AS churn_risk,
                complaint_risk AS rules_complaint_risk, churn_risk AS rules_churn_risk,
                NULL::VARCHAR AS llm_complaint_risk, NULL::VARCHAR AS llm_churn_risk,
                NULL::VARCHAR AS keywords, NULL::BOOLEAN AS is_truncated,
                CASE WHEN a % 10 > 0 THEN 'rules' END AS risk_source, NULL::VARCHAR AS reason,
                CASE WHEN a % 10 > 0 THEN 'rules' END AS method, NULL::VARCHAR AS model,
                NULL::VARCHAR AS prompt_version, 'made' AS rules_version,
                NULL::TIMESTAMP AS llm_analyzed_at, NULL::BIGINT AS prompt_tokens,
                NULL::BIGINT AS completion_tokens, NULL::VARCHAR AS error
            FROM scored
        )
        SELECT {names} FROM judged"""
