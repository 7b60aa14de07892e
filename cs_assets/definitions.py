"""The table of contents: every asset, resource and job of the platform.

Belongs here: putting the parts together. Builds with no secret and no server. Must not: anything
else.
"""

import gc
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)

from cs_assets.calendar import Grain, current_period
from cs_assets.calls import audit_contracts as calls_audit
from cs_assets.calls import contracts as calls_facts
from cs_assets.calls import mart_contracts as calls_marts
from cs_assets.calls.assets import calls_assets
from cs_assets.calls.audit_rules import AuditRules
from cs_assets.calls.judge import Judge, ModelJudge
from cs_assets.calls.keywords import Keywords
from cs_assets.calls.lexicon import Lexicon
from cs_assets.calls.model_answers import assignment
from cs_assets.calls.prompt import Prompt
from cs_assets.calls.sentiment import Rules
from cs_assets.calls.sentiment_contracts import CALL_SENTIMENT
from cs_assets.checks import freshness_checks, up_to_date_checks, volume_check
from cs_assets.contracts import Contract, Place
from cs_assets.health import contracts as health_contracts
from cs_assets.health import marts as health_marts
from cs_assets.health.alert_rules import AlertRules
from cs_assets.health.assets import health_assets
from cs_assets.health.features import Features
from cs_assets.health.recommendation_rules import RecommendationRules
from cs_assets.health.report_checks import report_checks
from cs_assets.health.rules import HealthRules
from cs_assets.health.scorecard import load_scorecards
from cs_assets.quarantine import QuarantineLimit
from cs_assets.recipes import Recipe, recipes_in_order
from cs_assets.sources import contracts as sources_facts
from cs_assets.sources import quality_contracts as sources_quality
from cs_assets.sources.assets import outside_name, source_assets, source_of
from cs_assets.sources.files import LANDED
from cs_assets.sources.quality_assets import ARRIVALS
from cs_resources.call_database import CallDatabase
from cs_resources.io_managers import StorageIOManager
from cs_resources.lake_maintenance import Retention
from cs_resources.landed_arrivals import Arrivals
from cs_resources.landed_sources import LandedSources, OneSource
from cs_resources.landing import Landing
from cs_resources.model_of_settings import language_model_of
from cs_resources.notifier import Notifier
from cs_resources.settings import Settings, load_settings
from cs_resources.storage import Storage, storage_of
from cs_schedules.alerts import run_failure_sensor
from cs_schedules.batches import batch_sensor
from cs_schedules.jobs import jobs
from cs_schedules.landing import landing_sensor
from cs_schedules.maintenance import maintenance_job, maintenance_schedule
from cs_schedules.repairs import repair_sensor
from cs_schedules.retention import retention_job, retention_schedule
from cs_schedules.schedules import Timetable, schedules
from cs_schedules.sensors import source_sensor

CONTRACTS = (
    *calls_facts.FACTS,
    CALL_SENTIMENT,
    *calls_audit.FACTS,
    *calls_marts.MARTS,
    *calls_audit.MARTS,
    *sources_facts.FACTS,
    *sources_quality.MARTS,
    *health_marts.FACTS,
    *health_marts.MARTS,
)
"""The tables of all assets."""
TABLES = (*CONTRACTS, *health_marts.SHADOWS)
"""Every table, with those that commands write beside the assets'."""


