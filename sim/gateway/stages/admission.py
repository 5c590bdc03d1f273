"""Admission: a bounded number of calls in service, a bounded queue behind them, first come first served within each priority."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any, ClassVar, Literal

from pydantic import Field

from sim.data.outcomes import ABANDONED, REJECTED, TIMEOUT
from sim.gateway.call import CONTINUE, WAIT
from sim.gateway.hooks import WAITED, WAITING
from sim.gateway.stages.autoscale import at_start
from sim.kernel.containers import Keyed, Line, append, remove, take_first, wake
from sim.kernel.refusals import refusal
from sim.kernel.state import Short, state
from sim.scenario.finding import Finding
from sim.scenario.tree import Steps
from sim.scenario.values import Count, Duration, Model, Room

PRIORITIES = 10
FULL, TOO_LONG = refusal("queue"), refusal("queue timeout")


class Queue(Model):
    """A limit on the calls in service, with a queue in front."""

    SHORT: ClassVar[str] = "concurrency"
    concurrency: Count | Literal["unlimited"] = Field(description="calls in service at once")
    waiting: Room = Field(0, description="calls that may wait; more are rejected at once")
    per: Literal["gateway", "worker"] = Field(
        "gateway",
        description="what the concurrency is of; worker: of each worker that is ready, as where a worker keeps its calls to itself",
    )
    timeout: Duration | None = Field(None, description="a call that waits for longer is rejected; default: none, it waits for ever")


class Config(Model):
    queue: Queue | None = Field(
        None, description="a limit on the calls in service, with a queue in front; default: any number of calls in service"
    )


@state
class State:
    """``waited_s`` is the integral of ``waiting`` over time up to ``at_s``, in call-seconds."""

    concurrency: float
    capacity: float
    timeout_s: float
    per_worker: float = 0.0  # the concurrency of each worker; 0: it does not hang on them
    in_service: int = 0
    waiting: int = 0
    waited_s: float = 0.0
    at_s: float = 0.0


@state
class Request:
    priority: Short = 0
    patience_s: float = inf  # its client waits in the queue for so long


@state
class Call:
    admitted: bool = False
    in_line: bool = False
    in_line_since_s: float = 0.0
    queue_wait_s: float = 0.0


COLUMNS = {"queue_wait_s": ("f8", "waiting for admission")}
PARTS = {"queue_wait_s": "queue"}
DRAWS = {"patience_s": (64, lambda scenario: scenario.workload.client.patience)}
CLASS = {"priority": lambda scenario, each: each.priority}


def check(scenario: Any) -> Iterator[Finding]:
    queue, client = scenario.gateway.queue, scenario.workload.client
    here: Steps = ("gateway", "queue")
    if queue is not None and queue.per == "worker" and queue.concurrency == "unlimited":
        yield Finding((*here, "per"), "each worker has unlimited concurrency", "give a concurrency, such as 8, or leave per out")
    if queue is None or queue.concurrency == "unlimited":
        without = "no queue" if queue is None else "no limit on the calls in service"
        if client.patience is not None:
            yield Finding(
                ("workload", "client", "patience"), f"there is {without}: nobody waits in line", "add gateway.queue", warning=True
            )
        for index, each in enumerate(scenario.workload.requests):
            if each.priority != 0:
                path = ("workload", "requests", index, "priority")
                yield Finding(path, f"there is {without}: nobody is let in before others", "add gateway.queue", warning=True)
        return
    if "waiting" not in queue.model_fields_set:
        message = f"none may wait: beyond {queue.concurrency:,} in service, calls are rejected at once"
        yield Finding(here, message, "write waiting: 100 with timeout: 10s, say; or waiting: 0, if that is meant", warning=True)
    ends = (queue.timeout, scenario.gateway.timeout.total, client.timeout, client.patience)
    if queue.waiting != 0 and "timeout" not in queue.model_fields_set and all(end is None for end in ends):
        message = "calls wait for as long as it takes: neither a timeout here, nor gateway.timeout.total, nor a client's own ends it"
        yield Finding(here, message, "write timeout: 10s, say; or timeout: null, if that is meant", warning=True)


def build(scenario: Any, seed: int) -> Any:
    queue = scenario.gateway.queue
    if queue is None:
        return None
    numbers: Any = (inf if limit in ("unlimited", None) else float(limit) for limit in (queue.concurrency, queue.waiting, queue.timeout))
    s = State(*numbers)
    if queue.per == "worker":
        s.per_worker = s.concurrency
        s.concurrency = s.per_worker * at_start(scenario.gateway)
    return s


def lines(scenario: Any, s: Any) -> Keyed:
    """A line for every priority."""
    return Keyed(PRIORITIES, Line)


TABLES = (lines,)


def resized(g: Any, workers: int, now_s: float) -> None:
    s = g.admission
    if s.per_worker > 0.0:
        s.concurrency = s.per_worker * workers
        admit_waiting(g, now_s)


def enter(g: Any, c: Any, now_s: float) -> int:
    s = g.admission
    if s.in_service < s.concurrency:
        s.in_service += 1
        c.admitted = True
        return CONTINUE
    if s.waiting >= s.capacity:
        c.refused_by = FULL
        return REJECTED
    append(g.calls, g.lines[c.priority], c.slot)
    change_waiting(s, now_s, 1)
    c.in_line, c.in_line_since_s = True, now_s
    c.until_s = now_s + min(s.timeout_s, c.deadline_s - now_s, c.patience_s)
    return WAIT


def woken(g: Any, c: Any, now_s: float) -> int:
    if c.admitted:
        return CONTINUE
    limit_s = min(g.admission.timeout_s, c.deadline_s - c.in_line_since_s)
    if c.patience_s < limit_s:
        return ABANDONED
    c.refused_by = TOO_LONG
    return TIMEOUT if limit_s < g.admission.timeout_s else REJECTED


def leave(g: Any, c: Any, now_s: float) -> None:
    if c.in_line:
        remove(g.calls, g.lines[c.priority], c.slot)
        change_waiting(g.admission, now_s, -1)
        c.in_line = False
        c.queue_wait_s += now_s - c.in_line_since_s
    if c.admitted:
        g.admission.in_service -= 1
        c.admitted = False
        admit_waiting(g, now_s)


def load(g: Any, signal: int, now_s: float) -> float:
    if signal == WAITING:
        return float(g.admission.waiting)
    longest_s = 0.0
    if signal == WAITED:
        for priority in range(PRIORITIES):
            if g.lines[priority].length > 0:
                longest_s = max(longest_s, now_s - g.calls[g.lines[priority].first].in_line_since_s)
    return longest_s


def admit_waiting(g: Any, now_s: float) -> None:
    """The first in line, of the highest priority, go on while there is room. To be called by whatever makes room."""
    s = g.admission
    while s.waiting > 0 and s.in_service < s.concurrency:
        priority = PRIORITIES - 1
        while g.lines[priority].length == 0:
            priority -= 1
        following = g.calls[take_first(g.calls, g.lines[priority])]
        following.in_line, following.admitted = False, True
        following.queue_wait_s += now_s - following.in_line_since_s
        change_waiting(s, now_s, -1)
        s.in_service += 1
        wake(g, following)


def change_waiting(s: Any, now_s: float, by: int) -> None:
    s.waited_s += s.waiting * (now_s - s.at_s)
    s.at_s = now_s
    s.waiting += by
