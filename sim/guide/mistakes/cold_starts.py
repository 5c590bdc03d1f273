"""Forgetting about cold starts: what scales to zero makes the calls that wake it wait, on top of the model's own latency."""

from __future__ import annotations

import numpy as np

from sim.analysis.window import Window
from sim.data.run import Run
from sim.formatting import listed, seconds
from sim.guide.found import Found
from sim.guide.reach import model_of, targets_of, used_targets
from sim.guide.trials import Changes, Gain, Trials, change, gain, gain_of, surely_less

WORDS = "Forgetting about cold starts: Serverless functions have startup latency that compounds with LLM latency."
NOTICED = 0.1
"""Share that cold starts add to the first token's mean time of a class from which they are noticed."""


def find(trials: Trials) -> Found | None:
    scenario = trials.scenario
    cold = [target for target in used_targets(scenario) if model_of(scenario, target).cold_start is not None]
    if not cold:
        return None
    mend = kept_warm(trials)
    before, after = trials.run(), trials.run(mend)
    waits = []
    for kind, each in enumerate(scenario.workload.requests):
        if set(targets_of(scenario, each)) & set(cold):
            waits.append(gain_of(f"first token of class {each.name}", "s", mean_ttft_s(before, kind), mean_ttft_s(after, kind)))
    slower = [each for each in waits if each.before and each.after and each.before / each.after - 1 > NOTICED and surely_less(each)]
    if not slower:
        return None
    worst = max(slower, key=longer_by)
    idle_s = max(model_of(scenario, target).cold_start.idle for target in cold)
    return Found(
        where="providers",
        says=f"{listed(cold)} goes cold after {seconds(idle_s)} without calls: the {worst.figure} comes after {seconds(worst.before)} on "
        f"average, from a warm one after {seconds(worst.after)}",
        mend=mend,
        todo="keep it warm: a minimum of running instances, calls in between, or more traffic on fewer models",
        gains=(*slower, gain("ttft_s.p99", before, after), gain("latency_s.p99", before, after)),
    )


def longer_by(each: Gain) -> float:
    return each.before / each.after - 1 if each.before and each.after else 0.0


def mean_ttft_s(run: Run, kind: int) -> np.ndarray:
    """Of a class's answered requests, by replication; nan where there is none."""
    window = Window(run)
    samples = window.split(window["ttft_s"], window.available & (window["kind"] == kind) & ~np.isnan(window["ttft_s"]))
    return np.array([each.mean() if len(each) else np.nan for each in samples])


def kept_warm(trials: Trials) -> Changes:
    providers = trials.tree()["providers"]
    for provider in providers.values():
        for model in provider["models"].values():
            model.pop("cold_start", None)
    return (change("providers", providers),)
