"""Small scenarios to draw schedules from."""

from __future__ import annotations

from typing import Any

from sim.scenario.model import Scenario

CONSTANT = {"kind": "constant", "value": 10}
PLAIN = {"name": "plain", "tokens": {"input": CONSTANT, "output": CONSTANT}}
GEOMETRIC_4 = {"kind": "geometric", "mean": 4}
THINK = {"kind": "lognormal", "median": "20s", "p99": "5m"}


def make(arrivals: dict[str, Any], duration: str = "10m", seed: int = 7, **workload: Any) -> Scenario:
    """A scenario of which only the workload matters."""
    workload.setdefault("requests", [PLAIN])
    return Scenario.model_validate(
        {
            "tenfold": 1,
            "name": "test",
            "seed": seed,
            "workload": {"arrivals": arrivals, "duration": duration, **workload},
            "gateway": {"routing": {"kind": "round-robin", "models": ["p/m"]}},
            "providers": {"p": {"models": {"m": {"latency": {"kind": "constant", "value": "1s"}, "price": {"input": 0, "output": 0}}}}},
        }
    )
