"""Auto-scaling of the gateway's workers: a control loop beside the calls, which go on while there is a worker that is ready.

``hpa`` is Kubernetes' HorizontalPodAutoscaler on CPU utilisation (kubernetes.io/docs, "Horizontal Pod Autoscaling", and
``replica_calculator.go``): workers · usage / target, rounded up; nothing within the tolerance; workers that are starting count as idle when
it scales up and not at all when it scales down; down to the highest advice of the stabilisation window; up by at most the larger of 4
workers and 100 % within 15 s. ``keda`` drives the same loop by calls in the gateway per worker, waiting or not (as KEDA's RabbitMQ and SQS
scalers count messages; keda.sh/docs, "ScaledObject"), and besides goes from no worker to one when a poll finds a call, and back to none
when there has been no call for the cool-down.

A new worker is ready after its start-up time. One that is taken away, the newest first, gets no new call and finishes those it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from math import ceil, inf
from typing import Annotated, Any, Literal

from pydantic import Field

from sim.gateway.call import CONTINUE, WAIT
from sim.gateway.events import event
from sim.gateway.hooks import busy_s, note, resized
from sim.kernel.containers import Keyed, Line, append, remove, take_first, wake
from sim.kernel.state import state
from sim.scenario.finding import Finding
from sim.scenario.metric_names import StageFigure
from sim.scenario.units import Seconds
from sim.scenario.values import Count, Duration, Model, Share
from sim.workload.rates import foreseen, has_pattern

OPTIONAL = True
UP, DOWN, READY, FLAPPING = range(4)
SCALED = event("scaling", ("up", "down", "ready", "flapping"), subject="workers")
PERIOD_S, PODS = 15.0, 4  # of the policies for scaling up
SOON_S = 1e-9
REVERSED_S = 300.0  # a change of direction so soon after the change before, twice in a row, is flapping


class Scaler(Model):
    """What the two kinds have in common: the loop, and the workers' start."""

    max: Annotated[Count, Field(le=1000)] = Field(description="workers, at most")
    start: Annotated[int, Field(ge=0, le=1000)] | None = Field(None, description="workers at the start; default: gateway.workers")
    start_up: Duration = Field(description="from asking for a worker until it is ready: scheduling, pulling the image, starting, probes")
    tolerance: Share = Field(0.1, description="no change while usage / target is within so much of 1")
    every: Duration = Field(Seconds(15.0), description="sync period of the loop")
    forecast: Duration | None = Field(
        None,
        description="pre-warming: it scales up already for the highest rate that the arrivals' pattern has within this time from now, in "
        "proportion to the rate now; give it a little more than start_up and every; default: it follows what it sees",
    )
    stabilization: Duration = Field(Seconds(300.0), description="it scales down to the highest number advised within this time")


class Hpa(Scaler):
    """By CPU utilisation."""

    kind: Literal["hpa"]
    min: Annotated[Count, Field(le=1000)] = Field(1, description="workers, at least")
    target: Annotated[Share, Field(gt=0)] = Field(0.8, description="utilisation of the ready workers' CPUs that it keeps")


class Keda(Scaler):
    """By the calls in the gateway, down to no worker."""

    kind: Literal["keda"]
    min: Annotated[int, Field(ge=0, le=1000)] = Field(0, description="workers, at least; 0: none while there are no calls")
    calls_per_worker: Count = Field(description="calls in the gateway, waiting or in service, for each worker")
    poll: Duration = Field(Seconds(30.0), description="how often it looks whether there are calls while there is no worker")
    cooldown: Duration = Field(Seconds(300.0), description="from the last poll that found a call until the last worker goes")


class Config(Model):
    autoscale: Annotated[Hpa | Keda, Field(discriminator="kind")] | None = Field(
        None, description="scales the workers with the load; workers is then their number at the start; default: workers stay as they are"
    )


