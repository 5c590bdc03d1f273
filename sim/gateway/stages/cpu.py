"""The gateway's own work: worker processes are first-come-first-served CPUs, and connections are spread over them in turn.

A call keeps its worker: work comes before the call goes on, after its provider has answered, for what was streamed (``streamed.py``), and
in the background once it has been answered. Work is done, also for a client that has left. An event loop does it in slices, and turns to
the others that wait after each (round robin). A worker may stall, as for a garbage collection: what it was at then goes on afterwards.

A call costs less CPU among others: an event loop polls once for all that have something to do in a round, and code that has just run for
one is in the caches for the next. Of a call's work alone, one part stays, and the other is divided among those that wait together.

Work for streams comes in so many small pieces that it flows to the worker and queues there with all else. How much it was is known when a
stream has ended, and then it flows over the time after, as long as the stream was: in a steady state that is all the same. The flows of
several streams fade together, exponentially, with the mean of their lengths, weighted by work: two numbers hold them.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, inf, log
from typing import Annotated, Any, Literal

from pydantic import Field

from sim.data.outcomes import OK
from sim.gateway.call import CONTINUE, WAIT
from sim.gateway.stages.autoscale import at_start
from sim.kernel.containers import NOBODY, Keyed
from sim.kernel.random import root_of, uniform_below
from sim.kernel.state import Short, Wide, state
from sim.scenario.finding import Finding
from sim.scenario.values import Duration, Durations, Model, Share
from sim.stochastics.random_streams import Purpose


class Stalls(Model):
    """Times at which a worker does nothing, such as a garbage collection or a blocked event loop; each worker has its own."""

    every: Duration | None = Field(
        None, description="from the end of one to the start of the next, the mean if random; above zero; default: by calls"
    )
    calls: Annotated[int, Field(ge=1)] | None = Field(
        None, description="calls of the worker from one to the next, the mean if random: garbage comes with calls; default: by time"
    )
    for_: Duration = Field(alias="for", description="how long each lasts; above zero")
    spacing: Literal["even", "random"] = Field("even", description="even: always as far apart; random: exponential around it")


class Config(Model):
    workers: Annotated[int, Field(ge=1, le=1000)] = Field(
        1, description="processes of the gateway, each with a CPU of its own; with autoscale, those at the start unless it says so itself"
    )
    cpu_per_request: Durations | None = Field(
        None,
        description="the gateway's own work for each call before it goes on, a figure of the model (nothing burns it on purpose); "
        "default: none",
    )
    cpu_after: Durations | None = Field(
        None,
        description="its work after the provider, for each call that was sent to one, on the same worker, also modelled; default: none",
    )
    cpu_background: Durations | None = Field(
        None,
        description="its work for each call once that has been answered, which its client does not wait for, such as logs and callbacks, "
        "also modelled; default: none",
    )
    cpu_crowded: Annotated[Share, Field(gt=0)] = Field(
        1.0,
        description="of all this work, the share that is left where many calls wait for their worker at once; the rest is done once for "
        "all that wait, as the rounds of an event loop are; 1: as much as alone",
    )
    cpu_slice: Duration | None = Field(
        None,
        description="the longest that a worker is at one call before it turns to the next that waits, as an event loop does; above zero; "
        "default: as long as the call's work",
    )
    cpu_speed: Annotated[float, Field(gt=0, le=1000)] = Field(
        1.0, description="of the workers, beside those that the figures of their work were measured on; 0.5: all work takes twice as long"
    )
    cpu_yardstick: Duration | None = Field(
        None,
        description="CPU time of a fixed piece of work on the machine that the figures of the gateway's work were measured on, as "
        "calibrate found it; verify measures it again, and sets cpu_speed by it; default: not known",
    )
    cores: Annotated[int, Field(ge=1, le=1000)] = Field(
        1, description="cores that each worker's own work can use, a whole number (vertical scaling); see parallel"
    )
    parallel: Share = Field(
        0.0,
        description="share of a call's own work that several cores do at once (Amdahl's law); 0: none, as of one Python process, which "
        "leaves the other cores idle",
    )
    worker_usd_per_hour: Annotated[float, Field(ge=0)] = Field(
        0.0, description="USD that a worker costs in an hour, busy or not; a part of the cost per day and month"
    )
    stalls: Stalls | None = Field(None, description="the workers stand still now and then, a figure of the model; default: never")


@state
class State:
    workers: int = 1
    most: int = 1
    turn: int = 0
    slice_s: float = inf
    pace: float = 1.0  # seconds for a second of work
    crowded: float = 1.0
    stall_s: float = 0.0
    stall_calls: int = 0  # from one to the next, 0: they come by time
    every_s: float = inf
    random: bool = False
    root: Wide = 0  # of the draws


@state
class Worker:
    given_s: float = 0.0  # it has been busy, or will be, for so long in all
    free_s: float = 0.0  # when it has done all that was given to it
    stall_at_s: float = inf  # the next stall that it has not come to with its work
    stalls: int = 0  # that it has
    calls_left: int = 0  # until the next stall, if those come by calls
    pieces_s: float = 0.0  # work for streams that has not come yet
    span_s: float = 0.0  # it comes at the rate of pieces_s / span_s
    flowed_s: float = 0.0  # until when it has come


@state
class Request:
    cpu_demand_s: float = 0.0
    cpu_after_s: float = 0.0
    cpu_background_s: float = 0.0


@state
class Call:
    worker: Short = NOBODY
    cpu_since_s: float = 0.0
    cpu_left_s: float = 0.0  # work that its worker has not been given yet
    cpu_s: float = 0.0
    pieces_s: float = 0.0  # work for what was streamed to its client, not given to the worker yet
    streamed_s: float = 0.0  # how long it was streamed
    is_after: bool = False  # the worker has been given all


COLUMNS = {"cpu_s": ("f8", "waiting for and using the gateway's own CPU")}
PARTS = {"cpu_s": "gateway CPU"}
DRAWS = {
    "cpu_demand_s": (Purpose.CPU, lambda scenario: scenario.gateway.cpu_per_request),
    "cpu_after_s": (Purpose.CPU_AFTER, lambda scenario: scenario.gateway.cpu_after),
    "cpu_background_s": (Purpose.CPU_BACKGROUND, lambda scenario: scenario.gateway.cpu_background),
}
MODEL_ONLY = ("cpu_demand_s", "cpu_after_s", "cpu_background_s")  # a real gateway works all along


def works(scenario: Any) -> bool:
    gateway = scenario.gateway
    return any(law is not None for law in laws(gateway))


def laws(gateway: Any) -> tuple[Any, ...]:
    """Of all its work: for each call before, after and in the background, and for each token."""
    return gateway.cpu_per_request, gateway.cpu_after, gateway.cpu_background, gateway.cpu_per_token


def check(scenario: Any) -> Iterator[Finding]:
    stalls, gateway = scenario.gateway.stalls, scenario.gateway
    if gateway.cpu_slice == 0:
        yield Finding(("gateway", "cpu_slice"), "expected a duration above zero", "leave it out for work at one go")
    if gateway.cores > 1 and gateway.parallel == 0.0:
        message = "nothing is done on several cores at once, so that the others are idle"
        yield Finding(("gateway", "cores"), message, "write parallel: 0.5, say, or more workers instead", warning=True)
    if stalls is None:
        return
    for name, value in (("every", stalls.every), ("for", stalls.for_)):
        if value == 0:
            yield Finding(("gateway", "stalls", name), "expected a duration above zero", "leave stalls out for none")
    if (stalls.every is None) == (stalls.calls is None):
        message = "stalls come by time or by calls: expected either `every` or `calls`"
        yield Finding(("gateway", "stalls"), message, "write every: 10s, or calls: 1000")
    if not works(scenario):
        message = "the workers have nothing to do, so that there is nothing to stall"
        yield Finding(("gateway", "stalls"), message, "give cpu_per_request, the work for each call", warning=True)


def build(scenario: Any, seed: int) -> Any:
    if not works(scenario):
        return None
    gateway = scenario.gateway
    s, stalls = State(at_start(gateway), gateway.workers if gateway.autoscale is None else gateway.autoscale.max), gateway.stalls
    s.pace = (1.0 - gateway.parallel + gateway.parallel / gateway.cores) / gateway.cpu_speed
    s.crowded, s.slice_s = gateway.cpu_crowded, gateway.cpu_slice or inf
    if stalls is not None:
        s.stall_s, s.random = stalls.for_ / gateway.cpu_speed, stalls.spacing == "random"
        s.every_s, s.stall_calls = stalls.every or inf, stalls.calls or 0
        s.root = root_of(seed, Purpose.STALL)
    return s


def workers(scenario: Any, s: Any) -> Keyed:
    if s.stall_calls:
        first_calls = [calls_to_stall(s, number, 0, uniform_below(s.root, number, 0)) for number in range(s.most)]
        return Keyed(s.most, Worker, [Worker(calls_left=calls) for calls in first_calls])
    if s.every_s == inf:
        return Keyed(s.most, Worker)
    first = [gap_s(s, number, 0) if s.random else s.every_s * uniform_below(s.root, number, 0) for number in range(s.most)]
    return Keyed(s.most, Worker, [Worker(stall_at_s=at_s) for at_s in first])


TABLES = (workers,)


def gap_s(s: Any, number: int, stall: int) -> float:
    """From the end of a worker's stall, of which this is the number, to the start of the next."""
    return -s.every_s * log(uniform_below(s.root, number, stall)) if s.random else s.every_s


