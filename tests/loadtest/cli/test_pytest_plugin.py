"""Budgets as tests of somebody's suite: they pass, fail and refuse as any test does, in words."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.loadtest.cli.test_action import ROOT, SCENARIO

SUITE = """
import pytest

@pytest.mark.latency_budget("chat.yaml", "latency.p99 < 2s", replications=2)
def test_holds(): ...

@pytest.mark.latency_budget("chat.yaml", "latency.p99{class=job} < 100ms", replications=2, scale=2)
def test_broken():
    raise AssertionError("the body is not reached")

@pytest.mark.latency_budget("chat.yaml", replications=2)
def test_of_the_scenario(): ...

@pytest.mark.latency_budget("chat.yaml", "latancy.p99 < 2s", replications=2)
def test_misspelt(): ...

@pytest.mark.latency_budget("nowhere.yaml")
def test_nowhere(): ...

def test_of_the_fixture(latency_budget):
    run = latency_budget("chat.yaml", "availability > 99%", replications=2, overrides=["workload.arrivals.rate=30/s"])
    assert run["replications"] == 2 and run["latency_s"]["p50"]["value"] < 1
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of SUITE, in a process of its own: as installed, or from the source where it is not."""
    folder: Path = tmp_path_factory.mktemp("suite")
    (folder / "chat.yaml").write_text(SCENARIO)
    (folder / "test_budgets.py").write_text(SUITE)
    installed = any(point.value == "loadtest.cli.pytest_plugin" for point in entry_points(group="pytest11"))
    line = [sys.executable, "-m", "pytest", "-rA", "--strict-markers", *([] if installed else ["-p", "loadtest.cli.pytest_plugin"])]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False).stdout


def test_a_budget_that_holds_passes(report: str) -> None:
    for name in ("holds", "of_the_scenario", "of_the_fixture"):
        assert f"PASSED test_budgets.py::test_{name}" in report


def test_a_broken_budget_fails_with_its_value_and_the_body_is_not_run(report: str) -> None:
    assert "FAILED test_budgets.py::test_broken - Failed: chat at 2x:" in report
    assert re.search(r"latency\.p99\{class=job\} < 100ms: \d+ ms \(", report)
    assert "the body is not reached" not in report.partition("short test summary")[2]


def test_what_is_refused_fails_with_the_reason_alone(report: str) -> None:
    assert "there is no metric 'latancy.p99'; did you mean 'latency.p99'?" in report
    assert "nowhere.yaml: no such file" in report
    assert "Traceback" not in report
    assert "3 failed, 3 passed" in report
