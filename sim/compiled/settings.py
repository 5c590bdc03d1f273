"""The scenario's settings and initial states as arrays, copied by field name from the policies' own states."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from sim.compiled.dtypes import AHEAD, BREAKER, BUCKET, FAULT, KIND, LAW, LIMIT, LOG, PROVIDER, TARGET, WINDOW, WORLD
from sim.compiled.used import stages_of
from sim.gateway.assembled import Gateway
from sim.policy.limiter import SlidingLog, TokenBucket
from sim.provider.behaviour import ProviderState
from sim.scenario.distributions import Distribution, recorded, sigma
from sim.scenario.model import Limits, Scenario
from sim.scenario.units import Rate
from sim.stochastics.random_streams import Purpose, child, stream

CONSTANT, EXPONENTIAL, GEOMETRIC, LOGNORMAL, WEIBULL, UNIFORM, EMPIRICAL, MIXTURE, SHIFTED = range(9)
FIXED_ORDER, ROUND_ROBIN, WEIGHTED, LEAST_BUSY, FASTEST = range(5)
ROUTINGS = {
    "capability": FIXED_ORDER, "cheapest": FIXED_ORDER, "round-robin": ROUND_ROBIN, "weighted": WEIGHTED, "least-busy": LEAST_BUSY,
    "fastest": FASTEST,
}  # fmt: skip
ALGORITHMS = ("token-bucket", "sliding-log", "fixed-window", "anchored-window")
TOKEN_BUCKET, SLIDING_LOG, FIXED_WINDOW, ANCHORED_WINDOW = range(4)
FAULTS = ("outage", "errors", "brownout", "rate-limit")
OUTAGE, ERRORS, BROWNOUT, RATE_LIMIT = range(4)
MODES = ("error", "refused", "hang")
ERROR, REFUSED_MODE, HANG = range(3)
NONE = -1


def copied(into: Any, state: Any, but: tuple[str, ...] = ()) -> None:
    """Every field of a record, ``but`` those, from the attribute of the same name."""
    for name in into.dtype.names:
        if name not in but:
            into[name] = getattr(state, name)


class Laws:
    """Laws as rows of LAW, with the numbers they point to (``first``, ``count``)."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, float, float, int, int]] = []
        self.numbers: list[float] = []

    def add(self, law: Distribution | None) -> int:
        """Number of the law's row; NONE without a law."""
        if law is None:
            return NONE
        row = self.row(law)
        self.rows.append(row)
        return len(self.rows) - 1

    def row(self, law: Distribution) -> tuple[int, float, float, int, int]:
        if law.kind == "constant":
            return CONSTANT, law.value, 0.0, 0, 0
        if law.kind == "exponential" or law.kind == "gamma":  # gamma: cv 1 only, see refusals
            return EXPONENTIAL, law.mean, 0.0, 0, 0
        if law.kind == "geometric":
            return GEOMETRIC, law.mean, 0.0 if law.mean == 1 else math.log1p(-1 / law.mean), 0, 0
        if law.kind == "lognormal":
            return LOGNORMAL, law.median, sigma(law), 0, 0
        if law.kind == "weibull":
            return WEIBULL, law.scale, 1 / law.shape, 0, 0
        if law.kind == "uniform":
            return UNIFORM, law.low, law.high - law.low, 0, 0
        if law.kind == "empirical":
            return EMPIRICAL, 0.0, 0.0, *self.keep(np.sort(recorded(law)))
        if law.kind == "shifted":
            return SHIFTED, law.by, 0.0, self.add(law.of), 0
        parts = [float(self.add(part.of)) for part in law.parts]
        ends = np.cumsum([part.weight for part in law.parts])
        first, count = self.keep(ends / ends[-1])
        self.keep(parts)
        return MIXTURE, 0.0, 0.0, first, count

    def keep(self, values: Iterable[float]) -> tuple[int, int]:
        first = len(self.numbers)
        self.numbers.extend(values)
        return first, len(self.numbers) - first

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.rows, LAW), np.array(self.numbers, np.float64)


Store = tuple[np.dtype, list[tuple[np.ndarray, int]]]


