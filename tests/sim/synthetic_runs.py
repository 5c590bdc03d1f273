"""Runs made up of plausible rows, for everything that reads results: no simulation, no clock, the same every time."""

from typing import Any

import numpy as np

from sim.data.outcomes import CACHE_HIT, CANNED, ERROR, FAILURES, OK, REJECTED, STALE
from sim.data.run import Run
from sim.data.schema import ATTEMPTS, TIMELINE, Kind
from sim.gateway.language import Scenario
from sim.gateway.rows import REQUESTS
from sim.gateway.stages.admission import FULL
from sim.gateway.stages.rate_limit import ALL_REQUESTS

TARGETS = ("openai/gpt-4o-mini", "openai/gpt-4o", "anthropic/claude-haiku-4-5")
COLD = {"input": {"kind": "constant", "value": 100}, "output": {"kind": "constant", "value": 10}}


def scenario(**changes: Any) -> Scenario:
    plain: dict[str, Any] = {
        "tenfold": 1,
        "name": "synthetic-launch",
        "description": "made up for tests",
        "seed": 7,
        "workload": {
            "arrivals": {"kind": "poisson", "rate": "4/s"},
            "duration": "10m",
            "warmup": "1m",
            "users": {"count": 1000},
            "requests": [
                {"name": "faq", "share": 0.7, "tokens": COLD},
                {"name": "reasoning", "share": 0.3, "feature": "agents", "tokens": COLD},
            ],
        },
        "gateway": {"routing": {"kind": "round-robin", "models": list(TARGETS)}, "queue": {"concurrency": 64, "waiting": 200}},
        "providers": {
            "openai": {"models": {name: {"latency": {"kind": "constant", "value": "1s"}} for name in ("gpt-4o-mini", "gpt-4o")}},
            "anthropic": {"models": {"claude-haiku-4-5": {"latency": {"kind": "constant", "value": "1s"}}}},
        },
        "faults": [{"kind": "outage", "provider": "openai", "at": "5m", "for": "90s"}],
        "budgets": ["ttft.p99 < 4s", "latency.p99 < 30s", "served > 99.5%", "cost.month < 60000 USD"],
    }
    return Scenario.model_validate(plain | changes)


def rows(n: int, replication: int = 0, **columns: Any) -> np.ndarray:
    """Request rows with neutral values: everything ok at once, at one request a second."""
    made = np.zeros(n, dtype=REQUESTS)
    made["request"], made["replication"], made["arrival_s"] = np.arange(n), replication, np.arange(n, dtype=float)
    made["conversation"] = made["user"] = made["prompt"] = made["request"]
    made["latency_s"], made["ttft_s"], made["attempts"], made["target"] = 1.0, 0.5, 1, 0
    for name, values in columns.items():
        made[name] = values
    return made


def run_of(requests: np.ndarray, **changes: Any) -> Run:
    """A Run of these rows alone: no attempts, no timeline."""
    plain: dict[str, Any] = {
        "kind": "prediction", "scenario": scenario(), "scale": 1.0, "seed": 7, "targets": TARGETS,
        "replications": int(requests["replication"].max(initial=0)) + 1,
        "requests": requests, "attempts": np.zeros(0, ATTEMPTS), "timeline": np.zeros(0, TIMELINE),
    }  # fmt: skip
    return Run(**(plain | changes))


def synthetic_run(scale: float = 1.0, replications: int = 3, kind: Kind = "prediction", noise: float = 0.0, **changes: Any) -> Run:
    """A whole Run: an outage of openai in minutes 5 to 6.5, a queue at higher scales, cache hits, degraded answers, refusals, costs.

    ``noise`` shifts latencies and flips a few outcomes, as a measurement of the same requests would.
    """
    plan = changes.pop("scenario", scenario())
    requests, attempts, timeline, events = [], [], [], []
    for replication in range(replications):
        made = replicate(plan, scale, replication, noise)
        requests.append(made)
        attempts.append(attempts_of(made))
        timeline.append(timeline_of(plan, made, replication))
        for at_s, event in [(300.0, "fault_started"), (304.0, "breaker_opened"), (390.0, "fault_ended"), (405.0, "breaker_closed")]:
            events.append({"at_s": at_s, "replication": replication, "event": event, "target": TARGETS[0]})
    usage = [
        {"limit": "the gateway's concurrency", "capacity": 64.0, "unit": "requests in service", "demand": 9.2 * scale,
         "load": 9.2 * scale / 64, "refused": int(scale), "refused_share": scale / 6489, "refused_of": "requests"},
        {"limit": "the gateway's global request limit", "capacity": 100.0, "unit": "requests/s", "demand": 4.0 * scale,
         "load": 0.04 * scale, "refused": 0, "refused_share": 0.0, "refused_of": "requests"},
    ]  # fmt: skip
    return Run(
        kind=kind, scenario=plan, scale=scale, seed=plan.seed, replications=replications, targets=TARGETS,
        requests=np.concatenate(requests), attempts=np.concatenate(attempts), timeline=np.concatenate(timeline),
        events=events, usage=usage, refusals={FULL: "queue", ALL_REQUESTS: "global requests"}, wall_s=0.5 * scale, **changes,
    )  # fmt: skip


