"""The gateway: a chain of stages. A call goes down through ``enter``, waits where a stage says so, and comes back up with an outcome.

A stage is a module. Like a ``try`` block around the stages below it:

    enter(g, c, now_s)    the block's start: CONTINUE, WAIT, PERFORM or an outcome
    woken(g, c, now_s)    goes on after a wait of its own; answers like ``enter``
    rescue(g, c, now_s)   ``except``: a failure comes up from below. Let it pass (``c.outcome``), answer otherwise, or CONTINUE: try again
    review(g, c, now_s)   ``else``: a provider's answer comes up from below, unseen yet. Let it pass (OK), or CONTINUE: ask again
    hold(g, c, now_s)     whatever comes up from below, shown or not: let it pass (``c.outcome``), or WAIT; ``woken`` lets it pass then
    leave(g, c, now_s)    ``finally``: let go of what the call holds here, whatever ended it. Never waits, never changes the outcome
    tick(g, now_s)        a timer that belongs to no call. Called at time 0; returns when it is to be called again
    permits(g, target, now_s), stale(g, c, now_s), load(g, signal, now_s), busy_s(g, number, now_s), resized(g, workers, now_s)
                          answers to what other stages ask or say: see ``sim.gateway.hooks``

All are optional. ``g.<stage>`` is the stage's State, ``g.<table>`` one of its TABLES. Nothing here waits, reads a clock or does I/O.
Around its hooks a stage declares, where it has them: Config (its words in the scenario), build(scenario, seed) (its State; None where the
scenario does not use it), Request and Call (fields), COLUMNS (of the rows), PARTS (of the latency), FIGURES (of a run), DRAWS, CLASS and
USERS (fields of requests that are drawn, or follow from the request's class or user), COSTS (its columns in USD, beside the attempts'
own), OPTIONAL (no other stage reads its Call, so a scenario that does not use it has neither these fields nor its columns).
``docs/how-to/add-a-policy.md`` walks through one.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from types import ModuleType
from typing import Any

from sim.data.outcomes import ABANDONED, CACHE_HIT, CANNED, FAILURES, OK, STALE
from sim.gateway import call
from sim.gateway.call import CONTINUE
from sim.gateway.stages import (
    accept,
    admission,
    api_keys,
    autoscale,
    backbone,
    breaker,
    cdn,
    connections,
    context,
    cpu,
    deadline,
    degrade,
    ejection,
    exact_cache,
    freshness,
    hedge,
    jobs,
    overload,
    rate_limit,
    redis,
    regions,
    retry,
    route,
    semantic_cache,
    serial,
    sessions,
    spend_limit,
    streamed,
    summary,
    tiering,
    token_budget,
    upstream,
    validation,
)
from sim.kernel.containers import Line, PerCall, remove
from sim.kernel.state import in_python, merge, state
from sim.provider import attempt
from sim.scenario.metric_names import METRIC_NAMES, MetricName

STAGES: tuple[ModuleType, ...] = (
    cdn,  # the same prompt again, at the edge
    freshness,  # how old what a cache serves is
    regions,  # to the nearest gateway that is up
    degrade,  # an earlier answer or a prepared text instead of a failure
    rate_limit,  # requests and tokens, for every user and for all
    spend_limit,  # dollars, for every user
    autoscale,  # as many workers as the load asks for
    accept,  # one new connection in each round of an event loop
    cpu,  # the gateway's own work, before and after all that follows
    serial,  # what is done for one call at a time
    validation,  # malformed requests and prompt injections
    redis,  # where sessions and answers may be kept
    sessions,  # what is remembered of the conversation
    context,  # how much of it goes along
    token_budget,  # and how much of that, and of the answer, fits
    deadline,  # the whole call may take so long
    jobs,  # accepted at once, and done later
    exact_cache,  # the same prompt again; one asks for all that ask the same
    semantic_cache,  # a prompt much like one before
    tiering,  # a classifier chooses the tier
    overload,  # less for everybody, while there is too much to do
    admission,  # so many at once, the others in line
    summary,  # of the conversation, by a call of its own
    route,  # the targets in their order
    retry,  # again after a pause, then the next target
    hedge,  # a second attempt beside a slow one
    breaker,  # none to a target that fails too often
    ejection,  # nor to one that a real gateway would leave out
    api_keys,  # with a key that is not refused
    connections,  # over a connection to its provider
    backbone,  # from the gateway's region to the provider's
    streamed,  # the gateway's own work for what it streams
    upstream,  # one attempt
)


def name_of(stage: ModuleType) -> str:
    return stage.__name__.rpartition(".")[2]


def declared(what: str) -> dict[str, Any]:
    """What the stages declare under one name (COLUMNS, PARTS, DRAWS, …), in the order of the chain. No two may declare the same."""
    found: dict[str, Any] = {}
    for stage in STAGES:
        for key, value in getattr(stage, what, {}).items():
            if key in found:
                raise TypeError(f"{key} is declared twice among the stages' {what}")
            found[key] = value
    return found


@state
class Leavers:
    count: int = 0


HOOKS = ("enter", "woken", "rescue", "leave")


@dataclass(slots=True)
class Path:
    """The hooks of the stages that calls pass, by place; a stage without the hook has None there.

    ``ways_out[place]`` are the ``leave`` hooks from there on upwards; ``permits``, ``stale``, ``load`` and those from ``busy_s`` on are all
    stages'; ``nearest`` and ``ask`` are what the hooks of these names call, which a real gateway replaces. ``review`` and ``hold`` are
    empty where no stage has them.
    """

    enter: tuple[Any, ...]
    woken: tuple[Any, ...]
    rescue: tuple[Any, ...]
    leave: tuple[Any, ...]
    ways_out: tuple[tuple[Callable[..., None], ...], ...]
    permits: tuple[Callable[..., bool], ...]
    stale: tuple[Callable[..., bool], ...]
    load: tuple[Callable[..., float], ...] = ()
    nearest: Callable[..., Any] | None = None
    review: tuple[Any, ...] = ()
    hold: tuple[Any, ...] = ()
    busy_s: tuple[Callable[..., float], ...] = ()
    resized: tuple[Callable[..., None], ...] = ()
    trip_s: tuple[Callable[..., float], ...] = ()
    ask: Callable[..., Any] | None = None


TABLES = {table.__name__: stage for stage in STAGES for table in getattr(stage, "TABLES", ())}
ENGINE = ("calls", "free", "ready", "leaving", "leavers", "events", "history", "path", "timers")
Gateway = namedtuple("Gateway", [*ENGINE, *map(name_of, STAGES), *TABLES])  # type: ignore[misc]
GatewayInPython = in_python(Gateway)
Request = merge("Request", call.Request, *(stage.Request for stage in STAGES if hasattr(stage, "Request")))


def used_by(g: Any) -> list[ModuleType]:
    """The stages of a gateway."""
    return [stage for stage in STAGES if getattr(g, name_of(stage)) is not None]


def unused_figures(scenario: Any) -> set[str]:
    """Names of the figures of stages that the scenario does not use: they say nothing of its runs."""
    stages = [stage for stage in STAGES if hasattr(stage, "FIGURES") and stage.build(scenario, 0) is None]
    return {name for stage in stages for name in stage.FIGURES}


def with_records(stages: Sequence[ModuleType]) -> tuple[ModuleType, ...]:
    """The stages whose Call and COLUMNS a gateway of ``stages`` has: all but the OPTIONAL ones that it does not use."""
    return tuple(stage for stage in STAGES if stage in stages or not getattr(stage, "OPTIONAL", False))


@cache
def record_class(stages: tuple[ModuleType, ...]) -> Any:
    """``Call`` as the record of compiled code, with the fields of these stages (see ``with_records``)."""
    return merge("Call", Request, call.Call, *(stage.Call for stage in stages if hasattr(stage, "Call")), attempt.Call)


Call = record_class(STAGES)


def call_class(g: Any) -> Any:
    """``Call`` for a gateway in Python: fields of stages that it does not use are constants, which cost nothing to make."""
    used = [stage.Call for stage in used_by(g) if hasattr(stage, "Call")]
    unused = [stage.Call for stage in STAGES if hasattr(stage, "Call") and stage.Call not in used]
    constants = {item.name: item.default for part in unused for item in fields(part)}
    base = type("Unused", (), {"__slots__": (), **constants})
    late = {*upstream.LATE, *(item.name for item in fields(attempt.Call))}
    return merge("Call", Request, call.Call, *used, attempt.Call, base=base, late=late)


def build(scenario: Any, seed: int, history: Any = ()) -> Any:
    """The gateway of a scenario in which nothing has happened yet. Stages that it does not use are None and cost nothing.

    ``history``: tokens of all earlier turns, where requests say which are theirs.
    """
    states = {name_of(stage): stage.build(scenario, seed) for stage in STAGES}
    used = [stage for stage in STAGES if states[name_of(stage)] is not None]
    tables = {table.__name__: table(scenario, states[name_of(stage)]) for stage in used for table in getattr(stage, "TABLES", ())}
    engine = {
        "calls": [], "free": [], "ready": Line(), "leaving": PerCall(), "leavers": Leavers(), "events": [], "history": history,
        "path": path(used), "timers": timers(used),
    }  # fmt: skip
    return GatewayInPython(**dict.fromkeys(Gateway._fields) | states | tables | engine)


def path(used: list[ModuleType]) -> Path:
    """The way of a call. ``c.stage`` is a place on it."""
    passed = stages_passed(used)
    by_place: Any = [tuple(hook_of(stage, hook) for stage in passed) for hook in HOOKS]
    ways_out = tuple(hooks_of(passed[place::-1], "leave") for place in range(len(passed)))
    enter, woken, rescue, leave = by_place
    nearest = next(iter(hooks_of(used, "nearest_by_law")), None)
    review, hold = (tuple(hook_of(stage, hook) for stage in passed) for hook in ("review", "hold"))
    return Path(
        enter, woken, rescue, leave, ways_out, hooks_of(used, "permits"), hooks_of(used, "stale"), hooks_of(used, "load"), nearest,
        review if any(review) else (), hold if any(hold) else (),
        hooks_of(used, "busy_s"), hooks_of(used, "resized"), hooks_of(used, "trip_s"), next(iter(hooks_of(used, "ask_by_law")), None),
    )  # fmt: skip


def stages_passed(used: list[ModuleType]) -> list[ModuleType]:
    return [stage for stage in used if any(hook_of(stage, hook) for hook in HOOKS)]


def timers(used: list[ModuleType]) -> tuple[Callable[..., Any], ...]:
    return hooks_of(used, "tick")


def hooks_of(used: list[ModuleType], hook: str) -> tuple[Callable[..., Any], ...]:
    return tuple(found for stage in used if (found := hook_of(stage, hook)) is not None)


def hook_of(stage: ModuleType, hook: str) -> Callable[..., Any] | None:
    """The stage's own hook of that name, not one that it has imported."""
    found = getattr(stage, hook, None)
    return found if found is not None and found.__module__ == stage.__name__ else None


