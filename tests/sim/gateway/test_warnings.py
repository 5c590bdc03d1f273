"""What a scenario says to no effect, and defaults that surprise: told, and the scenario runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.gateway.language import load

VALID = Path(__file__).parents[1] / "scenario" / "valid.yaml"
ONE_POOL = "gateway.routing={kind: cheapest, models: [openai/gpt-4o, anthropic/claude-sonnet-4-5]}"
NO_NEEDS = ("workload.requests[0].needs=", "workload.requests[1].needs=")
ALONE = "workload.conversations="


@pytest.mark.parametrize(
    ("overrides", "path", "says"),
    [
        (["workload.requests[0].prompts="], "gateway.cache[0]", "nothing can hit"),
        (["gateway.cache={kind: exact, ttl: 1m, classes: reasoning}"], "gateway.cache", "nothing can hit"),
        (["gateway.cache=[{kind: exact, ttl: 1m}, {kind: exact, ttl: 9m}]"], "gateway.cache[1]", "no request class comes here"),
        (["gateway.routing.large=openai/gpt-4o"], "gateway.fallback[0]", "nowhere to go: each capability has one"),
        (["gateway.routing={kind: cheapest, models: openai/gpt-4o}", *NO_NEEDS], "gateway.fallback[0]", "nowhere"),
        (["gateway.routing.large=openai/gpt-4o", "gateway.fallback=canned"], "providers.anthropic", "no route leads here"),
        (
            [ALONE, "gateway.sessions=redis", "gateway.context=full"],
            "gateway.sessions",
            "no conversations, so there is nothing to remember",
        ),
        ([ALONE], "gateway.context", "no conversations, so there is no history"),
        ([ONE_POOL, *NO_NEEDS, "gateway.routing.memory=9s"], "gateway.routing.memory", "only fastest reads it"),
        ([ONE_POOL, NO_NEEDS[0]], "workload.requests[1].needs", "whatever it needs"),
        (["gateway.fallback=next-provider", "gateway.fallback_on=rejected"], "gateway.fallback_on", "fallback has none"),
        (["providers.openai.keys=1", "gateway.api_keys.on=rate-limit"], "gateway.api_keys", "every provider has one key"),
        (["gateway.retry={attempts: 1, backoff: constant}"], "gateway.retry.backoff", "attempts is 1"),
        (["gateway.queue=", "workload.client.patience=9s"], "workload.client.patience", "nobody waits in line"),
        (["gateway.queue=unlimited", "workload.requests[0].priority=3"], "workload.requests[0].priority", "let in before others"),
        (["gateway.queue=64"], "gateway.queue", "beyond 64 in service, calls are rejected at once"),
        (
            ["gateway.queue={concurrency: 4, waiting: unlimited}", "gateway.timeout={}", "workload.client.timeout=", "faults=[]"],
            "gateway.queue",
            "wait for as long as it takes",
        ),
    ],
)
def test_what_has_no_effect_or_surprises_is_said(overrides: list[str], path: str, says: str) -> None:
    told = {warning.path: warning for warning in load(VALID, overrides).warnings}
    assert says in told[path].message
    assert told[path].hint


def test_a_pool_of_several_providers_that_does_not_fail_over_is_said(tmp_path: Path) -> None:
    text = VALID.read_text().replace("  fallback: [next-provider, stale-cache, canned]\n", "")
    (tmp_path / "a.yaml").write_text(text)
    (warning,) = load(tmp_path / "a.yaml").warnings
    assert (warning.path, warning.line) == ("gateway.routing", 26)
    assert "none is tried when another one fails" in warning.message
    assert not load(tmp_path / "a.yaml", ["gateway.retry.to=next"]).warnings


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["gateway.queue={concurrency: 4, waiting: 0}"],
        [
            "gateway.queue={concurrency: 4, waiting: unlimited, timeout: null}",
            "gateway.timeout={}",
            "workload.client.timeout=",
            "faults=[]",
        ],
        ["gateway.queue={concurrency: 4, waiting: unlimited}"],
        ["gateway.fallback=[]"],
        [ONE_POOL, *NO_NEEDS],
    ],
)
def test_what_is_meant_is_left_alone(overrides: list[str]) -> None:
    assert load(VALID, overrides).warnings == ()


def test_a_resolved_scenario_warns_of_no_default(tmp_path: Path) -> None:
    """It states them all."""
    loaded = load(VALID, ["gateway.queue=64"])
    (tmp_path / "resolved.yaml").write_text(loaded.yaml_text)
    again = load(tmp_path / "resolved.yaml")
    assert again.warnings == ()
    assert again.sha256 == loaded.sha256