def calls_to_stall(s: Any, number: int, stall: int, share: float) -> int:
    """From a worker's stall, of which this is the number, to the next: a ``share`` of all, if they are evenly apart."""
    far = -log(uniform_below(s.root, number, stall)) if s.random else share
    return max(1, int(far * s.stall_calls + 0.5))


def count_call(g: Any, number: int, now_s: float) -> None:
    """A stall that comes by calls begins after all that the worker has been given."""
    s, worker = g.cpu, g.workers[number]
    if s.stall_calls == 0:
        return
    worker.calls_left -= 1
    if worker.calls_left <= 0:
        worker.stall_at_s = max(worker.free_s, now_s)
        worker.calls_left = calls_to_stall(s, number, worker.stalls + 1, 1.0)


def give(g: Any, number: int, demand_s: float, now_s: float) -> float:
    """Give work to a worker; when that will be done. ``demand_s`` alone: behind work for n - 1 times as long it is one of n."""
    s, worker = g.cpu, g.workers[number]
    flow(g, number, now_s)
    demand_s *= s.pace
    if worker.free_s <= now_s:
        return work(g, number, now_s, demand_s)
    ahead_s = worker.free_s - now_s
    return work(g, number, worker.free_s, demand_s * (s.crowded + (1.0 - s.crowded) * demand_s / (demand_s + ahead_s)))


