"""The instrument check: the reference gateway with known policies, of which the calibration is told nothing but the URL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtest.processes.http_control import free_port
from tests.loadtest.living import Run

pytestmark = [pytest.mark.slow, pytest.mark.sockets]
BARE = """
tenfold: 1
name: unknown
workload: {arrivals: 1/s, duration: 1m, requests: [{name: ask, tokens: {input: 50, output: 20}}]}
gateway:
  routing: {kind: round-robin, models: [p/m]}
providers: {p: {models: {m: {latency: 50ms, price: {input: 1, output: 1}}}}}
"""
POLICIES = """
  queue: {concurrency: 7, waiting: 13, timeout: 2s}
  retry: {attempts: 3, backoff: {kind: exponential, base: 100ms}}
  timeout: {first_token: 2s, total: 5s}
  cancel_on_disconnect: false
"""


def test_an_unknown_gateway_is_known_afterwards(tmp_path: Path) -> None:
    bare, known, out = tmp_path / "bare.yaml", tmp_path / "known.yaml", tmp_path / "calibration.yaml"
    bare.write_text(BARE)
    known.write_text(BARE.replace("gateway:\n", "gateway:" + POLICIES))
    mock_port, port = free_port(), free_port()
    gateway = Run(["gateway", str(known), "--upstream", f"p=http://127.0.0.1:{mock_port}", "--port", str(port)], tmp_path)
    where = ["--target", "url", "--url", f"http://127.0.0.1:{port}", "--mock-port", str(mock_port)]
    calibration = None
    try:
        gateway.wait_for("gateway", "--port")
        assert gateway.process.stdout is not None
        gateway.process.stdout.readline()
        only = "admission,cancellation,timeouts,retries"
        calibration = Run(["calibrate", str(bare), *where, "--only", only, "-o", str(out), "--json"], tmp_path)
        code, told, said = calibration.end(120.0)
        assert code == 0, said
        document = json.loads(told)
        predicted = Run(["predict", str(bare), "--calibration", str(out), "--replications", "1", "--json"], tmp_path)
        code, _, warned = predicted.end()
        assert (code, warned.count("measured elsewhere")) == (0, 0), warned
    finally:
        gateway.clean_up()
        if calibration is not None:
            calibration.clean_up()
    overlay = document["overlay"]["gateway"]
    assert overlay["queue"] == {"concurrency": 7, "waiting": 13, "timeout": "2s"}
    assert overlay["retry"]["attempts"] == 3
    assert overlay["retry"]["backoff"] == {"kind": "exponential", "base": "100ms"}
    assert overlay["timeout"] == {"first_token": "2s", "total": "5s"}
    assert overlay["cancel_on_disconnect"] is False
    assert any("declares none; 7 was seen" in warning for warning in document["warnings"])
    assert calibration.nobody_left()
