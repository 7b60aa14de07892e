"""Prices of language models: exact costs, unknown ones unknown, wrong files named."""

from decimal import Decimal
from fractions import Fraction
from math import floor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cs_resources.errors import ConfigurationError
from cs_resources.model_prices import Prices

GOOD = (
    "models: [{model: m, currency: CNY, input: 0.3, output: 0.6, batch_discount: 0.5, "
    "as_of: 2026-05-01, source: contract}]"
)
NOTED = Prices.load()


def test_the_models_of_the_documentation_have_a_price() -> None:
    assert NOTED.cost_micros("qwen-turbo", 1_000_000, 1_000_000) == (900_000, "CNY")
    assert NOTED.cost_micros("qwen-plus", 812, 61) == (772, "CNY")
    assert NOTED.cost_micros("qwen-flash", 1000, 100, batch=True) == (150, "CNY")
    assert NOTED.cost_micros("gpt-4o-mini", 1000, 100) == (210, "USD")


def test_what_is_not_known_costs_an_unknown_amount() -> None:
    assert NOTED.cost_micros("a model of tomorrow", 1, 1) is None
    assert NOTED.cost_micros("qwen-plus", None, 1) is None
    assert NOTED.cost_micros("qwen-plus", 1, None) is None
    assert NOTED.cost_micros("qwen-turbo", 1, 1, batch=True) is None
    assert NOTED.cost_micros("qwen-turbo", 0, 0) == (0, "CNY")


TOKENS = st.integers(0, 10**9)


@given(model=st.sampled_from(sorted(NOTED.models)), sent=TOKENS, got=TOKENS, batch=st.booleans())
def test_a_cost_is_exact_to_half_a_millionth(model: str, sent: int, got: int, batch: bool) -> None:
    price = NOTED.models[model]
    found = NOTED.cost_micros(model, sent, got, batch)
    if batch and price.batch_discount is None:
        assert found is None
        return
    share = 1 - Fraction(price.batch_discount or 0) if batch else Fraction(1)
    exact = (sent * Fraction(price.input) + got * Fraction(price.output)) * share
    assert found == (floor(exact + Fraction(1, 2)), price.currency)


def test_a_deployment_has_prices_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(GOOD)
    prices = Prices.load(path)
    assert prices.cost_micros("m", 1, 0) == (0, "CNY")
    assert prices.cost_micros("m", 5, 0) == (2, "CNY")
    assert prices.models["m"].input == Decimal("0.3")
    assert prices.cost_micros("qwen-plus", 1, 1) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("0.3", "-1"), "models[1].input: must be greater than or equal to 0"),
        (GOOD.replace("0.3", ".nan"), "models[1].input: must be a finite number"),
        (GOOD.replace("0.5", "50"), "models[1].batch_discount: must be less than or equal"),
        (GOOD.replace("CNY", "RMB¥"), "models[1].currency: must match pattern"),
        (GOOD.replace("output", "outptu"), "models[1].outptu: unknown key; remove it or correct"),
        (GOOD.replace("output", "outptu"), "models[1].output: is missing; add it"),
        (GOOD.replace("}]", "}, {model: m, currency: CNY, input: 1, output: 1, as_of: 2026-01-01, "
         "source: s}]"), "file: these models stand twice: m; keep one of each"),
        ("", "file: must be keys with values"),
        ("models: [", "is not good YAML"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_named_with_place_and_remedy(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        Prices.load(path)
    assert f"{path}: {message}" in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.yaml: cannot be read: No such file"):
        Prices.load(tmp_path / "none.yaml")
    path = tmp_path / "prices.yaml"
    path.write_bytes("source: 合同".encode("gbk"))
    with pytest.raises(ConfigurationError, match="is not UTF-8; save it as UTF-8"):
        Prices.load(path)
