"""Mocks as processes: they say where they are, and never stay behind."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mockprovider.processes.supervisor import RunFailed
from mockprovider.supervisor import serving, watch
from sim.gateway.language import load
from tests.mockprovider.conftest import CLIENT, SCENARIO

pytestmark = pytest.mark.sockets
ALONE = [sys.executable, "-m", "mockprovider", "--scenario", str(SCENARIO), "--provider", "openai"]
TWO = """
tenfold: 1
name: two
workload:
  arrivals: {kind: poisson, rate: 1/s}
  duration: 1m
  requests: [{name: ask, tokens: {input: {kind: constant, value: 1}, output: {kind: constant, value: 1}}}]
gateway: {routing: {kind: round-robin, models: [one/m, two/m]}}
providers:
  one: {models: {m: {latency: {kind: constant, value: 10ms}, price: {input: 1, output: 1}}}}
  two: {dialect: anthropic, models: {m: {latency: {kind: constant, value: 10ms}, price: {input: 1, output: 1}}}}
"""


@pytest.fixture
def alone() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(ALONE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A scenario of two providers: enough to be several."""
    path = tmp_path / "two.yaml"
    path.write_text(TWO)
    return path


def tenfold_mock(scenario: Path) -> list[str]:
    return [sys.executable, "-m", "loadtest.cli.main", "mock", str(scenario)]


def test_one_line_says_where_it_serves_which_scenario(alone: subprocess.Popen[str]) -> None:
    assert alone.stdout is not None
    said = json.loads(alone.stdout.readline())
    assert said == {
        "event": "ready",
        "provider": "openai",
        "port": said["port"],
        "pid": alone.pid,
        "scenario_sha256": load(SCENARIO).sha256,
    }
    health = CLIENT.get(f"http://127.0.0.1:{said['port']}/_mock/health").json()
    assert (health["ok"], health["scenario_sha256"], health["seed"]) == (True, said["scenario_sha256"], 11)


def test_it_listens_on_loopback_only(alone: subprocess.Popen[str]) -> None:
    assert alone.stdout is not None
    alone.stdout.readline()
    listening = [each.laddr.ip for each in psutil.Process(alone.pid).net_connections() if each.status == psutil.CONN_LISTEN]
    assert listening == ["127.0.0.1"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(alone: subprocess.Popen[str], how: signal.Signals) -> None:
    assert alone.stdout is not None
    alone.stdout.readline()
    alone.send_signal(how)
    assert alone.wait(30) == 0


def test_all_providers_of_a_scenario_are_served_and_stopped_together(two: Path) -> None:
    with serving(load(two)) as mocks:
        assert [mock.provider for mock in mocks] == ["one", "two"]
        assert len({mock.port for mock in mocks}) == len(mocks)
        assert all(CLIENT.get(f"{mock.url}/_mock/health").json()["provider"] == mock.provider for mock in mocks)
        mocks[1].process.kill()
        with pytest.raises(RunFailed, match=f"mock of {mocks[1].provider} was killed by SIGKILL"):
            watch(mocks, every_s=0.05)
    assert all(mock.process.poll() is not None for mock in mocks)


def test_a_taken_port_is_a_clear_error_and_exit_code_2(two: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run([*tenfold_mock(two), "--port", str(port)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert f"port {port} on 127.0.0.1 cannot be used: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("stop", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 0, marks=pytest.mark.slow), (signal.SIGKILL, -9)]
)
def test_the_verb_tells_ports_and_leaves_no_process_behind(two: Path, stop: signal.Signals, code: int) -> None:
    verb = subprocess.Popen([*tenfold_mock(two), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert verb.stdout is not None
    ports = json.loads(verb.stdout.readline())["ports"]
    assert set(ports) == {"one", "two"}
    mocks = psutil.Process(verb.pid).children()
    assert len(mocks) == len(ports)
    verb.send_signal(stop)
    verb.communicate(timeout=30)
    assert verb.returncode == code
    until_s = time.monotonic() + 15
    while any(mock.is_running() and mock.status() != psutil.STATUS_ZOMBIE for mock in mocks) and time.monotonic() < until_s:
        time.sleep(0.05)
    assert not any(mock.is_running() and mock.status() != psutil.STATUS_ZOMBIE for mock in mocks)


def test_an_unknown_provider_or_a_broken_scenario_is_explained(tmp_path: Path) -> None:
    done = subprocess.run([*ALONE[:-1], "other"], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "there is no provider 'other'" in done.stderr) == (2, True)
    broken = tmp_path / "broken.yaml"
    broken.write_text("tenfold: 1\nname: x\nsed: 3\n")
    done = subprocess.run(tenfold_mock(broken), capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "did you mean" in done.stderr
