"""Features: which tier each feature of the product belongs to.

Belongs here: reading and validating `features.yaml`. Must not: counting use (see
`measures_activity`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cs_assets.yaml_files import load_yaml
from cs_resources.errors import ConfigurationError

DEFAULT: Final = Path(__file__).with_name("features.yaml")

Name = Annotated[str, Field(min_length=1)]


class FeatureError(ConfigurationError, ValueError):
    """The feature file does not say what it should; the message names place and remedy."""


class FeatureFile(BaseModel):
    """The feature file, as written."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    core: tuple[Name, ...]
    advanced: tuple[Name, ...]
    integration: tuple[Name, ...]

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        names = [*self.core, *self.advanced, *self.integration]
        if padded := [name for name in names if name != name.strip()]:
            raise ValueError(f"these features begin or end with a space: {padded}")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"these features stand twice: {', '.join(twice)}; keep each once")
        return self


@dataclass(frozen=True)
class Features:
    """Features by tier; `fingerprint` changes with the file."""

    file: FeatureFile
    fingerprint: str

    @classmethod
    def load(cls, path: Path | None = None) -> "Features":
        """Read a feature file, by default the packaged one.

        Raises FeatureError naming file, place and remedy.
        """
        file = load_yaml(path or DEFAULT, FeatureFile, FeatureError, packaged=DEFAULT)
        return cls(file, hashlib.sha256(file.model_dump_json().encode()).hexdigest()[:16])

    @property
    def tiers(self) -> Mapping[str, tuple[str, ...]]:
        """The names of each tier's features."""
        return {
            "core": self.file.core,
            "advanced": self.file.advanced,
            "integration": self.file.integration,
        }
