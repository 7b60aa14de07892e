"""A call database on MariaDB made for measuring: the same rows for the same number.

Belongs here: the made month of records on a server, the bare client's command. Must not: measuring.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import duckdb
import pymysql
import sqlalchemy as sa

from benchmarks.call_data import MONTH, calls_sql

SERVER = sa.make_url(os.environ.get("TEST_MARIADB_URL", "mysql+pymysql://root@127.0.0.1:3306"))
TABLE = "autodialer_call_record_2025_11"
_DDL = (
    f"CREATE TABLE {TABLE} (id char(36) PRIMARY KEY, task_id char(36), customer_id char(36), "
    "callee varchar(20), callid char(36), calldate datetime, duration int unsigned, "
    "bill int unsigned, rounds int unsigned, hangup_disposition tinyint, "
    "intention_results varchar(8))",
    "CREATE TABLE autodialer_call_record_detail_2025_11 (id char(36) PRIMARY KEY, "
    "record_id char(36), callid char(36), sequence int, notify varchar(64), question text, "
    "answer_content text, KEY (record_id))",
    "CREATE TABLE autodialer_task (uuid char(36) PRIMARY KEY, name varchar(191), "
    "created_at datetime)",
)


def make(calls: int, path: Path) -> None:
    """Write a month of call records as text for LOAD DATA, in the order of their primary key."""
    with duckdb.connect(config={"memory_limit": "1GB"}) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(
            f"""COPY (
                SELECT id, task_id, customer_id, '13800001234' AS callee, callid,
                    strftime(called_at, '%Y-%m-%d %H:%M:%S') AS calldate, total_ms, talk_ms,
                    coalesce(rounds, 0) AS rounds, 1 AS hangup, coalesce(intention_level, 'D')
                FROM ({calls_sql(calls)}) ORDER BY id
            ) TO '{path}' (DELIMITER '\t', HEADER false)"""
        )


@contextmanager
def filled(path: Path) -> Iterator[sa.URL]:
    """Make a database of its own with these records, and drop it at the end."""
    name = f"cs_benchmark_{uuid4().hex[:12]}"
    with closing(_connected(SERVER)) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        try:
            cursor.execute(f"USE {name}")
            for statement in _DDL:
                cursor.execute(statement)
            cursor.execute(f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {TABLE}")
            cursor.execute(f"ALTER TABLE {TABLE} ADD KEY (calldate)")
            cursor.execute(f"ANALYZE TABLE {TABLE}")
            yield SERVER.set(database=name)
        finally:
            cursor.execute(f"DROP DATABASE {name}")


def bare_client(url: sa.URL) -> None:
    """Let the server's own client read the month to nowhere."""
    query = (
        f"SELECT * FROM {TABLE} WHERE calldate >= '{MONTH.start}' "
        f"AND calldate < '{MONTH.end}' + INTERVAL 1 DAY"
    )
    account = [f"--host={url.host}", f"--port={url.port}", f"--user={url.username}"]
    subprocess.run(
        ["mariadb", *account, "--quick", "--batch", "-e", query, str(url.database)],
        env=os.environ | {"MYSQL_PWD": str(url.password or "")},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def _connected(url: sa.URL) -> "pymysql.connections.Connection[pymysql.cursors.Cursor]":
    return pymysql.connect(
        host=url.host or "",
        port=url.port or 3306,
        user=url.username,
        password=url.password or "",
        local_infile=True,
        charset="utf8mb4",
        autocommit=True,
    )
