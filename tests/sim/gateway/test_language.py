"""The words of the stages: what they mean when nothing is said, that each is described, and what is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sim.gateway import language
from sim.gateway.chain import STAGES
from sim.gateway.language import CONFIGS, Gateway, check
from sim.scenario.errors import ScenarioError
from tests.sim.tiny import scenario, unchecked

VALID = Path(__file__).parents[1] / "scenario" / "valid.yaml"
ROUTING = {"routing": {"kind": "round-robin", "models": ("a/one",)}}


def refusal_of(*overrides: str) -> str:
    with pytest.raises(ScenarioError) as refused:
        language.load(VALID, overrides)
    return str(refused.value)


def words(schema: dict[str, Any], found: dict[str, dict[str, Any]], name: str) -> dict[str, dict[str, Any]]:
    """The properties of a definition and of all that it refers to, by ``definition.property``."""
    if name in found:
        return found
    found[name] = {}
    waiting = [schema["$defs"][name]]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                words(schema, found, node["$ref"].rpartition("/")[2])
            waiting += node.values()
    found[name] = schema["$defs"][name].get("properties", {})
    return found


def test_every_word_of_a_stage_is_described():
    """But for the kind that tells the members of a union apart."""
    laws = {"Constant", "Exponential", "Lognormal", "Weibull", "Uniform", "Empirical", "Geometric", "Shifted", "Mixture", "Part"}
    found = words(language.json_schema(), {}, "Gateway")
    assert {"Gateway", "Queue", "ExactCache", "Backoff", "Breaker", "Capability", "LimitsBy", "GatewayLimits"} <= found.keys()
    bare = [
        f"{name}.{word}"
        for name, properties in found.items()
        if name not in laws and "Gamma" not in name
        for word, its in properties.items()
        if "description" not in its and "const" not in its
    ]
    assert bare == []


def test_no_two_stages_have_the_same_word():
    named = Counter(word for config in CONFIGS for word in config.model_fields)
    assert [word for word, times in named.items() if times > 1] == []
    assert set(named) == set(Gateway.model_fields)


def test_every_config_of_a_stage_is_part_of_the_language():
    assert {stage.Config for stage in STAGES if hasattr(stage, "Config")} <= set(CONFIGS)


def test_all_that_is_not_said_has_a_default_but_the_routing():
    gateway = Gateway.model_validate(ROUTING)
    assert [name for name, field in Gateway.model_fields.items() if field.is_required()] == ["routing"]
    assert gateway.kind == "reference"
    assert (gateway.queue, gateway.sessions, gateway.hedge, gateway.breaker, gateway.cpu_per_request) == (None,) * 5
    assert (gateway.limits.per_user, gateway.limits.global_) == (None, None)
    assert (gateway.timeout.first_token, gateway.timeout.total) == (None, None)
    assert (gateway.cache, gateway.fallback, gateway.fallback_on) == ((), (), ("error", "timeout"))
    assert (gateway.workers, gateway.retry.attempts, gateway.context.kind, gateway.cancel_on_disconnect) == (1, 1, "full", True)
    assert (gateway.api_keys.cool_down, gateway.api_keys.on, gateway.routing.memory) == (60.0, ("auth",), 30.0)


def test_defaults_of_what_is_used_are_the_fields():
    given = {
        "queue": {"concurrency": 8}, "sessions": {}, "cache": [{"kind": "exact", "ttl": "10m"}], "hedge": {"after": "2s"}, "breaker": {},
        "retry": {}, "limits": {"per_user": {"requests": "1/s"}},
    }  # fmt: skip
    gateway = scenario(gateway=given).gateway
    assert (gateway.queue.waiting, gateway.queue.timeout) == (0, None)
    assert (gateway.sessions.store, gateway.sessions.ttl, gateway.sessions.lookup) == ("memory", 1800.0, None)
    (cache,) = gateway.cache
    assert (cache.sliding, cache.capacity, cache.single_flight, cache.classes) == (False, 10_000, True, ())
    assert (gateway.hedge.at_most, gateway.hedge.to) == (0.05, "same")
    assert gateway.breaker.preset == "resilience4j"
    assert (gateway.retry.attempts, gateway.retry.to, gateway.retry.budget, gateway.retry.honor_retry_after) == (3, "same", None, True)
    assert (gateway.retry.backoff.kind, gateway.retry.backoff.base, gateway.retry.backoff.cap) == ("full-jitter", 0.5, 8.0)
    limits = gateway.limits.per_user
    assert (limits.algorithm, limits.reserve, limits.tokens) == ("token-bucket", 0, None)


@pytest.mark.parametrize("kind", ["litellm", "envoy", "Reference"])
def test_a_gateway_that_is_not_modelled_is_refused_by_name(kind):
    assert f"gateway.kind: expected reference, found '{kind}'" in refusal_of(f"gateway.kind={kind}")
    assert language.load(VALID, ["gateway.kind=reference"]).scenario.gateway.kind == "reference"


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("gateway.retries={attempts: 2}", "did you mean 'retry'?"),
        ("gateway.queue.timeout=5", "expected a duration with its unit"),
        ("gateway.queue.concurrency=0", "gateway.queue.concurrency: expected"),
        ("gateway.fallback=[next]", "gateway.fallback[0]: expected next-provider, stale-cache, canned, found 'next'"),
        ("gateway.fallback_on=[abandoned]", "gateway.fallback_on[0]: expected error, timeout, rejected, rate_limited"),
        ("gateway.api_keys.on=[quota]", "gateway.api_keys.on[0]: expected auth, rate-limit, found 'quota'"),
        ("gateway.cache=[{kind: fuzzy, ttl: 1s}]", "gateway.cache[0].kind: expected one of exact, semantic, cdn, found 'fuzzy'"),
        ("gateway.cache=[{kind: exact, ttl: 1s, classes: [fag]}]", "did you mean 'faq'?"),
        ("gateway.context={kind: window}", "gateway.context.turns: required, but missing"),
        ("gateway.breaker.preset=netflix", "gateway.breaker.preset: expected resilience4j, polly, hystrix"),
        ("gateway.retry.attempts=0", "gateway.retry.attempts: expected"),
        ("gateway.retry.attempts=21", "gateway.retry.attempts: expected"),
        ("gateway.hedge={after: 1s, at_most: 1.5}", "gateway.hedge.at_most: expected"),
        ("gateway.workers=0", "gateway.workers: expected"),
        ("gateway.limits.global.reserve=-1", "gateway.limits.global.reserve: expected"),
        ("gateway.timeout.total=0s", "gateway.timeout.total: expected a duration above zero"),
        ("gateway.routing.small=[openai/gpt-4o-mimi]", "did you mean 'openai/gpt-4o-mini'?"),
    ],
)
def test_a_word_that_means_nothing_is_refused_where_it_stands(override, says):
    assert says in refusal_of(override)


def test_what_each_stage_checks_is_checked():
    gateway = {
        "timeout": {"total": "0s"}, "fallback": ["stale-cache"], "limits": {"global": {"requests": "0.1/s"}},
        "routing": {"kind": "fastest", "models": ["a/won"], "memory": "0s"},
    }  # fmt: skip
    found = {finding.path[1] for finding in check(unchecked(gateway=gateway)) if finding.path[0] == "gateway"}
    assert found == {"timeout", "fallback", "limits", "routing"}


def test_a_scenario_of_another_gateway_has_the_same_other_parts():
    assert set(language.Scenario.model_fields) == set(language.AnyScenario.model_fields)