def work(g: Any, number: int, at_s: float, demand_s: float) -> float:
    """A worker is at it from then on; when it will be done."""
    worker = g.workers[number]
    worker.free_s = done_s(g, number, at_s, demand_s)
    worker.given_s += worker.free_s - at_s
    return worker.free_s


def done_s(g: Any, number: int, at_s: float, demand_s: float) -> float:
    """When work is done that begins then. The stalls that come between are gone through."""
    s, worker = g.cpu, g.workers[number]
    while worker.stall_at_s < at_s + demand_s:
        ends_s = worker.stall_at_s + s.stall_s
        if worker.stall_at_s > at_s:
            demand_s -= worker.stall_at_s - at_s
        if ends_s > at_s:
            at_s = ends_s
        worker.stalls += 1
        worker.stall_at_s = ends_s + gap_s(s, number, worker.stalls)
    return at_s + demand_s


def give_pieces(g: Any, number: int, work_s: float, streamed_s: float, now_s: float) -> None:
    """Let the work for a stream of that length flow to a worker; one of more work than time has lasted for as long as the work."""
    if work_s <= 0.0:
        return
    worker, work_s = g.workers[number], work_s * g.cpu.pace
    flow(g, number, now_s)
    in_all_s = worker.pieces_s + work_s
    worker.span_s = (worker.pieces_s * worker.span_s + work_s * max(streamed_s, work_s)) / in_all_s
    worker.pieces_s = in_all_s


