"""Detection and false alarms of `tenfold check` against a baseline, over many seeds and over many real runs.

    python -m tests.benchmarks.gate [--rounds 12] [--runs DIR]

Predictions: launch.yaml without its outage, 3 minutes, 10 replications. Every seed gets a baseline of its own; then the same scenario again
(100 seeds), and one whose providers are 5 % slower (20 seeds), both by the command line.

Measurements: gate.yaml against the reference gateway over real sockets, in turns: unchanged, unchanged, providers 3 % and 10 % slower.
Gates are then drawn from these pairs, five of them at a time without putting back, so that far more gates can be judged than runs be made;
they share runs, so their rates are rougher than their number suggests. --runs keeps the run directories, and goes on with those that are
there.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from loadtest.cli import exit_codes
from loadtest.cli.main import run
from sim.analysis.paired_comparison import FIGURES
from sim.analysis.regression import LEAST_PAIRS, Figures, effects
from sim.gateway.language import load
from sim.results.baseline import figures_of
from sim.results.interleaved import read_measured
from tests.benchmarks.keeping import keep

LAUNCH = ("launch", "--set", "faults=[]", "--set", "workload.duration=3m", "--set", "workload.warmup=20s", "-q")
GATE = Path(__file__).with_name("gate.yaml")
GATES = 1000
ARMS = {"unchanged": 1.0, "unchanged, too": 1.0, "3 % slower": 1.03, "10 % slower": 1.10}
FIRST = "unchanged"


def slower(factor: float) -> list[str]:
    """Overrides that make every model of launch.yaml so many times slower."""
    found = []
    for provider, each in load("launch").scenario.providers.items():
        for name, model in each.models.items():
            for law in ("ttft", "per_token"):
                found += ["--set", f"providers.{provider}.models.{name}.{law}.median={getattr(model, law).median * factor:.9g}s"]
    return found


def check(*arguments: str) -> int:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return run(["check", *LAUNCH, *arguments])


def predicted_gates(identical: int = 100, regressions: int = 20) -> list[dict[str, Any]]:
    """Exit codes over seeds: of the same again, and of what is 5 % slower."""
    alarms, caught = 0, 0
    worse = slower(1.05)
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(identical):
            baseline = str(Path(folder) / str(seed))
            given = ("--seed", str(seed), "--baseline", baseline)
            assert check(*given, "--update-baseline") == exit_codes.OK
            alarms += check(*given) == exit_codes.GATE
            if seed < regressions:
                caught += check(*given, *worse) == exit_codes.GATE
    return [
        {"gate": "prediction", "injected": "nothing", "gates": identical, "failed": alarms, "inconclusive": 0},
        {"gate": "prediction", "injected": "5 % slower", "gates": regressions, "failed": caught, "inconclusive": ""},
    ]


# ---- measurements -----------------------------------------------------------------------------------------------------
def measured_gates(folder: Path, rounds: int) -> list[dict[str, Any]]:
    figures = {arm: arm_figures(measure(folder, arm, rounds)) for arm in ARMS}
    rows = []
    for arm in list(ARMS)[1:]:
        verdicts = drawn_gates(figures[FIRST], figures[arm])
        injected = "nothing" if ARMS[arm] == 1.0 else arm
        counts = {"failed": verdicts["regression"], "inconclusive": verdicts["inconclusive"]}
        rows.append({"gate": f"measurement, {LEAST_PAIRS} of {rounds} pairs", "injected": injected, "gates": GATES, **counts})
    return rows


def measure(folder: Path, arm: str, rounds: int) -> list[Path]:
    """Run directories of one arm. All arms of a round are run in turns."""
    places = [folder / f"{number:02}-{name.replace(' ', '')}" for number in range(rounds) for name in ARMS]
    for place, name in zip(places, list(ARMS) * rounds, strict=True):
        if not place.exists():
            latency = f"{{kind: lognormal, median: {200 * ARMS[name]:g}ms, p99: {600 * ARMS[name]:g}ms}}"
            verb = ["verify", str(GATE), "--set", f"providers.provider.models.model.latency={latency}", "--replications", "2"]
            subprocess.run([sys.executable, "-m", "loadtest.cli.main", *verb, "--out", str(place), "-q"], check=False, capture_output=True)
    return places[list(ARMS).index(arm) :: len(ARMS)]


def arm_figures(places: list[Path]) -> list[Figures | None]:
    """By run; None for one that certified itself invalid, whose pair is left out."""
    runs = {one.place: one for one in read_measured([place for place in places if place.exists()])}
    return [figures_of(runs[place].run, FIGURES) if place in runs and not runs[place].invalid else None for place in places]


def drawn_gates(before: list[Figures | None], after: list[Figures | None]) -> Counter[str]:
    """Verdicts of gates on LEAST_PAIRS of the valid pairs: regression if any figure is, inconclusive if any is and none is one."""
    pairs = [(one, other) for one, other in zip(before, after, strict=True) if one is not None and other is not None]
    rng = np.random.default_rng(0)
    verdicts: Counter[str] = Counter()
    for _ in range(GATES):
        chosen = [pairs[place] for place in rng.choice(len(pairs), LEAST_PAIRS, replace=False)]
        sides = [{name: np.concatenate([pair[side][name] for pair in chosen]) for name in FIGURES} for side in (0, 1)]
        found = {one.verdict for one in effects("measurement", *sides).values()}
        verdicts[next((verdict for verdict in ("regression", "inconclusive") if verdict in found), "ok")] += 1
    return verdicts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--runs", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [*predicted_gates(), *measured_gates(given.runs or Path(folder), given.rounds)]
    same, slow, live_same, _, live_slow = rows
    verdicts = {
        "no false alarm in 100 identical predictions": same["failed"] == 0,
        "5 % slower is caught in 20 of 20 predictions": slow["failed"] == slow["gates"],
        "at most 1 % false alarms in identical measurements": live_same["failed"] <= GATES / 100,
        "10 % slower is caught in 95 % of measurements": live_slow["failed"] >= 0.95 * GATES,
    }
    keep("gate", "Detection and false alarms of `tenfold check` against a baseline", rows, verdicts, (__doc__ or "").split("\n\n", 2)[2])


if __name__ == "__main__":
    main()
