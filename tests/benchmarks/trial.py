"""One trial of one engine in a process of its own: ``python -m tests.benchmarks.trial ENGINE CASE SCALE DURATION SEED`` prints JSON.

CPU seconds are those of the run, from the scenario to its rows; loading modules and compiled code is left out, drawing is not. Compiled
code is measured on the second replication of its process.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sim.gateway.language import load
from sim.scenario.model import Scenario

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CASES = {
    "gateway": HERE / "gateway.yaml",
    "refused": HERE / "refused.yaml",
    "launch": ROOT / "scenarios" / "launch.yaml",
    "mm50": HERE / "mm50.yaml",
}


def scenario_of(case: str, scale: float, duration: str) -> Scenario:
    """The case; gateway.yaml and refused.yaml with ``scale`` times the room in their gateway and at their providers."""
    changes, k = [f"workload.duration={duration}"], round(scale)
    if case == "gateway":
        changes += [
            f"gateway.queue.concurrency={300 * k}", f"gateway.queue.waiting={300 * k}", f"gateway.workers={k}",
            f"gateway.limits.global.requests={60 * k}/s", f"providers.openai.limits.requests={10_000 * k}/min",
            f"providers.openai.limits.tokens={20_000_000 * k}/min", f"providers.anthropic.limits.requests={10_000 * k}/min",
        ]  # fmt: skip
    if case == "refused":
        changes += [
            f"gateway.queue.concurrency={400 * k}", f"gateway.queue.waiting={400 * k}",
            f"providers.own.models.mini.batching={{parallel: {80 * k}, slots: {400 * k}}}",
            f"providers.hosted.models.maxi.doubles_at={400 * k}",
        ]  # fmt: skip
    return load(CASES[case], changes).scenario


def naive(scenario: Scenario, scale: float, seed: int) -> tuple[int, int]:
    from tests.benchmarks import naive_simpy

    gateway = naive_simpy.run(scenario, scale, seed)
    return len(gateway.rows), len(gateway.attempts)


def simpy(scenario: Scenario, scale: float, seed: int) -> tuple[int, int]:
    from sim.engine.simpy_driver.replicate import replicate

    part = replicate((scenario, scale, seed, 0))
    return len(part.requests), len(part.attempts)


def compiled(scenario: Scenario, scale: float, seed: int) -> tuple[int, int]:
    from sim.engine.compiled_driver.replicate import replicate

    part = replicate((scenario, scale, seed, 0))
    return len(part.requests), len(part.attempts)


ENGINES: dict[str, Callable[[Scenario, float, int], tuple[int, int]]] = {"naive": naive, "simpy": simpy, "compiled": compiled}


def main() -> None:
    engine, case, scale, duration, seed = sys.argv[1:]
    scenario = scenario_of(case, float(scale), duration)
    if engine == "compiled":
        from sim.engine.compiled_driver.replicate import prepare

        prepare(scenario)
        # As a process does that has replications to do: the second one finds its memory at hand.
        compiled(scenario, float(scale), int(seed) + 1)
    elif engine == "simpy":  # what is computed once a scenario: look-back and popularity
        simpy(scenario_of(case, 1, "10s" if case in ("gateway", "refused") else duration), 1.0, int(seed) + 1)
    begun = time.process_time()
    requests, attempts = ENGINES[engine](scenario, float(scale), int(seed))
    cpu_s = time.process_time() - begun
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result: dict[str, Any] = {"requests": requests, "attempts": attempts, "cpu_s": cpu_s, "peak_mb": peak_mb}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
