"""Runs longer than memory should hold stand on disk, and nobody can tell from what is said about them."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest

from sim.analysis.paired_comparison import paired_differences
from sim.analysis.summary import summarize
from sim.data.fingerprint import fingerprint
from sim.data.run import Run
from sim.data.spill import MOST_IN_MEMORY, VARIABLE, CannotSpill, RowKeeper, Spilled, most_in_memory
from sim.data.table import Table
from sim.engine.executors import in_order
from sim.engine.runner import predict, predict_to_precision
from sim.gateway.language import Scenario, load
from sim.results import store
from sim.results.results import gather
from sim.results.store import read_results, write_results
from sim.scenario.load import canonical, to_yaml

MM1 = Path(__file__).parents[3] / "scenarios" / "validation" / "mm1.yaml"


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    outage = "faults=[{kind: outage, provider: openai, at: 30s, for: 10s}]"
    return load("launch", ["workload.duration=60s", "workload.warmup=10s", outage]).scenario


@pytest.fixture(scope="module")
def held(scenario: Scenario) -> Run:
    return predict(scenario, replications=3, keeper=RowKeeper(most=10**6))


@pytest.fixture
def spilled(scenario: Scenario, tmp_path: Path) -> Run:
    return predict(scenario, replications=3, keeper=RowKeeper(most=400, parent=tmp_path))


def on_disk(run: Run) -> list[bool]:
    assert isinstance(run.requests, Table)
    return [isinstance(part, Spilled) for part in run.requests.parts]


def said(run: Run) -> dict[str, Any]:
    (entry,) = summarize([run], "ab")["runs"]
    return {key: value for key, value in entry.items() if key != "wall_s"}


def test_every_figure_is_the_same_bits(held: Run, spilled: Run) -> None:
    assert (on_disk(held), on_disk(spilled)) == ([False] * 3, [True] * 3)
    assert said(spilled) == said(held)
    assert spilled.usage == held.usage
    assert fingerprint(spilled) == fingerprint(held)
    assert fingerprint(spilled.first(1)) == fingerprint(held.first(1))
    assert all(difference.change.value in (0.0, None) for difference in paired_differences(held, spilled).values())


def test_the_warm_up_found_is_the_same() -> None:
    changes = ["analysis=steady-state", "workload.duration=3000s", "workload.warmup=auto", "workload.arrivals.rate=0.5/s"]
    steady = load(MM1, changes).scenario
    here, there = (predict(steady, replications=2, keeper=RowKeeper(most)) for most in (10**6, 10))
    assert here.warmup_s == there.warmup_s
    assert said(here) == said(there)


@pytest.mark.slow
def test_replications_added_for_a_precision_are_spilled_once_there_is_no_room() -> None:
    short = load(MM1, ["workload.duration=2000s", "workload.warmup=100s", "workload.arrivals.rate=0.5/s"]).scenario
    here = predict_to_precision(short, 0.05)
    there = predict_to_precision(short, 0.05, keeper=RowKeeper(most=12_000))
    assert set(on_disk(there)) == {False, True}
    assert here.precision == there.precision
    assert said(here) == said(there)


def test_runs_that_share_a_keeper_share_its_memory(scenario: Scenario) -> None:
    keeper = RowKeeper(most=1000)
    first, second = (predict(scenario, replications=3, keeper=keeper) for _ in range(2))
    assert len(first.requests) + len(second.requests) > 1000
    assert (on_disk(first), on_disk(second)) == ([False] * 3, [True] * 3)


def test_a_run_that_turns_out_longer_than_it_began_is_spilled_from_there(scenario: Scenario) -> None:
    luck = 1  # its first replication is its shortest
    lengths = [len(part) for part in predict(scenario, replications=3, seed=luck).requests.parts]
    assert lengths[0] == min(lengths)
    spilled = predict(scenario, replications=3, seed=luck, keeper=RowKeeper(most=3 * lengths[0]))
    assert on_disk(spilled) == [False, False, True]


def test_a_run_directory_holds_all_rows_of_a_spilled_run(held: Run, spilled: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = to_yaml(canonical(held.scenario))
    place = write_results(gather([spilled], "ab", text, argv=["tenfold"], keep_all=True), tmp_path / "kept")
    (back,) = read_results(place).runs
    assert isinstance(back.requests, np.ndarray)
    assert back.requests.tobytes() == np.asarray(held.requests).tobytes()
    assert back.attempts.tobytes() == np.asarray(held.attempts).tobytes()
    monkeypatch.setattr(store, "most_in_memory", lambda: 100)
    (left,) = read_results(place).runs
    assert on_disk(left) == [True] * 3
    assert said(left) == {**said(held), "engine": None}


def test_of_a_spilled_run_the_first_replications_are_kept(held: Run, spilled: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_ROWS", 10)
    text = to_yaml(canonical(held.scenario))
    (back,) = read_results(write_results(gather([spilled], "ab", text, argv=["tenfold"]), tmp_path / "kept")).runs
    assert back.replications == 1
    assert back.requests.tobytes() == held.first(1).requests.tobytes()


def test_the_files_go_with_the_run(scenario: Scenario, tmp_path: Path) -> None:
    run = predict(scenario, replications=2, keeper=RowKeeper(most=0, parent=tmp_path))
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.iterdir())) == 4
    alone = run.first(1)
    del run
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    assert len(alone.requests) > 0


def test_a_place_that_takes_no_rows_is_named(scenario: Scenario, tmp_path: Path) -> None:
    with pytest.raises(CannotSpill, match=f"cannot be written to {tmp_path / 'nowhere'}: No such file or directory"):
        predict(scenario, replications=1, keeper=RowKeeper(most=0, parent=tmp_path / "nowhere"))


INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from sim.engine.runner import predict
from sim.gateway.language import load
from sim.data.spill import RowKeeper
def stop(done, part):
    print(len(list(Path(sys.argv[1]).glob("*/*.parquet"))), flush=True)
    os.kill(os.getpid(), signal.SIGINT)
scenario = load("launch", ["workload.duration=20s", "workload.warmup=0s", "faults=[]"]).scenario
predict(scenario, 1, 3, progress=stop, keeper=RowKeeper(0, Path(sys.argv[1])))
"""


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "2\n", "requests and attempts of the first replication stood on disk"
    assert done.returncode == -signal.SIGINT
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next(scenario: Scenario, tmp_path: Path) -> None:
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    (tmp_path / f".tenfold-rows-{killed.pid}-x").mkdir()
    run = predict(scenario, replications=1, keeper=RowKeeper(most=0, parent=tmp_path))
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith(f".tenfold-rows-{os.getpid()}-")
    assert len(run.requests) > 0


