"""Where prediction and measurement part: does the gateway do what the scenario says of it, was it at its end, or is the model wrong?

Evidence comes from the mocks' own log (how many attempts at once, how many for one request, when the first token left), from the clients',
and from the CPU of the gateway's processes: from nothing that the gateway says of itself.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Literal

import numpy as np

from loadtest.processes.usage import summary
from sim.analysis.utilization import crowded, own_work_s
from sim.data.outcomes import OK
from sim.data.run import Run
from sim.data.table import Rows
from sim.gateway.stages.cpu import works

OVERLAP_S = 0.005
"""A gateway may send the next attempt before the mock has noted the end of the last one: the lateness that a mock may have."""
WAITED = 0.1
"""Share of the run in which more calls must be under way than the limit allows, before fewer at the provider mean anything."""
HELD_S = 0.02
"""A first token delayed by this much more than the last one is held back: pieces that are passed on as they come differ by milliseconds."""
BUSY = 0.95
"""CPU seconds a second and worker: a process that has used so much has had no rest."""
CPU_OFF, CPU_SHIFT, CPU_BUSY = 0.25, 0.1, 0.3
"""CPU for a call is remarked on when it is off by this much of the larger figure, and makes a worker this much busier, or less busy, than
predicted: less changes waiting times by little, and start-up and idle work are in the measured figure. Nor is it where a worker is less
than CPU_BUSY: a call then waits for a fifth of its own work (M/D/1).
"""


@dataclass(frozen=True)
class Finding:
    """``kind``: the gateway does not do what the scenario declares, is saturated, or the model is wrong; ``says``: the evidence."""

    kind: Literal["behaves differently", "saturated", "model wrong"]
    says: str


def findings(run: Run, usage: np.ndarray) -> list[dict[str, Any]]:
    """What the measurement ``run`` of a foreign gateway, and its processes' ``usage``, tell by themselves."""
    used = summary(usage)
    found = [*at_once(run), *attempts_made(run), *held_back(run)]
    if used is not None:
        found += [*cpu_for_a_call(run, used), *saturated(run, used)]
    return [asdict(each) for each in found]


def at_once(run: Run) -> list[Finding]:
    queue = run.scenario.gateway.queue
    if queue is None or queue.concurrency == "unlimited" or not len(run.attempts):
        return []
    declared = int(queue.concurrency)
    _, seen = under_way(*calls_upstream(run.attempts))
    most = int(seen.max())
    if most > declared:
        return [Finding("behaves differently", f"the scenario says {declared} calls at once; the mocks saw {most}")]
    answered = np.isfinite(run.requests["latency_s"])
    arrived = run.requests["arrival_s"][answered]
    times, waiting = under_way(arrived, arrived + run.requests["latency_s"][answered])
    spans = np.diff(times, append=times[-1:])
    crowded = float(spans[waiting > declared].sum() / max(1e-9, spans.sum()))
    if most < declared and crowded > WAITED:
        says = f"the scenario says {declared} calls at once; the mocks never saw more than {most}"
        return [Finding("behaves differently", f"{says}, while more waited for {crowded:.0%} of the time")]
    return []


def calls_upstream(attempts: Rows) -> tuple[np.ndarray, np.ndarray]:
    """(starts, ends) of times at which a call is at a provider; attempts of one call side by side, a hedge, are one."""
    rows = attempts[np.lexsort((attempts["started_s"], attempts["request"]))]
    started, ended = rows["started_s"], rows["started_s"] + np.maximum(0.0, rows["duration_s"] - OVERLAP_S)
    begins = np.ones(len(rows), bool)
    latest_s = -np.inf
    for place in range(len(rows)):
        begins[place] = place == 0 or rows["request"][place] != rows["request"][place - 1] or started[place] >= latest_s
        latest_s = ended[place] if begins[place] else max(latest_s, ended[place])
        ended[place] = latest_s
    return started[begins], ended[np.append(np.flatnonzero(begins)[1:], len(rows)) - 1]


