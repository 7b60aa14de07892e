"""What was said in the calls, as Dagster assets by day.

Belongs here: names, inputs, figures. Must not: judging (see `sentiment`).
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import ibis.expr.types as ir

from cs_assets.calls.contracts import (
    CALL_RECORDS_CLEAN,
    CALL_SENTIMENT,
    CALL_TURNS_RAW,
    SENTIMENTS,
)
from cs_assets.calls.enriched import enriched, with_sentiment
from cs_assets.calls.mart_contracts import CALL_RECORD_ENRICHED
from cs_assets.calls.sentiment import Rules, dialogues, judged_by_rules, mix
from cs_assets.results import ExpectedTotal, Result
from cs_assets.steps import counts_by_day, figures_by_day, with_days_before, zeros
from cs_assets.table_assets import same, table_asset
from cs_resources.figures import days_figure


def said_assets(day: dg.PartitionsDefinition[str], rules: Rules) -> list[dg.AssetsDefinition]:
    """Return the assets that tell what was said."""

    @table_asset(
        CALL_SENTIMENT,
        partitions=day,
        ins={
            "call_records_clean": same(CALL_RECORDS_CLEAN),
            "call_turns_raw": same(CALL_TURNS_RAW),
        },
        configuration=rules.fingerprint,
    )
    def call_sentiment(
        context: dg.AssetExecutionContext, call_records_clean: ir.Table, call_turns_raw: ir.Table
    ) -> Result:
        """Judge the days' dialogues by keywords and lexicon."""
        spoken = dialogues(call_records_clean, call_turns_raw)
        lazy = judged_by_rules(spoken, rules)
        judged = context.resources.storage.stager.kept(lazy)
        talks = zeros(context) | counts_by_day(spoken)
        return Result(
            judged,
            totals=(ExpectedTotal("every dialogue is judged once", talks),),
            figures=(moods := figures_by_day(mix(judged))),
            explains=lazy,
            picture=_mood_picture(context, moods),
        )

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

    return [call_sentiment, call_record_enriched]


def _mood_picture(context: dg.AssetExecutionContext, moods: Mapping[str, dict[str, Any]]) -> object:
    days = with_days_before(context, CALL_SENTIMENT, moods, mix)
    bars = {mood: [day[mood] for day in days.values()] for mood in SENTIMENTS}
    said = [(day["judged"], day["dialogues"]) for day in days.values()]
    share = [judged / talks if talks else None for judged, talks in said]
    return days_figure("moods of judged calls per day", list(days), bars, ("share judged", share))
