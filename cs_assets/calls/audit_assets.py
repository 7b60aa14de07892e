"""The audit of rules and model as Dagster assets by month.

Belongs here: names, inputs, totals, figures. Must not: formulas (see `audit`, `audit_tables`,
`review_queue`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import ibis.expr.types as ir
import pandas as pd

from cs_assets.calendar import Calendar, Grain, period_from_partition
from cs_assets.calls.audit import CALL, counted, keyword_hits, reviewed, risks
from cs_assets.calls.audit_contracts import (
    CALL_RISK_RATE,
    CALL_VERDICTS,
    LLM_REVIEW_QUEUE,
    LLM_RULE_AUDIT,
)
from cs_assets.calls.audit_pictures import MONTHS, keywords_picture, rates_picture, reasons_table
from cs_assets.calls.audit_rules import AuditRules, Locale
from cs_assets.calls.audit_tables import keywords_by_kind, risk_rates, rule_audit
from cs_assets.calls.keywords import KINDS, Keywords
from cs_assets.calls.review_queue import allocation, review_queue
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT
from cs_assets.periods import LoadedPeriod, period_days
from cs_assets.results import ExpectedTotal, Result
from cs_assets.steps import nothing_loaded, period_figures, rows_by_period, step_periods, zeros
from cs_assets.table_assets import days, lookup, same, table_asset
from cs_resources.io_managers import to_pandas
from cs_resources.storage import Storage

_NO_ANSWER = "no call of the month has a model's answer: there is nothing to compare"


def audit_assets(
    calendar: Calendar, rules: AuditRules, keywords: Keywords, locale: Locale
) -> list[dg.AssetsDefinition]:
    """Return review queue, audit and corrected rates by month; `locale` is that of their words."""
    words = keywords_by_kind(keywords)
    return [
        _review_queue(calendar, rules, locale),
        _rule_audit(calendar, words, keywords.fingerprint),
        _risk_rate(calendar, rules),
    ]


def _calls_of_month(calendar: Calendar) -> dict[str, dg.AssetIn]:
    return {"call_sentiment": days(CALL_SENTIMENT, calendar.days_of_period())}


def _calls_and_people(calendar: Calendar) -> dict[str, dg.AssetIn]:
    said = ["callid", "kind", "verdict", "reviewer"]
    return {
        **_calls_of_month(calendar),
        "call_verdicts": lookup(CALL_VERDICTS, "callid", "call_sentiment", said),
        "llm_review_queue": same(LLM_REVIEW_QUEUE),
    }


def _review_queue(calendar: Calendar, rules: AuditRules, locale: Locale) -> dg.AssetsDefinition:
    @table_asset(
        LLM_REVIEW_QUEUE,
        partitions=calendar.partitions(Grain.MONTH),
        ins=_calls_of_month(calendar),
        configuration=rules.fingerprint,
    )
    def llm_review_queue(context: dg.AssetExecutionContext, call_sentiment: ir.Table) -> Result:
        """Draw the calls of the months that people should look at."""
        periods = step_periods(context, Grain.MONTH, CALL_SENTIMENT)
        spread = period_days(periods)
        calls = risks(call_sentiment, spread)
        drawn = allocation(_rows(counted(calls)), rules.file.queue)
        rows = zeros(context) | {
            item.period.partition_key: sum(
                row["drawn"] for row in drawn if row["period_key"] == item.period.key
            )
            for item in periods
        }
        queue = context.resources.storage.stager.kept(review_queue(calls, drawn, spread))
        reasons = queue.group_by(["period_key", "kind", "reason"]).agg(calls=queue.count())
        return Result(
            queue,
            totals=(ExpectedTotal("as many calls as each cell was to give", rows),),
            figures=_figures(periods, rows, "queued"),
            refused=nothing_loaded(context, periods),
            picture=reasons_table(_rows(reasons), rules, locale),
        )

    return llm_review_queue


def _rule_audit(
    calendar: Calendar, words: Mapping[str, Sequence[str]], configuration: str
) -> dg.AssetsDefinition:
    @table_asset(
        LLM_RULE_AUDIT,
        partitions=calendar.partitions(Grain.MONTH),
        ins=_calls_and_people(calendar),
        configuration=configuration,
    )
    def llm_rule_audit(
        context: dg.AssetExecutionContext,
        call_sentiment: ir.Table,
        call_verdicts: ir.Table,
        llm_review_queue: ir.Table,
    ) -> Result:
        """Count rules against model, kind by kind and keyword by keyword, and ask people."""
        periods = step_periods(context, Grain.MONTH, CALL_SENTIMENT)
        calls = risks(call_sentiment, period_days(periods))
        counts = _rows(counted(calls))
        is_answered = any(row["model_level"] is not None for row in counts)
        hits = _rows(keyword_hits(calls)) if is_answered else []
        seen = reviewed(calls, call_verdicts, llm_review_queue)
        found = rule_audit(counts, hits, _rows(seen) if is_answered else [], words, periods)
        answered, expected = zeros(context), zeros(context)
        for kind in KINDS if is_answered else ():
            own = call_sentiment.filter(call_sentiment[f"llm_{kind}_risk"].notnull())
            for key, rows in rows_by_period(own, periods).items():
                answered[key] = max(answered[key], rows)
                expected[key] += rows * (1 + len(words[kind]))
        unlisted = {hit["keyword"] for hit in hits} - {
            word for own in words.values() for word in own
        }
        told = {"keywords_not_in_the_file": "、".join(sorted(unlisted)) or "none"}
        return Result(
            found,
            totals=(ExpectedTotal("every answered call in every row", expected, column="calls"),),
            figures={
                key: {**own, **told} for key, own in _figures(periods, answered, "answered").items()
            },
            refused=nothing_loaded(context, periods),
            picture=keywords_picture(found),
        )

    return llm_rule_audit


def _risk_rate(calendar: Calendar, rules: AuditRules) -> dg.AssetsDefinition:
    @table_asset(
        CALL_RISK_RATE,
        partitions=calendar.partitions(Grain.MONTH),
        ins=_calls_and_people(calendar),
        configuration=rules.fingerprint,
    )
    def call_risk_rate(
        context: dg.AssetExecutionContext,
        call_sentiment: ir.Table,
        call_verdicts: ir.Table,
        llm_review_queue: ir.Table,
    ) -> Result:
        """Publish the rates of calls at risk beside what people's verdicts make of them."""
        periods = step_periods(context, Grain.MONTH, CALL_SENTIMENT)
        calls = risks(call_sentiment, period_days(periods))
        people = _rows(reviewed(calls, call_verdicts, llm_review_queue))
        confidence = rules.file.interval.confidence
        found = risk_rates(_rows(counted(calls)), people, confidence, periods)
        rows = zeros(context) | rows_by_period(call_sentiment, periods)
        twice = {key: len(KINDS) * count for key, count in rows.items()}
        lost = rows_by_period(call_verdicts.anti_join(call_sentiment, list(CALL)), periods)
        return Result(
            found,
            totals=(ExpectedTotal("every call counts once a kind", twice, column="calls"),),
            figures={
                key: own | {"verdicts_without_a_call": lost[key]}
                for key, own in period_figures(periods, rows, "calls").items()
            },
            refused=nothing_loaded(context, periods),
            picture=rates_picture(pd.concat([_months_before(context), found])),
        )

    return call_risk_rate


def _rows(table: ir.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pyarrow().to_pylist()
    return rows


def _figures(
    periods: Sequence[LoadedPeriod], counts: Mapping[str, int], name: str
) -> dict[str, dict[str, int | str]]:
    return {
        key: own if counts[key] else own | {"note": _NO_ANSWER}
        for key, own in period_figures(periods, counts, name).items()
    }


def _months_before(context: dg.AssetExecutionContext) -> pd.DataFrame:
    storage: Storage = context.resources.storage
    period = period_from_partition(Grain.MONTH, min(context.partition_keys))
    keys = [(period := period.previous()).partition_key for _ in range(MONTHS)]
    published = sorted(storage.warehouse.published(CALL_RISK_RATE, keys))
    return to_pandas(storage.stream(CALL_RISK_RATE, published), CALL_RISK_RATE)
