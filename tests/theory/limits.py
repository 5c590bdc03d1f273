"""Rate limiters and caches."""

from __future__ import annotations

from collections.abc import Iterator

from sim.analysis.metrics import mean_of
from sim.data.outcomes import RATE_LIMITED
from tests.theory.closed_forms import delayed_hits
from tests.theory.entry import MEANS, RARE, VALUES, Entry, Figure, metric, service, share_that

NO_QUEUE = "gateway.queue={concurrency: unlimited}"
INSTANT = service("{kind: constant, value: 1us}")


def rate_limiters() -> Iterator[Entry]:
    """Poisson arrivals at a limit: a token bucket loses as M/D/1/b, a sliding log as Erlang's B, a fixed window E(N - L)⁺."""
    algorithms = {"token_bucket_GCRA": "token-bucket", "fixed_window_1s": "fixed-window", "sliding_log_1s": "sliding-log"}
    for name, rate, limit, requests, used in (
        ("rate_limiter/lam8_r10_b10", 8, "10/s", 30_000, ("token_bucket_GCRA", "fixed_window_1s", "sliding_log_1s")),
        ("rate_limiter/lam10_r10_b10", 10, "10/s", 80_000, ("token_bucket_GCRA", "fixed_window_1s", "sliding_log_1s")),
        ("rate_limiter/lam100_r10_b10", 100, "10/s", 10_000, ("token_bucket_GCRA", "fixed_window_1s", "sliding_log_1s")),
        ("rate_limiter/lam10_r10_b1", 1, "1/s", 20_000, ("token_bucket_GCRA",)),  # ten times slower: one token, a new one every second
    ):
        for prefix in used:
            limits = f"gateway.limits.global={{requests: {limit}, algorithm: {algorithms[prefix]}}}"
            loss = VALUES[name][f"{prefix}_loss"]
            figures = [Figure("share refused", share_that(RATE_LIMITED), loss, MEANS if loss > 0.01 else RARE)]
            sets = [f"workload.arrivals.rate={rate}/s", NO_QUEUE, INSTANT, limits]
            yield Entry(f"{name} {algorithms[prefix]}", sets, figures, requests / rate, 10.0)


def catalog(prompts: int, zipf: float) -> str:
    return f"workload.requests[0].prompts={{catalog: {prompts}, zipf: {zipf:g}}}"


def caches() -> Iterator[Entry]:
    """Independent references by Zipf's law. Che's approximation of LRU is good to 0.1 % here, so that much is allowed it."""
    for name, prompts, zipf, capacity in (("lru_che/N10000_a1.0_C100", 10_000, 1.0, 100), ("lru_che/N10000_a0.8_C1000", 10_000, 0.8, 1000)):
        hit = VALUES[name]["hit"]
        cache = f"gateway.cache=[{{kind: exact, ttl: 1000d, capacity: {capacity}}}]"
        sets = ["workload.arrivals.rate=1000/s", NO_QUEUE, INSTANT, catalog(prompts, zipf), cache]
        yield Entry(
            name,
            sets,
            [Figure("hit ratio", metric("cache_hit_rate"), (hit * 0.999, hit * 1.001), MEANS)],
            15.0,
            5.0,
            quick=0.1 if capacity == 100 else 0.0,
            brief=0.5,
        )
    exact = VALUES["cache_exact/N4_a1_C2"]["lru"]
    sets = ["workload.arrivals.rate=1000/s", NO_QUEUE, INSTANT, catalog(4, 1.0), "gateway.cache=[{kind: exact, ttl: 1000d, capacity: 2}]"]
    yield Entry("cache_exact/N4_a1_C2", sets, [Figure("hit ratio", metric("cache_hit_rate"), exact, MEANS)], 10.0, 0.1)
    # From an empty start the popular prompts expire together, at multiples of T: windows of whole cycles, between two expiries.
    for name, ttl_s, cycles, quick in (("ttl/N10000_a1.0_lam10_T60", 60, 30, 0.1), ("ttl/N10000_a1.0_lam10_T600", 600, 10, 0.0)):
        cache = f"gateway.cache=[{{kind: exact, ttl: {ttl_s}s, capacity: 100000}}]"
        sets = ["workload.arrivals.rate=10/s", NO_QUEUE, INSTANT, catalog(10_000, 1.0), cache]
        yield Entry(
            name,
            sets,
            [Figure("hit ratio", metric("cache_hit_rate"), VALUES[name]["hit_fixed_ttl"], MEANS)],
            cycles * ttl_s,
            2.5 * ttl_s,
            quick=quick,
        )


def sliding_caches() -> Iterator[Entry]:
    """Every hit prolongs a life: a call is a hit if the same was asked within the last T. True from T on, wherever one begins."""
    for name, ttl_s, seconds in (("ttl/N10000_a1.0_lam10_T60", 60, 1_800.0), ("ttl/N10000_a1.0_lam10_T600", 600, 1_800.0)):
        cache = f"gateway.cache=[{{kind: exact, ttl: {ttl_s}s, sliding: true, capacity: 100000}}]"
        sets = ["workload.arrivals.rate=10/s", NO_QUEUE, INSTANT, catalog(10_000, 1.0), cache]
        figures = [Figure("hit ratio", metric("cache_hit_rate"), VALUES[name]["hit_sliding_ttl"], MEANS)]
        yield Entry(f"{name} sliding", sets, figures, seconds, 1.5 * ttl_s, quick=0.1 if ttl_s == 60 else 0.0, brief=0.3)


def slow_fetches() -> Iterator[Entry]:
    """Delayed hits: one popular prompt whose answer takes d and lives for T. Every miss under way lets 1 + λd calls through."""
    rate_rps, fetch_s, ttl_s = 5.0, 2.0, 20.0
    for single_flight in (False, True):
        known = delayed_hits(rate_rps, fetch_s, ttl_s, single_flight)
        cache = f"gateway.cache=[{{kind: exact, ttl: {ttl_s}s, capacity: 10, single_flight: {str(single_flight).lower()}}}]"
        figures = [
            Figure("attempts per request", mean_of("attempts", lambda window: window["outcome"] >= 0), known.attempts, MEANS),
            Figure("hit ratio", metric("cache_hit_rate"), known.hit_ratio, MEANS),
            Figure(
                "mean wait for another's answer", mean_of("coalesced_s", lambda window: window["outcome"] >= 0), known.coalesced_s, MEANS
            ),
        ]
        yield Entry(
            f"delayed_hits/{'with' if single_flight else 'without'} single-flight",
            [
                f"workload.arrivals.rate={rate_rps}/s", NO_QUEUE, service(f"{{kind: constant, value: {fetch_s}s}}"), catalog(1, 1.0), cache,
            ],
            figures if single_flight else figures[:2],
            4_000.0,
            100.0,
            quick=0.1,
        )  # fmt: skip


def entries() -> Iterator[Entry]:
    for family in (rate_limiters, caches, sliding_caches, slow_fetches):
        yield from family()