@pytest.mark.parametrize(("text", "most"), [("", MOST_IN_MEMORY), ("5000", 5000)])
def test_the_limit_can_be_set(text: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, text)
    assert most_in_memory() == most == RowKeeper().most


@pytest.mark.parametrize("text", ["many", "-1", "1e6"])
def test_a_limit_that_is_no_number_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ValueError, match=f"expected a whole number of requests in {VARIABLE}, found '{text}'"):
        most_in_memory()


def test_workers_do_not_run_ahead_of_who_takes_their_results() -> None:
    under_way, most, lock = 0, 0, Lock()

    def work(number: int) -> int:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        return number

    def taken(results: Iterator[int]) -> Iterator[int]:
        nonlocal under_way
        for result in results:
            with lock:
                under_way -= 1
            yield result

    with ThreadPoolExecutor(8) as executor:
        assert list(taken(in_order(executor, work, range(50), at_once=3))) == list(range(50))
    assert most <= 3


def test_a_job_that_fails_drops_those_that_have_not_begun() -> None:
    begun = []

    def work(number: int) -> int:
        begun.append(number)
        return 1 // number

    with ThreadPoolExecutor(1) as executor, pytest.raises(ZeroDivisionError):
        list(in_order(executor, work, range(100), at_once=5))
    assert len(begun) < 6
