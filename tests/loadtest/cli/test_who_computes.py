"""--workers and --cluster say who computes a prediction, and change nothing that it says."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from loadtest.cli import exit_codes
from loadtest.cli.main import run

SCENARIO = """
tenfold: 1
name: small
seed: 3
workload:
  arrivals: {kind: poisson, rate: 20/s}
  duration: 30s
  requests:
    - {name: job, tokens: {input: {kind: constant, value: 100}, output: {kind: constant, value: 1}}}
gateway: {routing: {kind: round-robin, models: [server/job]}}
providers: {server: {models: {job: {latency: {kind: exponential, mean: 200ms}, price: {input: 1, output: 1}}}}}
budgets: [latency.p99 < 1h]
"""
VERBS = (["predict"], ["check"], ["compare", "--with", "providers.server.models.job.price.input=2"])


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    Path("small.yaml").write_text(SCENARIO)
    return "small.yaml"


def predicted(scenario: str, capsys: pytest.CaptureFixture[str], *where: str) -> dict:
    assert run(["predict", scenario, "--replications", "3", "--fingerprint", "--json", "-q", *where]) == exit_codes.OK
    document = json.loads(capsys.readouterr().out)
    for one in document["runs"]:
        assert len(one["fingerprint"]) == 64
        del one["wall_s"]
    return document


def test_the_engine_stands_beside_the_fingerprint(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    (told,) = predicted(scenario, capsys, "--engine", "simpy")["runs"]
    assert run(["predict", scenario, "--replications", "3", "--fingerprint", "-q", "--engine", "simpy", "--out", "kept"]) == exit_codes.OK
    assert f"fingerprint at 1x (simpy): {told['fingerprint']}" in capsys.readouterr().out


def test_workers_change_nothing(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert predicted(scenario, capsys, "--workers", "2") == predicted(scenario, capsys, "--workers", "1")


@pytest.mark.slow
@pytest.mark.sockets
def test_a_dask_cluster_changes_nothing(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra tenfold[cluster]")
    here = predicted(scenario, capsys, "--workers", "1")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster:
        there = predicted(scenario, capsys, "--cluster", cluster.scheduler_address)
    assert there == here == predicted(scenario, capsys, "--workers", "2")


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
@pytest.mark.parametrize("asked", [("--workers", "3"), ("--cluster", "tcp://10.0.0.7:8786")], ids=lambda asked: asked[0])
def test_every_verb_that_predicts_hands_on_who_was_asked_for(
    scenario: str, monkeypatch: pytest.MonkeyPatch, verb: list[str], asked: tuple[str, str]
) -> None:
    opened = []

    @contextmanager
    def note(workers: int | None = None, cluster: str | None = None) -> Iterator[Executor | None]:
        opened.append((workers, cluster))
        yield None

    monkeypatch.setattr("sim.engine.executors.open_executor", note)
    assert run([verb[0], scenario, *verb[1:], *asked, "--replications", "2", "--json", "-q"]) == exit_codes.OK
    wanted = (3, None) if asked[0] == "--workers" else (None, asked[1])
    assert opened == [wanted] * (2 if verb[0] == "compare" else 1)


@pytest.mark.sockets
def test_a_scheduler_that_does_not_answer_is_a_usage_error(
    scenario: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed", reason="needs the extra tenfold[cluster]")
    monkeypatch.setattr("sim.engine.executors.SCHEDULER_ANSWERS_S", 0.3)
    assert run(["predict", scenario, "--json", "--cluster", "tcp://127.0.0.1:9"]) == exit_codes.USAGE
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in capsys.readouterr().err


class Failing(Executor):
    """A cluster of which nothing comes back but ``error``."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def submit(self, *_: object, **__: object) -> Future:
        future: Future = Future()
        future.set_exception(self.error)
        return future


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (CancelledError(), "the Dask cluster at tcp://127.0.0.1:9: it was lost while replications ran"),
        (ModuleNotFoundError("No module named 'sim'"), "its workers need Tenfold as it is installed here (No module named 'sim')"),
    ],
)
def test_a_cluster_that_fails_on_the_way_is_no_defect_of_tenfold(
    scenario: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    monkeypatch.setattr("sim.engine.executors._dask", lambda address: nullcontext(Failing(error)))
    assert run(["predict", scenario, "--json", "--cluster", "tcp://127.0.0.1:9"]) == exit_codes.INTERNAL
    said = capsys.readouterr()
    assert says in said.err
    assert "internal error" not in said.err
    assert said.out == ""


def test_without_the_extra_the_message_names_it(scenario: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert run(["predict", scenario, "--json", "--cluster", "tcp://127.0.0.1:9"]) == exit_codes.USAGE
    assert "pip install 'tenfold[cluster]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--cluster", "somewhere"), "expected the address of a Dask scheduler such as tcp://10.0.0.7:8786, found 'somewhere'"),
        (("--cluster", "tcp://127.0.0.1:9", "--workers", "2"), "give one of the two"),
        (("--workers", "0"), "0 is not in the range"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    scenario: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    assert run(["predict", scenario, *arguments]) == exit_codes.USAGE
    assert says in " ".join(capsys.readouterr().err.split())


def test_a_run_that_is_over_at_once_starts_no_processes(scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr("sim.engine.executors.ProcessPoolExecutor", None)  # starting one would fail
    assert run(["predict", scenario, "--json", "-q"]) == exit_codes.OK
