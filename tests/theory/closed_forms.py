"""Closed forms of queueing theory, computed. ``values.json`` holds theirs and others' results; tests compare the two.

Sources: Gross, Shortle, Thompson & Harris, *Fundamentals of Queueing Theory*; Kleinrock, *Queueing Systems*; Harchol-Balter, *Performance
Modeling and Design of Computer Systems*; Che, Tung & Wang (2002) for LRU; Burke, *Delays in single-server queues with batch input*,
Operations Research 23 (1975).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import integrate, optimize, stats


# ---- queues -----------------------------------------------------------------------------------------------------------
def erlang_b(servers: int, load: float) -> float:
    """Share lost of M/G/c/c offered ``load`` erlangs."""
    blocked = 1.0
    for busy in range(1, servers + 1):
        blocked = load * blocked / (busy + load * blocked)
    return blocked


def erlang_c(servers: int, load: float) -> float:
    """P(wait) of M/M/c."""
    blocked = erlang_b(servers, load)
    return blocked / (1 - load / servers * (1 - blocked))


def mmc_wait_over(servers: int, rate: float, t: float) -> float:
    """P(W > t) of M/M/c with unit service rate: C e^{-(c - λ) t}."""
    return erlang_c(servers, rate) * math.exp(-(servers - rate) * t)


def birth_death(births: Callable[[int], float], deaths: Callable[[int], float], states: int) -> np.ndarray:
    """Stationary distribution over 0 … states - 1."""
    weights = np.ones(states)
    for n in range(1, states):
        weights[n] = weights[n - 1] * births(n - 1) / deaths(n)
        if weights[n] > 1e200:
            weights[: n + 1] /= weights[n]
    return weights / weights.sum()


class Loss(NamedTuple):
    blocked: float
    waiting: float
    in_service: float


def mmck(servers: int, room: int, rate: float) -> Loss:
    """M/M/c/K with unit service rate, K = ``room`` in all."""
    p = birth_death(lambda n: rate, lambda n: min(n, servers), room + 1)
    n = np.arange(room + 1)
    return Loss(float(p[-1]), float(p @ np.maximum(n - servers, 0)), float(p @ np.minimum(n, servers)))


def mg1_wait(rate: float, mean: float, cv2: float) -> float:
    """Pollaczek and Khinchine: mean wait of M/G/1."""
    return rate * mean**2 * (1 + cv2) / 2 / (1 - rate * mean)


def batch_mg1_wait(rate: float, mean: float, cv2: float, size: float, size_square: float) -> float:
    """Mean wait of M^[X]/G/1 for ``rate`` calls in batches with E X and E X²: Pollaczek and Khinchine's for the work that a batch finds,
    and on average half of the rest of its own batch (Burke 1975).
    """
    return mg1_wait(rate, mean, cv2) + (size_square / size - 1) * mean / 2 / (1 - rate * mean)


class Batches(NamedTuple):
    mean_wait: float
    first_waits: float
    waits: float


def batch_mmc(servers: int, rate: float, at_least: Callable[[np.ndarray], np.ndarray], states: int = 4000) -> Batches:
    """M^[X]/M/c with unit service rate, ``rate`` calls in batches with P(X ≥ n) = ``at_least(n)``: mean wait, and the shares of batches
    whose first call waits and of calls that do.

    Flow across the cut between n and n + 1 balances: λ_b Σ_{j ≤ n} p_j P(X > n - j) = min(n + 1, c) p_{n+1} (Gross et al., 3.1). A batch
    finds j in the system with p_j (Poisson arrivals see time averages); a call is the n-th of its batch with P(X ≥ n) / E X.
    """
    tail = at_least(np.arange(1, states + 1))
    size = float(tail.sum())
    p = np.zeros(states)
    p[0] = 1.0
    for n in range(states - 1):
        p[n + 1] = rate / size * float(p[: n + 1] @ tail[n::-1]) / min(n + 1, servers)
    p /= p.sum()
    busy = np.cumsum(p[::-1])[::-1]
    found_busy = [float(busy[max(servers - n, 0)]) for n in range(states)]
    waiting = float(p @ np.maximum(np.arange(states) - servers, 0))
    return Batches(waiting / rate, found_busy[0], float(tail / size @ found_busy))


def slowest_mean(survival: Callable[[float], float], calls: int) -> float:
    """E max of so many independent times: ∫ 1 - F(t)^n dt. Of exponential ones the harmonic number H_n."""
    return float(
        integrate.quad(lambda t: -math.expm1(calls * math.log1p(-survival(t))) if survival(t) < 1 else 1.0, 0.0, np.inf, limit=500)[0]
    )


def slowest_quantile(inverse: Callable[[float], float], calls: int, q: float) -> float:
    """F(t)^n = q, so t = F^-1(q^(1/n))."""
    return float(inverse(q ** (1 / calls)))


def erlang_a(servers: int, rate: float, leaving: float, states: int = 4000) -> Loss:
    """M/M/c+M with unit service rate and patience of rate ``leaving``; ``blocked`` is the share that leaves."""
    p = birth_death(lambda n: rate, lambda n: min(n, servers) + leaving * max(n - servers, 0), states)
    n = np.arange(states)
    waiting = float(p @ np.maximum(n - servers, 0))
    return Loss(leaving * waiting / rate, waiting, float(p @ np.minimum(n, servers)))


def gm1_sigma(transform: Callable[[float], float]) -> float:
    """P(wait) of G/M/1 with unit service rate: the root of σ = A*(1 - σ)."""
    return float(optimize.brentq(lambda sigma: sigma - transform(1 - sigma), 1e-9, 1 - 1e-9))


def priority_waits(rates: Sequence[float], means: Sequence[float], squares: Sequence[float]) -> list[float]:
    """Cobham: mean waits of M/G/1 with non-preemptive priorities, highest first."""
    residual = sum(rate * square for rate, square in zip(rates, squares, strict=True)) / 2
    waits, before = [], 0.0
    for rate, mean in zip(rates, means, strict=True):
        upto = before + rate * mean
        waits.append(residual / (1 - before) / (1 - upto))
        before = upto
    return waits


def setup_wait(rate: float, mean: float, square: float, setup: float, setup_square: float) -> float:
    """Mean wait of M/G/1 whose server is off when empty and takes a set-up time to start (Welch 1964)."""
    return rate * square / 2 / (1 - rate * mean) + (2 * setup + rate * setup_square) / 2 / (1 + rate * setup)


def sharing(rate: float, speed: Callable[[int], float], room: int) -> Loss:
    """Processor sharing at total speed ``speed(n)``, mean work 1, ``room`` places: insensitive to the law of the work."""
    p = birth_death(lambda n: rate, speed, room + 1)
    return Loss(float(p[-1]), 0.0, float(p @ np.arange(room + 1)))


def closed_network(clients: int, think: float, servers: int) -> tuple[float, float]:
    """(throughput, response time) of N clients who think and then ask c servers of unit rate; N = X (R + Z)."""
    p = birth_death(lambda n: (clients - n) / think, lambda n: min(n, servers), clients + 1)
    throughput = float(p @ np.minimum(np.arange(clients + 1), servers))
    return throughput, clients / throughput - think


# ---- limits and caches ------------------------------------------------------------------------------------------------
def fixed_window_loss(load: float, limit: int) -> float:
    """E(N - L)⁺ / E N for N Poisson in one window."""
    n = np.arange(limit + 1, int(load + 40 * math.sqrt(load)) + 40)
    return float(stats.poisson.pmf(n, load) @ (n - limit)) / load


def token_bucket_loss(rate: float, refill: float, burst: int) -> float:
    """Loss of M/D/1/b: the embedded chain of the number in system at departures (Gross et al., 5.1.8)."""
    per_service = rate / refill
    arrivals = stats.poisson.pmf(np.arange(burst + 1), per_service)
    chain = np.zeros((burst, burst))
    for state in range(burst):
        for added in range(burst - max(state - 1, 0)):
            chain[state, max(state - 1, 0) + added] += arrivals[added]
        chain[state, -1] += 1 - chain[state].sum()
    weights = np.linalg.lstsq(np.vstack([chain.T - np.eye(burst), np.ones(burst)]), np.append(np.zeros(burst), 1.0), rcond=None)[0]
    return 1 - 1 / (weights[0] + per_service)


def zipf(prompts: int, exponent: float) -> np.ndarray:
    weights = np.arange(1, prompts + 1, dtype=float) ** -exponent
    return weights / weights.sum()


def lru_che(prompts: int, exponent: float, capacity: int) -> float:
    """Hit ratio of LRU by Che's characteristic time."""
    p = zipf(prompts, exponent)
    time = optimize.brentq(lambda t: -np.expm1(-p * t).sum() - capacity, 1.0, 1e9)
    return float(p @ -np.expm1(-p * time))


