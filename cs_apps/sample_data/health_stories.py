"""The book of the health sample: names, features and the stories customers live through.

Belongs here: the form of `health.yaml`, checked when it is read. Must not: draws, rows.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Range = tuple[float, float]
Stage = Literal["prospect", "negotiation", "won", "lost", "renewed", "churned"]
Product = Literal["main", "add_on", "next"]
Deal = tuple[Stage, Product, tuple[Share, Share], float, Share]
"""Stage, product, place in the period, amount relative to the main deal, share that has it."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Story(_Part):
    """How a customer fares; the meaning of each entry stands in `health.yaml`."""

    weekday: tuple[Share, Share, Share, Share, Share]
    weekend: Share
    depth: tuple[Share, Share, Share, Share, Share]
    quiet_days: Annotated[int, Field(ge=0)]
    rows: tuple[Share, Share]
    engaged: Share
    onboarding: Annotated[int, Field(ge=0)]
    breadth: tuple[Annotated[int, Field(ge=1)], int, int]
    value: Range
    payment: tuple[Literal["current", "late", "overdue", "suspended"], ...]
    nps: Range
    csat: Annotated[float, Field(ge=1, le=5)]
    hours: Range
    unsolved: Share
    urgent_open: bool
    priorities: tuple[Share, Share, Share, Share]
    remaining: tuple[int, int]
    deals: tuple[Deal, ...]


class Names(_Part):
    """Parts of company names, and people."""

    cities: tuple[str, ...]
    first: tuple[str, ...]
    second: tuple[str, ...]
    sectors: tuple[tuple[str, str], ...]
    forms: dict[str, tuple[str, str]]
    managers: tuple[str, ...]


class Book(_Part):
    """All of `health.yaml`; `order` holds positions in `stories`."""

    names: Names
    sizes: dict[str, tuple[str, str]]
    agents: Annotated[int, Field(ge=1)]
    categories: tuple[str, ...]
    onboarding: tuple[str, ...]
    products: dict[Product, str]
    features: dict[Literal["core", "advanced", "integration"], tuple[str, ...]]
    stories: dict[str, Story]
    order_names: tuple[str, ...] = Field(alias="order")

    @model_validator(mode="after")
    def _order_names_stories(self) -> "Book":
        if unknown := set(self.order_names) - set(self.stories):
            raise ValueError(f"order names stories that are not there: {sorted(unknown)}")
        return self

    @property
    def order(self) -> tuple[int, ...]:
        """Story of customer 0, 1, 2, ... as its position."""
        positions = {name: at for at, name in enumerate(self.stories)}
        return tuple(positions[name] for name in self.order_names)


@cache
def load_book() -> Book:
    """Read the book once per process; raises ValidationError for one that is not well-formed."""
    text = Path(__file__).with_name("health.yaml").read_text(encoding="utf-8")
    return Book.model_validate(yaml.safe_load(text))
