"""What of a scenario becomes LiteLLM's configuration, and what is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loadtest.targets import litellm
from loadtest.targets.litellm import TARGET
from tests.loadtest.targets.fitting import fitting, place

LEAST_BUSY = "gateway.routing={kind: least-busy, models: [p/m, q/m]}"
ORDERED = ("gateway.routing={kind: capability, default: [p/m, q/m]}", "gateway.fallback=[next-provider]")
LONE = "gateway.retry={attempts: 3, backoff: {kind: exponential, base: 500ms, cap: 8s}}"


def written(tmp_path: Path, *overrides: str) -> dict[str, Any]:
    return litellm.configuration(place(tmp_path, fitting(tmp_path, *overrides)))


def test_a_target_is_a_deployment_of_the_group_that_clients_ask_for(tmp_path: Path) -> None:
    found = written(tmp_path, "gateway.routing={kind: weighted, weights: {p/m: 3, q/m: 1}}", "providers.q.dialect=anthropic")
    assert [(each["model_name"], each["litellm_params"]) for each in found["model_list"]] == [
        ("default", {"model": "openai/m", "api_base": "http://127.0.0.1:9001/v1", "api_key": "sk-mock-p-0", "weight": 3.0}),
        ("default", {"model": "anthropic/m", "api_base": "http://127.0.0.1:9002", "api_key": "sk-mock-q-0", "weight": 1.0}),
    ]
    assert found["router_settings"] == {"routing_strategy": "simple-shuffle", "num_retries": 0, "disable_cooldowns": True}


def test_targets_in_order_are_groups_that_fall_back_on_each_other(tmp_path: Path) -> None:
    found = written(tmp_path, *ORDERED, LONE)
    assert [each["model_name"] for each in found["model_list"]] == ["default", "default-after-1"]
    assert found["router_settings"]["fallbacks"] == [{"default": ["default-after-1"]}]
    assert found["router_settings"]["num_retries"] == 2


def test_a_timeout_is_one_of_each_attempt(tmp_path: Path) -> None:
    found = written(tmp_path, *ORDERED, "gateway.timeout.attempt=3s")
    assert [each["litellm_params"]["timeout"] for each in found["model_list"]] == [3.0, 3.0]


def test_a_limit_of_calls_at_once_is_the_deployments(tmp_path: Path) -> None:
    found = written(tmp_path, "gateway.queue={concurrency: 7, waiting: 0}", "gateway.timeout.total=3s")
    assert found["model_list"][0]["litellm_params"].items() >= {"max_parallel_requests": 7, "timeout": 3.0}.items()


def test_a_cool_down_is_the_routers_and_off_where_the_scenario_has_none(tmp_path: Path) -> None:
    def router(*overrides: str) -> dict[str, Any]:
        found: dict[str, Any] = litellm.configuration(place(tmp_path, fitting(tmp_path, *overrides)))["router_settings"]
        return found

    assert router()["disable_cooldowns"] is True
    cooling = router("gateway.ejection={kind: litellm, cooldown_time: 7s, allowed_fails: 2}")
    assert (cooling["cooldown_time"], cooling["allowed_fails"]) == (7.0, 2)
    assert "disable_cooldowns" not in cooling


def test_a_cache_is_the_one_in_memory(tmp_path: Path) -> None:
    cache = "gateway.cache=[{kind: exact, ttl: 90s, capacity: 200, single_flight: false}]"
    found = written(tmp_path, cache)["litellm_settings"]
    assert (found["cache"], found["cache_params"]["type"], found["cache_params"]["ttl"]) == (True, "local", 90.0)
    assert TARGET.cannot(fitting(tmp_path, cache)) == []


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("gateway.routing.models=[p/m, q/m]",), "LiteLLM takes no turns among deployments"),
        (("gateway.retry=2",), "LiteLLM's own pauses are"),
        (("gateway.cache=[{kind: exact, ttl: 1m}]",), "{capacity: 200, single_flight: false, sliding: false}"),
        (("gateway.queue={concurrency: 7, waiting: 5}",), "write waiting: 0"),
        (("gateway.timeout.total=1s", "workload.client.stream=true"), "write timeout.first_token"),
        (("gateway.timeout.attempt=1s", "workload.client.stream=true"), "write timeout.first_token"),
        (("gateway.timeout.first_token=1s", "workload.client.stream=false"), "write timeout.attempt"),
        ((*ORDERED, "gateway.timeout.total=1s", "workload.client.stream=false"), "write timeout.attempt"),
        ((LEAST_BUSY, "gateway.retry={attempts: 3, to: next, backoff: none}"), "write {to: any, backoff: none}"),
        (("gateway.breaker=polly",), "gateway.breaker: "),
        (("providers.p.dialect=gemini",), "write dialect: openai or anthropic"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name_with_what_to_change(tmp_path: Path, overrides: tuple[str, ...], says: str) -> None:
    assert any(says in line for line in TARGET.cannot(fitting(tmp_path, *overrides)))


def test_what_it_can_do_is_not_refused(tmp_path: Path) -> None:
    assert TARGET.cannot(fitting(tmp_path, *ORDERED, LONE, "gateway.workers=2", "gateway.cancel_on_disconnect=false")) == []
    anew = "gateway.retry={attempts: 3, to: any, backoff: none}"
    assert TARGET.cannot(fitting(tmp_path, LEAST_BUSY, anew, "gateway.timeout.attempt=2s", "workload.client.stream=false")) == []
