"""One replication in the compiled world: the same job and the same Part as ``sim.engine.simpy_driver.replicate``."""

from __future__ import annotations

import sys
from functools import cache

import numpy as np

from sim.compiled.cache import directory, is_warm
from sim.compiled.engine import ATTEMPTS_MORE, Engine, engine_of, with_more_events, with_more_lives
from sim.compiled.reuse import keep_freed
from sim.compiled.used import is_bare
from sim.engine.invariants import Level, Replication
from sim.engine.replication import Job, Part, part_of, sampling
from sim.engine.row_log import as_clients_saw, joined
from sim.gateway.assembled import Gateway
from sim.policy.breaker import STATES
from sim.provider.behaviour import ProviderState
from sim.requests import drawn, lookup_law
from sim.scenario.model import Scenario
from sim.stochastics.random_streams import Purpose, replication_seed
from sim.workload.schedule import Schedule, build_schedule


def replicate(job: Job) -> Part:
    """One replication. Raises InvariantViolated where the model contradicts itself."""
    keep_freed()
    scenario, scale, first_seed, replication = job
    schedule = build_schedule(scenario, scale, replication, first_seed)
    done = played(scenario, schedule, replication_seed(first_seed, replication), replication, is_bare(scenario))
    return part_of(job, done, "compiled")


def played(scenario: Scenario, schedule: Schedule, seed: int, replication: int, bare: bool) -> Replication:
    """All that became of the schedule's requests. ``bare`` may be True if the scenario is."""
    from sim.compiled.checks import OVER_ROWS

    gateway = Gateway(scenario, seed)
    providers = {name: ProviderState(scenario, name, seed) for name in scenario.providers}
    count = len(schedule)
    draws = (
        drawn(scenario.gateway.cpu_per_request, seed, Purpose.CPU, 0, count),
        drawn(lookup_law(scenario), seed, Purpose.SESSION_LOOKUP, 0, count),
        drawn(scenario.workload.client.patience, seed, Purpose.PATIENCE, 0, count),
    )
    engine = engine_of(scenario, schedule, gateway, providers, seed, replication, draws, sampling(schedule.duration_s))
    engine, attempts, moves = run(engine, bare)
    settle(engine, gateway, providers)
    gateway.breaker_moves.extend(moves_of(moves, gateway))
    world, inside = engine.world[0], Level()
    inside.entered, inside.inside = int(world["entered"]), int(world["inside"])
    inside.area_s, inside.at_s = float(world["area_s"]), float(world["area_at_s"])
    as_seen = bare and scenario.workload.client.timeout is None  # nothing comes from the gateway itself, and nobody leaves
    rows = engine.rows if as_seen else as_clients_saw(engine.rows, scenario)
    return Replication(rows, attempts, engine.inside_s, inside, gateway, providers, engine.timeline, int(engine.visits.sum()), OVER_ROWS)


@cache
def prepare(bare: bool = False) -> None:
    """Compile, or load what was compiled before: so that no two workers do it at once. Says so on stderr if it will take a while.

    ``bare``: for scenarios that use no stage of ``used.stages_of``.
    """
    if not is_warm(bare):
        kept = "once" if directory() is not None else "every time, for there is no directory to keep it in (TENFOLD_CACHE_DIR sets one)"
        print(f"compiling the fast engine ({kept}) ...", file=sys.stderr, flush=True)
    scenario = example()
    played(scenario, build_schedule(scenario), 0, 0, bare)


def example() -> Scenario:
    """As small as a scenario can be; array types do not depend on it."""
    law = {"kind": "constant", "value": 1.0}
    model = {"latency": {"kind": "constant", "value": "1s"}, "price": {"input": 0.0, "output": 0.0}}
    arrivals = {"kind": "gamma", "rate": "1/s", "cv": 0.0}
    return Scenario.model_validate({
        "tenfold": 1, "name": "example",
        "workload": {"arrivals": arrivals, "duration": "1s", "requests": ({"name": "any", "tokens": {"input": law, "output": law}},)},
        "gateway": {"routing": {"kind": "round-robin", "models": ("p/m",)}},
        "providers": {"p": {"models": {"m": model}}},
    })  # fmt: skip


def run(engine: Engine, bare: bool) -> tuple[Engine, np.ndarray, np.ndarray]:
    """Run an engine to its end. Returns it with all attempts and all moves of its breakers."""
    from sim.compiled.bound import bind
    from sim.compiled.loop import FINISHED, advance, advance_bare, start

    attempts, moves = [], []
    world = engine.world[0]
    events = advance_bare if bare else advance
    bind(engine)
    start(engine)
    while events(engine) != FINISHED:
        if world["attempts"] >= len(engine.attempts):
            attempts.append(engine.attempts)
            engine = engine._replace(attempts=np.empty_like(engine.attempts[:ATTEMPTS_MORE]))
            world["attempts"] = 0
        elif world["free_life"] < 0:
            engine = with_more_lives(engine, 2 * len(engine.lives))
        elif world["heap_size"] + world["inside"] + 2 >= len(engine.heap):
            engine = with_more_events(engine, 2 * len(engine.heap))
        else:
            moves.append(engine.moves[: world["moves"]].copy())
            world["moves"] = 0
        bind(engine)
    attempts.append(engine.attempts[: world["attempts"]])
    moves.append(engine.moves[: world["moves"]])
    return engine, attempts[0] if len(attempts) == 1 else joined(attempts), joined(moves)


def settle(engine: Engine, gateway: Gateway, providers: dict[str, ProviderState]) -> None:
    """Write the state at the end back into the gateway's and the providers' own, for the invariants to look at."""
    world = engine.world[0]
    if gateway.admission is not None:
        for name in ("in_service", "waiting", "waited_s", "at_s"):
            setattr(gateway.admission, name, world["admission"][name].item())
    for target, row in zip(gateway.targets, engine.targets, strict=True):
        target.in_flight = int(row["in_flight"])
    for provider, row in zip(providers.values(), engine.providers, strict=True):
        provider.in_service = int(row["in_service"])
    if gateway.cache is not None:
        gateway.cache.flights.update({int(key): [] for key in np.flatnonzero(engine.flights >= 0)})
    for limiter, name in ((gateway.overall, "refused_all"), (gateway.per_user, "refused_user")):
        if limiter is not None:
            limiter.refused = int(world[name])


def moves_of(moves: np.ndarray, gateway: Gateway) -> list[tuple[float, str, str]]:
    return [(at_s, gateway.targets[target].name, STATES[state]) for at_s, target, state in moves.tolist()]
