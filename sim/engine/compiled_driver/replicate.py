"""One replication as machine code: the same job, and the same rows, as ``sim.engine.simpy_driver.replicate``."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import numpy as np
from numba import typeof

from sim.data.schema import TIMELINE
from sim.engine.compiled_driver.cache import directory, is_kept, note_kept
from sim.engine.compiled_driver.clients import OPEN_LOOP, Clients, Nobody, clients_of
from sim.engine.compiled_driver.heap import first_events, no_events, no_places
from sim.engine.compiled_driver.loop import FINISHED, NEEDS_REQUESTS, ROOM, Engine, Loop, advance
from sim.engine.compiled_driver.tables import Sizes, call_record, compiled_gateway, compiled_providers, readable, with_notes, with_room
from sim.engine.replication import Inside, Job, Part, Simulated, part_of
from sim.engine.sampling import sampling
from sim.gateway import chain
from sim.gateway.rows import ATTEMPTS, requests_of
from sim.kernel.state import records_of
from sim.provider.build import build as build_providers
from sim.scenario.model import Scenario
from sim.stochastics.random_streams import replication_seed

SLOTS, EVENTS, PREFIXES = 1 << 16, 1 << 14, 1 << 12  # at first; doubled as needed. Slots that are not used are never touched
ATTEMPTS_MORE = 1 << 14  # than there are requests


def replicate(job: Job) -> Part:
    """One replication. Raises InvariantViolated where the model contradicts itself."""
    return part_of(job, simulate(job), "compiled")


def simulate(job: Job) -> Simulated:
    """All that became of the requests of one replication."""
    scenario, scale, first_seed, replication = job
    seed = replication_seed(first_seed, replication)
    run = run_of(scenario, seed, clients_of(scenario, scale, replication, first_seed, seed))
    run.play()
    return run.simulated(replication)


def prepare(scenario: Scenario) -> None:
    """Compile the program for the scenario's stages and features, or load it from where it is kept: worker processes find it there.

    Says so on stderr if it will take a while.
    """
    run = run_of(scenario, scenario.seed, Nobody(scenario, scenario.seed))
    program = program_of(run)
    if not is_kept(program):
        place = "" if directory() else ", every time, for there is no directory to keep it in (TENFOLD_CACHE_DIR sets one)"
        print(f"compiling the scenario's stages{place} ...", file=sys.stderr, flush=True)
    run.play()
    note_kept(program)


def is_compiled(scenario: Scenario) -> bool:
    """Its program is there already: ``prepare`` would only load it."""
    return is_kept(program_of(run_of(scenario, scenario.seed, Nobody(scenario, scenario.seed))))


def program_of(run: Run) -> str:
    """Names the compiled code by the types that it was compiled for."""
    return hashlib.sha256(repr([typeof(part) for part in (run.g, run.p, run.engine)]).encode()).hexdigest()[:16]


def run_of(scenario: Scenario, seed: int, clients: Clients) -> Run:
    python_g = chain.build(scenario, seed, clients.history)
    python_p = build_providers(scenario, seed, python_g.calls, python_g.ready, clients.history)
    sizes = clients.sizes() | {"slot": SLOTS, "prefix": PREFIXES}
    g = compiled_gateway(python_g, sizes, clients.history)
    p = compiled_providers(python_p, g, sizes, seed)
    return Run(g, p, engine_of(clients, g, p, python_g), clients, (python_g, python_p), sizes)


def engine_of(clients: Clients, g: Any, p: Any, python_g: Any) -> Engine:
    count, every_s = sampling(clients.duration_s)
    numbers, times_s = clients.first
    first = g.timers + len(numbers)
    loop = Loop(
        order=first, events=first, sending=len(numbers), furthest=int(numbers.max(initial=0)),
        last=clients.stop >= clients.count, over_s=clients.duration_s, ends_s=clients.duration_s,
        over_included=clients.over_included, sample_due_s=0.0,
        sample_every_s=every_s, gives_up_after_s=clients.gives_up_after_s, longest=clients.longest, step=clients.step,
        retries_on=clients.sendings.retries_on, requests_first=clients.sendings.requests_first, retry_ratio=clients.sendings.retry_ratio,
        retry_balance=clients.sendings.retry_balance,
    )  # fmt: skip
    return Engine(
        loop=records_of(loop)[0], events=first_events(g.timers, numbers, times_s, EVENTS), places=no_places(len(g.calls)),
        due=None if p.servers is None else no_events(len(p.servers)), blank=records_of(call_record(python_g)())[0],
        requests=clients.requests, waiting=clients.waiting, rows=blank_rows(clients.count, clients, requests_of(python_g)),
        attempts=np.empty(clients.count + ATTEMPTS_MORE, ATTEMPTS), timeline=np.zeros(count, TIMELINE),
    )  # fmt: skip


def blank_rows(count: int, clients: Clients, dtype: np.dtype) -> np.ndarray:
    rows = np.empty(count, dtype)
    if clients.kind != OPEN_LOOP:
        rows["request"] = -1  # not sent
    return rows


class Run:
    """A run under way: the tables that the loop works on, and how they grow."""

    def __init__(self, g: Any, p: Any, engine: Engine, clients: Clients, python: tuple[Any, Any], sizes: Sizes) -> None:
        self.g, self.p, self.engine = g, p, engine
        self.clients = clients
        self.python, self.sizes = python, sizes
        self.attempts: list[np.ndarray] = []

    def play(self) -> None:
        while (said := advance(self.g, self.p, self.engine)) != FINISHED:
            if said == NEEDS_REQUESTS:
                self.engine.loop["last"] = self.clients.next_block()
                self.engine.loop["arrived"] = 0
                self.engine = self.engine._replace(requests=self.clients.requests)
            else:
                self.make_room()

    def make_room(self) -> None:
        """Twice as much of whatever is nearly full."""
        g, p, e = self.g, self.p, self.engine
        loop, sizes = e.loop, dict(self.sizes)
        if g.free.top["count"] < 2:
            sizes["slot"] *= 2
            e = e._replace(places=np.concatenate([e.places, no_places(len(e.places))]))
        if loop["events"] + ROOM >= len(e.events):
            e = e._replace(events=np.concatenate([e.events, no_events(len(e.events))]))
        if loop["attempts"] + 4 >= len(e.attempts):
            self.attempts.append(e.attempts[: loop["attempts"]])
            e = e._replace(attempts=np.empty(max(ATTEMPTS_MORE, len(e.attempts) // 2), ATTEMPTS))
            loop["attempts"] = 0
        if g.events.top["count"] + 8 >= len(g.events.rows):
            g = with_notes(g)
        if p.places is not None and p.places.used["keys"] + loop["longest"] + 3 >= len(p.prefixes):
            sizes["prefix"] *= 2
        if e.waiting is not None and loop["furthest"] + loop["step"] >= len(e.requests):
            more = self.clients.draw_more()
            sizes |= self.clients.sizes()
            e = e._replace(
                requests=self.clients.requests,
                waiting=self.clients.waiting,
                rows=np.concatenate([e.rows, blank_rows(more, self.clients, e.rows.dtype)]),
            )
        self.g, self.p = with_room(g, p, *self.python, self.sizes, sizes)
        self.sizes = sizes
        self.engine = e

    def simulated(self, replication: int) -> Simulated:
        g, loop, rows = self.g, self.engine.loop, self.engine.rows
        if self.clients.kind != OPEN_LOOP:
            rows = rows[rows["request"] >= 0]
        attempts = np.concatenate([*self.attempts, self.engine.attempts[: loop["attempts"]]])
        for table in (rows, attempts, self.engine.timeline):
            table["replication"] = replication
        inside = Inside(int(loop["entered"]), int(loop["inside"]), float(loop["area_s"]), float(loop["area_at_s"]))
        events = g.events.rows[: g.events.top["count"]].tolist()
        return Simulated(rows, attempts, self.engine.timeline, events, readable(g), self.p, inside)
