"""The action, acted out: its own commands in a repository of somebody's, red on a regression, green on its fix."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest
import yaml

from loadtest.cli import exit_codes

junitparser = pytest.importorskip("junitparser")
ROOT = Path(__file__).parents[3]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
SCENARIO = """
tenfold: 1
name: chat
workload:
  arrivals: 20/s
  duration: 40s
  requests: [{name: job, tokens: {input: 100, output: 1}}]
gateway: {routing: {kind: round-robin, models: [server/job]}}
providers: {server: {models: {job: {latency: {kind: lognormal, median: 200ms, p99: 800ms}, price: {input: 1, output: 1}}}}}
budgets: [latency.p99 < 2s]
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Somebody's checkout, with a runner's PATH on which Tenfold has been installed."""
    place = tmp_path / "repository"
    place.mkdir()
    (place / "chat.yaml").write_text(SCENARIO)
    tenfold = tmp_path / "bin" / "tenfold"
    tenfold.parent.mkdir()
    tenfold.write_text(f'#!/bin/sh\nexec {sys.executable} -m loadtest.cli.main "$@"\n')
    tenfold.chmod(0o755)
    subprocess.run(["git", "init", "-q"], cwd=place, check=True)
    return place


def act(repository: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """The last step of the action as a runner does it: expressions put in, then bash."""
    step = ACTION["runs"]["steps"][-1]
    given = {name: str(each.get("default", "")) for name, each in ACTION["inputs"].items()} | inputs
    environment = {name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: given[found[1]], text) for name, text in step["env"].items()}
    path = f"{repository.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    runner = {"PATH": path, "PYTHONPATH": str(ROOT), "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(repository.parent / "summary.md")}
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return subprocess.run(shell, cwd=repository, env=os.environ | runner | environment, capture_output=True, text=True, check=False)


def verdicts(repository: Path) -> dict[str, str]:
    """Test cases by name, as a standard parser reads them: passed, failed or skipped."""
    cases = [case for suite in junitparser.JUnitXml.fromfile(str(repository / "tenfold-budgets.xml")) for case in suite]
    return {case.name: type(case.result[0]).__name__ if case.result else "Passed" for case in cases}


@pytest.mark.slow
def test_it_is_red_on_a_regression_and_green_on_its_fix(repository: Path) -> None:
    first = act(repository, scenario="chat.yaml", baseline="baseline", arguments="-q --replications 4 --update-baseline")
    assert first.returncode == exit_codes.OK, first.stderr
    scenario, given = repository / "chat.yaml", {"scenario": "chat.yaml", "baseline": "baseline", "arguments": "-q --replications 4"}

    scenario.write_text(SCENARIO.replace("p99: 800ms", "p99: 880ms"))
    red = act(repository, **given)
    assert red.returncode == exit_codes.GATE
    assert "::error file=chat.yaml,title=Worse than the baseline::latency P99 at 1x" in red.stderr
    assert verdicts(repository)["latency_s.p99 at 1x"] == "Failure"
    assert verdicts(repository)["latency.p99 < 2s"] == "Passed"

    scenario.write_text(SCENARIO)
    green = act(repository, **given)
    assert green.returncode == exit_codes.OK, green.stderr
    assert set(verdicts(repository).values()) == {"Passed"}
    summary = (repository.parent / "summary.md").read_text()
    assert summary.index("❌ regression") < summary.rindex("Nothing is worse than the baseline.")


def test_every_input_reaches_the_command_line(repository: Path) -> None:
    used = re.findall(r"inputs\.([\w-]+)", (ROOT / "action.yml").read_text())
    assert set(ACTION["inputs"]) == set(used)
    told = act(repository, scenario="chat.yaml", scale="1,2", arguments="-q --replications 2", junit="other.xml")
    assert told.returncode == exit_codes.OK, told.stderr
    suites = [suite.name for suite in junitparser.JUnitXml.fromfile(str(repository / "other.xml"))]
    assert suites == ["chat at 1x", "chat at 2x"]


@pytest.mark.slow
def test_its_install_step_gives_the_runner_a_command_that_works_away_from_the_checkout(tmp_path: Path) -> None:
    """In an environment that sees the dependencies of this one, so that Tenfold alone is built and installed."""
    action, runner = tmp_path / "action", tmp_path / "runner"
    for name in ("sim", "mockprovider", "loadtest", "scenarios"):
        shutil.copytree(ROOT / name, action / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "constraints.txt"):
        shutil.copy(ROOT / name, action)
    venv.create(runner)
    (packages,) = runner.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (step,) = [each for each in ACTION["runs"]["steps"] if each.get("name") == "Install Tenfold"]
    assert step["env"] == {"ACTION_PATH": "${{ github.action_path }}"}
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = kept | {
        "ACTION_PATH": str(action),
        "PIP_NO_BUILD_ISOLATION": "0",
        "PATH": f"{runner / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }

    def bash(command: str) -> str:
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command]
        done = subprocess.run(shell, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    bash(step["run"])
    shutil.rmtree(action)
    assert bash("command -v tenfold").strip() == str(runner / "bin" / "tenfold")
    assert bash("python -c 'import sim; print(sim.__file__)'").startswith(str(packages))
    assert "chaos/poison_request" in bash("tenfold scenarios")
