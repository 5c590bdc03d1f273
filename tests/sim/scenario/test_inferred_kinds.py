"""A kind may be left out where the other keys tell it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from sim.gateway.language import json_schema, load
from sim.scenario.errors import ScenarioError

MINIMAL = """
tenfold: 1
name: minimal
workload: {arrivals: 5/s, duration: 60s, requests: [{name: a, tokens: {input: 100, output: 10}}]}
gateway: {routing: {kind: round-robin, models: [openai/gpt-4o]}}
providers: {openai: {models: {gpt-4o: {latency: 1s}}}}
"""


def document(path: str, value: Any) -> dict[str, Any]:
    found = yaml.safe_load(MINIMAL)
    *above, last = path.split(".")
    parent = found
    for step in above:
        parent = parent[step]
    parent[last] = value
    return found


def loaded(folder: Path, path: str, value: Any) -> Any:
    place = folder / "mine.yaml"
    place.write_text(yaml.safe_dump(document(path, value)))
    return load(place)


@pytest.mark.parametrize(
    ("path", "value", "kind"),
    [
        ("workload.arrivals", {"rate": "5/s"}, "poisson"),
        ("workload.arrivals", {"rate": "5/s", "cv": 2}, "gamma"),
        ("workload.arrivals", {"daily_active": 1000, "calls_per_day": 4}, "users"),
        ("workload.arrivals", {"clients": 5, "think": "2s"}, "closed"),
        ("workload.arrivals", {"stages": [{"rate": "5/s", "duration": "60s"}]}, "stages"),
        ("gateway.routing", {"models": ["openai/gpt-4o"]}, "round-robin"),
        ("gateway.routing", {"weights": {"openai/gpt-4o": 2}}, "weighted"),
    ],
)
def test_the_other_keys_tell_the_kind(tmp_path: Path, path: str, value: Any, kind: str) -> None:
    tree = loaded(tmp_path, path, value).tree()
    for step in path.split("."):
        tree = tree[step]
    assert tree["kind"] == kind
    assert jsonschema.Draft202012Validator(json_schema()).is_valid(document(path, value))


def test_it_changes_nothing_but_the_spelling(tmp_path: Path) -> None:
    short = loaded(tmp_path, "workload.arrivals", {"rate": "5/s"}).sha256
    assert short == loaded(tmp_path, "workload.arrivals", {"kind": "poisson", "rate": "5/s"}).sha256


def test_distributions_follow_too(tmp_path: Path) -> None:
    tree = loaded(tmp_path, "workload.requests", [{"name": "a", "tokens": {"input": {"median": 9, "p99": 90}, "output": 5}}]).tree()
    assert tree["workload"]["requests"][0]["tokens"]["input"]["kind"] == "lognormal"


def test_where_several_would_do_the_kind_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="kind: required, but missing"):
        loaded(tmp_path, "workload.requests", [{"name": "a", "tokens": {"input": {}, "output": 5}}])


def test_a_mean_alone_is_the_memoryless_law(tmp_path: Path) -> None:
    talks = loaded(tmp_path, "workload.conversations", {"turns": {"mean": 6}, "think": {"mean": "20s"}}).tree()["workload"]["conversations"]
    assert (talks["turns"]["kind"], talks["think"]["kind"]) == ("geometric", "exponential")


@pytest.mark.parametrize("cache", ["10m", {"ttl": "10m"}])
def test_a_cache_is_an_exact_one_unless_it_says_more(tmp_path: Path, cache: Any) -> None:
    assert loaded(tmp_path, "gateway.cache", cache).tree()["gateway"]["cache"][0]["kind"] == "exact"


def test_rates_may_count_thousands_and_millions(tmp_path: Path) -> None:
    limits = loaded(tmp_path, "providers.openai.limits", {"requests": "5k/min", "tokens": "2M/min"}).scenario.providers["openai"].limits
    assert (limits.requests.count, limits.tokens.count) == (5000, 2e6)


def test_a_misspelt_key_is_no_name_of_a_capability(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="kind"):
        loaded(tmp_path, "gateway.routing", {"modles": ["openai/gpt-4o"]})


def test_a_difference_keeps_the_kind_of_its_base(tmp_path: Path) -> None:
    base = loaded(tmp_path, "workload.arrivals", {"kind": "gamma", "rate": "5/s", "cv": 2}).path
    place = tmp_path / "other.yaml"
    place.write_text(f"extends: {base.name}\nworkload: {{arrivals: {{rate: 9/s}}}}\n")
    arrivals = load(place).tree()["workload"]["arrivals"]
    assert (arrivals["kind"], arrivals["cv"]) == ("gamma", 2)


def test_a_required_key_that_is_misspelt_is_one_mistake(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as refused:
        loaded(tmp_path, "gateway.queue", {"max_concurrency": 40})
    assert [str(each).count("concurrency'") for each in refused.value.problems] == [1]
