"""How exactly does the load engine keep its schedule, and what does the reference gateway add to a request?

    python -m tests.benchmarks.load_and_gateway [--seconds 10]

The engine plays Poisson traffic straight at a mock provider (send lag, delivered rate), then through the gateway (added latency: what the
client sees beyond what the mock planned), each in processes of their own. Every answer is planned alike, so all that varies is ours.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from loadtest.generator import samples
from loadtest.generator.certificate import MAX_LAG_P50_S, MAX_RATE_ERROR, certify
from loadtest.generator.locust_run import LocustRun
from loadtest.generator.plan import LoadPlan
from loadtest.measurement.verify import dump
from loadtest.processes.http_control import fetch, post
from mockprovider.processes.supervisor import Crew
from mockprovider.supervisor import start_mocks
from sim.data.outcomes import OK
from sim.gateway.language import load
from sim.scenario.load import Loaded
from sim.workload.schedule import build_schedule
from tests.benchmarks.keeping import keep

TTFT_S, PER_TOKEN_S, TOKENS = 0.1, 0.01, 10
PLANNED_S = TTFT_S + (TOKENS - 1) * PER_TOKEN_S
SCENARIO = f"""
tenfold: 1
name: load-and-gateway
workload:
  arrivals: {{kind: poisson, rate: RATE/s}}
  duration: SECONDSs
  requests:
    - {{name: ask, needs: m, tokens: {{input: {{kind: constant, value: 200}}, output: {{kind: constant, value: {TOKENS}}}}}}}
gateway: {{routing: {{kind: capability, m: [p/m]}}}}
providers:
  p:
    models:
      m: {{ttft: {{kind: constant, value: {TTFT_S}s}}, per_token: {{kind: constant, value: {PER_TOKEN_S}s}}, price: {{input: 0, output:
      0}}}}
"""


def measure(rate_rps: int, seconds: int, through_gateway: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name, Crew(Path(name)) as crew:
        folder = Path(name)
        file = folder / "scenario.yaml"
        file.write_text(SCENARIO.replace("RATE", str(rate_rps)).replace("SECONDS", str(seconds)))
        loaded = load(file)
        mock = start_mocks(crew, loaded, file)[0].url
        url, gateway = (start_gateway(file, mock, crew), True) if through_gateway else (mock, False)
        run = LocustRun(crew, LoadPlan(dump(loaded), loaded.sha256, url, name))
        run.start()
        t0 = time.time() + 1.0
        post("the mock", f"{mock}/_mock/t0", {"t0": t0})
        before_s = json.loads(fetch("the gateway", f"{url}/_tenfold/usage"))["cpu_s"] if gateway else 0.0
        reports = run.play(t0, lambda *_: None)
        used_s = json.loads(fetch("the gateway", f"{url}/_tenfold/usage"))["cpu_s"] - before_s if gateway else 0.0
        return row(loaded, rate_rps, through_gateway, samples.read(folder), reports, used_s)


def start_gateway(file: Path, mock: str, crew: Crew) -> str:
    import sys

    argv = [sys.executable, "-m", "loadtest.gateway", "--scenario", str(file), "--upstream", f"p={mock}", "--child"]
    url: str = crew.start("gateway", argv).expect("ready", 30)["url"]
    return url


def row(
    loaded: Loaded, rate_rps: int, through_gateway: bool, rows: np.ndarray, reports: list[dict[str, Any]], gateway_s: float
) -> dict[str, Any]:
    certificate = certify(build_schedule(loaded.scenario).arrival_s, rows, reports)
    served = rows[rows["outcome"] == OK]
    added_ms = (served["latency_s"] - PLANNED_S) * 1e3
    return {
        "path": "through the gateway" if through_gateway else "straight to the mock", "rps": rate_rps, "requests": len(rows),
        "not served": len(rows) - len(served), "rate error %": round(certificate.delivered_rate_error * 100, 4),
        "send lag P50 ms": round(certificate.lag_p50_s * 1e3, 2), "send lag P99 ms": round(certificate.lag_p99_s * 1e3, 2),
        "added latency P50 ms": round(float(np.quantile(added_ms, 0.5)), 2),
        "added latency P99 ms": round(float(np.quantile(added_ms, 0.99)), 2), "engine CPU %": round(certificate.cpu * 100, 1),
        "gateway CPU ms/request": round(gateway_s / len(rows) * 1e3, 2) if through_gateway else "",
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=10)
    seconds = parser.parse_args().seconds
    os.environ["TENFOLD_KEY_CLIENT"] = "sk-mock-p-0"
    rows = [measure(100, seconds, False), measure(500, seconds, False), measure(50, seconds, True), measure(100, seconds, True)]
    verdicts = {
        "delivered rate within 0.1 % of its schedule": all(row["rate error %"] <= MAX_RATE_ERROR * 100 for row in rows),
        "send lag P50 at most 1 ms": all(row["send lag P50 ms"] <= MAX_LAG_P50_S * 1e3 for row in rows),
        "every request served": not any(row["not served"] for row in rows),
    }
    notes = "Added latency is what the client sees beyond the mock's plan: engine, network, gateway and the mock's own lateness together."
    keep("load_and_gateway", "Load engine and reference gateway", rows, verdicts, notes)


if __name__ == "__main__":
    main()
