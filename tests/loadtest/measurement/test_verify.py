"""``tenfold verify`` on real processes: it agrees when all is well, and whatever goes wrong it says so and leaves nothing behind."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.loadtest.living import Run, undisturbed

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

SCENARIO = """
tenfold: 1
name: short
seed: 3
workload:
  arrivals: {kind: poisson, rate: 30/s}
  duration: 8s
  client: {stream: true, timeout: 10s}
  conversations: {turns: {kind: geometric, mean: 3}, think: {kind: exponential, mean: 2s}}
  requests:
    - {name: faq, share: 0.3, prompts: {catalog: 50}, tokens: {input: {kind: constant, value: 100}, output: {kind: constant, value: 10}}}
    - {name: chat, share: 0.7, tokens: {input: {kind: constant, value: 100}, output: {kind: constant, value: 10}}}
gateway:
  cache: [{kind: exact, ttl: 5m}]
  queue: {concurrency: 20, waiting: 100, timeout: 5s}
  routing: {kind: round-robin, models: [a/m, b/n]}
  retry: {attempts: 2, backoff: {base: 50ms}}
  fallback: [next-provider, canned]
providers:
  a:
    models:
      m: {ttft: {kind: lognormal, median: 200ms, sigma: 0.3}, per_token: {kind: constant, value: 10ms}, price: {input: 1, output: 2}}
    errors: {rate: 0.05, status: 500}
  b:
    dialect: anthropic
    models:
      n: {ttft: {kind: lognormal, median: 200ms, sigma: 0.3}, per_token: {kind: constant, value: 10ms}, price: {input: 1, output: 2}}
    errors: {rate: 0.05, status: 529}
