"""Tiny scenarios for statements about the gateway: providers that answer in exactly one second, requests exactly when told."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np

from sim.data.outcomes import NAMES
from sim.engine.requests import FIELDS, RequestMaker
from sim.engine.row_log import as_clients_saw, in_order
from sim.engine.simpy_driver.simulation import Simulation
from sim.gateway import chain
from sim.gateway.language import Scenario, check
from sim.provider.build import build as build_providers

ONE_SECOND = {"latency": {"kind": "constant", "value": "1s"}, "price": {"input": 1, "output": 2}}
JOB = {"name": "job", "tokens": {"input": {"kind": "constant", "value": 10}, "output": {"kind": "constant", "value": 5}}}
BASE: dict[str, Any] = {
    "tenfold": 1,
    "name": "tiny",
    "workload": {"arrivals": {"kind": "poisson", "rate": "1/s"}, "duration": "1h", "requests": [JOB]},
    "gateway": {"routing": {"kind": "capability", "default": ["a/one", "b/two"]}},
    "providers": {"a": {"models": {"one": ONE_SECOND}}, "b": {"models": {"two": ONE_SECOND}}},
}


def scenario(**changes: Any) -> Scenario:
    """The base with ``gateway={…}``, ``client={…}``, ``a={…}``, ``b={…}``, ``faults=[…]``, ``requests=[…]`` merged in."""
    made = unchecked(**changes)
    assert not [finding for finding in check(made) if not finding.warning]
    return made


def unchecked(**changes: Any) -> Scenario:
    """The same, of a scenario in which something may not hold between the parts."""
    raw = deepcopy(BASE)
    raw["gateway"] |= changes.get("gateway", {})
    raw["workload"]["client"] = changes.get("client", {})
    raw["workload"]["requests"] = changes.get("requests", [JOB])
    raw["providers"]["a"] |= changes.get("a", {})
    raw["providers"]["b"] |= changes.get("b", {})
    raw["faults"] = changes.get("faults", [])
    return Scenario.model_validate(raw)


class Watched(Simulation):
    """A simulation whose time must not run backwards."""

    latest_s = 0.0

    def go_on(self, c: Any) -> None:
        assert self.now_s >= self.latest_s
        self.latest_s = self.now_s
        super().go_on(c)


class Served:
    """What became of the requests, in the order of their numbers, and of their attempts, in the order in which they began."""

    def __init__(self, simulation: Simulation, scenario: Scenario) -> None:
        self.simulation = simulation
        self.g = simulation.g
        self.rows = as_clients_saw(in_order(simulation.requests.table()), scenario)
        attempts = simulation.attempts.table()
        self.attempts = attempts[np.argsort(attempts["started_s"], kind="stable")]

    @property
    def outcomes(self) -> list[str]:
        return [NAMES[outcome] for outcome in self.rows["outcome"].tolist()]

    @property
    def latencies_s(self) -> list[float]:
        return self.rows["latency_s"].round(9).tolist()


def serve_at(scenario: Scenario, times_s: list[float], prompts: list[int] | None = None, **fields: Any) -> Served:
    """Serve one request at each of ``times_s``, with its own prompt unless ``prompts`` says otherwise."""
    prompts = prompts or list(range(len(times_s)))
    return serve_all(scenario, [{"arrival_s": at_s, "prompt": prompt} | fields for at_s, prompt in zip(times_s, prompts, strict=True)])


def serve_all(scenario: Scenario, requests: list[dict[str, Any]]) -> Served:
    """Serve requests in the order of their ``arrival_s``, each with fields of its own; ``history``: tokens of its earlier turns."""
    history: list[int] = []
    maker = RequestMaker(scenario, 1)
    numbers = np.arange(len(requests))
    columns = {
        "conversation": numbers,
        "prompt": numbers,
        "prompt_tokens": np.full(len(numbers), 10),
        "answer_tokens": np.full(len(numbers), 5),
    }
    columns["arrival_s"] = np.array([each["arrival_s"] for each in requests])
    rows = maker.records(numbers, columns)
    for row, each in zip(rows, requests, strict=True):
        given = dict(each)
        earlier = given.pop("history", [])
        row["history_start"], row["history_turns"] = len(history), len(earlier)
        history += earlier
        for name, value in given.items():
            row[name] = value
    g = chain.build(scenario, 1, history)
    simulation = Watched(g, build_providers(scenario, 1, g.calls, g.ready, history))
    simulation.play(zip(*(rows[name].tolist() for name in FIELDS), strict=True))
    return Served(simulation, scenario)
