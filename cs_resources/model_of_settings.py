"""The language model that the settings describe.

Belongs here: from settings to the resource. Must not: asking.
"""

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime

from cs_resources.language_model import LanguageModel
from cs_resources.model_asking import Patience
from cs_resources.model_batching import BatchModel
from cs_resources.model_client import Endpoint
from cs_resources.model_prices import Prices
from cs_resources.model_store import ModelStore
from cs_resources.model_window import Limits
from cs_resources.settings import Settings
from cs_resources.storage import Storage


def language_model_of(
    settings: Settings, storage: Storage, clock: Callable[[], datetime]
) -> LanguageModel | None:
    """Return the model, or None where rules judge alone; opens nothing."""
    if not settings.has_model:
        return None
    model = LanguageModel(
        endpoint=endpoint_of(settings),
        store=ModelStore(storage.warehouse),
        tenant_id=settings.cs_tenant,
        prices=Prices.load(settings.llm_prices_file),
        limits=Limits(settings.llm_requests_per_minute, settings.llm_tokens_per_minute),
        patience=Patience(settings.llm_attempt_timeout_seconds, settings.llm_deadline_seconds),
        failures=settings.llm_circuit_failures,
        budget_tokens=settings.llm_budget_tokens,
        budget_cost=settings.llm_budget_cost,
    )
    if settings.llm_mode == "live":
        return model
    parts = {part.name: getattr(model, part.name) for part in fields(model)}
    return BatchModel(**parts, scratch=storage.staging_folder, clock=clock)


def endpoint_of(settings: Settings) -> Endpoint:
    """Return the endpoint that the settings name."""
    return Endpoint(
        base_url=settings.llm_api_base_url,
        model=settings.llm_model,
        api_key=settings.llm_api_key.get_secret_value(),
        gateway_token=settings.llm_gateway_token.get_secret_value(),
        concurrency=settings.llm_concurrency,
        max_completion_tokens=settings.llm_max_completion_tokens,
        extra_body=settings.llm_extra_body,
    )
