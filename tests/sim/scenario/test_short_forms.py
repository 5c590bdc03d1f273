"""What people write first stands for the long form: the same scenario, the same hash, and the schema accepts both."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from sim.gateway.language import json_schema, load
from sim.scenario.errors import ScenarioError

VALID = Path(__file__).parent / "valid.yaml"
ALONE = "workload.conversations="
SHORT_AND_LONG = [
    ("workload.requests[0].tokens.input", "400", "{kind: constant, value: 400}"),
    ("workload.conversations.think", "20s", "{kind: constant, value: 20s}"),
    ("workload.conversations.turns", "3", "{kind: constant, value: 3}"),
    ("workload.arrivals", "4/s", "{kind: poisson, rate: 4/s}"),
    ("workload.users", "500", "{count: 500}"),
    ("workload.requests[0].prompts", "500", "{catalog: 500}"),
    ("workload.requests[0].share", "75%", "0.75"),
    ("workload.client.patience", "{kind: shifted, by: 1s, of: 5s}", "{kind: shifted, by: 1s, of: {kind: constant, value: 5s}}"),
    ("gateway.sessions", "redis", "{store: redis}"),
    ("gateway.context", "full", "{kind: full}"),
    ("gateway.cache", "{kind: exact, ttl: 10m, classes: faq}", "[{kind: exact, ttl: 10m, classes: [faq]}]"),
    ("gateway.queue", "64", "{concurrency: 64}"),
    ("gateway.queue", "unlimited", "{concurrency: unlimited}"),
    ("gateway.routing.small", "openai/gpt-4o", "[openai/gpt-4o]"),
    ("gateway.routing", "{kind: cheapest, models: openai/gpt-4o}", "{kind: cheapest, models: [openai/gpt-4o]}"),
    ("gateway.retry", "3", "{attempts: 3}"),
    ("gateway.retry.backoff", "exponential", "{kind: exponential}"),
    ("gateway.retry.budget", "20%", "0.2"),
    ("gateway.breaker", "hystrix", "{preset: hystrix}"),
    ("gateway.breaker.failure_rate", "12.5%", "0.125"),
    ("gateway.timeout", "45s", "{total: 45s}"),
    ("gateway.hedge", "2s", "{after: 2s}"),
    ("gateway.fallback", "canned", "[canned]"),
    ("gateway.limits.per_user", "30/min", "{requests: 30/min}"),
    ("gateway.cpu_per_request", "2ms", "{kind: constant, value: 2ms}"),
    ("providers.openai.models.gpt-4o-mini.ttft", "800ms", "{kind: constant, value: 800ms}"),
    ("providers.openai.errors", "99.9%", "{rate: 0.999}"),
    ("providers.openai.prompt_cache", "10m", "{ttl: 10m}"),
    ("faults", "{kind: outage, provider: openai, at: 60s, for: 20s}", "[{kind: outage, provider: openai, at: 60s, for: 20s}]"),
    ("budgets", "latency.p99 < 20s", "[latency.p99 < 20s]"),
]


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json_schema())


@pytest.mark.parametrize(("path", "short", "long"), SHORT_AND_LONG)
def test_a_short_form_is_the_long_one(path: str, short: str, long: str, validator: jsonschema.Draft202012Validator) -> None:
    one, other = (load(VALID, [f"{path}={value}"]) for value in (short, long))
    assert one.sha256 == other.sha256
    assert one.yaml_text == other.yaml_text


@pytest.mark.parametrize(("path", "short", "long"), SHORT_AND_LONG)
def test_the_schema_accepts_it(path: str, short: str, long: str, validator: jsonschema.Draft202012Validator) -> None:
    document = yaml.safe_load(VALID.read_text())
    *above, last = path.replace("[0]", ".0").split(".") if "gpt" not in path else ["providers", "openai", "models", "gpt-4o-mini", "ttft"]
    parent = document
    for step in above:
        parent = parent[int(step)] if step.isdecimal() else parent.setdefault(step, {})
    for value in (short, long):
        parent[last] = yaml.safe_load(value)
        assert [error.message for error in validator.iter_errors(document)] == []


def test_short_forms_of_a_base_merge_as_the_long_ones(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(VALID.read_text().replace("queue: {concurrency: 8, waiting: 20, timeout: 5s}", "queue: 8"))
    (tmp_path / "over.yaml").write_text("extends: base.yaml\ngateway: {queue: {waiting: 20, timeout: 5s}}\n")
    assert load(tmp_path / "over.yaml").sha256 == load(VALID).sha256
    (tmp_path / "over.yaml").write_text("extends: base.yaml\nworkload: {arrivals: 9/s}\ngateway: {cache: {kind: exact, ttl: 1m}}\n")
    assert load(tmp_path / "over.yaml").scenario.gateway.cache[0].ttl == 60


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("gateway.retry.backoff=exponentail", "gateway.retry.backoff: expected none, constant, exponential, .*found 'exponentail'"),
        ("gateway.context=window", "gateway.context.turns: required, but missing"),
        ("workload.requests[0].tokens.input=lots", r"tokens.input: expected one of constant, .*, found 'lots'"),
        ("workload.requests[0].tokens.input=4s", r"tokens.input: expected plain numbers here, not durations, found '4s'"),
        ("gateway.cpu_per_request=800", "cpu_per_request: expected durations with their units, .*, found 800\n    write 800s .*, 800ms if"),
        ("gateway.cpu_per_request=2 minits", "cpu_per_request: expected a duration with its unit, .*, found '2 minits'"),
        ("workload.requests[0].share=140%", r"share: expected at most 1, found '140%'"),
        ("gateway.sessions=true", "gateway.sessions: expected a mapping, found true"),
        (
            "gateway.sessions=rediss",
            "gateway.sessions: expected memory, redis or redis://host:port/db, found 'rediss'\n    did you mean 'redis'",
        ),
        ("gateway.cache={kind: exact}", "gateway.cache.ttl: required, but missing"),
        ("gateway.fallback=caned", "gateway.fallback: expected next-provider, stale-cache, canned, found 'caned'"),
        ("workload.arrivals=5 rps", "workload.arrivals: expected a rate .*, found '5 rps'\n    did you mean '5/s'"),
    ],
)
def test_a_short_form_gone_wrong_is_told_as_it_was_written(override: str, says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        load(VALID, [override])


def test_thousands_may_be_written_as_people_say_them() -> None:
    long = load(VALID, ["workload.requests.reasoning.tokens={input: 8k, output: {kind: lognormal, median: 1.5k, p99: 0.01M}}"]).scenario
    tokens = long.workload.requests[1].tokens
    assert (tokens.input.value, tokens.output.median, tokens.output.p99) == (8000, 1500, 10_000)
