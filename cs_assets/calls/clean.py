"""From records as read to calls: which rows count, which are repeats, which go to quarantine.

Belongs here: pure functions over the day's records. Must not: reading or writing.

Every record gets exactly one fate: clean, duplicate (of a clean call), or quarantined with the
first rule it breaks. Bad rows are set aside before duplicates are looked for, so that a broken
repeat never displaces a good call.
"""

from datetime import date

import ibis
import ibis.expr.types as ir

from cs_assets.calls.contracts import (
    CALL_RECORDS_CLEAN,
    CALL_RECORDS_QUARANTINE,
    CALL_RECORDS_RAW,
    INTENTION_LEVELS,
    QUARANTINE_REASONS,
)
from cs_assets.quarantine import quarantined

_TIES = (
    "customer_id",
    "task_id",
    "duration",
    "bill",
    "rounds",
    "hangup_disposition",
    "intention_results",
)
"""Decide between records that a source without primary keys holds twice under one id."""
_NOT_IN_RECORD = {"tenant_id", "call_date", "source_table", "row_checksum", "extracted_at"}


def judge(records: ir.Table, tasks: ir.Table) -> ir.Table:
    """Add to each record `reason` (null: it keeps every rule) and `is_duplicate`.

    Of clean records with the same tenant, day and callid the last calldate stands, then the
    greatest id, then the greatest table name.
    """
    known = tasks.select("tenant_id", "task_id").distinct().mutate(is_known=True)
    joined = records.left_join(known, ["tenant_id", "task_id"]).drop(
        "tenant_id_right", "task_id_right"
    )
    judged = joined.mutate(reason=_reason(joined)).drop("is_known")
    newest_first = ibis.window(
        group_by=["tenant_id", "call_date", "callid", judged.reason.isnull()],
        order_by=[ibis.desc(name) for name in ("calldate", "id", "source_table", *_TIES)],
    )
    repeats = (ibis.row_number().over(newest_first) > 0) & judged.reason.isnull()
    return judged.mutate(is_duplicate=repeats)


def clean(judged: ir.Table, turns: ir.Table) -> ir.Table:
    """Return the calls of the judged records in the columns of `call_records_clean`."""
    counts = turns.group_by(["tenant_id", "call_date", "source_table", "record_id"]).agg(
        dialogue_turns=turns.count()
    )
    kept = judged.filter(judged.reason.isnull() & ~judged.is_duplicate)
    calls = kept.left_join(
        counts,
        [
            kept.tenant_id == counts.tenant_id,
            kept.call_date == counts.call_date,
            kept.source_table == counts.source_table,
            kept.id == counts.record_id,
        ],
    )
    return calls.select(
        tenant_id=kept.tenant_id,
        call_date=kept.call_date,
        callid=kept.callid,
        id=kept.id,
        source_table=kept.source_table,
        customer_id=kept.customer_id,
        task_id=kept.task_id,
        called_at=kept.calldate,
        talk_ms=kept.bill,
        total_ms=kept.duration,
        is_connected=kept.bill > 0,
        rounds=kept.rounds,
        intention_level=_level(kept),
        hangup_by=ibis.cases(
            (kept.hangup_disposition == 1, "robot"),
            (kept.hangup_disposition == 2, "customer"),
            else_="unknown",
        ),
        dialogue_turns=counts.dialogue_turns.fill_null(0),
    ).select(*CALL_RECORDS_CLEAN.column_names)


def quarantine(judged: ir.Table) -> ir.Table:
    """Return the records that break a rule in the columns of `call_records_quarantine`."""
    names = [name for name in CALL_RECORDS_RAW.column_names if name not in _NOT_IN_RECORD]
    return quarantined(judged, CALL_RECORDS_QUARANTINE, QUARANTINE_REASONS, names, "id")


def account(judged: ir.Table) -> ir.Table:
    """Count per day: rows read, duplicates, quarantined, calls with an unknown intention grade."""
    is_clean = judged.reason.isnull() & ~judged.is_duplicate
    is_odd_level = judged.intention_results.notnull() & _level(judged).isnull()
    return judged.group_by("call_date").agg(
        read=judged.count(),
        duplicates=judged.is_duplicate.sum().cast("int64"),
        quarantined=judged.reason.notnull().sum().cast("int64"),
        unknown_intention=(is_clean & is_odd_level).sum().cast("int64"),
    )


def reached(calls: ir.Table) -> ir.Table:
    """Count per day the calls of `call_records_clean`, and the connected ones."""
    return calls.group_by("call_date").agg(
        calls=calls.count(), connected=calls.count(where=calls.is_connected)
    )


def _reason(rows: ir.Table) -> ir.StringValue:
    first, after = date(1990, 1, 1), date(2100, 1, 1)
    is_sane = rows.calldate.between(first.isoformat(), after.isoformat())
    return ibis.cases(
        (rows.unreadable.notnull(), "unreadable_value"),
        (rows.calldate.isnull(), "no_call_date"),
        (~is_sane | (rows.calldate.date() != rows.call_date), "impossible_call_date"),
        (_is_blank(rows.id), "no_record_id"),
        (_is_blank(rows.callid), "no_callid"),
        (_is_blank(rows.customer_id), "no_customer"),
        (_is_blank(rows.task_id), "no_task"),
        (rows.duration.isnull() | rows.bill.isnull(), "no_duration"),
        ((rows.duration < 0) | (rows.bill < 0) | (rows.rounds < 0), "negative_duration"),
        (rows.bill > rows.duration, "talk_longer_than_call"),
        (rows.is_known.isnull(), "unknown_task"),
    )


def _is_blank(text: ir.Value) -> ir.BooleanValue:
    return text.isnull() | (text.strip() == "")


def _level(rows: ir.Table) -> ir.StringValue:
    level = rows.intention_results
    return ibis.ifelse(level.isin(INTENTION_LEVELS), level, ibis.null("string"))