def under_way(started: np.ndarray, ended: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(times, how many are under way from each time on); an end counts before a start at the same time."""
    times = np.concatenate([ended, started])
    steps = np.concatenate([np.full(len(ended), -1), np.full(len(started), 1)])
    order = np.argsort(times, kind="stable")
    return times[order], np.cumsum(steps[order])


def attempts_made(run: Run) -> list[Finding]:
    gateway = run.scenario.gateway
    if gateway.hedge is not None or not len(run.requests):
        return []
    targets = len(run.targets) if "next-provider" in gateway.fallback and gateway.retry.to == "same" else 1
    declared, most = gateway.retry.attempts * targets, int(run.requests["attempts"].max())
    if most <= declared:
        return []
    more = int((run.requests["attempts"] > declared).sum())
    return [Finding("behaves differently", f"the scenario allows {declared} attempts for a call; {more:,} calls had more, up to {most}")]


def held_back(run: Run) -> list[Finding]:
    """A stream's first token beside its last: what both are later than at the provider."""
    rows = run.requests[(run.requests["outcome"] == OK) & (run.requests["attempts"] == 1)]
    rows = rows[np.isfinite(rows["first_token_s"]) & np.isfinite(rows["ttft_s"])]
    if not run.scenario.workload.client.stream or not len(rows):
        return []
    first = rows["ttft_s"] - rows["first_token_s"]
    last = rows["latency_s"] - rows["first_token_s"] - rows["generation_s"]
    held_s = float(np.median(first - last))
    declared = run.scenario.gateway.held_writes
    if held_s <= HELD_S + (0.0 if declared is None else declared.time):
        return []
    whole = float(np.mean(rows["latency_s"] - rows["ttft_s"] < OVERLAP_S))
    how = "gathers whole answers before it sends them" if whole > 0.5 else "holds small writes back"
    says = f"it {how}: the first token is delayed by {held_s * 1e3:.0f} ms more than the last one"
    return [Finding("behaves differently", says)]


def cpu_for_a_call(run: Run, used: dict[str, float | int]) -> list[Finding]:
    """CPU of the gateway's processes over all calls that came, beside the scenario's, which the model charges."""
    calls, gateway = len(run.requests), run.scenario.gateway
    if not used["watched_s"] or not calls:
        return []
    sent = run.requests["attempts"] > 0
    tokens = float(run.requests["output_tokens"].mean(where=sent)) if sent.any() else 0.0
    alone = own_work_s(run.scenario, float(sent.mean()), tokens) * calls / used["watched_s"]
    predicted, used_s = crowded(run.scenario, alone, float(gateway.workers)), used["cpu_s"] / calls
    says_s = predicted * used["watched_s"] / calls
    if abs(used_s - says_s) <= CPU_OFF * max(used_s, says_s) or abs(used["cpu"] - predicted) <= CPU_SHIFT * gateway.workers:
        return []
    if max(used["cpu"], predicted) < CPU_BUSY * gateway.workers:
        return []
    declared = f"the scenario says {in_ms(says_s)}" if works(run.scenario) else "the scenario has no cpu_per_request"
    says = f"the gateway used {in_ms(used_s)} of CPU a call where {declared}: {used['cpu']:.2f} CPUs on average, predicted {predicted:.2f}"
    if run.scenario.workload.client.stream and gateway.cpu_per_token is None:
        says += ", streamed tokens included, which the model does not charge by themselves"
    how = "calibrate it (tenfold calibrate SCENARIO --target TARGET, then verify with --calibration calibration.yaml)"
    return [Finding("behaves differently", f"{says}; {how}")]


def in_ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"


def saturated(run: Run, used: dict[str, float | int]) -> list[Finding]:
    workers = run.scenario.gateway.workers
    if not isfinite(used["cpu"]) or used["cpu"] < BUSY * workers:
        return []
    return [
        Finding("saturated", f"its processes used {used['cpu']:.2f} CPUs on average, with {workers} worker{'s' if workers > 1 else ''}")
    ]
