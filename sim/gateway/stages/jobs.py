"""Jobs: requests that are accepted at once (202 Accepted, with an id) and worked off afterwards, long ones by workers of their own.

What the client waits for is the acceptance; everything below this stage is done by the lane's workers, first come first served. From
the acceptance on the call is no longer its client's: neither its timeout, its patience nor its leaving ends it, nor the gateway's
total timeout, but its lifetime does. Its answer is whole, never streamed. A row's ``latency_s`` is the time to that answer,
``accepted_s`` that to the acceptance; figures of latency count what clients wait for, and those of ``job_s`` the time to the answer.

Not modelled: how results come to their clients. They have them at once, as by a callback or a poll that the gateway holds open; answers are
not lost, and a client that works with closed loops, agents or retries goes on when its job is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any, ClassVar

from pydantic import Field

from sim.data.outcomes import REJECTED, TIMEOUT
from sim.gateway.call import CONTINUE, WAIT
from sim.kernel.containers import Keyed, Line, append, remove, take_first, wake
from sim.kernel.refusals import refusal
from sim.kernel.state import Short, Wide, state
from sim.scenario.finding import Finding
from sim.scenario.metric_names import QUANTILES, StageFigure
from sim.scenario.values import Count, Duration, Model, Room

SHORT, LONG = 0, 1
FULL, LONG_FULL, EXPIRED = refusal("job queue"), refusal("long job queue"), refusal("job lifetime")


class LongJobs(Model):
    """Jobs of many tokens, which do not stand in the way of the others."""

    SHORT: ClassVar[str] = "above"
    above: Count = Field(description="tokens of input and answer (max_tokens, where a client says it) above which a job is a long one")
    workers: Count = Field(1, description="long jobs worked off at once, beside the others' workers")
    waiting: Room = Field("unlimited", description="long jobs that may wait; requests beyond that are rejected")


class Jobs(Model):
    """Requests accepted at once and processed later."""

    SHORT: ClassVar[str] = "workers"
    classes: tuple[str, ...] | None = Field(None, description="the request classes that are jobs; default: all")
    workers: Count = Field(description="workers: as many jobs are worked off at once, long ones apart")
    waiting: Room = Field("unlimited", description="jobs that may wait; requests beyond that are rejected")
    lifetime: Duration | None = Field(None, description="a job not done by then has failed; default: none (OpenAI's batches: 24h)")
    long: LongJobs | None = Field(None, description="a lane of their own for long jobs; default: none, all share the workers")


class Config(Model):
    jobs: Jobs | None = Field(
        None, description="requests that are accepted at once and processed later; default: none, clients wait for their answers"
    )


@state
class State:
    above: Wide  # tokens
    lifetime_s: float


@state
class Lane:
    workers: float
    room: float
    busy: int = 0


@state
class Kind:
    is_job: bool = False


@state
class Call:
    accepted_s: float = nan  # from its arrival until it was accepted as a job
    job_lane: Short = SHORT
    at_work: bool = False
    in_job_line: bool = False
    job_since_s: float = 0.0
    job_wait_s: float = 0.0


OPTIONAL = True
COLUMNS = {
    "accepted_s": ("f8", "from the intended send time until it was accepted as a job; nan if it was not"),
    "job_lane": ("i1", "of a job: 0 the workers', 1 that of long jobs"),
    "job_wait_s": ("f8", "of a job, until a worker was free"),
}
PARTS = {"job_wait_s": "waiting for a worker"}
DONE = "until a job is done, from the intended send time; jobs that are answered"
FIGURES = {
    "job_s.mean": StageFigure("s", "lower", f"{DONE}: mean", column="job_s"),
    **{f"job_s.{name}": StageFigure("s", "lower", f"{DONE}: {name}", column="job_s", quantile=each) for name, each in QUANTILES.items()},
    "job_expired_rate": StageFigure(
        "share", "lower", "requests whose lifetime as a job was over before they were done", refused_by=EXPIRED
    ),
}


def check(scenario: Any) -> Iterator[Finding]:
    jobs, client = scenario.gateway.jobs, scenario.workload.client
    if jobs is None:
        return
    known = [each.name for each in scenario.workload.requests]
    for place, name in enumerate(jobs.classes or ()):
        if name not in known:
            yield Finding(
                ("gateway", "jobs", "classes", place), f"there is no request class {name!r}", f"the scenario has {', '.join(known)}"
            )
    if client.timeout is not None and not scenario.gateway.cancel_on_disconnect:
        message = "a job goes on without its client in any case, and its client's timeout ends with the acceptance"
        yield Finding(("gateway", "cancel_on_disconnect"), message, "leave it out where there are jobs")


def build(scenario: Any, seed: int) -> Any:
    jobs = scenario.gateway.jobs
    if jobs is None:
        return None
    above = 2**62 if jobs.long is None else jobs.long.above
    return State(above, inf if jobs.lifetime is None else jobs.lifetime)


def job_lanes(scenario: Any, s: Any) -> Keyed:
    jobs = scenario.gateway.jobs
    rows = [
        Lane(0.0, 0.0) if each is None else Lane(float(each.workers), inf if each.waiting == "unlimited" else float(each.waiting))
        for each in (jobs, jobs.long)
    ]
    return Keyed(len(rows), lambda: Lane(0.0, 0.0), rows)


def job_lines(scenario: Any, s: Any) -> Keyed:
    """The jobs that wait, of each lane."""
    return Keyed(2, Line)


def job_kinds(scenario: Any, s: Any) -> Keyed:
    classes = scenario.gateway.jobs.classes
    rows = [Kind(classes is None or each.name in classes) for each in scenario.workload.requests]
    return Keyed(len(rows), Kind, rows)


TABLES = (job_lanes, job_lines, job_kinds)


def enter(g: Any, c: Any, now_s: float) -> int:
    if not g.job_kinds[c.kind].is_job:
        return CONTINUE
    c.job_lane = LONG if c.input_tokens + c.answer_tokens > g.jobs.above else SHORT
    lane, line = g.job_lanes[c.job_lane], g.job_lines[c.job_lane]
    if lane.busy < lane.workers:
        lane.busy += 1
        c.at_work = True
        accept(g, c, now_s)
        return CONTINUE
    if line.length >= lane.room:
        c.refused_by = LONG_FULL if c.job_lane == LONG else FULL
        return REJECTED
    accept(g, c, now_s)
    append(g.calls, line, c.slot)
    c.in_job_line, c.job_since_s = True, now_s
    c.until_s = c.deadline_s
    return WAIT


def accept(g: Any, c: Any, now_s: float) -> None:
    """Its client is told that it will be done, and waits no longer."""
    c.accepted_s = now_s - c.arrival_s
    c.leaves_s = c.patience_s = inf
    c.deadline_s = now_s + g.jobs.lifetime_s
    c.streams = False


def is_accepted(c: Any) -> bool:
    return bool(c.accepted_s == c.accepted_s)


def woken(g: Any, c: Any, now_s: float) -> int:
    return CONTINUE if c.at_work else TIMEOUT


def leave(g: Any, c: Any, now_s: float) -> None:
    if c.in_job_line:
        remove(g.calls, g.job_lines[c.job_lane], c.slot)
        waiting_ends(c, now_s)
    if c.at_work:
        c.at_work = False
        hand_on(g, c.job_lane, now_s)
    if c.outcome == TIMEOUT and is_accepted(c) and now_s >= c.deadline_s:
        c.refused_by = EXPIRED


def hand_on(g: Any, number: int, now_s: float) -> None:
    """A worker is free for the first job in line."""
    line = g.job_lines[number]
    if line.length > 0:
        following = g.calls[take_first(g.calls, line)]
        waiting_ends(following, now_s)
        following.at_work = True
        wake(g, following)
    else:
        g.job_lanes[number].busy -= 1


def waiting_ends(c: Any, now_s: float) -> None:
    c.in_job_line = False
    c.job_wait_s += now_s - c.job_since_s