def flow(g: Any, number: int, now_s: float) -> None:
    """What has come to a worker for streams since it was last asked for anything."""
    worker = g.workers[number]
    if worker.pieces_s > 0.0:
        come_s = worker.pieces_s * (1.0 - exp((worker.flowed_s - now_s) / worker.span_s))
        worker.pieces_s -= come_s
        work(g, number, worker.free_s, come_s)
    worker.flowed_s = now_s


def give_slice(g: Any, c: Any, now_s: float) -> None:
    """Give the worker the next slice of what it has to do for the call."""
    s = g.cpu
    slice_s = min(c.cpu_left_s, s.slice_s)
    c.cpu_left_s -= slice_s
    c.cpu_since_s = now_s
    c.until_s = give(g, c.worker, slice_s, now_s)


def busy_s(g: Any, number: int, now_s: float) -> float:
    flow(g, number, now_s)
    worker = g.workers[number]
    ahead_s = worker.free_s - now_s
    return float(worker.given_s - ahead_s if ahead_s > 0.0 else worker.given_s)


def resized(g: Any, workers: int, now_s: float) -> None:
    s = g.cpu
    s.workers = workers
    if s.turn >= workers:
        s.turn = 0


def enter(g: Any, c: Any, now_s: float) -> int:
    if c.cpu_demand_s <= 0.0 and c.cpu_after_s <= 0.0 and c.cpu_background_s <= 0.0 and c.cpu_piece_s <= 0.0:
        return CONTINUE
    s = g.cpu
    c.worker = s.turn
    s.turn = s.turn + 1 if s.turn + 1 < s.workers else 0
    count_call(g, c.worker, now_s)
    if c.cpu_demand_s <= 0.0:
        return CONTINUE
    c.cpu_left_s = c.cpu_demand_s
    give_slice(g, c, now_s)
    return WAIT


def woken(g: Any, c: Any, now_s: float) -> int:
    c.cpu_s += now_s - c.cpu_since_s
    if c.cpu_left_s > 0.0:
        give_slice(g, c, now_s)
        return WAIT
    if not c.is_after:
        return CONTINUE
    if c.outcome == OK and not c.committed:
        c.first_content_s = now_s
    return c.outcome


def hold(g: Any, c: Any, now_s: float) -> int:
    """The answer waits for its turn at the worker, and for the work after the provider; what was streamed has been worked on meanwhile."""
    if c.worker == NOBODY or c.attempts == 0 or c.is_after:
        return c.outcome
    c.is_after, c.cpu_since_s = True, now_s
    c.until_s = now_s
    if c.cpu_after_s > 0.0 or c.pieces_s > 0.0:
        c.cpu_left_s = c.cpu_after_s
        give_slice(g, c, now_s)
        give_pieces(g, c.worker, c.pieces_s, c.streamed_s, now_s)
    return WAIT if c.until_s > now_s else c.outcome


def leave(g: Any, c: Any, now_s: float) -> None:
    if c.worker == NOBODY:
        return
    left_s = c.cpu_left_s + c.cpu_background_s
    if c.attempts > 0 and not c.is_after:  # its client has left: the work is there all the same
        c.is_after = True
        left_s += c.cpu_after_s
        give_pieces(g, c.worker, c.pieces_s, c.streamed_s, now_s)
    if left_s > 0.0:
        give(g, c.worker, left_s, now_s)
