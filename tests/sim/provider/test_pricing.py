"""Prices: the scenario's own first, list prices otherwise, and an error that says what to write when nobody knows."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage, calc_price

from sim.provider.pricing import PRICED_AT, unit_prices
from sim.scenario.errors import ScenarioError
from sim.scenario.model import Scenario


def scenario(providers: dict[str, Any]) -> Scenario:
    constant = {"kind": "constant", "value": 10}
    target = next(f"{provider}/{model}" for provider, config in providers.items() for model in config["models"])
    return Scenario.model_validate(
        {
            "tenfold": 1,
            "name": "shop",
            "workload": {
                "arrivals": {"kind": "poisson", "rate": "1/s"},
                "duration": "1m",
                "requests": [{"name": "a", "tokens": {"input": constant, "output": constant}}],
            },
            "gateway": {"routing": {"kind": "round-robin", "models": [target]}},
            "providers": providers,
        }
    )


def models(*names: str, price: dict[str, float] | None = None) -> dict[str, Any]:
    return {"models": {name: {"latency": {"kind": "constant", "value": "1s"}, **({"price": price} if price else {})} for name in names}}


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-mini"),
        ("openai", "gpt-4o"),
        ("anthropic", "claude-haiku-4-5"),
        ("anthropic", "claude-sonnet-4-5"),
        ("openai", "gpt-3.5-turbo-1106"),
    ],
)
def test_list_prices_are_those_of_genai_prices_on_the_pinned_date(provider, model):
    per_input, per_output = unit_prices(scenario({provider: models(model)}))[f"{provider}/{model}"]
    usage = Usage(input_tokens=1000, output_tokens=500)
    listed = calc_price(usage, model, provider_id=provider, genai_request_timestamp=PRICED_AT)
    assert Decimal(repr(round(1000 * per_input, 12))) == listed.input_price.normalize()
    assert Decimal(repr(round(500 * per_output, 12))) == listed.output_price.normalize()
    assert per_output > per_input > 0


def test_an_explicit_price_wins():
    prices = unit_prices(scenario({"openai": models("gpt-4o", price={"input": 7, "output": 9})}))
    assert prices == {"openai/gpt-4o": (7e-6, 9e-6)}


def test_explicit_prices_look_nothing_up():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from tests.sim.provider.test_pricing import *\n"
        "for name in [name for name in sys.modules if name.startswith('genai_prices')]: del sys.modules[name]\n"
        "print(unit_prices(scenario({'server': models('job', price={'input': 0, 'output': 0})})))\n"
        "assert 'genai_prices' not in sys.modules"
    )
    run = subprocess.run([sys.executable, "-c", code, str(Path(__file__).parents[3])], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "{'server/job': (0.0, 0.0)}"


def test_targets_come_in_the_scenarios_order():
    two = {"openai": models("gpt-4o", "gpt-4o-mini"), "anthropic": models("claude-haiku-4-5")}
    assert list(unit_prices(scenario(two))) == ["openai/gpt-4o", "openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"]


def test_a_provider_of_another_name_has_the_prices_of_the_vendor_whose_dialect_it_speaks():
    regions = {"eu-west": {"dialect": "anthropic", **models("claude-haiku-4-5")}, "us-east": models("gpt-4o-mini")}
    vendors = {"anthropic": models("claude-haiku-4-5"), "openai": models("gpt-4o-mini")}
    assert list(unit_prices(scenario(regions)).values()) == list(unit_prices(scenario(vendors)).values())


def test_tiers_count_with_the_price_of_short_prompts():
    listed = calc_price(Usage(input_tokens=1), "claude-sonnet-4-5", provider_id="anthropic", genai_request_timestamp=PRICED_AT)
    tiered = listed.model_price.input_mtok
    assert tiered.tiers  # else this test has lost its subject
    assert unit_prices(scenario({"anthropic": models("claude-sonnet-4-5")}))["anthropic/claude-sonnet-4-5"][0] == float(tiered.base) / 1e6


def test_models_that_nobody_knows_are_all_named_with_the_fix():
    with pytest.raises(ScenarioError) as refused:
        unit_prices(scenario({"openai": models("gpt-99-ultra", "gpt-4o"), "shed": models("home-made")}))
    assert str(refused.value) == (
        "shop: providers.openai.models.gpt-99-ultra: no list price is known for openai/gpt-99-ultra\n"
        "    give its price in USD per million tokens, such as  price: {input: 0.15, output: 0.6}\n"
        "shop: providers.shed.models.home-made: no list price is known for shed/home-made\n"
        "    give its price in USD per million tokens, such as  price: {input: 0.15, output: 0.6}"
    )


def test_a_model_without_a_price_per_token_counts_as_unknown():
    with pytest.raises(ScenarioError, match="no list price is known for openai/dall-e-3"):
        unit_prices(scenario({"openai": models("dall-e-3")}))


def test_tokens_from_a_prompt_cache_cost_what_is_stated_or_listed_or_as_much_as_input() -> None:
    from sim.provider.pricing import cached_prices

    constant = {"kind": "constant", "value": 1}
    latency = {"latency": {"kind": "constant", "value": "1s"}}
    models = {
        "stated": {**latency, "price": {"input": 3, "output": 15, "cached_input": 0.3}},
        "plain": {**latency, "price": {"input": 3, "output": 15}},
        "claude-haiku-4-5": latency,
    }
    scenario = Scenario.model_validate({
        "tenfold": 1, "name": "cached", "gateway": {"routing": {"kind": "round-robin", "models": ["anthropic/plain"]}},
        "workload": {"arrivals": {"kind": "poisson", "rate": "1/s"}, "duration": "1m",
                     "requests": [{"name": "r", "tokens": {"input": constant, "output": constant}}]},
        "providers": {"anthropic": {"dialect": "anthropic", "prompt_cache": {}, "models": models},
                      "other": {"models": {"plain": models["plain"]}}},
    })  # fmt: skip
    assert cached_prices(scenario) == pytest.approx(
        {"anthropic/stated": 0.3e-6, "anthropic/plain": 3e-6, "anthropic/claude-haiku-4-5": 0.1e-6}
    )
