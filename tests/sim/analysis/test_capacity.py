"""What is paid by the hour, beside what is paid by the token: reserved capacity with overflow, a batch API's discount, break-evens."""

from __future__ import annotations

import pytest

from sim.analysis.bottleneck import bottleneck
from sim.analysis.metrics import measure
from sim.engine.runner import predict
from sim.gateway.language import load
from sim.provider.pricing import cached_prices, unit_prices
from tests.sim.tiny import unchecked

PROVISIONED = "guide/capacity/provisioned"
HOURS = 720


def run(*changes, **options):
    return predict(load(PROVISIONED, ["workload.duration=30m", *changes]).scenario, replications=2, engine="simpy", **options)


def monthly(seen):
    return measure(seen, "cost_usd.per_month").value


def by_the_token(rate):
    return run(f"workload.arrivals.rate={rate}", "gateway.routing.default=[openai/gpt-4o]", "providers.dedicated.reserved=null")


def test_reserved_units_cost_the_same_however_little_is_asked_of_them():
    seen = run("workload.arrivals.rate=0.1/s")
    assert measure(seen, "cost_usd.capacity_per_month").value == pytest.approx(15 * 0.36111 * HOURS)
    assert monthly(seen) == pytest.approx(15 * 0.36111 * HOURS)


def test_what_they_have_no_room_for_overflows_and_is_paid_by_the_token():
    seen = run("workload.arrivals.rate=1.5/s")
    dedicated, shared = (seen.targets.index(name) for name in ("dedicated/gpt-4o", "openai/gpt-4o"))
    answered = seen.attempts[seen.attempts["status"] == 200]
    theirs = answered[answered["target"] == dedicated]
    tokens_a_minute = (theirs["input_tokens"] + 3 * theirs["output_tokens"]).sum() / (2 * 30)
    assert tokens_a_minute == pytest.approx(15 * 2500, rel=0.1), "the units are full"
    assert len(theirs) / len(answered) > 15 * 2500 / 60 / (69.5 + 3 * 211) / 1.5, "short calls find room where long ones do not"
    assert (answered["cost_usd"][answered["target"] == dedicated] == 0).all()
    assert (answered["cost_usd"][answered["target"] == shared] > 0).all()
    assert measure(seen, "availability").value > 0.99


def test_they_pay_from_the_volume_at_which_their_rent_is_what_the_tokens_cost():
    """15 · 260 USD a month over 0.00228 USD a request are 1.7 million requests a month, 0.66 a second."""
    assert monthly(run("workload.arrivals.rate=0.4/s")) > 1.2 * monthly(by_the_token("0.4/s"))
    assert monthly(run("workload.arrivals.rate=0.9/s")) < 0.9 * monthly(by_the_token("0.9/s"))


def test_twice_the_units_have_twice_the_room_and_the_price():
    seen = run("providers.dedicated.reserved.units=30", "workload.arrivals.rate=1.5/s")
    assert measure(seen, "cost_usd.capacity_per_month").value == pytest.approx(30 * 0.36111 * HOURS)
    room = next(row["capacity"] for row in seen.usage if row["limit"] == "dedicated's token limit")
    assert room == pytest.approx(30 * 2500)


def test_a_batch_api_takes_half_the_price():
    price = {"input": 2.0, "output": 8.0, "cached_input": 1.0}
    models = {"one": {"latency": {"kind": "constant", "value": "1s"}, "price": price}}
    scenario = unchecked(a={"discount": "50%", "models": models, "prompt_cache": {"ttl": "5m"}})
    assert unit_prices(scenario)["a/one"] == pytest.approx((1e-6, 4e-6))
    assert cached_prices(scenario)["a/one"] == pytest.approx(0.5e-6)


def test_tokens_of_reserved_capacity_cost_nothing_unless_a_price_is_stated():
    def scenario(**model):
        models = {"gpt-4o": {"latency": {"kind": "constant", "value": "1s"}, **model}}
        routing = {"kind": "capability", "default": ["a/gpt-4o", "b/two"]}
        return unchecked(gateway={"routing": routing}, a={"reserved": {"usd_per_hour": 2.5}, "models": models})

    assert unit_prices(scenario())["a/gpt-4o"] == (0.0, 0.0)
    assert unit_prices(scenario(price={"input": 1, "output": 2}))["a/gpt-4o"] == pytest.approx((1e-6, 2e-6))


def test_no_class_of_requests_has_a_part_of_what_is_paid_by_the_hour():
    from sim.analysis.window import Window

    seen = run("workload.arrivals.rate=0.1/s")
    assert measure(Window(seen, classes=(0,)), "cost_usd.per_month").value == 0.0


def test_an_http_clients_default_pool_is_full_long_before_the_provider_is():
    def binding(scale, *changes):
        loaded = load("guide/capacity/connections", ["workload.duration=5m", *changes])
        return bottleneck(predict(loaded.scenario, scale, replications=1, engine="simpy"))

    assert binding(1) is None
    full = binding(3)
    assert (full["limit"], full["capacity"]) == ("the connection pool to openai", 100)
    assert full["load"] > 1.3
    assert full["refused_share"] > 0.2
    assert binding(3, "gateway.connections.max=1000") is None, "the OpenAI SDK's pool"
