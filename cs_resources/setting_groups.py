"""Groups of settings that belong together.

Belongs here: schedules, alerts, the language model. Must not: where settings come from.
"""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings


class ScheduleSettings(BaseSettings):
    """When things run."""

    scheduler_enabled: bool = Field(False, description="Whether schedules and sensors start on.")
    sync_cron_hour: int = Field(2, ge=0, le=23, description="Hour of the nightly read.")
    sync_cron_minute: int = Field(0, ge=0, le=59, description="Its minute.")
    analyze_cron_hour: int = Field(2, ge=0, le=23, description="Hour of the analysis.")
    analyze_cron_minute: int = Field(30, ge=0, le=59, description="Its minute.")
    snapshot_cron_hour: int = Field(6, ge=0, le=23, description="Hour of the snapshots.")
    snapshot_cron_minute: int = Field(0, ge=0, le=59, description="Its minute.")
    summary_cron_hour: int = Field(6, ge=0, le=23, description="Hour of the summaries.")
    summary_cron_minute: int = Field(30, ge=0, le=59, description="Its minute.")
    maintain_cron_hour: int = Field(
        4, ge=0, le=23, description="Hour of the lake's maintenance, on Sundays."
    )
    sync_lookback_days: int = Field(3, ge=1, description="Days read again every night.")
    sync_catch_up_days: int = Field(
        40, ge=1, description="Days watched for changes and caught up after an outage."
    )


class AlertSettings(BaseSettings):
    """Who is told of failures, and how."""

    alert_webhook_url: SecretStr = Field(SecretStr(""), description="Told about failed runs.")
    alert_mail_to: str = Field("", description="Addresses, comma-separated.")
    alert_mail_from: str = Field("", description="Sender of these mails.")
    smtp_host: str = Field("", description="Mail server.")
    smtp_port: int = Field(25, ge=1, le=65535, description="Its port.")
    smtp_user: str = Field("", description="Account at the mail server.")
    smtp_password: SecretStr = Field(SecretStr(""), description="Its password.")


class HealthSettings(BaseSettings):
    """What customers' health is made of."""

    health_sources: tuple[Literal["sales", "support", "activity"], ...] = Field(
        ("sales", "support", "activity"),
        description="JSON list of the landed sources that there are besides customers.",
    )
    health_scorecards: Path | None = Field(
        None, description="Folder of scorecards of your own (YAML), used besides the built-in ones."
    )
    health_features_file: Path | None = Field(
        None, description="Features of the product by tier, of your own (YAML)."
    )
    health_recommendations_file: Path | None = Field(
        None, description="Recommendations of your own (YAML)."
    )
    health_alerts_file: Path | None = Field(None, description="Rules of alerts of your own (YAML).")


class ModelSettings(BaseSettings):
    """The language model; without an address and a model, rules judge alone."""

    llm_api_base_url: str = Field(
        "", description="Address of an OpenAI-compatible endpoint; empty: no model is asked."
    )
    llm_api_key: SecretStr = Field(SecretStr(""), description="Its key (bearer token).")
    llm_gateway_token: SecretStr = Field(
        SecretStr(""), description="Token of a gateway, sent as Authorization-Gateway, not the key."
    )
    llm_model: str = Field("", description="Name of the model.")
    llm_mode: Literal["live", "batch"] = Field(
        "live", description="Answers at once, or within a day at the price of batches."
    )
    llm_concurrency: int = Field(32, ge=1, le=512, description="Requests under way at once.")
    llm_requests_per_minute: int | None = Field(
        None, ge=1, description="Limit over all processes; empty: none."
    )
    llm_tokens_per_minute: int | None = Field(
        None, ge=1, description="Limit over all processes; empty: none."
    )
    llm_budget_tokens: int | None = Field(
        None, ge=1, description="Tokens that a day's calls may cost; empty: no limit."
    )
    llm_budget_cost: float | None = Field(
        None, gt=0, description="Money that a day's calls may cost, in the price's currency."
    )
    llm_attempt_timeout_seconds: float = Field(
        20, gt=0, description="How long one request may take."
    )
    llm_deadline_seconds: float = Field(
        60, gt=0, description="How long all requests about one call may take."
    )
    llm_circuit_failures: int = Field(
        5, ge=1, description="Failures in a row after which the endpoint is left alone for a while."
    )
    llm_max_dialogue_characters: int = Field(
        6000, ge=100, description="Of a longer dialogue only the end is sent."
    )
    llm_max_completion_tokens: int = Field(300, ge=50, description="Limit of one answer.")
    llm_extra_body: dict[str, Any] = Field(
        default_factory=dict,
        description='JSON that is added to every request, e.g. {"enable_thinking": false}.',
    )
    llm_prices_file: Path | None = Field(None, description="Prices of your own (YAML).")
    llm_prompt_file: Path | None = Field(None, description="Prompt of your own (YAML).")

    @property
    def has_model(self) -> bool:
        """Whether a language model is configured."""
        return bool(self.llm_api_base_url)

    @field_validator("llm_api_base_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("not a web address; expected e.g. https://host/compatible-mode/v1")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _address_and_model(self) -> Self:
        if bool(self.llm_api_base_url) != bool(self.llm_model):
            raise ValueError(
                "LLM_API_BASE_URL and LLM_MODEL belong together: give both, or neither for rules "
                "alone"
            )
        return self
