"""Scenarios for gateways that nobody here wrote: what each can do, and what it must refuse by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loadtest.targets.base import Place
from mockprovider.processes.supervisor import Crew
from sim.gateway.language import load
from sim.scenario.load import Loaded

SCENARIO = """
tenfold: 1
name: fitting
seed: 3
workload:
  arrivals: {kind: poisson, rate: 50/s}
  duration: 10s
  client: {timeout: 10s}
  requests: [{name: ask, tokens: {input: 20, output: 5}}]
gateway: {routing: {kind: round-robin, models: [p/m]}}
providers:
  p: {models: {m: {ttft: {kind: lognormal, median: 600ms, sigma: 0.3}, per_token: 2ms, price: {input: 1, output: 1}}}}
  q: {models: {m: {ttft: {kind: lognormal, median: 600ms, sigma: 0.3}, per_token: 2ms, price: {input: 1, output: 1}}}}
"""


def fitting(tmp_path: Path, *overrides: str) -> Loaded:
    file = tmp_path / "fitting.yaml"
    file.write_text(SCENARIO)
    return load(file, overrides)


def place(tmp_path: Path, loaded: Loaded, crew: Any = None) -> Place:
    """Where nothing runs yet: mocks on ports that are only written into configurations."""
    return Place(loaded, tmp_path / "fitting.yaml", {"p": "http://127.0.0.1:9001", "q": "http://127.0.0.1:9002"}, crew or Crew(tmp_path))
