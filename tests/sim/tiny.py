"""Tiny scenarios for statements about the flow: one provider that answers in exactly one second, requests exactly when told."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from sim.data.schema import OUTCOMES
from sim.engine.row_log import request_rows
from sim.gateway.assembled import Gateway
from sim.gateway.request import Request
from sim.provider.behaviour import ProviderState
from sim.scenario.model import Scenario
from sim.world import SimPyWorld

ONE_SECOND = {"latency": {"kind": "constant", "value": "1s"}, "price": {"input": 1, "output": 2}}
BASE: dict[str, Any] = {
    "tenfold": 1,
    "name": "tiny",
    "workload": {
        "arrivals": {"kind": "poisson", "rate": "1/s"},
        "duration": "1h",
        "requests": [{"name": "job", "tokens": {"input": {"kind": "constant", "value": 10}, "output": {"kind": "constant", "value": 5}}}],
    },
    "gateway": {"routing": {"kind": "capability", "any": ["a/one", "b/two"]}},
    "providers": {"a": {"models": {"one": ONE_SECOND}}, "b": {"models": {"two": ONE_SECOND}}},
}


def scenario(**changes: Any) -> Scenario:
    """The base with ``gateway={…}``, ``client={…}``, ``a={…}``, ``b={…}``, ``faults=[…]`` merged in."""
    raw = deepcopy(BASE)
    raw["gateway"] |= changes.get("gateway", {})
    raw["workload"]["client"] = changes.get("client", {})
    raw["providers"]["a"] |= changes.get("a", {})
    raw["providers"]["b"] |= changes.get("b", {})
    raw["faults"] = changes.get("faults", [])
    return Scenario.model_validate(raw)


class Served:
    """What became of the requests, in order of their index."""

    def __init__(self, world: SimPyWorld, scenario: Scenario) -> None:
        self.world = world
        self.rows = request_rows(world.requests, scenario, 0)[0]
        self.attempts = world.attempts.table()

    @property
    def outcomes(self) -> list[str]:
        return [OUTCOMES[outcome] for outcome in self.rows["outcome"]]

    @property
    def latencies_s(self) -> list[float]:
        return self.rows["latency_s"].round(9).tolist()


def serve_at(scenario: Scenario, times_s: list[float], prompts: list[int] | None = None, **fields: Any) -> Served:
    """Serve one request at each of ``times_s``, with its own prompt unless ``prompts`` says otherwise."""
    prompts = prompts or list(range(len(times_s)))
    return serve_all(scenario, [{"arrival_s": at_s, "prompt": prompt} | fields for at_s, prompt in zip(times_s, prompts, strict=True)])


def serve_all(scenario: Scenario, requests: list[dict[str, Any]]) -> Served:
    """Serve requests in order of their ``arrival_s``, each with fields of its own."""
    gateway = Gateway(scenario, seed=1)
    world = SimPyWorld(gateway, {name: ProviderState(scenario, name, 1) for name in scenario.providers}, 1, scenario.workload.client)
    known: dict[str, Any] = {"kind": 0, "user": 0, "turn": 0, "input_tokens": 10, "output_tokens": 5}
    world.run_dry(
        world.play(
            Request(**known | {"index": index, "conversation": index, "prompt": index} | each) for index, each in enumerate(requests)
        )
    )
    return Served(world, scenario)