# What follows is all that ever happens to a call. The first seven choose the stage (compiled: by comparing c.stage).


def enter(g: Any, c: Any, now_s: float) -> int:
    hook = g.path.enter[c.stage]
    return CONTINUE if hook is None else hook(g, c, now_s)


def woken(g: Any, c: Any, now_s: float) -> int:
    return g.path.woken[c.stage](g, c, now_s)


def rescue(g: Any, c: Any, now_s: float) -> int:
    hook = g.path.rescue[c.stage]
    return c.outcome if hook is None else hook(g, c, now_s)


def review(g: Any, c: Any, now_s: float) -> int:
    hooks = g.path.review
    hook = hooks[c.stage] if hooks else None
    return c.outcome if hook is None else hook(g, c, now_s)


def hold(g: Any, c: Any, now_s: float) -> int:
    hooks = g.path.hold
    hook = hooks[c.stage] if hooks else None
    return c.outcome if hook is None else hook(g, c, now_s)


def leave(g: Any, c: Any, now_s: float) -> None:
    hook = g.path.leave[c.stage]
    if hook is not None:
        hook(g, c, now_s)


def tick(g: Any, number: int, now_s: float) -> float:
    return g.timers[number](g, now_s)


def start(g: Any, c: Any, now_s: float) -> int:
    """A new call goes as far as it can: WAIT, PERFORM or its outcome."""
    return advance(g, c, now_s, CONTINUE)