@state
class State:
    asked: int  # workers, those that are starting included
    ready: int
    min: int
    max: int
    start_up_s: float
    tolerance: float
    every_s: float
    advices: int  # syncs of the stabilisation window
    kept: int  # syncs that are remembered
    periods: int  # syncs before the present one that count for the policies
    target: float
    by_cpu: bool
    poll_s: float
    cooldown_s: float
    foresees: int = 0  # syncs for which the pattern is known
    sync_s: float = 0.0  # when the next one is
    look_s: float = inf
    syncs: int = 0
    active_s: float = 0.0  # when a poll last found a call
    inside: int = 0  # calls that need a worker
    changed_s: float = -inf
    direction: int = FLAPPING  # none yet
    reversals: int = 0
    waiting: Line = field(default_factory=Line)  # calls


@state
class Pod:
    ready_s: float = 0.0
    seen_s: float = 0.0  # when its CPU was last looked at, and how long it had been busy then
    busy_s: float = 0.0


@state
class Sync:
    advised: int = 0
    change: int = 0


@state
class Foreseen:
    """What the load will be, over what it is."""

    rise: float = 1.0


@state
class Call:
    needs_worker: bool = False
    awaits_worker: bool = False
    worker_since_s: float = 0.0
    worker_wait_s: float = 0.0


COLUMNS = {"worker_wait_s": ("f8", "waiting for a worker, while there is none")}
FIGURES = {
    "workers.mean": StageFigure("workers", "lower", "workers of the gateway, those that are starting included, over time", workers="mean"),
    "workers.max": StageFigure("workers", "lower", "workers of the gateway, most at once", workers="max"),
}
PARTS = {"worker_wait_s": "no worker"}


def check(scenario: Any) -> Iterator[Finding]:
    gateway, here = scenario.gateway, ("gateway", "autoscale")
    scaler = gateway.autoscale
    if scaler is None:
        return
    if not scaler.min <= at_start(gateway) <= scaler.max:
        message = f"{at_start(gateway)} workers at the start, outside of {scaler.min} to {scaler.max}"
        yield Finding((*here, "max"), message, "choose gateway.workers, or start here, within min and max")
    if scaler.every <= 0.0:
        yield Finding((*here, "every"), "expected a duration above zero", "leave it out for 15s")
    if scaler.kind == "keda" and scaler.poll <= 0.0:
        yield Finding((*here, "poll"), "expected a duration above zero", "leave it out for 30s")
    if scaler.forecast is not None and not has_pattern(scenario.workload.arrivals):
        message = f"arrivals of kind {scenario.workload.arrivals.kind} state no rate over time"
        yield Finding((*here, "forecast"), message, "leave it out, or state the pattern: stages or users")
    has_work = any(law is not None for law in (gateway.cpu_per_request, gateway.cpu_after, gateway.cpu_per_token))
    if scaler.kind == "hpa" and not has_work:
        yield Finding(here, "the workers' CPUs have nothing to do, so that there is no utilisation", "give cpu_per_request, or use keda")
    elif not has_work and (gateway.queue is None or gateway.queue.per != "worker"):
        message = "more workers change nothing: they have no CPU work, and the queue's concurrency is not of each worker"
        yield Finding(here, message, "write queue: {concurrency: 8, per: worker}, or give cpu_per_request")


def build(scenario: Any, seed: int) -> Any:
    scaler = scenario.gateway.autoscale
    if scaler is None:
        return None
    keda = scaler.kind == "keda"
    advices, periods = max(1, ceil(scaler.stabilization / scaler.every)), max(0, ceil(PERIOD_S / scaler.every) - 1)
    s = State(
        asked=at_start(scenario.gateway), ready=at_start(scenario.gateway), min=scaler.min, max=scaler.max, start_up_s=scaler.start_up,
        tolerance=scaler.tolerance, every_s=scaler.every, advices=advices, periods=periods,
        kept=max(advices, periods + 1), target=float(scaler.calls_per_worker) if keda else scaler.target,
        by_cpu=not keda, poll_s=scaler.poll if keda else inf, cooldown_s=scaler.cooldown if keda else inf, sync_s=scaler.every,
    )  # fmt: skip
    s.look_s = s.poll_s
    s.foresees = len(rises(scenario))
    return s


