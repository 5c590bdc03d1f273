"""One provider at work, for whoever serves requests in real time: the functions of this package over records of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import isnan
from typing import Any

from sim.kernel.containers import NOBODY, Line, take_ready
from sim.kernel.state import merge, state
from sim.provider import attempt
from sim.provider.build import build
from sim.provider.fault_timeline import Ending, fault_of
from sim.provider.processor_sharing import advance, mark, rearm, server_due
from sim.provider.prompt_cache import read_prefixes
from sim.scenario.model import Fault, Scenario

Prefixes = Sequence[tuple[Any, int]]
INFINITY = float("inf")


@state
class Asked:
    """What the functions of this package read of a call."""

    slot: int = NOBODY
    target: int = 0
    key: int = 0
    prompt: int = NOBODY
    input_tokens: int = 1
    answer_tokens: int = 1
    is_ready: bool = False
    before: int = NOBODY
    after: int = NOBODY


class Plan(merge("Planned", Asked, attempt.Call)):  # type: ignore[misc]
    """What will happen to one attempt, in seconds after its arrival (``attempt.Call``), in the words of an answer."""

    __slots__ = ()

    @property
    def status(self) -> int:
        return self.plan_status

    @property
    def final_status(self) -> int:
        return self.plan_final_status

    @property
    def ending(self) -> Ending:
        return Ending(self.plan_ending)

    @property
    def first_token_s(self) -> float:
        return self.plan_first_s

    @property
    def per_token_s(self) -> float:
        return self.plan_per_token_s

    @property
    def duration_s(self) -> float:
        return self.plan_duration_s

    @property
    def output_tokens(self) -> int:
        return self.plan_output_tokens

    @property
    def cached_tokens(self) -> int:
        return self.plan_cached_tokens

    @property
    def retry_after_s(self) -> float | None:
        return None if isnan(self.plan_retry_after_s) else self.plan_retry_after_s

    @property
    def refused_by(self) -> int:
        """The code of the limit that refused, or NOT_REFUSED."""
        return self.plan_refused_by

    @property
    def shared(self) -> int | None:
        """The number of the shared server that it is on."""
        return None if self.server == NOBODY else self.server

    @property
    def hang(self) -> bool:
        return self.plan_first_s == INFINITY

    def produced(self, elapsed_s: float) -> int:
        """Output tokens that exist ``elapsed_s`` after arrival (of work, on a shared server)."""
        return attempt.produced(self, elapsed_s)

    def __repr__(self) -> str:
        return (
            f"<Plan {self.status}: first token after {self.first_token_s:.3f} s, "
            f"{self.output_tokens} tokens in {self.duration_s:.3f} s>"
        )  # fmt: skip


class ProviderState:
    """One provider of the scenario at work. ``begin`` admits and plans an attempt, ``finish`` gives its place back.

    ``faults``: (number, fault) of the scenario's and the injected ones. ``shared``: the shared server of each model that has one.
    """

    def __init__(self, scenario: Scenario, provider: str, seed: int) -> None:
        self.config = scenario.providers[provider]
        self.name = provider
        self.seed = seed
        self.targets = {name: number for number, name in enumerate(self.config.models)}
        self.calls: list[Plan | None] = []
        self.free: list[int] = []
        self.p = build(scenario, seed, self.calls, Line(), only=provider)
        self.faults = [
            (number, fault)
            for number, fault in enumerate(scenario.faults)
            if isinstance(fault, Fault) and fault.strikes(provider, self.config.region)
        ]
        self.provider = self.p.providers[0]
        self.has_prompt_cache = self.config.prompt_cache is not None
        self.windows = {name: model.context for name, model in self.config.models.items() if model.context is not None}
        self.shared = {name: self.p.models[n].server for name, n in self.targets.items() if self.p.models[n].server != NOBODY}

    def begin(
        self, now_s: float, model: str, key: int, prompt: int, input_tokens: int, output_tokens: int, prefixes: Prefixes = ()
    ) -> Plan:
        """Admit one attempt at ``now_s`` seconds from the run's t0 and decide all that will happen to it, as ``attempt.begin`` does.

        ``prefixes`` (identity, tokens; longest first) matter with a prompt cache only. Whoever calls this calls ``finish`` once with the
        plan. Raises KeyError for a model the provider does not have.
        """
        p, target = self.p, self.targets[model]
        slot = self.free.pop() if self.free else len(self.calls)
        plan = Plan(slot=slot, target=target, key=key, prompt=prompt, input_tokens=input_tokens, answer_tokens=output_tokens)
        self.calls[slot : slot + 1] = [plan]
        row = p.models[target]
        if attempt.arrive(p, plan, row, self.provider, now_s):
            if row.cached:
                plan.plan_cached_tokens = read_prefixes(p, target, row, prefixes, input_tokens, now_s)
            attempt.admit(p, plan, row, self.provider, now_s)
        return plan

    def finish(self, plan: Plan, now_s: float) -> None:
        """The attempt has ended, or was cut."""
        attempt.finish(self.p, plan, now_s)
        self.calls[plan.slot] = None
        self.free.append(plan.slot)

    # ---- faults from outside the scenario

    def inject(self, number: int, fault: Fault) -> None:
        """Add a fault while the provider is at work; ``number`` tells it from others, and its draws hang on it."""
        target = NOBODY if fault.model is None else self.targets[fault.model]
        self.p.faults[self.provider.faults] = fault_of(number, fault, target, self.seed, self.p.changes)
        self.provider.faults += 1
        self.faults.append((number, fault))

    def heal(self, numbers_from: int) -> int:
        """Take back the faults with such numbers: how many those were."""
        kept = [self.p.faults[place] for place in range(self.provider.faults) if self.p.faults[place].number < numbers_from]
        healed = self.provider.faults - len(kept)
        self.p.faults.clear()
        self.p.faults.update(enumerate(kept))
        self.provider.faults = len(kept)
        self.faults = [(number, fault) for number, fault in self.faults if number < numbers_from]
        return healed

    # ---- limits

    def limits(self, key: int) -> list[tuple[Any, Any] | None]:
        """(Limit, its ring) of a key's requests, tokens, input tokens and output tokens; None where there is no such limit."""
        places = (self.provider.requests_limit, self.provider.tokens_limit, self.provider.input_limit, self.provider.output_limit)
        return [None if place == NOBODY else (self.p.limits[place + key], self.p.rings[place + key]) for place in places]

    # ---- shared servers, whose clock somebody else has to keep

    def work_s(self, server: int, now_s: float | None = None) -> float:
        """A server's clock of work done for each request, moved on to ``now_s``."""
        row = self.p.servers[server]
        if now_s is not None:
            advance(row, max(now_s, row.at_s))
        return row.work_s

    def mark(self, plan: Plan, work_s: float) -> None:
        """The plan waits until its server's clock has moved on by ``work_s``."""
        mark(self.p, plan, work_s)

    def rearmed(self) -> Iterator[tuple[int, float, int]]:
        """(server, due_s, ticket) of servers whose next mark has moved; inf: there is none."""
        while self.p.rearmed.length:
            number = rearm(self.p)
            yield number, self.p.servers[number].due_s, self.p.servers[number].ticket

    def reached(self, server: int, ticket: int, due_s: float) -> Iterable[Plan]:
        """Plans whose mark is due at ``due_s``; none for a ticket that is void."""
        if self.p.servers[server].ticket != ticket:
            return []
        server_due(self.p, server, due_s)
        plans = []
        while self.p.ready.length:
            plans.append(take_ready(self.p))
        return plans