def resume(g: Any, c: Any, now_s: float) -> int:
    """The call was woken, or its time has come, or its attempt has news."""
    c.ticket += 1
    if now_s >= c.leaves_s:
        return depart(g, c, now_s)
    return advance(g, c, now_s, woken(g, c, now_s))


def advance(g: Any, c: Any, now_s: float, verdict: int) -> int:
    """Down while stages say CONTINUE; with an outcome back up, past ``leave`` and ``rescue``, until it is out or must wait."""
    while True:
        if verdict == CONTINUE:
            c.stage += 1
            verdict = enter(g, c, now_s)
        elif verdict < CONTINUE:
            return verdict
        else:
            if verdict != c.outcome:
                c.outcome, c.decided_by = verdict, c.stage
            leave(g, c, now_s)
            c.stage -= 1
            if c.stage == c.floor:
                return end(c, now_s)
            if verdict >= FAILURES and not c.committed:
                verdict = rescue(g, c, now_s)
            elif verdict == OK and not c.committed:
                verdict = review(g, c, now_s)
            if verdict == c.outcome:
                verdict = hold(g, c, now_s)


def depart(g: Any, c: Any, now_s: float) -> int:
    """The client has left, or a fork is cancelled: out of all stages, wherever the call is."""
    if c.is_ready:
        remove(g.calls, g.ready, c.slot)
        c.is_ready = False
    c.ticket += 1
    c.outcome, c.decided_by = ABANDONED, c.stage
    while c.stage > c.floor:
        leave(g, c, now_s)
        c.stage -= 1
    return end(c, now_s)


def end(c: Any, now_s: float) -> int:
    """The call is out of the chain: its times as its client sees them. What the gateway answers by itself comes at once."""
    c.latency_s = now_s - c.arrival_s
    if c.outcome == CACHE_HIT or c.outcome == STALE or c.outcome == CANNED:
        c.ttft_s = c.latency_s
    else:
        c.ttft_s = c.first_content_s - c.arrival_s
    return c.outcome


METRIC_NAMES.update({name: MetricName(name, each.unit, each.better, each.says) for name, each in declared("FIGURES").items()})
purposes = [purpose for purpose, _ in declared("DRAWS").values()]
assert len(purposes) == len(set(purposes)), "every draw has a purpose of its own"