def rises(scenario: Any) -> list[float]:
    """At each sync; none without a forecast."""
    scaler, workload = scenario.gateway.autoscale, scenario.workload
    if scaler.forecast is None:
        return []
    return foreseen(workload.arrivals, workload.duration, scaler.every, scaler.forecast)


def at_start(gateway: Any) -> int:
    """Workers at the start of a run."""
    scaler = gateway.autoscale
    return int(gateway.workers if scaler is None or scaler.start is None else scaler.start)


def pods(scenario: Any, s: Any) -> Keyed:
    return Keyed(s.max, Pod)


def syncs(scenario: Any, s: Any) -> Keyed:
    """Of the last syncs: what was advised, and what was changed. The first remembers the number at the start."""
    return Keyed(s.kept, Sync, [Sync(s.asked)])


def forecasts(scenario: Any, s: Any) -> Keyed:
    return Keyed(max(1, s.foresees), Foreseen, [Foreseen(rise) for rise in rises(scenario)])


TABLES = (pods, syncs, forecasts)


def enter(g: Any, c: Any, now_s: float) -> int:
    s = g.autoscale
    s.inside += 1
    c.needs_worker = True
    if s.ready > 0:
        return CONTINUE
    append(g.calls, s.waiting, c.slot)
    c.awaits_worker, c.worker_since_s, c.until_s = True, now_s, inf
    return WAIT


def woken(g: Any, c: Any, now_s: float) -> int:
    c.worker_wait_s = now_s - c.worker_since_s
    return CONTINUE


def leave(g: Any, c: Any, now_s: float) -> None:
    s = g.autoscale
    if c.awaits_worker:
        remove(g.calls, s.waiting, c.slot)
        c.awaits_worker = False
        c.worker_wait_s = now_s - c.worker_since_s
    if c.needs_worker:
        s.inside -= 1
        c.needs_worker = False


def tick(g: Any, now_s: float) -> float:
    s = g.autoscale
    soon_s = now_s + SOON_S
    if s.sync_s > soon_s + s.every_s:  # a real gateway's clock has been set back, to the start of a run
        s.sync_s, s.look_s, s.active_s = now_s + s.every_s, now_s + s.poll_s, now_s
    if s.ready < s.asked and g.pods[s.ready].ready_s <= soon_s:
        welcome(g, now_s)
    if s.look_s <= soon_s:
        s.look_s += s.poll_s
        look(g, now_s)
    if s.sync_s <= soon_s:
        s.sync_s += s.every_s
        synchronise(g, now_s)
    ready_s = g.pods[s.ready].ready_s if s.ready < s.asked else inf
    return min(s.sync_s, s.look_s, ready_s)


def welcome(g: Any, now_s: float) -> None:
    """Workers that have started are ready, and take what waits."""
    s = g.autoscale
    while s.ready < s.asked and g.pods[s.ready].ready_s <= now_s + SOON_S:
        pod = g.pods[s.ready]
        pod.seen_s, pod.busy_s = now_s, busy_s(g, s.ready, now_s)
        s.ready += 1
    note(g, now_s, SCALED, s.ready, READY)
    resized(g, s.ready, now_s)
    while s.waiting.length > 0:
        c = g.calls[take_first(g.calls, s.waiting)]
        c.awaits_worker = False
        wake(g, c)


def look(g: Any, now_s: float) -> None:
    """KEDA's own part: from none to one, and back."""
    s = g.autoscale
    if s.inside > 0:
        s.active_s = now_s
        if s.asked == 0:
            scale(g, 1, now_s)
    elif s.min == 0 and s.asked > 0 and now_s + SOON_S >= s.active_s + s.cooldown_s:
        scale(g, 0, now_s)


