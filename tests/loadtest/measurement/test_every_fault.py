"""Every kind of fault, live: the gateway on sockets ends each request as the model said, attempt by attempt."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.loadtest.living import Run, undisturbed

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

SCENARIO = """
tenfold: 1
name: every-fault
seed: 11
workload:
  arrivals: {kind: poisson, rate: 25/s}
  duration: 24s
  client: {timeout: 6s}
  requests: [{name: ask, tokens: {input: {kind: constant, value: 50}, output: {kind: lognormal, median: 20, p99: 60}}}]
gateway:
  queue: {concurrency: 150, waiting: 50, timeout: 2s}
  routing: {kind: round-robin, models: [a/m, b/m]}
  retry: {attempts: 2, backoff: {kind: full-jitter, base: 50ms, cap: 500ms}}
  breaker: {window_size: 20, minimum_calls: 10, open_for: 1s, half_open_calls: 3}
  timeout: {first_token: 1s, total: 3s}
  fallback: [next-provider]
providers:
  a:
    models:
      m: {ttft: {kind: lognormal, median: 150ms, sigma: 0.3}, per_token: {kind: constant, value: 10ms}, price: {input: 1, output: 2}}
  b:
    dialect: anthropic
    models:
      m: {ttft: {kind: lognormal, median: 150ms, sigma: 0.3}, per_token: {kind: constant, value: 10ms}, price: {input: 1, output: 2}}
faults:
  - {kind: outage, provider: a, at: 1s, for: 1s, mode: refused}
  - {kind: outage, provider: b, at: 3s, for: 1s, mode: hang}
  - {kind: errors, provider: a, at: 5s, for: 2s, share: 0.5, status: 500}
  - {kind: brownout, provider: b, at: 7s, for: 2s, ttft_factor: 3, per_token_factor: 2}
  - {kind: rate-limit, provider: a, at: 9s, for: 2s, share: 0.5}
  - {kind: stall, provider: a, at: 11s, for: 2s, share: 0.3}
  - {kind: reset, provider: b, at: 13s, for: 2s, share: 0.3}
  - {kind: truncate, provider: a, at: 15s, for: 2s, share: 0.3}
  - {kind: stream-error, provider: b, at: 17s, for: 2s, share: 0.3}
  - {kind: malformed, provider: a, at: 19s, for: 1s, share: 0.3}
  - {kind: content-filter, provider: b, at: 20s, for: 1s, share: 0.3}
  - {kind: slow-headers, provider: a, at: 21s, for: 1s, delay: 500ms}
"""


@pytest.fixture(params=["true", "false"], ids=["streamed", "whole"])
def finished(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[dict[str, object], Path]:
    """(the verify document, the run directory) of clients that want their answers streamed, or whole."""
    (tmp_path / "every.yaml").write_text(SCENARIO)
    options = ("--set", f"workload.client.stream={request.param}", "--replications", "1", "--out", "kept", "--json", "-q")
    runs = []

    def verify() -> Run:
        shutil.rmtree(tmp_path / "kept", ignore_errors=True)
        runs.append(Run(("verify", "every.yaml", *options), tmp_path))
        return runs[-1]

    try:
        _, _, out, err = undisturbed(verify, within_s=150)
    finally:
        for run in runs:
            run.clean_up()
    assert out, err
    return json.loads(out), tmp_path / "kept"


def test_requests_end_and_attempts_fail_as_the_model_said(finished: tuple[dict[str, dict[str, float]], Path]) -> None:
    import pyarrow.parquet as pq

    said, kept = finished
    assert said["paired"]["requests"] > 500
    assert said["paired"]["same_outcome"] >= 0.98
    attempts = pq.read_table(kept / "attempts.parquet", columns=["run", "status"])
    run, status = (attempts.column(name).to_numpy() for name in ("run", "status"))
    predicted, measured = (dict(zip(*np.unique(status[run == number], return_counts=True), strict=True)) for number in (0, 1))
    assert set(predicted) == {-1, 0, 200, 429, 500}
    for code, count in predicted.items():
        assert measured.get(code, 0) == pytest.approx(count, abs=max(3, 0.1 * count)), code
