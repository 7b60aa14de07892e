"""The shape of the report's JSON files: what programs that read them may rely on.

Belongs here: names, types and order of fields. Must not: where values come from, files.

Every object is validated by these models before it is written: nothing else can be in a file.
"""

import json
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Score = Annotated[float, Field(ge=0, le=1)]
Severity = Literal["critical", "high", "medium", "low"]
RiskLevel = Literal["low", "medium", "high", "critical"]
Direction = Literal["improving", "stable", "declining"]
Source = Literal["sales", "support", "activity"]


def _parsed(value: Any) -> Any:
    """Tables of the warehouse hold objects as JSON text."""
    return json.loads(value) if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    """Nothing was found for the customer: an empty list."""
    return [] if value is None else value


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Trend(_Shape):
    """Where the score comes from and where it may go; null: not known."""

    direction: Direction | None
    change_30d: float | None
    forecast_30d: Score | None


class CustomerAlert(_Shape):
    """An alert that is open, as the customer's entry tells it."""

    alert_id: str
    rule: str
    severity: Severity
    message: str
    first_seen: date
    last_seen: date


class CustomerRecommendation(_Shape):
    """What to do; `dimension` and `score_to_win` are null for standing actions."""

    action: str
    kind: Literal["action", "standing"]
    dimension: str | None
    text: str
    score_to_win: Score | None


class CustomerEntry(_Shape):
    """One customer of `customer_success_data.json`."""

    customer_id: str
    customer_name: str | None
    health_score: Score | None
    health_grade: str | None
    risk_level: RiskLevel | None
    score_breakdown: dict[str, Score | None]
    trend: Trend
    alerts: Annotated[list[CustomerAlert], BeforeValidator(_listed)]
    recommendations: Annotated[list[CustomerRecommendation], BeforeValidator(_listed)]
    data_sources: list[Source]
    calculated_at: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")]


class Summary(_Shape):
    """All customers together; who has no score is in no grade."""

    total_customers: Annotated[int, Field(ge=0)]
    avg_health_score: Score | None
    distribution: dict[str, Annotated[int, Field(ge=0)]]


class CustomerSuccessData(_Shape):
    """The file `customer_success_data.json`."""

    customers: list[CustomerEntry]
    summary: Summary


class HistoryPoint(_Shape):
    """A score as published for a period."""

    period_key: str
    as_of: date
    score: Score | None
    grade: str | None


class ScoreHistory(_Shape):
    """One customer under one scorecard; the file `health_scores_history.json` is a list of them."""

    customer_id: str
    scorecard: str
    history: Annotated[list[HistoryPoint], Field(min_length=1)]


class AlertEntry(_Shape):
    """One alert of `risk_alerts.json`."""

    alert_id: str
    customer_id: str
    rule: str
    severity: Severity
    message: str
    evidence: Annotated[dict[str, bool | int | float | str | None], BeforeValidator(_parsed)]
    first_seen: date
    last_seen: date
    owner: str | None


class RiskAlerts(_Shape):
    """The file `risk_alerts.json`; `generated_for` is the period."""

    generated_for: str
    alerts: list[AlertEntry]
