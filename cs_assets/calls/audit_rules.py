"""The judgement values of the audit: how many calls people see, from where, in which words.

Belongs here: reading and validating `audit.yaml`. Must not: drawing or counting calls.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cs_assets.calls.audit_contracts import CELLS, REVIEW_REASONS
from cs_assets.yaml_files import load_yaml, name_differences
from cs_resources.errors import ConfigurationError

DEFAULT = Path(__file__).with_name("audit.yaml")
Locale = Literal["zh", "en"]
Text = Annotated[str, Field(min_length=1)]
Uncertainty = Annotated[float, Field(gt=0, le=0.5)]


class AuditRulesError(ConfigurationError, ValueError):
    """The file of the audit does not say what it should; the message names place and remedy."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class QueueRules(_Part):
    """How the review queue is drawn."""

    calls_per_month: int = Field(ge=1)
    at_least: int = Field(ge=1)
    size_power: float = Field(ge=0, le=1)
    uncertainty: Mapping[str, Uncertainty]

    @model_validator(mode="after")
    def _cells_are_complete(self) -> "QueueRules":
        _require_names("uncertainty", self.uncertainty, CELLS)
        if self.calls_per_month < self.at_least * len(CELLS):
            raise ValueError(
                f"calls_per_month must be {self.at_least * len(CELLS)} or more, at_least for each "
                f"of {len(CELLS)} cells"
            )
        return self


class IntervalRules(_Part):
    """How sure the intervals of corrected rates are."""

    confidence: float = Field(gt=0.5, lt=1)


class AuditFile(_Part):
    """The file, as written."""

    queue: QueueRules
    interval: IntervalRules
    reasons: Mapping[str, Mapping[Locale, Text]]

    @model_validator(mode="after")
    def _texts_are_complete(self) -> "AuditFile":
        _require_names("reasons", self.reasons, REVIEW_REASONS)
        for code, texts in self.reasons.items():
            _require_names(f"reasons.{code}", texts, ("zh", "en"))
        return self


@dataclass(frozen=True)
class AuditRules:
    """The judgement values, ready to use."""

    file: AuditFile
    fingerprint: str

    @classmethod
    def load(cls, path: Path | None = None) -> "AuditRules":
        """Read a file; raises AuditRulesError naming file, place and remedy."""
        file = load_yaml(path or DEFAULT, AuditFile, AuditRulesError, DEFAULT)
        # new words for people change no figure
        said = json.dumps([file.queue.model_dump(), file.interval.model_dump()], sort_keys=True)
        return cls(file, hashlib.sha256(said.encode()).hexdigest()[:16])


def _require_names(place: str, given: Iterable[str], names: Iterable[str]) -> None:
    if differences := name_differences(given, names):
        raise ValueError(f"{place}: {differences}")
