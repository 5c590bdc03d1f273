"""What tokens cost at each target: the scenario's own price, else the public list price by genai-prices, bundled and offline."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from sim.scenario.errors import Problem, ScenarioError
from sim.scenario.model import Provider, Scenario

# List prices as of this moment, so that a prediction gives the same cost whenever it is replayed with the same genai-prices.
PRICED_AT = datetime(2026, 11, 1, tzinfo=UTC)
MILLION = 1_000_000


def unit_prices(scenario: Scenario) -> dict[str, tuple[float, float]]:
    """(USD per input token, USD per output token) of every target ``provider/model``, in the scenario's order.

    An explicit ``price`` wins, and with it nothing is looked up; otherwise tokens of reserved capacity cost nothing. A provider's
    discount is off all of that. Tokens are billed at the standard, uncached, synchronous rate. Where
    a list price rises with the length of the prompt, the price of short ones holds for all (most rise at 128,000 tokens or beyond).
    Raises ScenarioError naming every model whose price nobody knows.
    """
    prices: dict[str, tuple[float, float]] = {}
    problems: list[Problem] = []
    for provider, config in scenario.providers.items():
        for model, behaviour in config.models.items():
            if behaviour.price is not None:
                prices[f"{provider}/{model}"] = discounted(config, behaviour.price.input / MILLION, behaviour.price.output / MILLION)
                continue
            if config.reserved is not None:
                prices[f"{provider}/{model}"] = (0.0, 0.0)
                continue
            try:
                prices[f"{provider}/{model}"] = discounted(config, *list_price(provider, model, config.dialect))
            except LookupError:
                problems.append(unknown(scenario.name, provider, model))
    if problems:
        raise ScenarioError(problems)
    return prices


def cached_prices(scenario: Scenario) -> dict[str, float]:
    """USD per input token that is read from the prompt cache, of the targets whose provider has one. What is nowhere stated costs as input
    does. For scenarios whose ``unit_prices`` are known.
    """
    prices, known = unit_prices(scenario), {}
    for provider, config in scenario.providers.items():
        for model, behaviour in config.models.items() if config.prompt_cache is not None else ():
            name = f"{provider}/{model}"
            if behaviour.price is not None:
                cached = behaviour.price.cached_input
                cached_usd = None if cached is None else cached / MILLION
            elif config.reserved is not None:
                cached_usd = None
            else:
                cached_usd = list_prices(provider, model, config.dialect).cached_input or None
            known[name] = prices[name][0] if cached_usd is None else cached_usd * (1.0 - config.discount)
    return known


def discounted(config: Provider, input_usd: float, output_usd: float) -> tuple[float, float]:
    return input_usd * (1.0 - config.discount), output_usd * (1.0 - config.discount)


def unknown(scenario: str, provider: str, model: str) -> Problem:
    return Problem(
        scenario,
        f"no list price is known for {provider}/{model}",
        path=f"providers.{provider}.models.{model}",
        hint="give its price in USD per million tokens, such as  price: {input: 0.15, output: 0.6}",
    )


class ListPrices(NamedTuple):
    """USD per token."""

    input: float
    output: float
    cached_input: float | None


def list_price(provider: str, model: str, dialect: str) -> tuple[float, float]:
    """USD per token, in and out. Raises LookupError as ``list_prices`` does."""
    return list_prices(provider, model, dialect)[:2]


@lru_cache(maxsize=1024)
def list_prices(provider: str, model: str, dialect: str) -> ListPrices:
    """List prices. A provider that genai-prices does not know by name (a second region, say) has the prices of the vendor
    whose dialect it speaks. Raises LookupError for a model without a price for both.
    """
    from genai_prices.data_snapshot import get_snapshot

    snapshot = get_snapshot()
    try:
        _, found = snapshot.find_provider_model(model, None, provider, None)
    except LookupError:
        _, found = snapshot.find_provider_model(model, None, dialect, None)
    prices = found.get_prices(PRICED_AT)
    cached = getattr(prices, "cache_read_mtok", None)
    return ListPrices(
        usd_per_token(getattr(prices, "input_mtok", None)),
        usd_per_token(getattr(prices, "output_mtok", None)),
        None if cached is None else usd_per_token(cached),
    )


def usd_per_token(price: object) -> float:
    """From genai-prices' USD per million tokens: a number, or one with tiers of which the base counts."""
    base = getattr(price, "base", price)
    if not isinstance(base, Decimal):
        raise LookupError("no price per token")
    return float(base / MILLION)