class LimitStates:
    """States of all rate limiters: rows of ``buckets``, ``windows`` and ``logs``, and the ring of times that the logs share."""

    def __init__(self, gateway: Gateway, users: int) -> None:
        self.limits: list[tuple[int, int]] = []
        self.stores: tuple[Store, ...] = ((BUCKET, []), (WINDOW, []), (LOG, []))
        per_user, overall = gateway.per_user, gateway.overall
        self.user_requests, self.user_tokens = self.add(per_user.limits if per_user else None, users)
        self.all_requests, self.all_tokens = self.add(overall.limits if overall else None, 1)

    def add(self, limits: Limits | None, holders: int) -> tuple[int, int]:
        """Numbers of the limits on requests and on tokens, with states for each of their holders; NONE where there is none."""
        if limits is None:
            return NONE, NONE
        return self.add_rate(limits.requests, limits.algorithm, holders), self.add_rate(limits.tokens, limits.algorithm, holders)

    def add_rate(self, rate: Rate | None, algorithm: str, holders: int) -> int:
        from sim.policy.limiter import ALGORITHMS as STATES

        if rate is None:
            return NONE
        state = STATES[algorithm][0](rate)
        dtype, store = self.stores[0 if isinstance(state, TokenBucket) else 2 if isinstance(state, SlidingLog) else 1]
        row = np.zeros((), dtype)
        if isinstance(state, SlidingLog):
            row["size"], row["window_s"] = len(state.ring), state.window_s
        else:
            copied(row, state)
        self.limits.append((ALGORITHMS.index(algorithm), sum(count for _, count in store)))
        store.append((row, holders))
        return len(self.limits) - 1

    def arrays(self) -> tuple[np.ndarray, ...]:
        """limits, buckets, windows, logs, log_times."""
        buckets, windows, logs = (repeated(*store) for store in self.stores)
        ends = np.cumsum(logs["size"])
        logs["start"] = ends - logs["size"]
        return np.array(self.limits, LIMIT), buckets, windows, logs, np.full(int(ends[-1]) if len(ends) else 0, -math.inf)


def repeated(dtype: np.dtype, rows: list[tuple[np.ndarray, int]]) -> np.ndarray:
    """Each row as often as it says; written once, for a million users may have a limit each."""
    table, start = np.empty(sum(count for _, count in rows), dtype), 0
    for row, count in rows:
        table[start : start + count] = row
        start += count
    return table


def kinds_of(scenario: Scenario, gateway: Gateway) -> np.ndarray:
    """KIND rows of the request classes."""
    routing = scenario.gateway.routing
    names = list(routing.capabilities) if routing.kind == "capability" else []
    kinds = np.zeros(len(scenario.workload.requests), KIND)
    for kind, each in zip(kinds, scenario.workload.requests, strict=True):
        kind["line"] = gateway.admission.line_of[each.priority] if gateway.admission else 0
        kind["pool"] = names.index(each.needs) if each.needs in names else 0
    return kinds


