"""Recompute the figures from the log alone and compare them with an installation.

`python -m examples.it_service.verify LOG_ZIP CS_HOME`, after a backfill of the log's days.

Belongs here: plain SQL over the raw lines. Must not: anything of `mapping` or of the platform, or
the comparison would prove nothing.
"""

import sys
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import duckdb
import pandas as pd
from deltalake import DeltaTable

_INCIDENTS: Final = """
CREATE TABLE incidents AS
WITH events AS (
    SELECT *, row_number() OVER () AS line,
        try_strptime(opened_at, '%-d/%-m/%Y %H:%M') AS opened,
        try_strptime(resolved_at, '%-d/%-m/%Y %H:%M') AS resolved,
        try_strptime(closed_at, '%-d/%-m/%Y %H:%M') AS closed,
        try_strptime(sys_updated_at, '%-d/%-m/%Y %H:%M') AS updated
    FROM log
)
SELECT *, opened::date AS day, coalesce(resolved, closed)::date AS solved,
    epoch(resolved - opened) / 3600 AS hours, made_sla = 'false' AS missed
FROM events
QUALIFY row_number() OVER (
    PARTITION BY number ORDER BY sys_mod_count::int DESC, updated DESC, line DESC) = 1
"""
_AS_OF: Final = """
CREATE TABLE as_known AS
SELECT as_of, caller_id AS customer_id, day, missed,
    date_diff('day', day, as_of) AS age,
    CASE WHEN solved <= as_of THEN date_diff('day', solved, as_of) END AS solved_age,
    CASE WHEN solved <= as_of THEN coalesce(round(hours, 4), 24 * date_diff('day', day, solved))
        ELSE 24 * date_diff('day', day, as_of) END AS waited
FROM incidents JOIN (SELECT DISTINCT as_of FROM measures) ON day <= as_of
WHERE caller_id <> '?'
"""


@dataclass(frozen=True)
class Question:
    """A question to the log, and the same to what was published."""

    title: str
    log: str
    published: str


QUESTIONS: Final = (
    Question(
        "tickets per day",
        """SELECT day, count(*), count(*) FILTER (missed), count(*) FILTER (solved IS NULL)
        FROM incidents WHERE caller_id <> '?' GROUP BY 1 ORDER BY 1""",
        """SELECT created_date, count(*), count(*) FILTER (is_sla_missed),
            count(*) FILTER (resolved_date IS NULL) FROM support GROUP BY 1 ORDER BY 1""",
    ),
    Question(
        "tickets per priority",
        """SELECT CASE priority[1] WHEN '1' THEN 'urgent' WHEN '2' THEN 'high'
            WHEN '3' THEN 'medium' ELSE 'low' END AS priority, count(*), count(*) FILTER (missed),
            sum(round(hours, 4))
        FROM incidents WHERE caller_id <> '?' GROUP BY 1 ORDER BY 1""",
        """SELECT priority, count(*), count(*) FILTER (is_sla_missed), sum(resolution_hours)
        FROM support GROUP BY 1 ORDER BY 1""",
    ),
    Question(
        "events set aside for want of a caller",
        "SELECT number FROM incidents WHERE caller_id = '?' ORDER BY 1",
        "SELECT json_extract_string(record, '$.ticket_id') FROM quarantine ORDER BY 1",
    ),
    Question(
        "open tickets and hours to the solution of every caller at every as-of date",
        """SELECT as_of, customer_id, count(*) FILTER (solved_age IS NULL),
            median(waited) FILTER (solved_age IS NULL OR solved_age < 90)
        FROM as_known GROUP BY 1, 2 ORDER BY 1, 2""",
        """SELECT DISTINCT as_of, customer_id, open_tickets, resolution_hours
        FROM measures ORDER BY 1, 2""",
    ),
)
_LONGEST_SHOWN: Final = 8
_SHOWN: Final = """
SELECT scorecard, period_type || ' ' || period_key AS period, as_of, count(*) AS callers,
    round(avg(coverage), 3) AS coverage, round(avg(score_low), 3) AS low,
    round(avg(overall), 3) AS score, round(avg(score_high), 3) AS high,
    sum(is_certain::int) AS certain
FROM scores GROUP BY ALL ORDER BY scorecard, as_of, period
"""
_MARTS: Final = {"measures": "customer_measures", "scores": "customer_health_scores"}
_FACTS: Final = {"support": "support_raw", "quarantine": "support_quarantine"}


def opened(log: Path, home: Path) -> duckdb.DuckDBPyConnection:
    """Return a database with the log's incidents and the installation's tables."""
    database = duckdb.connect()
    with ZipFile(log) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".csv")]
        with archive.open(name) as file:
            database.register("log", pd.read_csv(file, dtype="str", keep_default_na=False))
    database.execute(_INCIDENTS)
    for table, fact in _FACTS.items():
        found = DeltaTable(home / "lake" / "sources" / fact).to_pandas()
        database.register(table, found)
    warehouse = f"sqlite:///{home / 'warehouse.sqlite'}"
    for table, mart in _MARTS.items():
        found = pd.read_sql_table(mart, warehouse)
        database.register(table, found.assign(as_of=pd.to_datetime(found["as_of"]).dt.date))
    database.execute(_AS_OF)
    return database


def differences(expected: pd.DataFrame, found: pd.DataFrame) -> str | None:
    """Return how two tables of the same columns differ; None if they do not."""
    found.columns = expected.columns
    try:
        pd.testing.assert_frame_equal(
            expected.astype("object"), found.astype("object"), check_dtype=False, rtol=1e-9, atol=0
        )
    except AssertionError as error:
        return str(error)
    return None


def compare(database: duckdb.DuckDBPyConnection) -> int:
    """Print every question's answer from the log; return how many were published otherwise."""
    wrong = 0
    for question in QUESTIONS:
        expected, found = (database.sql(q).df() for q in (question.log, question.published))
        problem = differences(expected, found)
        wrong += problem is not None
        if len(expected) <= _LONGEST_SHOWN:
            print(expected.to_string(index=False))
        print(f"{question.title}: {problem or f'{len(expected):,} rows equal'}\n")
    return wrong


def conserved(database: duckdb.DuckDBPyConnection) -> bool:
    """Print where every event is; say whether the sum is right."""
    events, incidents, superseded = _row(
        database,
        """SELECT (SELECT count(*) FROM log), (SELECT count(*) FROM incidents),
            (SELECT count(*) FROM log) - (SELECT count(DISTINCT number) FROM log)""",
    )
    loaded, aside = _row(
        database, "SELECT (SELECT count(*) FROM support), (SELECT count(*) FROM quarantine)"
    )
    print(
        f"events {events:,} = loaded tickets {loaded:,} + quarantined {aside:,} + superseded "
        f"{superseded:,}\n"
    )
    return bool(events == loaded + aside + superseded and incidents == loaded + aside)


def _row(database: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    return database.sql(query).fetchall()[0]


def main() -> int:
    """Compare an installation's figures with those of the log itself; return the exit code."""
    parser = ArgumentParser(
        "python -m examples.it_service.verify",
        description="Compare an installation's figures with those of the log itself.",
    )
    parser.add_argument("log", type=Path, help="the log: a zip of one CSV file")
    parser.add_argument("home", type=Path, help="CS_HOME of the installation")
    given = parser.parse_args()
    for path in (given.log, given.home / "warehouse.sqlite"):
        if not path.is_file():
            parser.error(f"there is no file {path}")
    database = opened(given.log, given.home)
    is_conserved = conserved(database)
    wrong = compare(database)
    print(database.sql(_SHOWN).df().to_string(index=False))
    return 0 if is_conserved and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
