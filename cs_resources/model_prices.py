"""Prices of language models.

Belongs here: reading and validating `model_prices.yaml`, the cost of one request. Must not: sums
over requests (see `model_ledger`), exchange rates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cs_assets.yaml_files import load_yaml

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
        file = load_yaml(path or DEFAULT, PriceFile, packaged=DEFAULT)
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
