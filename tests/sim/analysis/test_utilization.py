"""Every limit of the language has its row, and whatever a limit refuses is counted once, under a limit that can have refused it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sim.analysis.bottleneck import binding
from sim.data.run import Run
from sim.data.schema import Outcome
from sim.engine.runner import predict
from sim.scenario.model import Scenario

ONE_SECOND = {"latency": {"kind": "constant", "value": "1s"}, "price": {"input": 1, "output": 2}}


def run(
    gateway: dict[str, Any] | None = None, provider: dict[str, Any] | None = None, model: dict[str, Any] | None = None, **more: Any
) -> Run:
    """Ten calls a second of 100 tokens in and 50 out, by one user, to one model that answers in a second; 10 s of warm-up."""
    size = {"input": {"kind": "constant", "value": 100}, "output": {"kind": "constant", "value": 50}}
    plain = {
        "tenfold": 1,
        "name": "limited",
        "workload": {
            "arrivals": {"kind": "poisson", "rate": "10/s"}, "duration": "70s", "warmup": "10s", "users": {"count": 1},
            "requests": [{"name": "job", "tokens": size}],
        },
        "gateway": {"routing": {"kind": "round-robin", "models": ["a/one"]}} | (gateway or {}),
        "providers": {"a": {"models": {"one": ONE_SECOND | (model or {})}} | (provider or {})},
    }  # fmt: skip
    return predict(Scenario.model_validate(plain), replications=1, engine="simpy")


def rows_of(done: Run) -> dict[str, dict[str, Any]]:
    return {row["limit"]: row for row in done.usage}


LIMITS: list[tuple[str, dict[str, Any], float]] = [
    ("the gateway's global request limit", {"gateway": {"limits": {"global": {"requests": "5/s"}}}}, 2.0),
    ("the gateway's global token limit", {"gateway": {"limits": {"global": {"tokens": "750/s"}}}}, 2.0),
    ("the per-user request limit (user at the 99th percentile)", {"gateway": {"limits": {"per_user": {"requests": "5/s"}}}}, 2.0),
    ("the per-user token limit (user at the 99th percentile)", {"gateway": {"limits": {"per_user": {"tokens": "750/s"}}}}, 2.0),
    ("the gateway's concurrency", {"gateway": {"queue": {"concurrency": 5}}}, 2.0),
    ("a's request limit", {"provider": {"limits": {"requests": "5/s"}}}, 2.0),
    ("a's token limit", {"provider": {"limits": {"tokens": "750/s"}}}, 2.0),
    ("a's token limit", {"provider": {"limits": {"tokens": "1000/s", "reserve": 100}}}, 2.0),
    ("a's input token limit", {"provider": {"limits": {"input_tokens": "500/s"}}}, 2.0),
    ("a's output token limit", {"provider": {"limits": {"output_tokens": "250/s"}}}, 2.0),
    ("a's concurrency", {"provider": {"concurrency": 5}}, 2.0),
    ("a/one's batching slots", {"model": {"batching": {"slots": 5}}}, 2.0),
    ("a/one's context window", {"model": {"context": 120}}, 100 / 120),
]  # fmt: skip


@pytest.mark.parametrize(("limit", "given", "load"), LIMITS, ids=[f"{number} {limit}" for number, (limit, _, _) in enumerate(LIMITS)])
def test_what_a_limit_refuses_is_said_under_its_name(limit: str, given: dict[str, Any], load: float) -> None:
    done = run(**given)
    row = rows_of(done)[limit]
    assert row["load"] == pytest.approx(load, rel=0.15)
    counted = done.counted
    assert row["refused_share"] == pytest.approx(float((counted["outcome"] > Outcome.FALLBACK).mean()), abs=0.02)
    assert row["refused_share"] > 0.3
    assert limit in binding(done)
    assert "nothing binds" not in binding(done)


def test_a_server_that_is_only_slow_is_a_limit_too() -> None:
    row = rows_of(run(model={"batching": {"parallel": 8}}))["a/one's shared speed"]
    assert (row["load"], row["capacity"], row["refused"]) == (pytest.approx(10 / 8, rel=0.1), 8, 0)
    slowed = rows_of(run(model={"batching": {"slots": 10, "slowdown": 0.1}}))["a/one's shared speed"]
    assert slowed["capacity"] == pytest.approx(5.0)


def test_input_tokens_from_the_prompt_cache_are_no_demand() -> None:
    price = {"price": {"input": 1, "output": 2, "cached_input": 0.1}}
    limits = {"limits": {"input_tokens": "100000/s"}, "prompt_cache": {"minimum": 1, "step": 1}}
    shared = {"catalog": 1}
    plain = run(provider=limits, model=price).scenario.model_dump(by_alias=True, mode="json", exclude_none=True)
    plain["workload"]["requests"][0]["prompts"] = shared
    done = predict(Scenario.model_validate_json(json.dumps(plain)), replications=1, engine="simpy")
    assert rows_of(done)["a's input token limit"]["load"] < 0.01


def test_an_attempt_refused_is_counted_once_under_the_limit_with_the_highest_load() -> None:
    done = run(provider={"limits": {"requests": "100/s", "tokens": "750/s"}, "concurrency": 50})
    refused = {limit: row["refused"] for limit, row in rows_of(done).items()}
    counted = done.attempts[done.attempts["started_s"] >= done.warmup_s]
    assert refused == {"a's request limit": 0, "a's token limit": int((counted["status"] == 429).sum()), "a's concurrency": 0}


def test_requests_refused_in_the_warm_up_are_not_counted() -> None:
    done = run(gateway={"limits": {"global": {"requests": "5/s"}}})
    counted = int((done.counted["outcome"] == Outcome.RATE_LIMITED).sum())
    assert rows_of(done)["the gateway's global request limit"]["refused"] == counted
    assert counted < done.limited["global"]


def test_refusals_are_split_between_the_users_and_all_as_the_gateway_counted_them() -> None:
    done = run(gateway={"limits": {"global": {"requests": "4/s"}, "per_user": {"requests": "6/s"}}})
    rows = rows_of(done)
    everyone, user = rows["the gateway's global request limit"], rows["the per-user request limit (user at the 99th percentile)"]
    assert everyone["refused"] + user["refused"] == int((done.counted["outcome"] == Outcome.RATE_LIMITED).sum())
    assert user["refused"] / everyone["refused"] == pytest.approx(done.limited["per_user"] / done.limited["global"], rel=0.01)


def test_requests_whose_time_ran_out_in_the_queue_are_the_slots_doing() -> None:
    plain = run(gateway={"queue": {"concurrency": 5, "waiting": "unlimited"}, "timeout": {"total": "1500ms"}}).scenario
    tree = plain.model_dump(by_alias=True, mode="json", exclude_none=True)
    tree["workload"]["arrivals"]["batch"] = {"kind": "constant", "value": 20}  # five are served, five are cut, ten never get in
    done = predict(Scenario.model_validate_json(json.dumps(tree)), replications=1, engine="simpy")
    counted = done.counted
    in_line = (counted["outcome"] == Outcome.TIMEOUT) & (counted["attempts"] == 0) & (counted["queue_wait_s"] > 0)
    assert in_line.sum() > 100
    assert rows_of(done)["the gateway's concurrency"]["refused"] == in_line.sum()
