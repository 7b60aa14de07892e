"""What each partition has cost so far, and whether it may cost more.

Belongs here: accounts by partition, the budget's limits. Must not: the ledger (see `model_store`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cs_resources.errors import ConfigurationError, PlatformError
from cs_resources.model_ledger import Spent
from cs_resources.model_prices import Prices

_MICROS = 1_000_000


class BudgetUsedUpError(PlatformError):
    """A partition may not cost more."""


@dataclass
class Account:
    """Use of a partition: in this run, in runs before it, and promised to what is under way."""

    attempts: int = 0
    tokens: int = 0
    cost_micros: int = 0
    earlier_tokens: int = 0
    earlier_cost_micros: int = 0
    promised_tokens: int = 0
    promised_micros: int = 0


@dataclass
class Budget:
    """Limits per partition, over all of its runs; None: no limit. Money in the price's currency."""

    model: str
    prices: Prices
    tokens: int | None = None
    cost: float | None = None
    is_batch: bool = False
    accounts: dict[str, Account] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a limit in money where nobody knows the price."""
        if self.cost is not None and self._price(1, 1) is None:
            raise ConfigurationError(
                f"LLM_BUDGET_COST: there is no price for {self.model}"
                f"{' in batch mode (batch_discount)' if self.is_batch else ''}; add it to a price "
                "file of your own (LLM_PRICES_FILE), or limit tokens (LLM_BUDGET_TOKENS)"
            )

    @property
    def currency(self) -> str:
        """Currency of the model's price; empty: unknown."""
        price = self._price(1, 1)
        return price[1] if price else ""

    def open(self, earlier: Mapping[str, Spent]) -> None:
        """Take over what partitions have cost before."""
        for partition, spent in earlier.items():
            account = self.accounts.setdefault(partition, Account())
            account.earlier_tokens = spent.tokens
            account.earlier_cost_micros = spent.cost_micros.get(self.currency, 0)

    def promise(self, partition: str, prompt: int, completion: int) -> None:
        """Set the estimated use of an attempt aside; raises BudgetUsedUpError."""
        account = self.accounts.setdefault(partition, Account())
        price = self._price(prompt, completion)
        tokens = account.earlier_tokens + account.tokens + account.promised_tokens
        if self.tokens is not None and tokens + prompt + completion > self.tokens:
            raise BudgetUsedUpError(f"the budget of {self.tokens:,} tokens for a day is used up")
        micros = account.earlier_cost_micros + account.cost_micros + account.promised_micros
        if self.cost is not None and price and micros + price[0] > self.cost * _MICROS:
            raise BudgetUsedUpError(f"the budget of {self.cost:g} {price[1]} for a day is used up")
        account.promised_tokens += prompt + completion
        account.promised_micros += price[0] if price else 0

    def settle(
        self, partition: str, promised: tuple[int, int], used: tuple[int | None, int | None]
    ) -> tuple[int, str] | None:
        """Replace what was set aside by what an attempt used; return its price, if known."""
        account = self.accounts[partition]
        estimate = self._price(*promised)
        account.promised_tokens -= sum(promised)
        account.promised_micros -= estimate[0] if estimate else 0
        account.attempts += 1
        prompt, completion = used
        if prompt is None or completion is None:
            return None
        price = self._price(prompt, completion)
        account.tokens += prompt + completion
        account.cost_micros += price[0] if price else 0
        return price

    def _price(self, prompt: int, completion: int) -> tuple[int, str] | None:
        return self.prices.cost_micros(self.model, prompt, completion, self.is_batch)
