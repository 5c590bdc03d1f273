"""The gateway assembled from a scenario: every policy's state in one place, and the pure decisions that take several of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle, islice
from typing import Any

from sim.gateway.request import Request
from sim.policy.admission import Admission
from sim.policy.breaker import CLOSED, STATES, BreakerState, allow, permits_call, record
from sim.policy.cache import CacheState
from sim.policy.context import ContextRule
from sim.policy.hedge import HedgeState
from sim.policy.limiter import ALGORITHMS
from sim.policy.retry import BackoffRule, RetryBudget, withdraw
from sim.policy.router import TargetState, by_weight, permitted, rotate
from sim.policy.session import SessionStore
from sim.provider.pricing import cached_prices, unit_prices
from sim.scenario.model import Limits, Scenario
from sim.scenario.units import Rate
from sim.stochastics.random_streams import Purpose, uniform

INFINITY = float("inf")


def target_names(scenario: Scenario) -> tuple[str, ...]:
    """Every provider/model of the scenario, in its order: what ``target`` columns index."""
    return tuple(f"{provider}/{model}" for provider, config in scenario.providers.items() for model in config.models)


MOST_ITINERARIES = 1000  # kept; there are few, unless many targets are ordered by load
MOST_KNOWN = 1_000_000
FORGOTTEN = 10_000


class Limiter:
    """Limits of one kind, by whom they apply to: requests and tokens, states made when first met.

    Clients may invent names without end, so beyond MOST_KNOWN the oldest states are forgotten, FORGOTTEN at once: a full count again for
    whom they belonged to.
    """

    __slots__ = ("limits", "make", "refused", "requests", "take", "tokens")

    def __init__(self, limits: Limits) -> None:
        self.make, self.take, _ = ALGORITHMS[limits.algorithm]
        self.limits = limits
        self.requests: dict[int, Any] = {}
        self.tokens: dict[int, Any] = {}
        self.refused = 0

    def admits(self, who: int, now_s: float, tokens: int) -> bool:
        per_requests, per_tokens = self.limits.requests, self.limits.tokens
        if (
            per_requests is not None and not self.take(self.requests.get(who) or self._meet(self.requests, per_requests, who), now_s, 1.0)
        ) or (per_tokens is not None and not self.take(self.tokens.get(who) or self._meet(self.tokens, per_tokens, who), now_s, tokens)):
            self.refused += 1
            return False
        return True

    def _meet(self, states: dict[int, Any], limit: Rate, who: int) -> Any:
        if len(states) >= MOST_KNOWN:
            for oldest in list(islice(states, FORGOTTEN)):
                del states[oldest]
        state = states[who] = self.make(limit)
        return state


class Gateway:
    """State of all policies of one gateway. Stages that the scenario does not use are None."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        config = scenario.gateway
        prices = unit_prices(scenario)
        self.config = config
        self.seed = seed
        self.targets = tuple(
            TargetState(index, name, scenario.providers[name.split("/", 1)[0]].keys, self._breaker(), prices[name])
            for index, name in enumerate(target_names(scenario))
        )
        self.by_name = {target.name: target for target in self.targets}
        for name, cached_usd in cached_prices(scenario).items():
            self.by_name[name].cached_saving_usd = self.by_name[name].input_usd - cached_usd
        self.per_user = Limiter(config.limits.per_user) if config.limits.per_user else None
        self.overall = Limiter(config.limits.global_) if config.limits.global_ else None
        self.sessions = SessionStore(config.sessions) if config.sessions else None
        self.context = ContextRule(config.context)
        self.cache = CacheState(config.cache[0]) if config.cache else None
        priorities = (each.priority for each in scenario.workload.requests)
        self.admission = Admission(config.queue, priorities) if config.queue else None
        self.retry = config.retry
        self.backoff = BackoffRule(config.retry.backoff)
        self.budget = RetryBudget(config.retry.budget) if config.retry.budget is not None else None
        self.hedge = HedgeState(config.hedge) if config.hedge else None
        self.first_token_timeout_s = config.timeout.first_token if config.timeout.first_token is not None else INFINITY
        self.total_timeout_s = config.timeout.total if config.timeout.total is not None else INFINITY
        self.next_provider = "next-provider" in config.fallback
        self.degrade_to = tuple(step for step in config.fallback if step != "next-provider")
        self.turn_of_robin = 0
        self.order = self._orders()[config.routing.kind]
        self.itineraries: dict[tuple[TargetState, ...], list[TargetState]] = {}
        self.breaker_moves: list[tuple[float, str, str]] = []
        self.all_closed = True  # all breakers

    def itinerary(self, request: Request, now_s: float) -> Sequence[TargetState]:
        """One target per possible attempt: of those permitted all with ``next-provider``, otherwise the first one."""
        targets = self.order(request)
        chosen = tuple(targets if self.all_closed else permitted(targets, now_s))
        known = self.itineraries.get(chosen)
        if known is None:
            known = self._turns(chosen)
            if len(self.itineraries) < MOST_ITINERARIES:
                self.itineraries[chosen] = known
        return known

    def _turns(self, targets: Sequence[TargetState]) -> list[TargetState]:
        if self.retry.to == "next":
            return list(islice(cycle(targets), self.retry.attempts))
        return [target for target in (targets if self.next_provider else targets[:1]) for _ in range(self.retry.attempts)]

    def permits(self, target: TargetState, now_s: float) -> bool:
        """Would ``allows`` say yes? Takes nothing."""
        return self.all_closed or target.breaker is None or permits_call(target.breaker, now_s)

    def allows(self, target: TargetState, now_s: float) -> bool:
        """May a call be made to the target? In half-open this takes a permit."""
        breaker = target.breaker
        if self.all_closed or breaker is None:
            return True
        before = breaker.state
        allowed = allow(breaker, now_s)
        if breaker.state != before:
            self._moved(target, breaker, now_s)
        return allowed

    def hedge_target(self, request: Request, first: TargetState, now_s: float) -> TargetState | None:
        """Where a second call may go, paid for from the hedges' budget; None if it may not be made."""
        assert self.hedge is not None
        target = first
        if self.hedge.to_next:
            target = next((other for other in permitted(self.order(request), now_s) if other is not first), first)
        return target if withdraw(self.hedge.budget) and self.allows(target, now_s) else None

    def record_result(self, target: TargetState, now_s: float, failed: bool, duration_s: float) -> None:
        breaker = target.breaker
        if breaker is not None and record(breaker, now_s, failed, duration_s):
            self._moved(target, breaker, now_s)

    def _moved(self, target: TargetState, breaker: BreakerState, now_s: float) -> None:
        self.breaker_moves.append((now_s, target.name, STATES[breaker.state]))
        self.all_closed = all(each.breaker is None or each.breaker.state == CLOSED for each in self.targets)

    def _breaker(self) -> BreakerState | None:
        return BreakerState(self.config.breaker) if self.config.breaker else None

    def _orders(self) -> dict[str, Callable[[Request], Sequence[TargetState]]]:
        """How each kind of routing orders the targets of a request."""
        routing = self.config.routing
        if routing.kind == "capability":
            capable = {need: tuple(self.by_name[name] for name in names) for need, names in routing.capabilities.items()}
            first = next(iter(capable.values()))
            return {"capability": lambda request: capable.get(request.needs, first) if request.needs is not None else first}
        if routing.kind == "weighted":
            pool = tuple(self.by_name[name] for name in routing.weights)
            weights = tuple(routing.weights.values())
            return {"weighted": lambda request: by_weight(pool, weights, uniform(self.seed, Purpose.ROUTING, request.index))}
        pool = tuple(self.by_name[name] for name in routing.models)
        cheapest = tuple(sorted(pool, key=lambda target: target.input_usd + target.output_usd))

        def round_robin(request: Request) -> Sequence[TargetState]:
            self.turn_of_robin += 1
            return rotate(pool, self.turn_of_robin - 1)

        return {
            "round-robin": round_robin if len(pool) > 1 else lambda request: pool,
            "least-busy": lambda request: sorted(pool, key=lambda target: target.in_flight),
            "cheapest": lambda request: cheapest,
            "fastest": lambda request: sorted(pool, key=lambda target: target.latency_s),
        }
