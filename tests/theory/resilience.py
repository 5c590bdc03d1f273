"""Retries, breakers, failover, and load that varies with time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from scipy import stats

from sim.analysis.estimators import Estimate, mean_estimate
from sim.analysis.metrics import mean_of
from sim.analysis.window import Window
from tests.theory.closed_forms import hedged_mean, hedged_quantile
from tests.theory.entry import MEANS, RARE, TAILS, VALUES, Entry, Figure, metric, per_replication, service
from tests.theory.limits import INSTANT, NO_QUEUE

AT_ONCE = "after: {kind: constant, value: 1us}"
OTHER = (
    f"{{models: {{job: {{latency: {{kind: constant, value: 1us}}, price: {{input: 0, output: 0}}}}}}, errors: {{rate: 0.01, {AT_ONCE}}}}}"
)


def errors(rate: float) -> str:
    return f"providers.server.errors={{rate: {rate:g}, {AT_ONCE}}}"


def everyone(window: Window) -> np.ndarray:
    return window["outcome"] >= 0


def retries() -> Iterator[Entry]:
    for p in (0.1, 0.5, 0.9):
        for most in (3, 4):
            values = VALUES["retry"][f"p{p:g}_n{most}"]
            sets = [
                "workload.arrivals.rate=10/s",
                NO_QUEUE,
                INSTANT,
                errors(p),
                f"gateway.retry={{attempts: {most}, backoff: {{kind: none}}}}",
            ]
            figures = [
                Figure("attempts per request", mean_of("attempts", everyone), values["E_attempts"], MEANS),
                Figure("success", metric("availability"), values["success"], MEANS),
            ]
            yield Entry(f"retry/p{p:g}_n{most}", sets, figures, 400.0, quick=0.2)
    delays = VALUES["retry"]["full_jitter_mean_delays_base1_cap20"]
    for most in (4, 7):
        backoff = "backoff: {kind: full-jitter, base: 1s, cap: 20s}"
        sets = ["workload.arrivals.rate=10/s", NO_QUEUE, INSTANT, errors(1.0), f"gateway.retry={{attempts: {most}, {backoff}}}"]
        figures = [Figure("mean backoff in all", mean_of("backoff_s", everyone), sum(delays[: most - 1]), MEANS)]
        yield Entry(f"retry/full_jitter_{most}_attempts", sets, figures, 400.0, quick=0.2)


def hedges() -> Iterator[Entry]:
    """min(X, d + X'): the second call starts at d if the first has nothing to show; X and X' are alike and independent."""
    after_s = 2.0
    for law, frozen in (
        ("{kind: exponential, mean: 1s}", stats.expon()),
        ("{kind: lognormal, median: 1s, sigma: 1}", stats.lognorm(1.0)),
    ):
        quantiles = {name: hedged_quantile(frozen.sf, after_s, q) for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
        figures = [
            Figure("mean latency", metric("latency_s.mean"), hedged_mean(frozen.sf, after_s), MEANS),
            *(Figure(f"latency {name}", metric(f"latency_s.{name}"), value, TAILS) for name, value in quantiles.items()),
            Figure("attempts per request", metric("attempts_per_request"), 1 + float(frozen.sf(after_s)), MEANS),
        ]
        sets = ["workload.arrivals.rate=10/s", NO_QUEUE, service(law), f"gateway.hedge={{after: {after_s:g}s, at_most: 1}}"]
        yield Entry(f"hedge/{law.split(',')[0].removeprefix('{kind: ')}", sets, figures, 400.0, quick=0.2)


def failover() -> Iterator[Entry]:
    """A second provider with errors of its own: 1 - p², as long as the two fail independently."""
    sets = [
        "workload.arrivals.rate=1000/s", NO_QUEUE, INSTANT, errors(0.01), f"providers.other={OTHER}", "gateway.fallback=[next-provider]",
        "gateway.routing={kind: cheapest, models: [server/job, other/job]}",
    ]  # fmt: skip
    unavailable = [Figure("share not served", metric("error_rate.total"), 1 - VALUES["availability"]["A_99_1of2"], RARE)]
    yield Entry("availability/A_99_1of2", sets, unavailable, 50.0, quick=0.1)


def outages() -> Iterator[Entry]:
    """Random outages, MTBF 720 h and MTTR 1 h: a lone provider, and two that fail independently. A call every ten minutes."""
    values = VALUES["availability"]
    years = 24 * 365 * 3600.0
    outage = (
        "{kind: outage, provider: %s, at: 0s, for: 10000d, every: {kind: exponential, mean: 720h}, lasting: {kind: exponential, mean: 1h}}"
    )
    alone = ["workload.arrivals.rate=6/h", NO_QUEUE, INSTANT, errors(0.0), f"faults=[{outage % 'server'}]"]
    figures = [Figure("share not served", metric("error_rate.total"), values["unavail_1"], RARE)]
    yield Entry("availability/unavail_1", alone, figures, years, 100 * 3600.0, quick=0.15)
    # Overlaps of the table's two are too rare to see (17 s a year): the same closed form, (MTTR / (MTBF + MTTR))², for an MTBF of 9 h.
    often = outage.replace("720h", "9h")
    both = [
        "workload.arrivals.rate=6/h", NO_QUEUE, INSTANT, errors(0.0), f"providers.other={OTHER.replace('0.01', '0')}",
        "gateway.fallback=[next-provider]",
        "gateway.routing={kind: cheapest, models: [server/job, other/job]}", f"faults=[{often % 'server'}, {often % 'other'}]",
    ]  # fmt: skip
    figures = [Figure("share not served", metric("error_rate.total"), 0.1**2, RARE)]
    yield Entry("availability/unavail_1of2 at MTBF 9 h", both, figures, years, 100 * 3600.0, quick=0.1)


def breaker(**settings: object) -> str:
    return "gateway.breaker={" + ", ".join(f"{name}: {value}" for name, value in settings.items()) + "}"


BREAKERS = 50
"""Models of the one provider, each with a breaker of its own and every BREAKERS-th of the calls: as many trials in one replication."""


def many_models() -> list[str]:
    alike = ", ".join(f"m{number}: *m" for number in range(1, BREAKERS))
    models = f"{{m0: &m {{latency: {{kind: constant, value: 1us}}, price: {{input: 0, output: 0}}}}, {alike}}}"
    routes = ", ".join(f"server/m{number}" for number in range(BREAKERS))
    return [f"providers.server.models={models}", f"gateway.routing={{kind: round-robin, models: [{routes}]}}"]


def tripped(window: Window) -> Estimate:
    """Share of breakers that opened, by replication."""
    opened: list[set[str]] = [set() for _ in range(window.run.replications)]
    for event in window.run.events:
        if event["event"] == "breaker" and event["state"] == "open":
            opened[event["replication"]].add(event["target"])
    return mean_estimate([len(targets) / BREAKERS for targets in opened])


def reopened(window: Window) -> Estimate:
    """Share of half-open trials after which the breaker opened again, by replication."""
    moves: list[list[str]] = [[] for _ in range(window.run.replications)]
    for event in window.run.events:
        if event["event"] == "breaker":
            moves[event["replication"]].append(event["state"])
    shares = []
    for states in moves:
        after = [following for state, following in pairwise(states) if state == "half-open"]
        shares.append(sum(following == "open" for following in after) / len(after))
    return mean_estimate(shares)


def breakers() -> Iterator[Entry]:
    """The first full window: clockwork sends each breaker exactly as many calls as the window needs, and the run ends."""
    clock = "workload.arrivals={{kind: gamma, rate: {}/s, cv: 0}}".format
    values = VALUES["circuit_breaker"]
    for key, preset, p, calls, rate, replications in (
        ("P_trip_100win_50pct", "resilience4j", "0.45", 100, 1, 1300),
        ("P_trip_100win_50pct", "resilience4j", "0.5", 100, 1, 300),
        ("P_trip_polly_100_10pct", "polly", "0.1", 100, 10, 260),
        ("hystrix_20_50pct", "hystrix", "0.5", 20, 5, 200),
    ):
        sets = [clock(rate * BREAKERS), NO_QUEUE, *many_models(), errors(float(p)), breaker(preset=preset)]
        figures = [Figure("P(trip)", tripped, values[key][p], MEANS)]
        quick = 1.0 if calls == 20 else 0.0
        yield Entry(f"circuit_breaker/{key} p={p}", sets, figures, calls / rate, replications=replications, quick=quick, brief=1.0)
    for p, seconds in (("0.3", 200_000.0), ("0.5", 8_000.0)):
        settings = breaker(window_size=10, minimum_calls=10, half_open_calls=10, open_for="5s")
        sets = [clock(1), NO_QUEUE, INSTANT, errors(float(p)), settings]
        figures = [Figure("P(reopen)", reopened, values["P_reopen_halfopen_10_50pct"][p], MEANS)]
        yield Entry(f"circuit_breaker/P_reopen_halfopen_10_50pct p={p}", sets, figures, seconds, replications=32, quick=3_000 / seconds)


def varying_load() -> Iterator[Entry]:
    """A sine over the day: M(t)/M/∞ by its exact mean at four times of the day, M(t)/M/c by Kolmogorov's equations.

    Time is scaled so that the table's period is a day, which changes no count and no probability.
    """
    values = VALUES["mt_m_inf/sin"]
    day_s, period = 86_400.0, values["period"]
    calls = values["lam_bar"] * period
    mean_s, peak = day_s / period / values["mu"], 1 + values["A"] / values["lam_bar"]
    sets = [
        f"workload.arrivals={{kind: users, daily_active: 1, calls_per_day: {calls:g}, peak_to_mean: {peak:g}, start_hour: 8}}",
        "gateway.queue=null", service(f"{{kind: exponential, mean: {mean_s:g}s}}"),
    ]  # fmt: skip

    def busy_at(time: float):
        def figure(rows: np.ndarray) -> float:
            at_s = rows["at_s"]
            chosen = (at_s > 2 * day_s) & (np.abs(at_s % day_s - time / period * day_s) < 1.0)
            return float(rows["in_service"][chosen].mean())

        return per_replication(figure, "timeline")

    figures = [Figure(f"busy at t = {time} of {period:g}", busy_at(float(time)), mean, MEANS) for time, mean in values["m_t"].items()]
    # The timeline of a long run has fewer rows: of 15 days, as of 180, some fall on the moments asked for.
    yield Entry("mt_m_inf/sin", sets, figures, 180 * day_s, replications=56, quick=15 / 180)

    values = VALUES["mt_mmc/sin_7+2.5_period200_c10"]
    sets = [
        f"workload.arrivals={{kind: users, daily_active: 1, calls_per_day: 1400, peak_to_mean: {1 + 2.5 / 7:.12g}}}",
        "gateway.queue.concurrency=10", service(f"{{kind: exponential, mean: {day_s / 200:g}s}}"),
    ]  # fmt: skip
    figures = [Figure("P(wait), of arrivals", metric("queue_wait_s.p_wait"), values["avg_P_wait_exact_arrival_weighted"], MEANS)]
    yield Entry("mt_mmc/sin_7+2.5_period200_c10", sets, figures, 60 * day_s, 2 * day_s, quick=0.05)


def entries() -> Iterator[Entry]:
    for family in (retries, hedges, failover, outages, breakers, varying_load):
        yield from family()
