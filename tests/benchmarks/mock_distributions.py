"""Do the delays that the mock plans follow the laws that the scenario states? 100,000 draws of each, against exact quantiles.

python -m tests.benchmarks.mock_distributions
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from sim.provider.behaviour import ProviderState
from sim.scenario.model import Scenario
from tests.benchmarks.keeping import keep

DRAWS = 100_000
# law as a scenario writes it, and the same law by scipy: an independent source of its quantiles
LAWS: dict[str, tuple[dict[str, Any], Any]] = {
    "exponential": ({"kind": "exponential", "mean": "1s"}, stats.expon()),
    "lognormal sigma": ({"kind": "lognormal", "median": "645ms", "sigma": 0.32}, stats.lognorm(0.32, scale=0.645)),
    "lognormal p99": ({"kind": "lognormal", "median": "1s", "p99": "5s"}, stats.lognorm(np.log(5) / stats.norm.ppf(0.99))),
    "gamma": ({"kind": "gamma", "mean": "2s", "cv": 0.5}, stats.gamma(4, scale=0.5)),
    "weibull": ({"kind": "weibull", "scale": "1s", "shape": 1.5}, stats.weibull_min(1.5)),
    "uniform": ({"kind": "uniform", "low": "1s", "high": "3s"}, stats.uniform(1, 2)),
    "shifted": ({"kind": "shifted", "by": "1s", "of": {"kind": "exponential", "mean": "500ms"}}, stats.expon(1, 0.5)),
}


def scenario(law: dict[str, Any]) -> Scenario:
    constant = {"kind": "constant", "value": 1}
    return Scenario.model_validate({
        "tenfold": 1, "name": "draws", "seed": 5, "gateway": {"routing": {"kind": "round-robin", "models": ["p/m"]}},
        "workload": {"arrivals": {"kind": "poisson", "rate": "1/s"}, "duration": "1m",
                     "requests": [{"name": "r", "tokens": {"input": constant, "output": constant}}]},
        "providers": {"p": {"models": {"m": {"ttft": law, "per_token": law}}}},
    })  # fmt: skip


def main() -> None:
    rows = []
    for name, (law, exact) in LAWS.items():
        provider = ProviderState(scenario(law), "p", 5)
        plans = [provider.begin(0.0, "m", 0, prompt, 1, 1) for prompt in range(DRAWS)]
        for what, values in (("ttft", [p.first_token_s for p in plans]), ("per_token", [p.per_token_s for p in plans])):
            (p50, p99), (true50, true99) = np.percentile(values, [50, 99]), exact.ppf([0.5, 0.99])
            rows.append({"law": name, "of": what, "draws": DRAWS, "p50_s": round(p50, 5), "p50_error": f"{p50 / true50 - 1:+.3%}",
                         "p99_s": round(p99, 5), "p99_error": f"{p99 / true99 - 1:+.3%}"})  # fmt: skip
    worst50 = max(abs(float(row["p50_error"].rstrip("%"))) for row in rows)
    worst99 = max(abs(float(row["p99_error"].rstrip("%"))) for row in rows)
    verdicts = {f"P50 within 1 % (worst: {worst50:.2f} %)": worst50 <= 1, f"P99 within 3 % (worst: {worst99:.2f} %)": worst99 <= 3}
    keep("mock_distributions", "Sampled delays against their stated laws", rows, verdicts)


if __name__ == "__main__":
    main()
