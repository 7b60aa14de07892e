"""Prices of language models.

Belongs here: reading and validating `model_prices.yaml`, the cost of one request. Must not: sums
over requests (see `model_ledger`), exchange rates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cs_resources.errors import ConfigurationError

DEFAULT = Path(__file__).with_name("model_prices.yaml")


class Price(BaseModel):
    """What a model costs, per million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: str = Field(min_length=1)
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    input: Decimal = Field(ge=0, allow_inf_nan=False)
    output: Decimal = Field(ge=0, allow_inf_nan=False)
    batch_discount: Decimal | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    as_of: date
    source: str = Field(min_length=1)


class PriceFile(BaseModel):
    """The price file, as written."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    models: tuple[Price, ...]

    @model_validator(mode="after")
    def _models_once(self) -> "PriceFile":
        names = [price.model for price in self.models]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"these models stand twice: {', '.join(twice)}; keep one of each")
        return self


@dataclass(frozen=True)
class Prices:
    """The known prices by model."""

    models: Mapping[str, Price]

    @classmethod
    def load(cls, path: Path | None = None) -> "Prices":
        """Read a price file; raises ConfigurationError naming file, place and remedy."""
        path = path or DEFAULT
        try:
            file = PriceFile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise ConfigurationError(
                f"{path}: cannot be read: {error.strerror}; correct LLM_PRICES_FILE"
            ) from error
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{path}: not UTF-8; save the file as UTF-8") from error
        except yaml.YAMLError as error:
            raise ConfigurationError(f"{path}: not YAML: {error}") from error
        except ValidationError as error:
            lines = [
                f"{path}: {'.'.join(str(part) for part in problem['loc']) or 'file'}: "
                f"{_said(problem['type'], problem['msg'])}"
                for problem in error.errors(include_url=False)
            ]
            raise ConfigurationError("\n".join(lines)) from None
        return cls({price.model: price for price in file.models})

    def cost_micros(
        self,
        model: str,
        prompt_tokens: int | None,
        completion_tokens: int | None,
        batch: bool = False,
    ) -> tuple[int, str] | None:
        """Return a request's cost in millionths of a currency, rounded half up, and the currency.

        None: the price is not known, or what was used is not.
        """
        price = self.models.get(model)
        if price is None or prompt_tokens is None or completion_tokens is None:
            return None
        if batch and price.batch_discount is None:
            return None
        # a price per million tokens is one in millionths per token
        full = prompt_tokens * price.input + completion_tokens * price.output
        cost = full * (1 - price.batch_discount) if batch and price.batch_discount else full
        return int(cost.quantize(Decimal(1), ROUND_HALF_UP)), price.currency


def _said(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "unknown key; remove it or correct its spelling"
    if kind == "missing":
        return "missing; add it"
    return message.removeprefix("Value error, ")