def replicate(plan: Scenario, scale: float, replication: int, noise: float) -> np.ndarray:
    rng = np.random.default_rng([plan.seed, replication, int(scale * 100)])
    n = int(rng.poisson(4 * scale * plan.workload.duration))
    made = rows(n, replication)
    made["arrival_s"] = np.sort(rng.uniform(0, plan.workload.duration, n))
    made["kind"] = rng.random(n) < 0.3
    made["user"] = rng.integers(0, int(1000 * scale), n)
    made["turn"] = rng.geometric(0.25, n) - 1
    made["conversation"] = rng.integers(0, max(1, n // 4), n)
    made["target"] = rng.choice(3, n, p=[0.6, 0.2, 0.2])
    made["input_tokens"], made["output_tokens"] = rng.lognormal(6, 0.8, n).astype(int) + 1, rng.lognormal(5, 0.7, n).astype(int) + 1
    made["first_token_s"], made["generation_s"] = rng.lognormal(-0.4, 0.35, n), made["output_tokens"] * 0.0095
    made["cpu_s"] = rng.lognormal(-6.5, 0.5, n)
    made["queue_wait_s"] = np.where(rng.random(n) < min(0.9, 0.02 * scale), rng.exponential(0.02 * scale, n), 0.0)
    luck = rng.random((4, n))
    outage = (made["arrival_s"] >= 300) & (made["arrival_s"] < 390)
    made["outcome"][(made["kind"] == 0) & (luck[0] < 0.25)] = CACHE_HIT
    made["outcome"][outage & (luck[1] < 0.3)] = STALE
    made["outcome"][outage & (luck[1] < 0.1)] = CANNED
    made["outcome"][outage & (luck[1] > 0.97)] = ERROR
    made["outcome"][luck[2] < 0.0004 * scale] = REJECTED
    made["refused_by"][made["outcome"] == REJECTED] = FULL
    struck = outage & (made["outcome"] == OK)
    made["attempts"] = np.where(struck, 2, 1)
    made["failed_s"][struck], made["backoff_s"][struck] = 0.1, luck[3][struck] * 0.5
    free = (made["outcome"] == CACHE_HIT) | (made["outcome"] == REJECTED)
    unanswered = made["outcome"] != OK
    made["failed_s"][unanswered & ~free] = 0.3
    made["output_tokens"][unanswered] = made["attempts"][free] = 0
    made["first_token_s"][unanswered] = made["generation_s"][unanswered] = np.nan
    made["target"][free] = made["key"][free] = -1
    made["cached_tokens"] = np.where(unanswered, 0, made["input_tokens"] // 2)
    if noise:
        shake = np.random.default_rng([99, replication])
        made["first_token_s"] *= shake.lognormal(noise / 2, noise, n)
        made["outcome"][shake.random(n) < noise / 10] = ERROR
    parts = ("queue_wait_s", "cpu_s", "failed_s", "backoff_s", "first_token_s")
    made["ttft_s"] = sum(np.nan_to_num(made[part]) for part in parts)
    made["latency_s"] = made["ttft_s"] + np.nan_to_num(made["generation_s"])
    made["ttft_s"][made["outcome"] >= FAILURES] = np.nan
    price = np.array([(0.15, 0.6), (2.5, 10.0), (1.0, 5.0), (0.0, 0.0)])[made["target"]] * 1e-6
    made["cost_usd"] = made["input_tokens"] * price[:, 0] + made["output_tokens"] * price[:, 1]
    return made


def attempts_of(requests: np.ndarray) -> np.ndarray:
    """One attempt for every request that sent any, which answered if that did, and a failed one before it where there were two."""
    sent = requests[requests["attempts"] > 0]
    struck = sent[sent["attempts"] > 1]
    made = np.zeros(len(sent) + len(struck), ATTEMPTS)
    for part, source, status in [(made[: len(sent)], sent, 200), (made[len(sent) :], struck, 503)]:
        for column in ("request", "replication", "target", "prompt", "input_tokens"):
            part[column] = source[column]
        part["started_s"], part["status"] = source["arrival_s"] + source["queue_wait_s"], np.where(source["outcome"] == OK, status, 503)
    made["attempt"][: len(sent)] = sent["attempts"] - 1
    made["first_token_s"][: len(sent)] = sent["first_token_s"]
    made["duration_s"][: len(sent)] = sent["first_token_s"] + sent["generation_s"]
    for column in ("output_tokens", "cached_tokens", "cost_usd"):
        made[column][: len(sent)] = sent[column]
    made["first_token_s"][len(sent) :], made["duration_s"][len(sent) :] = np.nan, 0.1
    return made


def timeline_of(plan: Scenario, requests: np.ndarray, replication: int) -> np.ndarray:
    seconds = int(plan.workload.duration)
    made = np.zeros(seconds, TIMELINE)
    made["replication"], made["at_s"] = replication, np.arange(seconds)
    made["waiting"] = np.bincount(requests["arrival_s"].astype(int), weights=requests["queue_wait_s"], minlength=seconds)[:seconds]
    made["in_service"] = np.bincount(requests["arrival_s"].astype(int), minlength=seconds)[:seconds] * 2
    made["open_breakers"][304:405] = 1
    return made
