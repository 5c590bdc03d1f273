"""Gateways that nobody here wrote, started, measured and stopped by ``tenfold verify``; where one is not installed, the reason is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from loadtest.targets import install
from tests.loadtest.living import Run, undisturbed
from tests.loadtest.targets.fitting import SCENARIO

pytestmark = [pytest.mark.sockets, pytest.mark.slow]
Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    (tmp_path / "fitting.yaml").write_text(SCENARIO)
    runs: list[Run] = []

    def begin(*arguments: str, **env: str) -> Run:
        runs.append(Run(("verify", "fitting.yaml", *arguments), tmp_path, **env))
        return runs[-1]

    yield begin
    for run in runs:
        run.clean_up()


def installed(name: str) -> str:
    if install.RECIPES[name].path() is None:
        pytest.skip(f"{name} is not installed: {install.COMMAND} {name}")
    return name


@pytest.mark.parametrize("name", ["haproxy", "ferrogw"])
def test_a_gateway_of_others_answers_as_predicted_and_leaves_nothing_behind(start: Start, name: str, tmp_path: Path) -> None:
    target = installed(name)

    def verify() -> Run:
        shutil.rmtree(tmp_path / "kept", ignore_errors=True)
        return start("--target", target, "--out", "kept", "--json", "-q")

    run, code, out, err = undisturbed(verify)
    said = json.loads(out)
    assert (code, said["verdict"]) == (0, "pass"), err or out
    assert said["paired"]["same_outcome"] == 1.0
    assert abs(said["comparison"]["latency_s.p50"]["error"]) <= 0.05
    assert said["comparison"]["added_latency_s.p50"]["measured"]["value"] > 0
    assert said["certificate"]["target"]["cpu_s"] > 0
    usage = pq.read_table(tmp_path / "kept" / "target-usage.parquet")
    assert usage.num_rows >= 10
    assert run.nobody_left()
    assert not set(usage["pid"].to_pylist()) & set(psutil.pids())


def test_a_gateway_that_is_killed_in_the_middle_makes_the_measurement_invalid(start: Start, tmp_path: Path) -> None:
    run = start("--target", installed("haproxy"), "--out", "kept", "--json")
    run.wait_for("-m", "loadtest.generator.process")
    for process in [each for each in run.family() if each.name() == "haproxy"]:
        process.kill()
    code, out, err = run.end(30)
    assert (code, json.loads(out)["verdict"]) == (5, "invalid")
    assert "haproxy was killed by SIGKILL" in err
    assert run.nobody_left()
    assert not (tmp_path / "kept").exists()


def test_a_gateway_that_is_not_installed_says_how_to_install_it(start: Start, tmp_path: Path) -> None:
    run = start("--target", "litellm", TENFOLD_CACHE_DIR=str(tmp_path / "empty"))
    code, _, err = run.end(30)
    assert code == 5
    assert f"litellm is not installed here; install it with: {install.COMMAND} litellm" in err
    assert run.nobody_left()
