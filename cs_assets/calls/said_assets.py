"""What was said in the calls, as Dagster assets by day.

Belongs here: names, inputs, figures. Must not: judging (see `sentiment`).
"""

import dagster as dg
import ibis.expr.types as ir

from cs_assets.calls.contracts import CALL_RECORDS_CLEAN, CALL_TURNS_RAW
from cs_assets.calls.enriched import enriched, with_sentiment
from cs_assets.calls.judge import Judge
from cs_assets.calls.judging import Verdicts, judged_by_model, judging_picture
from cs_assets.calls.mart_contracts import CALL_RECORD_ENRICHED
from cs_assets.calls.sentiment import dialogues, judged_by_rules, mix
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT
from cs_assets.results import ExpectedTotal, Result
from cs_assets.steps import counts_by_day, figures_by_day, with_days_before, zeros
from cs_assets.table_assets import same, table_asset


def said_assets(day: dg.PartitionsDefinition[str], judge: Judge) -> list[dg.AssetsDefinition]:
    """Return the assets that tell what was said."""
    return [_sentiment(day, judge), _enriched(day)]


def _sentiment(day: dg.PartitionsDefinition[str], judge: Judge) -> dg.AssetsDefinition:
    @table_asset(
        CALL_SENTIMENT,
        partitions=day,
        ins={
            "call_records_clean": same(CALL_RECORDS_CLEAN),
            "call_turns_raw": same(CALL_TURNS_RAW),
        },
        resources=["language_model"],
        # one asker at a time: what two ask at once is paid for twice
        pool="language_model" if judge.model else None,
        configuration=judge.fingerprint,
    )
    def call_sentiment(
        context: dg.AssetExecutionContext, call_records_clean: ir.Table, call_turns_raw: ir.Table
    ) -> Result:
        """Judge the days' dialogues by a language model, keywords and lexicon."""
        spoken = dialogues(call_records_clean, call_turns_raw)
        verdicts = _judged(context, spoken, judge)
        talks = zeros(context) | counts_by_day(spoken)
        own = figures_by_day(mix(verdicts.table))
        days = with_days_before(context, CALL_SENTIMENT, own, mix)
        for key, used in verdicts.used.items():
            own.setdefault(key, {}).update(used)
        return Result(
            verdicts.table,
            totals=(ExpectedTotal("every dialogue is judged once", talks),),
            figures=own,
            unfinished=verdicts.unfinished,
            explains=verdicts.explains,
            picture=judging_picture(days, is_with_model=judge.model is not None),
        )

    return call_sentiment


def _enriched(day: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    @table_asset(
        CALL_RECORD_ENRICHED,
        partitions=day,
        ins={
            "call_records_clean": same(CALL_RECORDS_CLEAN),
            "call_sentiment": same(CALL_SENTIMENT),
        },
    )
    def call_record_enriched(
        context: dg.AssetExecutionContext, call_records_clean: ir.Table, call_sentiment: ir.Table
    ) -> Result:
        """Publish the days' calls with their sentiment to the warehouse."""
        rows = zeros(context) | counts_by_day(call_records_clean)
        return Result(
            enriched(with_sentiment(call_records_clean, call_sentiment)),
            totals=(ExpectedTotal("every call is there", rows),),
        )

    return call_record_enriched


def _judged(context: dg.AssetExecutionContext, spoken: ir.Table, judge: Judge) -> Verdicts:
    if judge.model:
        return judged_by_model(context, spoken, judge.rules, judge.model)
    lazy = judged_by_rules(spoken, judge.rules)
    return Verdicts(context.resources.storage.stager.kept(lazy), lazy)