budgets: [availability > 90%]
"""

LONG_ENOUGH = ("--set", "workload.duration=15s")
"""409 requests: with fewer than 368 there is no P99, and a run without one is invalid."""
Start = Callable[..., Run]


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "short.yaml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    runs: list[Run] = []

    def begin(*arguments: str, **env: str) -> Run:
        # Temporary files of the whole family lie in a folder of the test's own, so that leftovers are seen.
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        runs.append(Run(arguments, tmp_path, TMPDIR=str(scratch), **env))
        return runs[-1]

    yield begin
    for run in runs:
        run.clean_up()


def nothing_is_left(run: Run, tmp_path: Path) -> None:
    """No process, no run directory whole or half, no temporary file."""
    assert run.nobody_left(), run.family()
    kept = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.name not in ("short.yaml", "scratch", "results"))
    assert kept == []


def test_prediction_and_measurement_agree_and_are_kept(start: Start, scenario: Path, tmp_path: Path) -> None:
    def verify() -> Run:
        shutil.rmtree(tmp_path / "kept", ignore_errors=True)
        return start("verify", str(scenario), *LONG_ENOUGH, "--out", "kept", "--json", "-q")

    run, code, out, err = undisturbed(verify)
    said = json.loads(out)
    assert (code, said["verdict"], said["why_invalid"]) == (0, "pass", []), err
    assert said["paired"]["same_outcome"] >= 0.95
    assert abs(said["comparison"]["cost_usd"]["error"]) <= 0.02
    assert abs(said["paired"]["latency_difference_s"]["p50"]) <= 0.02
    assert said["paired"]["requests"] > 150
    assert said["certificate"]["sent"] == said["certificate"]["planned"]
    assert {"send_lag_s", "delivered_rate_error", "mock_lateness_s", "cpu"} <= said["certificate"].keys()
    assert {path.name for path in (tmp_path / "kept").iterdir()} >= {
        "manifest.json", "scenario.yaml", "requests.parquet", "attempts.parquet", "timeline.parquet", "events.jsonl", "summary.json",
        "report.html",
    }  # fmt: skip
    assert run.nobody_left()


def test_two_load_workers_send_the_same_schedule(start: Start, scenario: Path) -> None:
    run, code, out, err = undisturbed(lambda: start("verify", str(scenario), *LONG_ENOUGH, "--workers", "2", "--json", "-q"))
    said = json.loads(out)
    assert code in (0, 4), err  # 4: on a busy machine a P99 of 409 requests may lie outside its tolerance
    assert said["certificate"]["sent"] == said["certificate"]["planned"]
    assert said["paired"]["same_outcome"] >= 0.95
    assert run.nobody_left()


@pytest.mark.parametrize(
    ("victim", "words", "name"),
    [
        ("gateway", ("-m", "loadtest.gateway"), "gateway"),
        ("mock", ("-m", "mockprovider", "--provider", "a"), "mock of a"),
        ("Locust", ("-m", "locust"), "load generator"),
        ("engine", ("-m", "loadtest.generator.process"), "the load engine ended with code -9"),
    ],
)
def test_a_part_that_is_killed_in_the_middle_makes_the_measurement_invalid(
    start: Start, scenario: Path, tmp_path: Path, victim: str, words: tuple[str, ...], name: str
) -> None:
    run = start("verify", str(scenario), "--out", "kept", "--json")
    run.wait_for("-m", "loadtest.generator.process")
    time.sleep(4.0)
    run.wait_for(*words).kill()
    code, out, err = run.end(30)
    assert code == 5
    assert name in err
    if victim != "engine":
        assert "was killed by SIGKILL" in err
    assert json.loads(out)["verdict"] == "invalid"
    nothing_is_left(run, tmp_path)


@pytest.mark.parametrize("after_s", [0.2, 0.7, 1.2, 2.0, 3.0, 5.0, 8.0, 10.0, 12.0, 13.0])
def test_ctrl_c_at_any_moment_leaves_nothing_behind(start: Start, scenario: Path, tmp_path: Path, after_s: float) -> None:
    run = start("verify", str(scenario), "--out", "kept")
    time.sleep(after_s)
    run.process.send_signal(signal.SIGINT)
    code, _, err = run.end(30)
    if code == 0 or (tmp_path / "kept").exists():
        assert (tmp_path / "kept" / "manifest.json").exists(), "a directory that exists is whole"
        assert run.nobody_left()
        return
    assert code in (130, -signal.SIGINT), err  # in the middle of an import Python ends by the signal itself: 130 to a shell too
    nothing_is_left(run, tmp_path)


def test_two_ctrl_c_in_a_row_do_not_leave_processes_behind(start: Start, scenario: Path, tmp_path: Path) -> None:
    run = start("verify", str(scenario), "--out", "kept")
    run.wait_for("-m", "loadtest.generator.process")
    time.sleep(1.0)
    for _ in range(3):
        run.process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    code, _, _ = run.end(30)
    assert code == 130
    nothing_is_left(run, tmp_path)


def test_sigterm_ends_it_as_ctrl_c_does(start: Start, scenario: Path, tmp_path: Path) -> None:
    run = start("verify", str(scenario), "--out", "kept")
    run.wait_for("-m", "loadtest.generator.process")
    run.process.terminate()
    code, _, err = run.end(30)
    assert (code, "interrupted" in err) == (130, True)
    nothing_is_left(run, tmp_path)


def test_when_verify_itself_is_killed_its_children_end_by_themselves(start: Start, scenario: Path, tmp_path: Path) -> None:
    run = start("verify", str(scenario), "--out", "kept")
    run.wait_for("-m", "loadtest.generator.process")
    time.sleep(2.0)
    run.process.kill()
    assert run.nobody_left(10.0), run.family()
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(("option", "extra"), [("--port", 0), ("--mock-port", 0), ("--mock-port", 1)])
def test_a_port_that_is_taken_is_refused_before_anything_starts(
    start: Start, scenario: Path, tmp_path: Path, option: str, extra: int
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        run = start("verify", str(scenario), option, str(port - extra))
        code, _, err = run.end(20)
    assert code == 2
    assert f"port {port} cannot be used: Address already in use ({option})" in err
    nothing_is_left(run, tmp_path)


def test_an_output_directory_that_cannot_be_written_is_refused_before_anything_starts(start: Start, scenario: Path, tmp_path: Path) -> None:
    run = start("verify", str(scenario), "--out", str(scenario / "below-a-file"))
    code, _, err = run.end(20)
    assert code == 2
    assert "short.yaml is a file; give a directory" in err
    nothing_is_left(run, tmp_path)


def test_a_scenario_edited_while_the_run_starts_is_refused(start: Start, scenario: Path, tmp_path: Path) -> None:
    run = start("verify", str(scenario), "--out", "kept")
    run.wait_for("-m", "mockprovider")
    scenario.write_text(SCENARIO.replace("rate: 30/s", "rate: 31/s"))
    code, _, err = run.end(30)
    assert code == 5
    assert "short.yaml was changed while the run started; start it again" in err
    nothing_is_left(run, tmp_path)


def test_what_the_reference_gateway_cannot_do_is_said_first(start: Start, scenario: Path, tmp_path: Path) -> None:
    run = start("verify", str(scenario), "--set", "gateway.workers=4")
    code, _, err = run.end(20)
    assert code == 2
    assert "each of the 4 worker processes has its own" in err
    nothing_is_left(run, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--target", "url"), "--target url needs --url"),
        (("--url", "http://127.0.0.1:1"), "--url goes with --target url"),
        (("--target", "url", "--url", "http://192.0.2.1:80"), "is not this machine"),
        (("--target", "nginxx"), "Invalid value for '--target'"),
    ],
)
def test_a_wrong_command_line_is_refused(start: Start, scenario: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    run = start("verify", str(scenario), *arguments)
    code, _, err = run.end(20)
    assert (code, message in err) == (2, True), err
    nothing_is_left(run, tmp_path)


def test_a_gateway_of_ones_own_is_a_target_by_its_url(start: Start, scenario: Path) -> None:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        mock_port = one.getsockname()[1]
        two.bind(("127.0.0.1", mock_port + 1))
    upstreams = [f"--upstream=a=http://127.0.0.1:{mock_port}", f"--upstream=b=http://127.0.0.1:{mock_port + 1}"]
    gateways: list[Run] = []

    def verify() -> Run:
        """Each time with a gateway of its own, whose cache is empty."""
        gateways.append(start("gateway", str(scenario), "--port", "0", "--json", *upstreams))
        assert gateways[-1].process.stdout is not None
        url = json.loads(gateways[-1].process.stdout.readline())["url"]
        return start("verify", str(scenario), *LONG_ENOUGH, "--target", "url", "--url", url, "--mock-port", str(mock_port), "--json", "-q")

    run, code, out, err = undisturbed(verify)
    assert code in (0, 4), err
    assert json.loads(out)["paired"]["same_outcome"] >= 0.95
    assert run.nobody_left()
    for gateway in gateways:
        gateway.process.terminate()
        assert gateway.end(20)[0] == 0


def test_nothing_at_the_url_is_said(start: Start, scenario: Path, tmp_path: Path) -> None:
    run = start("verify", str(scenario), "--target", "url", "--url", "http://127.0.0.1:9", "--json")
    code, out, err = run.end(30)
    assert code == 5
    assert "nothing answers at http://127.0.0.1:9" in err
    assert json.loads(out)["why_invalid"] == ["nothing answers at http://127.0.0.1:9: is the gateway running, and is that its port?"]
    nothing_is_left(run, tmp_path)


def test_proxies_of_the_environment_are_not_asked_about_loopback(start: Start, scenario: Path) -> None:
    """All requests and all control calls come through; so short a run is no measurement."""
    run = start("verify", str(scenario), "--set", "workload.duration=2s", "--json", "-q", http_proxy="http://127.0.0.1:9")
    code, out, err = run.end(60)
    said = json.loads(out)
    assert (code, any("too few requests" in why for why in said["why_invalid"])) == (5, True), err
    assert said["paired"]["requests"] > 20
    assert said["certificate"]["sent"] == said["certificate"]["planned"]


def test_a_gateway_that_asks_other_providers_than_the_mocks_is_noticed(start: Start, scenario: Path) -> None:
    """A stub that answers everything by itself, as a gateway with real upstreams would."""
    from tests.loadtest.cli.test_load import Server

    stub = Server()
    stub.start()
    assert stub.ready.wait(10)
    run = start("verify", str(scenario), "--set", "workload.duration=3s", "--target", "url", "--url", stub.url, "--json", "-q")
    code, out, err = run.end(60)
    assert code == 5, err
    assert any("no mock was asked: the gateway sends elsewhere" in reason for reason in json.loads(out)["why_invalid"])
