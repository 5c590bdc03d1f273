"""sweep, from the command line: the answer first, files, and going on where it stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from loadtest.cli import exit_codes
from loadtest.cli.main import run
from tests.sim.whatif.documents import SCENARIO

QUEUE = "gateway.queue.concurrency"
VARY = ["--vary", f"{QUEUE}=3,6,64", "--vary", "gateway.queue.waiting=0,50"]
FEW = ["--replications", "3", "--workers", "1", "-q"]


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SCENARIO)
    return "small.yaml"


def swept(scenario: str, capsys: pytest.CaptureFixture[str], *more: str) -> dict:
    assert run(["sweep", scenario, *FEW, "--json", *more]) == exit_codes.OK
    said = capsys.readouterr()
    assert said.err == ""
    document: dict = json.loads(said.out)
    return document


def test_the_answer_comes_first_and_the_files_last(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sweep", scenario, *FEW, *VARY, "-o", "kept"]) == exit_codes.OK
    out = capsys.readouterr().out
    assert out.startswith("Cheapest within all budgets: gateway.queue.concurrency=3 gateway.queue.waiting=0: $")
    assert "change from configuration 4, paired" in out
    assert "kept in kept: sweep.json, figures.parquet, replications.parquet, pareto.svg, heat-map-latency-s-p99.svg" in out
    names = {file.name for file in Path("kept").iterdir()}
    assert names >= {"manifest.json", "scenario.yaml", "pareto.png", "heat-map-cost-usd-per-month.png", "configurations"}
    assert len(list(Path("kept/configurations").iterdir())) == 6
    rows = pq.read_table("kept/figures.parquet").to_pylist()
    document = json.loads(Path("kept/sweep.json").read_text())
    assert len(rows) == 6 * len(document["figures"])
    single = pq.read_table("kept/replications.parquet").to_pylist()
    assert len(single) == 3 * len(rows)


def test_every_configuration_says_what_predict_says(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = swept(scenario, capsys, "--vary", f"{QUEUE}=5,6", "--scale", "2")
    for row in document["configurations"]:
        override = f"{QUEUE}={row['settings'][QUEUE]}"
        run(["predict", scenario, "--replications", "3", "--scale", "2", "--json", "-q", "--set", override])
        (predicted,) = json.loads(capsys.readouterr().out)["runs"]
        for name, figure in row["figures"].items():
            family, _, last = name.partition(".")
            whole = predicted[family][last] if last else predicted[family]
            assert {part: figure[part] for part in whole} == whole
        assert row["budgets"] == predicted["budgets"]


def test_changes_are_paired_within_replications(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = swept(scenario, capsys, "--vary", f"{QUEUE}=64,3,128")
    first, narrow, wide = document["configurations"]
    assert (document["compared_with"], first["changes"]) == (0, None)
    assert narrow["changes"]["availability"]["verdict"] == "worse"
    before, after = (np.array(row["figures"]["availability"]["by_replication"]) for row in (first, narrow))
    assert narrow["changes"]["availability"]["change"]["value"] == pytest.approx(np.mean(after - before))
    assert {change["change"]["value"] for change in wide["changes"].values()} == {0.0}  # the same dice, and never more than 64 in service


def test_a_sample_stands_beside_the_scenario_as_it_is(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = swept(scenario, capsys, "--vary", f"{QUEUE}=2..60", "--vary", "gateway.queue.timeout=0.5s..2.5s", "--sample", "3")
    assert [len(row["settings"]) for row in document["configurations"]] == [0, 2, 2, 2]
    assert document["compared_with"] == 0


def test_metrics_asked_for_are_shown(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = swept(scenario, capsys, "--vary", f"{QUEUE}=5,6", "--metrics", "goodput,latency.p95")
    assert document["figures"] == ["goodput", "latency_s.p95", "availability", "latency_s.p99", "cost_usd.per_month"]


@pytest.mark.slow
def test_workers_change_nothing(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert swept(scenario, capsys, *VARY) == swept(scenario, capsys, *VARY, "--workers", "2")


def test_nothing_is_done_twice_and_more_may_be_added(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["sweep", scenario, *FEW, "--vary", f"{QUEUE}=3,6", "-o", "kept"])
    files = {file: file.stat().st_mtime_ns for file in Path("kept/configurations").iterdir()}
    capsys.readouterr()
    arguments = ["sweep", scenario, *FEW[:-1], "--vary", f"{QUEUE}=3,6,9", "-o", "kept"]
    assert run(arguments) == exit_codes.OK
    assert capsys.readouterr().err == "2 of 3 configurations were finished before\n"
    assert {file: file.stat().st_mtime_ns for file in files} == files
    assert len(list(Path("kept/configurations").iterdir())) == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--vary", "gateway.queue.concurency=1,2"], "--vary gateway.queue.concurency=1: gateway.queue.concurency: unknown key"),
        (["--vary", "gateway.queue.concurency=1,2"], "did you mean 'concurrency'?"),
        (["--vary", f"{QUEUE}=3,many"], f"--vary {QUEUE}=many: {QUEUE}: expected a whole number or unlimited, found 'many'"),
        (["--vary", "providers.servr.keys=1,2"], "did you mean 'server'?"),
        (["--vary", f"{QUEUE}=1..500", "--vary", "gateway.queue.waiting=0..9"], "500 × 10 = 5,000 configurations; the most is 1,000"),
        (["--vary", f"{QUEUE}=1..20", "--max-runs", "10"], "20 = 20 configurations; the most is 10"),
        (["--vary", "providers.server.models.job.price.input=0.1..0.5"], "a range of fractions makes an endless grid"),
        (["--vary", f"{QUEUE}=1,2", "--vary", f"{QUEUE}=3"], f"{QUEUE} is varied twice"),
        (["--vary", "seed=1,2"], "the seed cannot be varied"),
        (["--vary", f"{QUEUE}=1,2", "--metrics", "latncy.p99"], "there is no metric 'latncy.p99'; did you mean 'latency.p99'?"),
        (["--vary", f"{QUEUE}=1,2", "-o", "."], ". exists already and holds no sweep"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_runs(
    scenario: str, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert run(["sweep", scenario, *arguments]) == exit_codes.USAGE
    said = capsys.readouterr()
    assert says in said.err
    assert said.out == ""
    assert [file.name for file in Path().iterdir()] == ["small.yaml"]


def test_ctrl_c_keeps_what_is_finished(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sweep", scenario, "--vary", f"{QUEUE}=10..60", "--workers", "1", "--replications", "20", "-o", "kept"]
    process = subprocess.Popen(
        [sys.executable, "-m", "loadtest.cli.main", *words], stderr=subprocess.PIPE, start_new_session=True, text=True
    )
    deadline = time.monotonic() + 30
    while not list(Path().glob("kept/configurations/*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    # CPython kills itself with SIGINT, which a shell reads as 130, where the interrupt passed through code made by exec (a dataclass).
    assert process.returncode in (exit_codes.INTERRUPTED, -signal.SIGINT)
    assert "kept in kept; the same command with -o kept goes on from there" in err
    kept = len(list(Path("kept/configurations").iterdir()))
    assert 1 <= kept < 51
    assert not Path("kept/sweep.json").exists()


@pytest.mark.slow
@pytest.mark.sockets
def test_a_dask_cluster_of_two_workers_fills_the_same_table(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra tenfold[cluster]")
    here = swept(scenario, capsys, *VARY, "-o", "here")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster:
        arguments = ["--replications", "3", "--cluster", cluster.scheduler_address, "-q", "--json", *VARY, "-o", "there"]
        assert run(["sweep", scenario, *arguments]) == exit_codes.OK
    assert json.loads(capsys.readouterr().out) == here
    for table in ("figures.parquet", "replications.parquet"):
        assert pq.read_table(f"there/{table}").equals(pq.read_table(f"here/{table}"))
