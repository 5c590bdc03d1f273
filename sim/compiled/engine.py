"""Everything one compiled run works on, as one NamedTuple of arrays, and how to make it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.compiled import settings
from sim.compiled.dtypes import AHEAD, EVENT, LIFE, MOVE, TIMES, VIEWS
from sim.compiled.reuse import empty
from sim.data.schema import ATTEMPTS, REQUESTS, TIMELINE
from sim.gateway.assembled import Gateway
from sim.provider.behaviour import ProviderState
from sim.scenario.model import Scenario
from sim.workload.schedule import Schedule

NOBODY = -1
LIVES = 1024  # at first; doubled as needed
ATTEMPTS_MORE = 1 << 16  # than there are requests; room that is not used is never touched
MOVES_KEPT = 1 << 12
COLUMNS = {
    "arrival_s": "f8", "kind": "i2", "user": "i8", "conversation": "i8", "turn": "i4", "prompt": "i8", "input_tokens": "i4",
    "output_tokens": "i4", "history_start": "i8", "history_turns": "i4", "history_tokens": "i4",
}  # fmt: skip


class Engine(NamedTuple):
    """Tables of one run. What grows is replaced between calls of ``loop.advance``; the types never change, so it compiles once."""

    world: np.ndarray
    views: np.ndarray  # of all of these, for compiled code
    # the schedule, and what is drawn for each request
    arrival_s: np.ndarray
    kind: np.ndarray
    user: np.ndarray
    conversation: np.ndarray
    turn: np.ndarray
    prompt: np.ndarray
    input_tokens: np.ndarray
    output_tokens: np.ndarray
    history_start: np.ndarray
    history_turns: np.ndarray
    history_tokens: np.ndarray
    cpu_s: np.ndarray
    lookup_s: np.ndarray
    patience_s: np.ndarray
    # what is written
    rows: np.ndarray
    inside_s: np.ndarray
    attempts: np.ndarray
    timeline: np.ndarray
    moves: np.ndarray
    # lives and events
    lives: np.ndarray
    itineraries: np.ndarray
    heads: np.ndarray
    tails: np.ndarray
    heap: np.ndarray
    # the gateway
    kinds: np.ndarray
    pools: np.ndarray
    pool_sizes: np.ndarray
    weights: np.ndarray
    targets: np.ndarray
    breakers: np.ndarray
    breaker_rings: np.ndarray
    worker_free_s: np.ndarray
    limits: np.ndarray
    buckets: np.ndarray
    windows: np.ndarray
    logs: np.ndarray
    log_times: np.ndarray
    cache_expires_s: np.ndarray
    cache_before: np.ndarray
    cache_after: np.ndarray
    flights: np.ndarray
    session_seen_s: np.ndarray
    session_first: np.ndarray
    session_before: np.ndarray
    session_after: np.ndarray
    # the providers
    providers: np.ndarray
    faults: np.ndarray
    laws: np.ndarray
    law_numbers: np.ndarray
    visits: np.ndarray
    ahead: np.ndarray


def engine_of(
    scenario: Scenario, schedule: Schedule, gateway: Gateway, providers: dict[str, ProviderState], seed: int, replication: int,
    drawn: tuple[np.ndarray, np.ndarray, np.ndarray], sampling: tuple[int, float],
) -> Engine:  # fmt: skip
    """An engine at time zero. ``drawn``: CPU, look-up and patience of each request, each empty where there is none; ``sampling``: how
    many samples the timeline has, and how far apart.
    """
    from sim.compiled.lists import ring

    count = len(schedule)
    limits = settings.LimitStates(gateway, int(schedule.user.max()) + 1 if count else 1)
    laws = settings.Laws()
    targets = settings.targets_of(gateway, providers, seed, laws)
    provider_rows = settings.providers_of(providers, laws, limits)
    world = settings.world_of(scenario, gateway, seed, limits)
    world["requests"], world["replication"] = count, replication
    world["samples"], world["sample_every_s"] = sampling
    pools, pool_sizes, weights = settings.pools_of(scenario, gateway)
    prompts = int(schedule.prompt.max()) + 1 if count else 0
    cached = prompts if gateway.cache is not None else 0
    cache_before, cache_after = ring(cached)
    known = int(schedule.conversation.max()) + 1 if count and gateway.sessions is not None else 0
    session_before, session_after = ring(known)
    breakers, breaker_rings = settings.breakers_of(gateway)
    limit_rows, buckets, windows, logs, log_times = limits.arrays()
    law_rows, law_numbers = laws.arrays()
    lists = np.full(int(world[0]["lines"]), NOBODY, np.int32)
    engine = Engine(
        world=world, views=np.zeros(VIEWS, np.int64),
        arrival_s=schedule.arrival_s, kind=schedule.kind, user=schedule.user, conversation=schedule.conversation, turn=schedule.turn,
        prompt=schedule.prompt, input_tokens=schedule.input_tokens, output_tokens=schedule.output_tokens,
        history_start=schedule.history_start, history_turns=schedule.history_turns, history_tokens=schedule.history_tokens,
        cpu_s=drawn[0], lookup_s=drawn[1], patience_s=drawn[2],
        rows=empty(count, REQUESTS), inside_s=np.empty(count), attempts=empty(count + ATTEMPTS_MORE, ATTEMPTS),
        timeline=np.empty(sampling[0], TIMELINE), moves=np.empty(MOVES_KEPT, MOVE),
        lives=np.zeros(0, LIFE), itineraries=np.zeros((0, pools.shape[1]), np.int16), heads=lists, tails=lists.copy(),
        heap=np.zeros(0, EVENT),
        kinds=settings.kinds_of(scenario, gateway), pools=pools, pool_sizes=pool_sizes, weights=weights, targets=targets,
        breakers=breakers, breaker_rings=breaker_rings, worker_free_s=np.zeros(scenario.gateway.workers),
        limits=limit_rows, buckets=buckets, windows=windows, logs=logs, log_times=log_times,
        cache_expires_s=np.zeros(cached), cache_before=cache_before, cache_after=cache_after, flights=np.full(cached, NOBODY, np.int32),
        session_seen_s=np.zeros(known), session_first=np.zeros(known, np.int32),
        session_before=session_before, session_after=session_after,
        providers=provider_rows, faults=settings.faults_of(scenario, gateway), laws=law_rows, law_numbers=law_numbers,
        visits=np.zeros((len(targets), prompts), np.int32), ahead=np.zeros(AHEAD * len(targets), TIMES),
    )  # fmt: skip
    engine = engine._replace(**{name: as_compiled(name, getattr(engine, name)) for name in Engine._fields})
    world["free_life"] = NOBODY
    return with_more_lives(engine, LIVES)


def as_compiled(name: str, array: np.ndarray) -> np.ndarray:
    """Of the type and layout that the code is compiled for; nothing is copied that is so already."""
    return np.require(array, COLUMNS.get(name), ["C", "W"])


def with_more_lives(engine: Engine, lives: int) -> Engine:
    """Room for ``lives`` requests at once, and for four times as many events."""
    have = len(engine.lives)
    more = np.zeros(lives - have, LIFE)
    more["after"] = np.arange(have + 1, lives + 1)  # the free ones are chained
    more["after"][-1] = engine.world[0]["free_life"]
    engine.world["free_life"] = have
    return with_more_events(
        engine._replace(
            lives=np.concatenate([engine.lives, more]),
            itineraries=grown(engine.itineraries, lives, 0),
            heads=grown(engine.heads, len(engine.heads) + len(more), NOBODY),
            tails=grown(engine.tails, len(engine.tails) + len(more), NOBODY),
        ),
        max(4 * lives, len(engine.heap)),
    )


def with_more_events(engine: Engine, events: int) -> Engine:
    return engine._replace(heap=grown(engine.heap, events, 0))


def grown(array: np.ndarray, size: int, value: float) -> np.ndarray:
    larger = np.full((size, *array.shape[1:]), value, array.dtype)
    larger[: len(array)] = array
    return larger