def ttl_hits(prompts: int, exponent: float, rate: float, ttl: float) -> float:
    """Hit ratio of a cache whose entries live for ``ttl`` from when they were stored: λT / (1 + λT) for each prompt."""
    p = zipf(prompts, exponent)
    return float(p @ (rate * p * ttl / (1 + rate * p * ttl)))


def sliding_ttl_hits(prompts: int, exponent: float, rate: float, ttl: float) -> float:
    """The same where every hit prolongs the life by ``ttl``: 1 - e^{-λT} for each prompt, that it was asked within the last T."""
    p = zipf(prompts, exponent)
    return float(p @ -np.expm1(-rate * p * ttl))


class DelayedHits(NamedTuple):
    attempts: float
    hit_ratio: float
    coalesced_s: float


def delayed_hits(rate: float, fetch: float, ttl: float, single_flight: bool) -> DelayedHits:
    """One prompt, a fetch of length d, a time to live T, per request over one cycle from miss to miss.

    With single flight a cycle has one miss, λd who wait d/2 each for its answer, and λT hits. Without it all 1 + λd ask; the last of
    their answers is stored last, at d + d - (1 - e^{-λd}) / λ on average, and lives for T.
    """
    during = rate * fetch
    if single_flight:
        cycle = 1 + during + rate * ttl
        return DelayedHits(1 / cycle, 1 - 1 / cycle, during * fetch / 2 / cycle)
    hits = rate * (ttl + fetch + math.expm1(-during) / rate)
    cycle = 1 + during + hits
    return DelayedHits((1 + during) / cycle, hits / cycle, 0.0)


# ---- resilience -------------------------------------------------------------------------------------------------------
def at_least(hits: int, n: int, p: float) -> float:
    """P(Binomial(n, p) ≥ hits): that a breaker's window trips."""
    return float(stats.binom.sf(hits - 1, n, p))


def attempts_needed(p: float, most: int) -> tuple[float, float]:
    """(mean attempts, P(success)) of at most ``most`` attempts that each fail with p."""
    return (1 - p**most) / (1 - p), 1 - p**most


def hedged_survival(survival: Callable[[float], float], after: float) -> Callable[[float], float]:
    """P(min(X, d + X') > t), X and X' alike and independent: the second call starts when the first has taken d."""
    return lambda t: survival(t) * (survival(t - after) if t > after else 1.0)


def hedged_quantile(survival: Callable[[float], float], after: float, q: float) -> float:
    return float(optimize.brentq(lambda t: hedged_survival(survival, after)(t) - (1 - q), 0.0, 1e6))


def hedged_mean(survival: Callable[[float], float], after: float) -> float:
    over = hedged_survival(survival, after)
    return float(integrate.quad(over, 0.0, after)[0] + integrate.quad(over, after, np.inf)[0])
