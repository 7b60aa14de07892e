"""Rules against model: every call's risks side by side, counted.

Belongs here: levels of risk, cells, counts by them, verdicts joined to calls. Must not: formulas
over counts (see `audit_statistics`), drawing calls (see `review_queue`).
"""

import ibis
import ibis.expr.types as ir

from cs_assets.calls.audit_contracts import NO, YES
from cs_assets.calls.keywords import KINDS

LEVEL = {"medium": 1, "high": 2}
"""Levels of risk; none said and low are 0. At risk is anything above."""
GROUP = ("tenant_id", "period_key", "kind")
CALL = ("tenant_id", "call_date", "callid")
SEPARATOR = "、"
"""Between the keywords of a call."""


def risks(sentiment: ir.Table, period_days: ir.Table) -> ir.Table:
    """One row per kind of risk and call of `call_sentiment` in the periods.

    Columns: `tenant_id, period_key, kind, call_date, callid, rules_risk, model_risk, risk,
    keywords`, `rules_level, model_level` (null: no answer), `level`, and `cell`.
    """
    rows = sentiment.inner_join(period_days, sentiment.call_date == period_days.day)
    sides = ibis.union(
        *(
            rows.select(
                *CALL,
                "period_key",
                "keywords",
                kind=ibis.literal(kind),
                rules_risk=rows[f"rules_{kind}_risk"],
                model_risk=rows[f"llm_{kind}_risk"],
                risk=rows[f"{kind}_risk"],
            )
            for kind in KINDS
        )
    )
    levelled = sides.mutate(
        rules_level=_level(sides.rules_risk),
        model_level=ibis.ifelse(
            sides.model_risk.notnull(), _level(sides.model_risk), ibis.null("int64")
        ),
        level=_level(sides.risk),
    )
    return levelled.mutate(cell=_cell(levelled))


def counted(risks: ir.Table) -> ir.Table:
    """Count calls by period, kind, cell and levels: `calls, at_risk, high` (as published)."""
    return risks.group_by([*GROUP, "cell", "rules_level", "model_level"]).agg(
        calls=risks.count(),
        at_risk=risks.count(where=risks.level > 0),
        high=risks.count(where=risks.level == LEVEL["high"]),
    )


def keyword_hits(risks: ir.Table) -> ir.Table:
    """Count by cell the answered calls in which each keyword was said: `keyword, calls`.

    A keyword of either kind is counted for both; whoever reads knows of which kind it is.
    """
    answered = risks.filter(risks.model_level.notnull() & risks.keywords.notnull())
    said = answered.mutate(keyword=answered.keywords.split(SEPARATOR)).unnest("keyword")
    return said.group_by([*GROUP, "cell", "keyword"]).agg(calls=said.count())


def reviewed(risks: ir.Table, verdicts: ir.Table, queue: ir.Table) -> ir.Table:
    """Return the calls of the periods that people looked at, one row per call and kind.

    Columns: those of GROUP, `cell, rules_level, model_level, keywords, is_queued`, and how many
    reviewers said `yes` and `no`.
    """
    said = verdicts.group_by([*CALL, "kind"]).agg(
        yes=verdicts.count(where=verdicts.verdict == YES),
        no=verdicts.count(where=verdicts.verdict == NO),
    )
    drawn = queue.select(*CALL, "kind", "period_key").mutate(is_queued=True)
    found = risks.inner_join(said, [*CALL, "kind"]).left_join(drawn, [*CALL, "kind", "period_key"])
    return found.select(
        *GROUP,
        *CALL[1:],
        "cell",
        "rules_level",
        "model_level",
        "keywords",
        "yes",
        "no",
        is_queued=found.is_queued.fill_null(False),
    )


def _level(risk: ir.Value) -> ir.IntegerValue:
    levels = ((risk == name, ibis.literal(level, "int64")) for name, level in LEVEL.items())
    return ibis.cases(*levels, else_=ibis.literal(0, "int64"))


def _cell(rows: ir.Table) -> ir.StringValue:
    by_rules, by_model = rows.rules_level > 0, rows.model_level > 0
    return ibis.cases(
        (rows.model_level.isnull(), "no_answer"),
        (by_rules & by_model, "both"),
        (by_rules, "rules_only"),
        (by_model, "model_only"),
        else_="neither",
    )