def synchronise(g: Any, now_s: float) -> None:
    """The loop's own part: what the load asks for, within what is allowed."""
    s = g.autoscale
    s.syncs += 1
    row = g.syncs[s.syncs % s.kept]
    row.advised = row.change = 0
    if s.asked > 0:
        row.advised = advice_by_cpu(g, now_s) if s.by_cpu else advice_by_calls(g)
        row.change = min(max(allowed(g, row.advised), s.min, 1), s.max) - s.asked
        if row.change != 0:
            scale(g, s.asked + row.change, now_s)


def advice_by_cpu(g: Any, now_s: float) -> int:
    """``GetResourceReplicas`` of Kubernetes' replica calculator."""
    s = g.autoscale
    measured, used = 0, 0.0
    for number in range(s.ready):
        pod = g.pods[number]
        busy = busy_s(g, number, now_s)
        if now_s > pod.seen_s:
            measured += 1
            used += (busy - pod.busy_s) / (now_s - pod.seen_s)
        pod.seen_s, pod.busy_s = now_s, busy
    if measured == 0:
        return int(s.asked)
    used *= rise(g)
    ratio = used / measured / s.target
    starting = s.asked - measured
    if ratio <= 1.0 or starting == 0:
        return int(s.asked) if abs(1.0 - ratio) <= s.tolerance else ceil(ratio * measured)
    ratio = used / s.asked / s.target
    return int(s.asked) if ratio < 1.0 or abs(1.0 - ratio) <= s.tolerance else ceil(ratio * s.asked)


def rise(g: Any) -> float:
    s = g.autoscale
    return float(g.forecasts[s.syncs].rise) if s.syncs < s.foresees else 1.0


def advice_by_calls(g: Any) -> int:
    """``GetExternalPerPodMetricReplicas``."""
    s = g.autoscale
    needed = s.inside * rise(g) / s.target
    ratio = needed / s.asked
    return int(s.asked) if abs(1.0 - ratio) <= s.tolerance else ceil(needed)


def allowed(g: Any, advised: int) -> int:
    """``advised`` after the stabilisation of scaling down and the policies of scaling up."""
    s = g.autoscale
    if advised > s.asked:
        before = s.asked
        for ago in range(1, min(s.periods, s.syncs) + 1):
            before -= g.syncs[(s.syncs - ago) % s.kept].change
        return int(min(advised, max(before + PODS, 2 * before, s.asked)))
    highest = advised
    for ago in range(min(s.advices, s.syncs + 1)):
        highest = max(highest, g.syncs[(s.syncs - ago) % s.kept].advised)
    return int(min(highest, s.asked))


def scale(g: Any, workers: int, now_s: float) -> None:
    """Ask for more workers, or take some away."""
    s = g.autoscale
    direction = UP if workers > s.asked else DOWN
    for number in range(s.asked, workers):
        g.pods[number].ready_s = now_s + s.start_up_s
    s.asked = workers
    note(g, now_s, SCALED, workers, direction)
    tell_flapping(g, direction, now_s)
    if s.ready > workers:
        s.ready = workers
        resized(g, s.ready, now_s)
    elif s.ready < workers and g.pods[s.ready].ready_s <= now_s + SOON_S:
        welcome(g, now_s)


def tell_flapping(g: Any, direction: int, now_s: float) -> None:
    """Up, down and up again, each soon after the other: the workers follow what they bring about themselves, or noise."""
    s = g.autoscale
    if s.direction != FLAPPING and direction != s.direction and now_s - s.changed_s <= REVERSED_S:
        s.reversals += 1
        if s.reversals >= 2:
            note(g, now_s, SCALED, s.asked, FLAPPING)
    elif direction != s.direction:
        s.reversals = 0
    s.direction, s.changed_s = direction, now_s
