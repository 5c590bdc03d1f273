"""Every limit of the language has its row, and whatever a limit refuses is counted once, under a limit that can have refused it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from sim.analysis.bottleneck import bottleneck, bottleneck_in_words
from sim.analysis.utilization import add_usage, crowded
from sim.data.outcomes import CANNED, FAILURES, OK, RATE_LIMITED
from sim.data.run import Run
from sim.engine.simpy_driver.replicate import replicate
from sim.gateway.language import Scenario
from sim.gateway.rows import ATTEMPTS
from sim.gateway.stages.admission import FULL, TOO_LONG
from sim.kernel.refusals import refusal
from sim.provider.attempt import CONCURRENCY
from sim.provider.rate_limits import TOKENS
from sim.scenario.targets import target_names
from tests.sim.synthetic_runs import rows, run_of, scenario
from tests.sim.tiny import unchecked

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
    return simulated(Scenario.model_validate(plain))


def simulated(scenario: Scenario) -> Run:
    """One replication."""
    part = replicate((scenario, 1.0, scenario.seed, 0))
    run = Run("prediction", scenario, 1.0, scenario.seed, 1, target_names(scenario), part.requests, part.attempts, part.timeline)
    run.refusals.update(part.refusals)
    return add_usage(run)


def rows_of(done: Run) -> dict[str, dict[str, Any]]:
    return {row["limit"]: row for row in done.usage}


LIMITS: list[tuple[str, dict[str, Any], float]] = [
    ("the gateway's global request limit", {"gateway": {"limits": {"global": {"requests": "5/s"}}}}, 2.0),
    ("the gateway's global token limit", {"gateway": {"limits": {"global": {"tokens": "750/s"}}}}, 2.0),
    ("the per-user request limit (user at the 99th percentile)", {"gateway": {"limits": {"per_user": {"requests": "5/s"}}}}, 2.0),
    ("the per-user token limit (user at the 99th percentile)", {"gateway": {"limits": {"per_user": {"tokens": "750/s"}}}}, 2.0),
    ("the gateway's concurrency", {"gateway": {"queue": {"concurrency": 5}}}, 2.0),
    ("the connection pool to a", {"gateway": {"connections": {"max": 5, "wait": "1ms"}}}, 2.0),
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
    assert row["refused_share"] == pytest.approx(float((counted["outcome"] >= FAILURES).mean()), abs=0.02)
    assert row["refused_share"] > 0.3
    assert bottleneck(done) == row
    assert bottleneck_in_words(done).startswith(limit)


def test_the_cpu_is_asked_for_before_and_after_the_provider_and_for_each_streamed_token_and_stalls_take_from_it() -> None:
    constant = {"kind": "constant"}
    words = {
        "workers": 2, "cpu_per_request": constant | {"value": "20ms"}, "cpu_after": constant | {"value": "30ms"},
        "cpu_per_token": constant | {"value": "1ms"}, "stalls": {"every": "9s", "for": "1s"},
    }  # fmt: skip
    done = run(words, model={"ttft": constant | {"value": "1s"}, "per_token": constant | {"value": "1ms"}, "latency": None})
    cpu = rows_of(done)["the gateway's CPU"]
    calls_rps = (done.requests["arrival_s"] >= 10).sum() / 60
    assert cpu["demand"] == pytest.approx(calls_rps * (0.020 + 0.030 + 50 * 0.001))
    assert cpu["capacity"] == pytest.approx(2 * 0.9)


@pytest.mark.parametrize(("alone", "asked"), [(0.0, 0.0), (1.0, 0.8), (2.0, 4 / 3), (4.0, 2.0), (8.0, 4.0)])
def test_calls_ask_for_less_cpu_together_and_at_the_limit_for_what_is_left_in_a_crowd(alone: float, asked: float) -> None:
    assert crowded(unchecked(gateway={"cpu_crowded": 0.5}), alone, 2.0) == pytest.approx(asked)
    assert crowded(unchecked(), alone, 2.0) == pytest.approx(alone)


def test_a_server_that_is_only_slow_is_a_limit_too() -> None:
    row = rows_of(run(model={"batching": {"parallel": 8}}))["a/one's shared speed"]
    assert (row["load"], row["capacity"], row["refused"]) == (pytest.approx(10 / 8, rel=0.1), 8, 0)
    slowed = rows_of(run(model={"batching": {"slots": 10, "slowdown": 0.1}}))["a/one's shared speed"]
    assert slowed["capacity"] == pytest.approx(5.0)


def test_input_tokens_from_the_prompt_cache_are_no_demand() -> None:
    price = {"price": {"input": 1, "output": 2, "cached_input": 1}}  # what is cached costs as much as any: dollars tell nothing
    limits = {"limits": {"input_tokens": "100000/s"}, "prompt_cache": {"minimum": 1, "step": 1}}
    plain = run(provider=limits, model=price).scenario.model_dump(by_alias=True, mode="json", exclude_none=True)
    plain["workload"]["requests"][0]["prompts"] = {"catalog": 1}
    done = simulated(Scenario.model_validate_json(json.dumps(plain)))
    assert rows_of(done)["a's input token limit"]["load"] < 0.0001


def test_an_attempt_refused_stands_under_the_limit_that_refused_it() -> None:
    done = run(provider={"limits": {"requests": "9/s", "tokens": "1100/s"}, "concurrency": 8})
    refused = {limit: row["refused"] for limit, row in rows_of(done).items()}
    counted = done.attempts[done.attempts["started_s"] >= done.warmup_s]
    assert sum(refused.values()) == int((counted["status"] == 429).sum())
    assert min(refused.values()) > 0
    assert refused["a's concurrency"] == int((counted["refused_by"] == CONCURRENCY).sum())
    assert refused["a's token limit"] == int((counted["refused_by"] == TOKENS).sum())


def test_requests_refused_in_the_warm_up_are_not_counted() -> None:
    done = run(gateway={"limits": {"global": {"requests": "5/s"}}})
    counted = int((done.counted["outcome"] == RATE_LIMITED).sum())
    assert rows_of(done)["the gateway's global request limit"]["refused"] == counted
    assert counted < int((done.requests["outcome"] == RATE_LIMITED).sum())


def test_refusals_stand_under_the_users_limit_or_under_that_of_all_as_each_was() -> None:
    done = run(gateway={"limits": {"global": {"requests": "4/s"}, "per_user": {"requests": "6/s"}}})
    named = {done.refusals[code]: int((done.counted["refused_by"] == code).sum()) for code in done.refusals}
    rows = rows_of(done)
    assert rows["the gateway's global request limit"]["refused"] == named["global requests"] > 50
    assert rows["the per-user request limit (user at the 99th percentile)"]["refused"] == named["requests per user"] > 50


def test_who_got_an_apology_instead_of_a_place_was_refused_all_the_same() -> None:
    requests = rows(600, outcome=np.resize([OK, CANNED], 600), refused_by=np.resize([0, FULL, 0, TOO_LONG], 600))
    made = add_usage(run_of(requests))
    (slots,) = (row for row in made.usage if row["limit"] == "the gateway's concurrency")
    assert (slots["refused"], slots["refused_share"]) == (270, 0.5)


def test_what_has_no_capacity_has_a_row_when_it_refuses() -> None:
    breaker, fault = refusal("breaker"), refusal("fault: rate-limit")
    attempts = np.zeros(600, ATTEMPTS)
    attempts["request"] = attempts["started_s"] = np.arange(600)
    attempts["target"] = np.arange(600) % 3  # two models of openai, one of anthropic
    attempts["status"], attempts["refused_by"] = 429, fault
    requests = rows(600, refused_by=np.resize([breaker, 32_001, 0], 600))
    made = add_usage(run_of(requests, attempts=attempts, refusals={32_001: "dollars per user"}))
    rest = {row["limit"]: row for row in made.usage if row["load"] is None}
    assert {limit: row["refused"] for limit, row in rest.items()} == {
        "breaker": 180, "dollars per user": 180, "fault: rate-limit at openai": 360, "fault: rate-limit at anthropic": 180,
    }  # fmt: skip
    assert rest["breaker"]["refused_share"] == pytest.approx(1 / 3)


def test_a_run_that_refuses_nothing_has_no_rows_for_what_might() -> None:
    assert [row["limit"] for row in add_usage(run_of(rows(600), scenario=scenario())).usage] == ["the gateway's concurrency"]
