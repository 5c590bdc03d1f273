"""What a user gets wrong is said in a sentence and ends with exit code 2, whichever verb notices; a reader that leaves is no mistake."""

from __future__ import annotations

import http.server
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from loadtest.cli import exit_codes
from loadtest.cli.main import run
from sim.engine.runner import predict
from sim.gateway.language import load

SCENARIO = """
tenfold: 1
name: small
seed: 3
workload:
  arrivals: {kind: poisson, rate: 20/s}
  duration: 60s
  requests:
    - {name: job, tokens: {input: {kind: constant, value: 100}, output: {kind: constant, value: 1}}}
gateway: {routing: {kind: round-robin, models: [server/job]}}
providers: {server: {models: {job: {latency: {kind: exponential, mean: 200ms}, price: {input: 1, output: 1}}}}}
budgets: [latency.p99 < 1ms]
"""
TENFOLD = f"{sys.executable} -m loadtest.cli.main"


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    Path("small.yaml").write_text(SCENARIO)
    return "small.yaml"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


# ---- places that cannot be used ------------------------------------------------------------------------------------------
@pytest.mark.sockets
@pytest.mark.parametrize("verb", [["gateway", "--upstream", "server=http://127.0.0.1:9"], ["mock"], ["verify"]], ids=lambda verb: verb[0])
def test_a_port_that_is_taken_is_a_usage_error(verb: list[str], scenario: str, taken: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb[0], scenario, *verb[1:], "--port", str(taken)]) == exit_codes.USAGE
    assert str(taken) in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc, where nobody can write")
def test_a_file_that_cannot_be_written_is_a_usage_error(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", scenario, "--out", "/proc/x"]) == exit_codes.USAGE
    assert run(["predict", scenario, "--out", "kept", "--replications", "1"]) == exit_codes.OK
    capsys.readouterr()
    assert run(["report", "kept", "-o", "/proc/x"]) == exit_codes.USAGE
    assert "/proc/x cannot be written: " in capsys.readouterr().err
    assert run(["check", scenario, "--replications", "1", "--junit", "/proc/x"]) == exit_codes.USAGE


# ---- sizes ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("verb", [["predict"], ["check"], ["verify"], ["load", "--url", "http://127.0.0.1:9"]], ids=lambda verb: verb[0])
def test_too_many_requests_are_refused_before_any_work(verb: list[str], scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb[0], scenario, *verb[1:], "--scale", "1e9"]) == exit_codes.USAGE
    err = capsys.readouterr().err
    assert "about 1,200,000,000,000 requests at 1e+09x; a run may have 50,000,000" in err
    assert "engine" not in err


def test_replications_count_too(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", scenario, "--scale", "1e4", "--replications", "100"]) == exit_codes.USAGE
    assert "about 1,200,000,000 requests in 100 replications at 10000x" in capsys.readouterr().err


@pytest.mark.slow
def test_a_long_run_says_which_engine_it_takes(scenario: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["predict", scenario, "--replications", "1", "--json"]
    assert run(arguments) == exit_codes.OK
    assert capsys.readouterr().err == "", "of a short run there is nothing to say"
    monkeypatch.setattr("sim.engine.selection.LONG", 1000)
    assert run(arguments) == exit_codes.OK
    assert "engine at 1x: compiled (about 1,200 requests)" in capsys.readouterr().err
    for quiet in (["-q"], ["--engine", "simpy"]):
        assert run([*arguments, *quiet]) == exit_codes.OK
        assert capsys.readouterr().err == ""


def test_a_scale_is_given_once(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", scenario, "--scale", "1,10,1.0"]) == exit_codes.USAGE
    assert "1 stands there twice" in capsys.readouterr().err


# ---- other parties -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("verb", [["load"], ["verify", "--target", "url"]], ids=lambda verb: verb[0])
def test_only_http_is_spoken(verb: list[str], scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb[0], scenario, *verb[1:], "--url", "ftp://127.0.0.1:21"]) == exit_codes.USAGE
    assert "ftp://127.0.0.1:21: expected http://… or https://…; other schemes are not supported" in capsys.readouterr().err


class OtherGateway(http.server.BaseHTTPRequestHandler):
    """A gateway of ours that was started from another scenario."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"scenario_sha256": "0" * 64}).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.sockets
def test_a_gateway_of_another_scenario_is_refused_with_the_likely_reason(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OtherGateway) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        code = run(["load", scenario, "--url", f"http://127.0.0.1:{server.server_port}", "--json", "-q"])
        server.shutdown()
    assert code == exit_codes.USAGE
    assert "its hash differs; start both with the same file, and with the same --set and --seed" in capsys.readouterr().err


def test_runs_that_cannot_be_compared_are_a_usage_error(
    scenario: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = SimpleNamespace(
        run=predict(load(scenario).scenario, scale=2, replications=1), why_invalid=(), document=dict, errors=(), usage=[], yardstick_s=None
    )
    monkeypatch.setattr("loadtest.measurement.verify.measure", lambda *_: other)
    assert run(["verify", scenario, "--json", "-q", "--replications", "1"]) == exit_codes.USAGE
    said = capsys.readouterr()
    assert "cannot be compared: one run is at scale 1, the other at 2" in said.err
    assert said.out == ""


# ---- readers that leave --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("verb", "code"), [("predict", exit_codes.OK), ("check", exit_codes.GATE)])
def test_a_reader_that_leaves_changes_neither_words_nor_exit_code(verb: str, code: int, scenario: str) -> None:
    line = f"{TENFOLD} {verb} {scenario} --replications 1 -q | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_a_reader_of_messages_may_leave_too(scenario: str) -> None:
    line = f"{TENFOLD} predict nowhere.yaml 2>&1 >/dev/null | true; exit ${{PIPESTATUS[0]}}"
    assert subprocess.run(["bash", "-c", line], check=False).returncode == exit_codes.USAGE