def pools_of(scenario: Scenario, gateway: Gateway) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets by pool and place, padded with NONE; number of targets of each pool; weights of the first pool."""
    routing = scenario.gateway.routing
    weights: Sequence[float] = ()
    if routing.kind == "capability":
        pools = [list(names) for names in routing.capabilities.values()]
    elif routing.kind == "weighted":
        pools, weights = [list(routing.weights)], list(routing.weights.values())
    else:
        pools = [list(routing.models)]
    indices = [[gateway.by_name[name].index for name in names] for names in pools]
    if routing.kind == "cheapest":
        indices[0].sort(key=lambda index: gateway.targets[index].input_usd + gateway.targets[index].output_usd)
    table = np.full((len(indices), max(map(len, indices))), NONE, np.int16)
    for row, pool in zip(table, indices, strict=True):
        row[: len(pool)] = pool
    return table, np.array([len(pool) for pool in indices]), np.array(weights, np.float64)


def targets_of(gateway: Gateway, providers: dict[str, ProviderState], seed: int, laws: Laws) -> np.ndarray:
    names = list(providers)
    targets = np.zeros(len(gateway.targets), TARGET)
    for target, state in zip(targets, gateway.targets, strict=True):
        draws = providers[state.provider].draws[state.model]
        for name in ("keys", "next_key", "in_flight", "latency_s", "input_usd", "output_usd"):
            target[name] = getattr(state, name)
        target["provider"] = names.index(state.provider)
        target["ttft"] = laws.add(draws.ttft)
        target["ahead_from"] = -AHEAD
        target["per_token"] = laws.add(draws.per_token)
        for name, purpose in (
            ("ttft_root", Purpose.TTFT), ("per_token_root", Purpose.PER_TOKEN), ("error_root", Purpose.ERROR),
            ("error_after_root", Purpose.ERROR_AFTER),
        ):  # fmt: skip
            target[name] = child(stream(seed, purpose), draws.entity)
    return targets


def providers_of(providers: dict[str, ProviderState], laws: Laws, limits: LimitStates) -> np.ndarray:
    rows = np.zeros(len(providers), PROVIDER)
    for row, state in zip(rows, providers.values(), strict=True):
        errors = state.config.errors
        row["error_rate"] = state.error_rate
        row["error_status"] = errors.status if errors else 0
        row["error_after"] = laws.add(errors.after) if errors else NONE
        row["retry_after_step_s"] = state.retry_after_step_s
        row["concurrency"] = math.inf if state.concurrency is None else state.concurrency
        row["limit_requests"], row["limit_tokens"] = limits.add(state.config.limits, state.config.keys)
    return rows


def faults_of(scenario: Scenario, gateway: Gateway) -> np.ndarray:
    names = list(scenario.providers)
    rows = [
        (
            number, names.index(fault.provider), gateway.by_name[f"{fault.provider}/{fault.model}"].index if fault.model else NONE,
            FAULTS.index(fault.kind), MODES.index(fault.mode), fault.at, fault.at + fault.for_, fault.status, fault.share,
            fault.ttft_factor, fault.per_token_factor,
        )
        for number, fault in enumerate(scenario.faults)
    ]  # fmt: skip
    return np.array(rows, FAULT)


def breakers_of(gateway: Gateway) -> tuple[np.ndarray, np.ndarray]:
    """BREAKER rows, one a target, and their rings one after the other; none without a breaker."""
    states = [target.breaker for target in gateway.targets if target.breaker is not None]
    rows = np.zeros(len(states), BREAKER)
    ends = np.cumsum([0, *(len(state.ring) for state in states)])
    for row, state, start in zip(rows, states, ends, strict=False):
        copied(row, state, but=("start", "length"))
        row["start"], row["length"] = start, len(state.ring)
    return rows, np.zeros(ends[-1], np.int64)


def world_of(scenario: Scenario, gateway: Gateway, seed: int, limits: LimitStates) -> np.ndarray:
    """One WORLD record at time zero."""
    config, client = scenario.gateway, scenario.workload.client
    world = np.zeros(1, WORLD)
    w = world[0]
    for stage, used in stages_of(scenario).items():
        w[stage] = used
    w["client_timeout_s"] = client.timeout if w["has_departures"] else math.inf
    w["streams"] = client.stream
    w["user_requests"], w["user_tokens"] = limits.user_requests, limits.user_tokens
    w["all_requests"], w["all_tokens"] = limits.all_requests, limits.all_tokens
    w["total_timeout_s"], w["first_token_timeout_s"] = gateway.total_timeout_s, gateway.first_token_timeout_s
    if gateway.cache is not None:
        w["single_flight"], w["sliding"] = gateway.cache.single_flight, gateway.cache.sliding
        w["cache_ttl_s"], w["cache_capacity"] = gateway.cache.ttl_s, gateway.cache.capacity
    if gateway.sessions is not None:
        from sim.policy.session import MAXIMUM

        w["session_ttl_s"], w["session_capacity"] = gateway.sessions.ttl_s, MAXIMUM
    if gateway.admission is not None:
        w["has_admission"], w["lines"] = True, len(gateway.admission.lines)
        copied(w["admission"], gateway.admission)
    if gateway.budget is not None:
        copied(w["budget"], gateway.budget)
    w["attempts_each"], w["retry_next"] = config.retry.attempts, config.retry.to == "next"
    w["honor_retry_after"], w["next_provider"] = config.retry.honor_retry_after, gateway.next_provider
    w["routing"] = ROUTINGS[config.routing.kind]
    w["canned"] = "canned" in gateway.degrade_to
    w["stale_first"] = gateway.degrade_to[:1] == ("stale-cache",)
    for name, purpose in (("jitter_root", Purpose.RETRY_JITTER), ("routing_root", Purpose.ROUTING), ("fault_root", Purpose.FAULT)):
        w[name] = stream(seed, purpose)
    copied(w["backoff"], gateway.backoff)
    copied(w["context"], gateway.context)
    return world
