"""What a measurement says about a gateway by itself, from the mocks' log, the clients' and its processes' CPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from loadtest.measurement.findings import findings
from loadtest.processes.usage import USAGE
from sim.data.outcomes import OK
from sim.data.run import Run
from sim.data.schema import ATTEMPTS, TIMELINE
from sim.gateway.rows import REQUESTS
from tests.loadtest.targets.fitting import fitting

NO_USAGE = np.zeros(0, USAGE)
QUEUE = "gateway.queue={concurrency: 2, waiting: unlimited, timeout: null}"


def measured(tmp_path: Path, *overrides: str, calls: int = 10, at_once: int = 2, waits_s: float = 0.0, first_s: float = 0.2) -> Run:
    """Calls of 1 s at the provider, ``at_once`` at any time, after a wait of ``waits_s``; the first token is seen ``first_s`` later."""
    requests, attempts = np.zeros(calls, REQUESTS), np.zeros(calls, ATTEMPTS)
    attempts["request"] = requests["request"] = np.arange(calls)
    attempts["started_s"] = np.arange(calls) // at_once + waits_s
    attempts["duration_s"], attempts["status"] = 1.0, 200
    requests["arrival_s"], requests["latency_s"] = np.arange(calls) // at_once, 1.001 + waits_s
    requests["ttft_s"], requests["first_token_s"], requests["generation_s"] = first_s + waits_s, 0.2, 0.8
    requests["outcome"], requests["attempts"] = OK, 1
    return Run(
        kind="measurement", scenario=fitting(tmp_path, *overrides).scenario, scale=1.0, seed=1, replications=1, targets=("p/m", "q/m"),
        requests=requests, attempts=attempts, timeline=np.zeros(0, TIMELINE), events=[], refusals={}, wall_s=1.0,
    )  # fmt: skip


def said(run: Run, usage: np.ndarray = NO_USAGE) -> list[tuple[str, str]]:
    return [(each["kind"], each["says"]) for each in findings(run, usage)]


def test_a_gateway_that_does_what_the_scenario_says_is_not_remarked_on(tmp_path: Path) -> None:
    assert said(measured(tmp_path, QUEUE, "workload.client.stream=true")) == []


def test_more_calls_at_once_than_declared_are_seen_by_the_mocks(tmp_path: Path) -> None:
    assert said(measured(tmp_path, QUEUE, at_once=5)) == [("behaves differently", "the scenario says 2 calls at once; the mocks saw 5")]


def test_a_hedge_beside_its_first_attempt_is_one_call(tmp_path: Path) -> None:
    run = measured(tmp_path, QUEUE, at_once=2)
    hedges = run.attempts.copy()
    hedges["started_s"] += 0.3
    hedges["duration_s"] = 0.6
    assert said(replace(run, attempts=np.concatenate([run.attempts, hedges]))) == []


def test_fewer_than_declared_while_others_wait(tmp_path: Path) -> None:
    ((kind, says),) = said(measured(tmp_path, QUEUE, at_once=1, waits_s=5.0))
    assert kind == "behaves differently"
    assert says.startswith("the scenario says 2 calls at once; the mocks never saw more than 1, while more waited for ")


def test_fewer_than_declared_when_nobody_waits_is_as_it_should_be(tmp_path: Path) -> None:
    assert said(measured(tmp_path, QUEUE, at_once=1)) == []


def test_more_attempts_than_declared(tmp_path: Path) -> None:
    run = measured(tmp_path, "gateway.retry=2")
    run.requests["attempts"][:3] = (2, 3, 4)
    assert said(run) == [("behaves differently", "the scenario allows 2 attempts for a call; 2 calls had more, up to 4")]


def test_small_writes_that_are_held_back(tmp_path: Path) -> None:
    run = measured(tmp_path, "workload.client.stream=true", first_s=0.35)
    effect = "it holds small writes back: the first token is delayed by 149 ms more than the last one"
    assert said(run) == [("behaves differently", effect)]


def test_writes_that_are_held_back_as_the_scenario_says(tmp_path: Path) -> None:
    held = ("workload.client.stream=true", "gateway.held_writes=150ms")
    assert said(measured(tmp_path, *held, first_s=0.35)) == []


def test_whole_answers_that_are_gathered_first(tmp_path: Path) -> None:
    ((_, says),) = said(measured(tmp_path, "workload.client.stream=true", first_s=1.0))
    assert says.startswith("it gathers whole answers before it sends them: the first token is delayed by 799 ms more")


def test_a_gateway_whose_cpu_had_no_rest_is_saturated(tmp_path: Path) -> None:
    usage = np.array([(0.0, 7, 1.0, 10.0, 1), (10.0, 7, 10.8, 10.0, 1)], USAGE)
    run = measured(tmp_path, "gateway.cpu_per_request=1s")
    assert said(run, usage) == [("saturated", "its processes used 0.98 CPUs on average, with 1 worker")]


def busy(cpu_s: float, span_s: float = 10.0) -> np.ndarray:
    """One process that uses ``cpu_s`` while it is watched."""
    return np.array([(0.0, 7, 1.0, 10.0, 1), (span_s, 7, 1.0 + cpu_s, 10.0, 1)], USAGE)


def test_more_cpu_for_a_call_than_the_scenario_says(tmp_path: Path) -> None:
    run = measured(tmp_path, "gateway.cpu_per_request=8ms", "workload.client.stream=false", calls=350)
    ((kind, says),) = said(run, busy(8.75))
    assert kind == "behaves differently"
    effect = "the gateway used 25 ms of CPU a call where the scenario says 8 ms: 0.88 CPUs on average, predicted 0.28; calibrate it"
    assert says.startswith(effect)


def test_less_cpu_for_a_call_than_the_scenario_says(tmp_path: Path) -> None:
    ((_, says),) = said(measured(tmp_path, "gateway.cpu_per_request=20ms", calls=300), busy(1.5))
    assert says.startswith("the gateway used 5 ms of CPU a call where the scenario says 20 ms: 0.15 CPUs on average, predicted 0.60")


def test_cpu_that_the_scenario_does_not_mention(tmp_path: Path) -> None:
    ((_, says),) = said(measured(tmp_path, calls=350), busy(7.0))
    assert "20 ms of CPU a call where the scenario has no cpu_per_request: 0.70 CPUs on average, predicted 0.00" in says


def test_cpu_for_streamed_tokens_is_said_to_be_in_it(tmp_path: Path) -> None:
    ((_, says),) = said(measured(tmp_path, "workload.client.stream=true", calls=350), busy(7.0))
    assert "predicted 0.00, streamed tokens included, which the model does not charge by themselves; calibrate" in says


def test_cpu_as_the_scenario_says_or_too_little_to_matter_is_not_remarked_on(tmp_path: Path) -> None:
    assert said(measured(tmp_path, "gateway.cpu_per_request=20ms", calls=350), busy(8.0)) == []
    assert said(measured(tmp_path, "gateway.cpu_per_request=1ms", calls=350), busy(1.2)) == []
    assert said(measured(tmp_path, "gateway.cpu_per_request=8ms", "gateway.workers=16", calls=350), busy(8.75)) == []
    assert said(measured(tmp_path, "gateway.cpu_per_request=2ms", calls=90), busy(1.6)) == [], "a worker that is mostly idle"
