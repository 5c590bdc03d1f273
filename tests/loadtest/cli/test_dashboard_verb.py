"""``tenfold dashboard``: what it writes, and that a real Prometheus takes the rules and fires them."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

from loadtest.cli import exit_codes
from loadtest.cli.main import run
from loadtest.processes.http_control import free_port
from loadtest.targets import install
from tests.loadtest.living import Run

SCENARIO = """
tenfold: 1
name: watched
workload:
  arrivals: 20/s
  duration: 30s
  requests: [{name: ask, tokens: {input: 20, output: 5}}]
gateway:
  routing: {kind: round-robin, models: [a/m]}
  timeout: {total: 5s}
providers:
  a: {models: {m: {latency: 50ms, price: {input: 1, output: 2}}}}
budgets: [latency.p99 < 20ms, availability > 99%, cost.month < 1 USD, recovery_time < 5s @outage]
faults: [{kind: outage, provider: a, at: 29s, for: 500ms}]
"""
QUICK = ("--replications", "1", "--window", "4s", "--for", "1s", "--every", "1s")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    (tmp_path / "watched.yaml").write_text(SCENARIO)
    assert run(["dashboard", str(tmp_path / "watched.yaml"), *QUICK, "-q", "-o", str(tmp_path / "monitoring")]) == exit_codes.OK
    return tmp_path / "monitoring"


def test_it_writes_a_dashboard_and_rules(written: Path) -> None:
    assert len(json.loads((written / "dashboard.json").read_text())["panels"]) == 12 + 3
    rules = yaml.safe_load((written / "alerts.yaml").read_text())["groups"][0]["rules"]
    assert len(rules) == 3 + 2


def test_json_is_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "watched.yaml").write_text(SCENARIO)
    assert run(["dashboard", str(tmp_path / "watched.yaml"), *QUICK, "-q", "--json"]) == exit_codes.OK
    said = json.loads(capsys.readouterr().out)
    assert said["unwatched"] == ["recovery_time < 5s @outage"]
    assert {"dashboard", "rules"} <= said.keys()


def test_a_window_that_is_no_duration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "watched.yaml").write_text(SCENARIO)
    assert run(["dashboard", str(tmp_path / "watched.yaml"), "--window", "soon"]) == exit_codes.USAGE


def alerts(port: int) -> dict[str, str]:
    """The state of each alert that is pending or firing."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/alerts", timeout=5) as answer:
        return {alert["labels"]["alertname"]: alert["state"] for alert in json.load(answer)["data"]["alerts"]}


@pytest.mark.slow
@pytest.mark.sockets
@pytest.mark.skipif(shutil.which("promtool") is None, reason=f"no Prometheus here: {install.COMMAND} prometheus")
def test_a_real_prometheus_takes_the_rules_and_fires_for_the_budgets_that_are_broken(written: Path, tmp_path: Path) -> None:
    checked = subprocess.run(["promtool", "check", "rules", str(written / "alerts.yaml")], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    gateway, mock, port = free_port(), free_port(), free_port()
    config = {
        "global": {"scrape_interval": "1s"}, "rule_files": [str(written / "alerts.yaml")],
        "scrape_configs": [{"job_name": "gateway", "static_configs": [{"targets": [f"127.0.0.1:{gateway}"]}]}],
    }  # fmt: skip
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    runs = [
        Run(("mock", "watched.yaml", "--port", str(mock)), tmp_path),
        Run(("gateway", "watched.yaml", "--upstream", f"a=http://127.0.0.1:{mock}", "--port", str(gateway)), tmp_path),
    ]
    prometheus = subprocess.Popen(
        ["prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}",
         f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"],
    )  # fmt: skip
    body = json.dumps({"model": "default", "messages": [{"role": "user", "content": "hello"}]}).encode()
    ask = urllib.request.Request(f"http://127.0.0.1:{gateway}/v1/chat/completions", body, {"Content-Type": "application/json"})
    firing: set[str] = set()
    until = time.monotonic() + 20.0
    try:
        while time.monotonic() < until and len(firing) < 2:
            try:
                urllib.request.urlopen(ask, timeout=5).read()
                firing |= {name for name, state in alerts(port).items() if state == "firing" and name != "GatewayDown"}
            except OSError:
                time.sleep(0.1)
    finally:
        prometheus.kill()
        prometheus.wait()
        for each in runs:
            each.clean_up()
    assert firing == {"Budget0LatencySP99", "Budget2CostUsdPerMonth"}
