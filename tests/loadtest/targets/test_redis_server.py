"""Sessions and answers in a real Redis: measured beside the prediction, also while it goes away."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from loadtest.targets import install
from loadtest.targets.reference import Reference
from sim.gateway.language import load
from tests.loadtest.living import Run, undisturbed

SCENARIO = """
tenfold: 1
name: in-redis
seed: 5
workload:
  arrivals: {kind: poisson, rate: 50/s}
  duration: 12s
  users: 60
  conversations: {turns: {kind: geometric, mean: 5}, think: {kind: exponential, mean: 2s}}
  requests:
    - name: chat
      share: 0.6
      tokens: {input: {kind: lognormal, median: 80, p99: 300}, output: {kind: lognormal, median: 40, p99: 120}}
    - {name: faq, share: 0.4, prompts: {catalog: 40}, tokens: {input: 40, output: 60}}
gateway:
  sessions: redis
  cache: [{kind: exact, ttl: 30s, store: redis}]
  redis: {on_failure: closed}
  routing: {kind: round-robin, models: [a/m]}
  timeout: {total: 20s}
providers:
  a: {models: {m: {ttft: {kind: lognormal, median: 300ms, sigma: 0.4}, per_token: 8ms, price: {input: 1, output: 4}}}}
"""
needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason=f"no Redis here: {install.COMMAND} redis-server")


@pytest.mark.slow
@pytest.mark.sockets
@needs_redis
@pytest.mark.parametrize(
    ("faults", "refused"), [("[]", False), ("[{kind: redis-restart, at: 4s, for: 3s}]", True)], ids=["there", "gone for a while"]
)
def test_requests_end_as_the_model_said(tmp_path: Path, faults: str, refused: bool) -> None:
    (tmp_path / "redis.yaml").write_text(SCENARIO)
    options = ("--set", f"faults={faults}", "--replications", "1", "--json", "-q")
    _, _, out, err = undisturbed(lambda: Run(("verify", "redis.yaml", *options), tmp_path), within_s=90)
    assert out, err
    said = json.loads(out)
    assert said["paired"]["requests"] > 400
    assert said["paired"]["same_outcome"] >= 0.98
    assert abs(said["comparison"]["latency_s.p50"]["error"]) <= 0.02
    assert abs(said["comparison"]["latency_s.p99"]["error"]) <= 0.05
    availability = said["comparison"]["availability"]
    assert (availability["measured"]["value"] < 0.9) == (availability["predicted"]["value"] < 0.9) == refused


def cannot(tmp_path: Path, *overrides: str) -> list[str]:
    (tmp_path / "redis.yaml").write_text(SCENARIO)
    return Reference().cannot(load(tmp_path / "redis.yaml", overrides))


def test_a_fault_that_cannot_be_played_is_refused_beforehand(tmp_path: Path) -> None:
    assert cannot(tmp_path, "faults=[{kind: redis-restart, at: 4s, for: 3s}]") == []
    assert "nothing slows" in cannot(tmp_path, "faults=[{kind: redis-slow, at: 4s, for: 3s}]")[0]


def test_a_redis_of_others_is_not_struck(tmp_path: Path) -> None:
    other = "redis://127.0.0.1:1/0"
    words = (f"gateway.sessions.store={other}", f"gateway.cache.0.store={other}", "faults=[{kind: redis-full, at: 4s, for: 3s}]")
    assert "runs already" in cannot(tmp_path, *words)[0]