def build_definitions(
    settings: Settings,
    storage: Storage | None = None,
    call_database: CallDatabase | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dg.Definitions:
    """Return the definitions of an installation; tests pass their own storage, source or clock."""
    storage = storage or storage_of(settings, CONTRACTS)
    calendar, timetable = settings.calendar, timetable_of(settings)
    audit = AuditRules.load(settings.audit_file)
    judge = judge_of(settings)
    landed = landed_of(settings, storage, clock)
    assets = [
        *calls_assets(calendar, judge, audit, limit_of(settings), settings.cs_locale),
        *source_assets(
            calendar,
            limit_of(settings),
            sources_of(settings),
            settings.cs_locale,
            settings.cs_tenant,
        ),
        *health_assets(calendar, health_rules_of(settings), settings.cs_locale, settings.cs_tenant),
    ]
    recipes = recipes_in_order(assets, storage.by_key)
    every_job = {job.name: job for job in jobs()}
    retention = retention_job(settings.dagster_retention_days)
    care = maintenance_job(retention_of(settings))
    weekly = maintenance_schedule(
        care, calendar.timezone, settings.maintain_cron_hour, timetable.is_enabled
    )
    return dg.Definitions(
        assets=assets,
        asset_checks=[
            freshness_checks(
                CONTRACTS,
                calendar,
                timetable.due,
                lambda table: all(landed.has_landed(name) for name in _landed_for(table)),
            ),
            up_to_date_checks(recipes, calendar),
            volume_check(calls_facts.CALL_RECORDS_CLEAN, settings.volume_factor),
            *report_checks(),
        ],
        jobs=[*every_job.values(), retention, care],
        schedules=[
            *schedules(calendar, timetable),
            retention_schedule(retention, calendar, timetable),
            weekly,
        ],
        sensors=_sensors(settings, timetable, recipes, judge, every_job),
        resources={
            "clock": clock,
            "storage": storage,
            Place.LAKE.value: StorageIOManager(storage, Place.LAKE),
            Place.WAREHOUSE.value: StorageIOManager(storage, Place.WAREHOUSE),
            "call_database": call_database or call_database_of(settings),
            "language_model": language_model_of(settings, storage, clock),
            "landing": landed.landing,
            "landed": landed,
            "arrivals": storage.outside[ARRIVALS],
        },
        executor=dg.in_process_executor,
    )


def _sensors(
    settings: Settings,
    timetable: Timetable,
    recipes: Sequence[Recipe],
    judge: Judge,
    every_job: Mapping[str, UnresolvedAssetJobDefinition],
) -> list[dg.SensorDefinition]:
    calendar = settings.calendar
    sensors = [
        source_sensor(calendar, timetable, every_job),
        repair_sensor(calendar, timetable, recipes, every_job),
        landing_sensor(calendar, timetable, every_job),
        run_failure_sensor(notifier_of(settings), timetable.is_enabled),
    ]
    if judge.model and settings.llm_mode == "batch":
        asked = assignment(judge.model.prompt)
        sensors.append(batch_sensor(asked, timetable.is_enabled, every_job))
    return sensors


def _landed_for(table: Contract) -> tuple[str, ...]:
    """Return the landed source without which a table is not in use."""
    if table in sources_facts.FACTS:
        return (source_of(table),)
    systems = (health_contracts.SYSTEM, sources_facts.SYSTEM)
    return ("customers",) if table.system in systems else ()


def rules_of(settings: Settings) -> Rules:
    """Return the judge of dialogues that needs no model."""
    return Rules(
        Keywords.load(settings.keywords_file),
        Lexicon.load(settings.lexicon_terms_file, settings.lexicon_modifiers_file),
    )


def judge_of(settings: Settings) -> Judge:
    """Return who judges dialogues."""
    rules = rules_of(settings)
    if not settings.has_model:
        return Judge(rules)
    prompt = Prompt.load(settings.llm_prompt_file)
    return Judge(
        rules, ModelJudge(settings.llm_model, prompt, settings.llm_max_dialogue_characters)
    )


def sources_of(settings: Settings) -> tuple[str, ...]:
    """Return the landed sources that there are."""
    return ("customers", *settings.health_sources)


def health_rules_of(settings: Settings) -> HealthRules:
    """Return what customers' health is made of."""
    cards = load_scorecards(settings.health_scorecards)
    return HealthRules(
        sources=settings.health_sources,
        features=Features.load(settings.health_features_file),
        scorecards=cards,
        alerts=AlertRules.load(settings.health_alerts_file, cards),
        recommendations=RecommendationRules.load(settings.health_recommendations_file, cards),
    )


def limit_of(settings: Settings) -> QuarantineLimit:
    """Return the limit above which a day is refused."""
    return QuarantineLimit(settings.quarantine_max_share, settings.quarantine_max_rows)


def retention_of(settings: Settings) -> Retention:
    """Return how long the lake keeps what was replaced."""
    return Retention(
        files=timedelta(days=settings.lake_retention_days),
        log=timedelta(days=settings.lake_log_days),
    )


def timetable_of(settings: Settings) -> Timetable:
    """Return the hours of the nightly round."""
    return Timetable(
        is_enabled=settings.scheduler_enabled,
        sync=(settings.sync_cron_hour, settings.sync_cron_minute),
        analyse=(settings.analyze_cron_hour, settings.analyze_cron_minute),
        snapshots=(settings.snapshot_cron_hour, settings.snapshot_cron_minute),
        summaries=(settings.summary_cron_hour, settings.summary_cron_minute),
        look_back_days=settings.sync_lookback_days,
        catch_up_days=settings.sync_catch_up_days,
    )


def notifier_of(settings: Settings) -> Notifier:
    """Return the channels on which people are told."""
    return Notifier(
        webhook_url=settings.alert_webhook_url.get_secret_value(),
        mail_to=tuple(part.strip() for part in settings.alert_mail_to.split(",") if part.strip()),
        mail_from=settings.alert_mail_from,
        smtp_host=settings.smtp_host,
        smtp_port=settings.smtp_port,
        smtp_user=settings.smtp_user,
        smtp_password=settings.smtp_password.get_secret_value(),
    )


def landing_of(settings: Settings) -> Landing:
    """Return the folder in which files land."""
    return Landing(
        url=settings.landing,
        archive=settings.archive_folder,
        tenant_id=settings.cs_tenant,
        must_exist=bool(settings.landing_url),
    )


def landed_of(settings: Settings, storage: Storage, clock: Callable[[], datetime]) -> LandedSources:
    """Return the sources of the landing folder; the storage knows them as what steps read."""
    zone = settings.calendar.timezone
    landed = LandedSources(
        landing_of(settings),
        lambda: storage.session,
        LANDED,
        lambda: current_period(Grain.DAY, clock(), zone).start,
    )
    storage.outside.update({outside_name(name): OneSource(landed, name) for name in LANDED})
    storage.outside[ARRIVALS] = Arrivals(landed, sources_of(settings))
    return landed


def call_database_of(settings: Settings) -> CallDatabase:
    """Return the call database that the settings name."""
    return CallDatabase(
        url=settings.call_source,
        history_start=settings.cs_history_start,
        tenant_id=settings.cs_tenant,
        layout=settings.call_source_layout,
        suffix=settings.call_source_table_suffix,
        lookback_months=settings.call_source_lookback_months,
        names=settings.call_source_names,
        connect_timeout=settings.call_source_connect_timeout_seconds,
        read_timeout=settings.call_source_read_timeout_seconds,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of the installation that the environment describes."""
    return build_definitions(load_settings())


# what is imported stays: the garbage collector need not look through it again and again
gc.freeze()
