"""The estimator of rate limits, against the limiters of the model, asked through a line with noise."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from loadtest.calibration.bench import Bench, Probe
from loadtest.calibration.rate_limits import bucket_sizes, experiment, limit_in
from sim.provider.rate_limiter import limit_of, ring_of, take
from sim.scenario.units import parse_rate
from tests.equivalence.virtual_loop import VirtualLoop


class Limited(Bench):
    """A gateway that is nothing but a limiter, in virtual time: each request takes 3 to 9 ms, and now and then 60 ms more."""

    def __init__(self, rate: str, algorithm: str, per_user: bool, seed: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.rate, self.algorithm, self.per_user = parse_rate(rate), algorithm, per_user
        self.limiters: dict[int, Any] = {}
        self.noise = random.Random(seed)
        self.next, self.user, self.sent, self.limit = 0, 10**9, [], None  # type: ignore[assignment]
        self.zero_s, self.asked = 0.0, []
        self.begins_s = self.noise.uniform(0, 100)  # of the gateway, before us

    def now(self) -> float:
        return self.loop.time()

    async def ask(self, *_: Any, user: int | None = None, **__: Any) -> Probe:
        if user is None:
            self.user = user = self.user + 1
        probe = Probe(0, sent_s=self.now())
        self.asked.append(self.now())
        await asyncio.sleep(self.noise.uniform(0.001, 0.003))
        holder = user if self.per_user else 0
        if holder not in self.limiters:
            self.limiters[holder] = limit_of(self.rate, self.algorithm), ring_of(self.rate, self.algorithm)
        probe.ok = take(*self.limiters[holder], self.now() + self.begins_s, 1.0)
        await asyncio.sleep(self.noise.uniform(0.002, 0.006) + (0.06 if self.noise.random() < 0.02 else 0.0))
        probe.ended_s = self.now()
        return probe


def figures_of(rate: str, algorithm: str, per_user: bool, seed: int) -> tuple[dict[str, Any], Any]:
    async def run() -> tuple[dict[str, Any], Any]:
        bench = Limited(rate, algorithm, per_user, seed)
        figures = await experiment(bench, {})
        return {figure.name: figure for figure in figures}, bench.limit

    loop = VirtualLoop()
    try:
        return loop.run_until_complete(run())
    finally:
        loop.close()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("algorithm", ["token-bucket", "sliding-log", "fixed-window", "anchored-window"])
@pytest.mark.parametrize("rate", ["20/10s", "5/s", "120/15s"])
def test_a_limit_is_found_whatever_its_algorithm(rate: str, algorithm: str, seed: int) -> None:
    figures, limit = figures_of(rate, algorithm, False, seed)
    assert figures["rate limit"].path == "gateway.limits.global.requests"
    assert parse_rate(figures["rate limit"].value) == parse_rate(rate), figures["rate limit"].evidence
    window = figures["rate limit window"]
    assert window.state == "not found out" or window.value == algorithm, window.evidence
    assert limit == (parse_rate(rate).count, parse_rate(rate).per_s)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("algorithm", ["token-bucket", "sliding-log", "fixed-window", "anchored-window"])
def test_a_limit_as_fast_as_it_is_asked_is_found_or_warned_of(algorithm: str, seed: int) -> None:
    """60 requests take a fifth of a window, so that the first ones may fall into two."""
    figures, _ = figures_of("60/2s", algorithm, False, seed)
    right = parse_rate(figures["rate limit"].value) == parse_rate("60/2s")
    assert right or (algorithm == "fixed-window" and figures["rate limit"].warning), figures["rate limit"].evidence


@pytest.mark.parametrize("algorithm", ["token-bucket", "sliding-log", "anchored-window"])
def test_the_algorithm_is_found_out_where_it_shows(algorithm: str) -> None:
    figures, _ = figures_of("20/10s", algorithm, False, 1)
    assert figures["rate limit window"].value == algorithm


def test_fixed_windows_are_told_from_anchored_ones_in_most_phases() -> None:
    told = [figures_of("20/10s", "fixed-window", False, seed)[0]["rate limit window"].value for seed in range(12)]
    assert told.count("fixed-window") >= 10
    assert set(told) <= {"fixed-window", None}


def test_a_limit_of_each_user_is_told_from_one_of_all() -> None:
    figures, limit = figures_of("20/10s", "token-bucket", True, 3)
    assert figures["rate limit"].path == "gateway.limits.per_user.requests"
    assert limit is None, "experiments with new users need not keep to it"
    assert limit_in(list(figures.values())) == (20, 10.0)


@pytest.mark.parametrize("late", [0, 1])
def test_a_bucket_that_a_timer_fills_has_its_size_in_what_is_possible(late: int) -> None:
    """40 tokens, 20 a second, one every 50 ms; four requests came before, and one token may be late."""
    sent_s = [0.0, 0.01, 0.02, 0.03, *(0.5 + 0.006 * n for n in range(42 + 4 - late))]
    assert 40 in bucket_sizes(sent_s, 19.5, 20.9)


def test_no_limit_is_found_where_none_refuses() -> None:
    figures, limit = figures_of("100000/s", "token-bucket", False, 1)
    assert figures["rate limit"].state == "none"
    assert "passed" in figures["rate limit"].evidence
    assert limit is None
