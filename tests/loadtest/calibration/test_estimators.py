"""Estimators on synthetic logs of known gateways, with noise."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from loadtest.calibration import admission, breaker, cancellation, costs, timeouts
from loadtest.calibration.backoff import estimate_backoff
from loadtest.calibration.bench import Attempt, Probe
from loadtest.calibration.caching import Aged, lifetime
from loadtest.calibration.calibrate import told_apart
from loadtest.calibration.figure import FOUND, NONE, UNKNOWN, Figure, found, roundest
from loadtest.calibration.laws import MISFIT, fit_demand, mean_interval
from loadtest.calibration.retries import Failing, attempts_figures
from sim.gateway.stages import retry as stage
from sim.scenario.units import parse_duration
from tests.loadtest.calibration.figures import by_name

# ---- round numbers


@pytest.mark.parametrize(
    ("low", "high", "value"),
    [
        (1.97, 2.06, 2.0),
        (0.24, 0.26, 0.25),
        (29.2, 30.8, 30.0),
        (46.5, 47.4, 47.0),
        (0.0199, 0.0209, 0.02),
        (119, 121, 120),
    ],
)
def test_the_roundest_number_of_an_interval_is_what_somebody_would_configure(low: float, high: float, value: float) -> None:
    assert roundest(low, high) == pytest.approx(value)


# ---- admission


def crowd(size: int, concurrency: int, waiting: int, patience_s: float, service_s: float, seed: int) -> admission.Crowd:
    """A queue with those limits, worked through by hand: arrivals within 60 ms, answers a few milliseconds late."""
    noise = Random(seed)
    probes, attempts, free = [], {}, [0.0] * concurrency
    for prompt in range(size):
        sent_s = prompt * 0.06 / size
        probe = Probe(prompt, sent_s=sent_s, status=503)
        probes.append(probe)
        attempts[prompt] = []
        waits = sum(rows[0].started_s > sent_s for rows in attempts.values() if rows) + sum(
            1 for earlier in probes[:-1] if not attempts[earlier.prompt] and earlier.ended_s > sent_s + 0.05
        )
        start_s = max(sent_s + noise.uniform(0.001, 0.004), min(free))
        if start_s > sent_s + 0.01 and waits >= waiting:
            probe.ended_s = sent_s + noise.uniform(0.002, 0.01)
        elif start_s - sent_s > patience_s:
            probe.ended_s = sent_s + patience_s + noise.uniform(0.001, 0.015)
        else:
            free[free.index(min(free))] = start_s + service_s
            attempts[prompt] = [Attempt(prompt, "p/m", start_s, start_s + service_s, 200)]
            probe.ended_s, probe.ok, probe.status = start_s + service_s + noise.uniform(0.001, 0.01), True, 200
    return admission.Crowd(service_s, probes, attempts)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("concurrency", "waiting", "patience"), [(7, 13, 2.0), (47, 5, 1.0), (1, 40, 0.5), (20, 0, 1.0)])
def test_places_and_waiting_room_are_counted(concurrency: int, waiting: int, patience: float, seed: int) -> None:
    figures = by_name(admission.estimate(crowd(64, concurrency, waiting, patience, 2.5, seed)))
    assert figures["concurrency"].value == concurrency
    assert figures["waiting room"].value == waiting, figures["waiting room"].evidence
    timeout = figures["queue timeout"]
    assert timeout.state == "none" if waiting == 0 else parse_duration(timeout.value) == pytest.approx(patience, abs=1e-9)


def test_no_limit_is_seen_where_all_are_in_service() -> None:
    figures = admission.estimate(crowd(64, 64, 0, 1.0, 2.5, 1))
    assert {figure.state for figure in figures} == {"none"}


def test_a_room_holds_as_many_as_wait_at_a_time() -> None:
    """Two places; three may wait, for 0.2 s: the first three have left when the next three come."""
    probes, attempts = [], {}
    for number in range(10):
        sent_s = 0.01 * number if number < 6 else 0.3 + 0.01 * number
        waits = number in (2, 3, 4, 6, 7, 8)
        probes.append(Probe(number, sent_s=sent_s, ended_s=sent_s + (0.2 if waits else 0.002), status=503))
        attempts[number] = [Attempt(number, "p/m", sent_s + 0.002, sent_s + 2.5, 200)] if number < 2 else []
    figures = by_name(admission.estimate(admission.Crowd(2.5, probes, attempts)))
    assert (figures["concurrency"].value, figures["waiting room"].value, figures["queue timeout"].value) == (2, 3, "200ms")


def test_a_gateway_that_is_merely_slow_is_not_taken_for_one_with_a_limit() -> None:
    probes = [Probe(n, sent_s=0.0, ended_s=0.1 * n + 2.5, ok=True, status=200) for n in range(64)]
    attempts = {n: [Attempt(n, "p/m", 0.1 * n, 0.1 * n + 2.5, 200)] for n in range(64)}
    assert {figure.state for figure in admission.estimate(admission.Crowd(2.5, probes, attempts))} == {UNKNOWN}


def test_a_rate_limit_that_curbs_the_crowd_leaves_the_limit_unknown() -> None:
    assert {figure.state for figure in admission.estimate(crowd(20, 20, 0, 1.0, 2.5, 1), curbed=True)} == {UNKNOWN}


# ---- pauses


def pauses(kind: str, base_s: float, seed: int, firsts: int = 14, both: int = 8) -> tuple[list[float], list[tuple[float, float]]]:
    """By the gateway's own formulas; each pause is read 0 to 6 ms too long."""
    noise = Random(seed)
    s = stage.State(5, False, False, False, True, stage.BACKOFFS.index(kind), base_s, 60.0, -1.0, 0.0, 0)
    ones, twos = [], []
    for number in range(firsts + both):
        first = stage.backoff_s(s, 0, 0.0, noise.random())
        second = stage.backoff_s(s, 1, first, noise.random())
        if number < firsts:
            ones.append(first + noise.uniform(0, 0.006))
        else:
            twos.append((first + noise.uniform(0, 0.006), second + noise.uniform(0, 0.006)))
    return ones, twos


KINDS = ("none", "constant", "exponential", "full-jitter", "equal-jitter", "decorrelated-jitter")


@pytest.mark.parametrize("kind", KINDS)
def test_the_law_of_the_pauses_is_found_or_left_open(kind: str) -> None:
    """In 40 samples: never another law. A wrong one within a factor of 20 of the right one's likelihood is left open."""
    told = [by_name(estimate_backoff(*pauses(kind, 0.4, seed)))["pauses"].value for seed in range(40)]
    assert set(told) <= {kind, None}
    assert told.count(kind) >= 32, told


@pytest.mark.parametrize("kind", KINDS[1:])
def test_the_first_pause_lies_in_its_interval(kind: str) -> None:
    """An interval of 95 % misses at most 6 of 40 but once in 200 times (binomial)."""
    figures = [by_name(estimate_backoff(*pauses(kind, 0.4, seed)))["first pause"] for seed in range(40)]
    known = [figure for figure in figures if figure.state == FOUND]
    assert sum(figure.low <= 0.4 <= figure.high for figure in known) >= len(known) - 6  # type: ignore[operator]


def test_pauses_of_no_law_of_the_language_are_left_open() -> None:
    noise = Random(1)  # LiteLLM's: min(0.5 2^k, 8) + U(0, 0.75)
    draws = [0.5 + noise.uniform(0, 0.75) for _ in range(14)]
    both = [(0.5 + noise.uniform(0, 0.75), 1.0 + noise.uniform(0, 0.75)) for _ in range(8)]
    figure = by_name(estimate_backoff(draws, both))["pauses"]
    assert figure.value in (None, "decorrelated-jitter")
    assert "first pauses" in figure.evidence


def failing(*targets: str, ok: bool = False, healthy: bool = True) -> Failing:
    last = len(targets) - 1
    rows = [Attempt(1, target, n, n + 0.1, 200 if ok and n == last else 503) for n, target in enumerate(targets)]
    return Failing(ok, rows, healthy)


def test_attempts_are_counted_until_the_client_hears_of_a_failure() -> None:
    seen = [failing("a", "a", ok=True), failing("a", "a", "a", ok=True), failing("a", "a", "a")]
    assert by_name(attempts_figures(seen))["attempts"].value == 3
    assert by_name(attempts_figures([failing("a")]))["attempts"].value == 1


def test_attempts_that_a_breaker_cuts_off_are_not_counted() -> None:
    seen = [failing("a", "a", ok=True), failing("a", "a", healthy=False)]
    assert by_name(attempts_figures(seen))["attempts"].state == UNKNOWN


def test_attempts_at_a_target_end_where_the_next_one_is_asked() -> None:
    figures = by_name(attempts_figures([failing("a", "a", ok=True), failing("a", "a", "b", ok=True)]))
    assert (figures["attempts"].value, figures["target of a retry"].value) == (2, "same")


@pytest.mark.parametrize(("targets", "attempts", "to"), [(3, 2, "next"), (2, 1, None)])
def test_a_failure_that_goes_to_some_other_targets_is_tried_again_and_one_that_goes_to_all_falls_back(
    targets: int, attempts: int, to: str | None
) -> None:
    figures = by_name(attempts_figures([failing("a", "b")], targets))
    assert (figures["attempts"].value, figures["target of a retry"].value) == (attempts, to)


# ---- timeouts


def watched(first_s: float | None, total_s: float | None, watch_s: float) -> list[Figure]:
    noise = Random(3)
    seen = []
    for number, patience_s in enumerate((first_s or total_s, total_s, total_s, total_s)):
        lasted_s = watch_s if patience_s is None else patience_s + noise.uniform(0.0, 0.01)
        end = "client_left"
        probe = Probe(number, sent_s=0.0, ended_s=lasted_s + 0.002, status=0 if patience_s is None else 504)
        seen.append((probe, [Attempt(number, "p/m", 0.003, 0.003 + lasted_s, 200, end)]))
    return timeouts.estimate(seen, watch_s)


def test_timeouts_are_read_from_when_the_mock_was_left() -> None:
    figures = by_name(watched(3.0, 8.0, 20.0))
    assert figures["timeout of the first token"].value == "3s"
    assert figures["timeout of the whole"].value == "8s"


def test_a_first_token_that_is_given_up_with_the_whole_has_no_timeout_of_its_own() -> None:
    figures = by_name(watched(None, 8.0, 20.0))
    assert figures["timeout of the first token"].state == "none"


def answered(number: int, lasted_s: float, chunks: int = 0) -> Probe:
    return Probe(number, sent_s=0.0, ended_s=lasted_s, status=504, chunks_s=[0.01 * n for n in range(1, chunks + 1)])


def test_an_attempt_that_its_gateway_leaves_under_way_was_given_up_when_the_client_heard_of_it() -> None:
    kept = Probe(2, sent_s=0.0, ended_s=20.0, status=200)
    long = [Attempt(2, "p/m", 0.0, 20.0, 200, "client_left")]
    figures = by_name(timeouts.estimate([(answered(0, 3.01), []), (answered(1, 3.2, 20), []), (kept, long), (kept, long)], 20.0))
    assert figures["timeout of the first token"].value == "3s"
    assert figures["timeout of silence"].value == "3s", "counted from the last token on"
    refused = by_name(timeouts.estimate([(answered(0, 0.01), []), (kept, long), (kept, long), (kept, long)], 20.0))
    assert refused["timeout of the first token"].state == UNKNOWN


@pytest.mark.parametrize(("streams", "whole"), [(True, None), (False, "4s")])
def test_the_timeout_of_the_whole_is_that_of_what_clients_ask_for(streams: bool, whole: str | None) -> None:
    kept, cut = (Probe(n, sent_s=0.0, ended_s=ended_s, status=status) for n, ended_s, status in ((1, 20.0, 200), (2, 4.0, 504)))
    rows = {probe.prompt: [Attempt(probe.prompt, "p/m", 0.0, probe.ended_s, 200, "client_left")] for probe in (kept, cut)}
    seen = [(probe, rows[probe.prompt]) for probe in (kept, kept, kept, cut)]
    assert by_name(timeouts.estimate(seen, 20.0, streams))["timeout of the whole"].value == whole


def test_a_timeout_declared_beyond_what_was_watched_is_not_denied() -> None:
    figure = by_name(watched(None, None, 20.0))["timeout of the whole"]
    assert timeouts.beyond(figure, 20.0, 60.0).state == UNKNOWN
    assert "a longer one would not have been seen" in (timeouts.beyond(figure, 20.0, None).warning or "")


def test_waiting_that_ends_with_the_whole_has_no_timeout_of_its_own() -> None:
    def figures(wait_s: float) -> list[Figure]:
        return [
            found("queue timeout", "gateway.queue.timeout", f"{wait_s}s", "…", wait_s - 0.04, wait_s + 0.02),
            found("timeout of the whole", "gateway.timeout.total", "4s", "…", 3.95, 4.03),
        ]

    assert [figure.state for figure in told_apart(figures(4.0))] == [NONE, FOUND]
    assert [figure.state for figure in told_apart(figures(2.0))] == [FOUND, FOUND]


def test_no_timeout_is_claimed_beyond_what_was_watched() -> None:
    figures = by_name(watched(None, None, 20.0))
    assert {figure.state for figure in figures.values()} == {"none"}
    assert "20 s" in figures["timeout of the whole"].evidence


# ---- breakers


def spells_of(truth: breaker.Breaker) -> list[breaker.Spell]:
    """After successes, from nothing, half and half, one in five."""
    sequences = [[False] * 40 + [True] * 200, [True] * 200, [True, False] * 25, [True, False, False, False, False] * 10]
    spells = []
    for sequence in sequences:
        at = truth.opens_at(sequence)
        spells.append(breaker.Spell(sequence[:at], at is not None))
    return spells


@pytest.mark.parametrize(
    "truth",
    [
        breaker.Breaker(0.5, 5, 5),
        breaker.Breaker(1.0, 5, 5),
        breaker.Breaker(0.5, 10, 20),
        breaker.Breaker(0.5, 20, 10**6),
        breaker.Breaker(0.1, 100, 100),
    ],
    ids=str,
)
def test_the_true_breaker_is_among_those_that_explain_what_was_seen(truth: breaker.Breaker) -> None:
    fitting = breaker.candidates(spells_of(truth))
    assert truth in fitting
    figures = by_name(breaker.thresholds(spells_of(truth), {}))
    assert figures["breaker's minimum of calls"].value == truth.minimum
    rate = figures["breaker's failure rate"]
    assert rate.low <= truth.rate <= rate.high  # type: ignore[operator]


def test_what_no_breaker_explains_is_not_found_out() -> None:
    spells = [breaker.Spell([True] * 3, True), breaker.Spell([True] * 50, False)]
    assert {figure.state for figure in breaker.thresholds(spells, {})} == {UNKNOWN}


# ---- caches


@pytest.mark.parametrize("ttl_s", [0.5, 4.0, 15.0, 30.0])
def test_a_lifetime_lies_between_the_oldest_hit_and_the_youngest_miss(ttl_s: float) -> None:
    noise = Random(2)
    ages_s = [0.25 * 1.05**n for n in range(110)]
    aged = [Aged(age_s, age_s + noise.uniform(0.002, 0.02), age_s + 0.001 < ttl_s) for age_s in ages_s if age_s < 1.2 * ttl_s]
    figure = by_name(lifetime(aged, [], 45.0))["cache lifetime"]
    assert parse_duration(figure.value) == pytest.approx(ttl_s)


def test_hits_that_renew_an_entry_are_told_from_those_that_do_not() -> None:
    aged = [Aged(t, t + 0.01, t < 4.0) for t in np.arange(0.25, 4.6, 0.1)]
    fixed = [Aged(t, t + 0.01, not 4.0 <= t < 4.5) for t in np.arange(0.5, 6.0, 0.5)]
    slides = [Aged(t, t + 0.01, True) for t in np.arange(0.5, 6.0, 0.5)]
    assert by_name(lifetime(aged, fixed, 45.0))["cache renewed by hits"].value is False
    assert by_name(lifetime(aged, slides, 45.0))["cache renewed by hits"].value is True


# ---- cancellation


def test_work_that_goes_on_without_its_client_is_seen() -> None:
    cut, on = [Attempt(1, "p/m", 0.0, 0.5, 200, "client_left")], [Attempt(1, "p/m", 0.0, 2.5, 200)]
    assert cancellation.estimate(cut, cut).value is True
    assert cancellation.estimate(on, on).value is False
    assert cancellation.estimate([], on).state == UNKNOWN


@pytest.mark.parametrize("streams", [True, False])
def test_work_that_ends_for_streams_alone_is_that_of_what_clients_ask_for_with_a_warning(streams: bool) -> None:
    cut, on = [Attempt(1, "p/m", 0.0, 0.5, 200, "client_left")], [Attempt(1, "p/m", 0.0, 2.5, 200)]
    figure = cancellation.estimate(on, cut, streams)
    assert figure.value is streams
    assert figure.warning is not None
    assert figure.warning.startswith("true of streams" if streams else "true of whole answers")


# ---- demand


def test_the_mean_lies_in_its_interval_and_the_law_fits() -> None:
    """An interval of 95 % misses at most 6 of 40 but once in 200 times (binomial)."""
    hits = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        noise_s = rng.lognormal(np.log(0.001), 0.3, 60)
        added_s = rng.lognormal(np.log(0.001), 0.3, 80) + rng.gamma(4.0, 0.002 / 4.0, 80)
        low, high = mean_interval(added_s, noise_s)
        hits += low <= 0.002 <= high
    assert hits >= 34
    demand = fit_demand(np.random.default_rng(1).gamma(4.0, 0.002 / 4.0, 400), 0.005)
    assert demand.p > 0.01
    assert demand.cv == pytest.approx(0.5, rel=0.15)


@pytest.mark.parametrize(("spread", "kind"), [(0.05, "constant"), (0.9, "exponential")])
def test_a_spread_that_no_law_fits_leaves_the_mean(spread: float, kind: str) -> None:
    """Either quick or slow, nothing between."""
    rng = np.random.default_rng(2)
    two_s = 0.003 * np.where(rng.random(400) < 0.5, 1 - spread, 1 + spread) * rng.normal(1.0, 0.005, 400)
    demand = fit_demand(two_s, 0.005)
    assert demand.p < MISFIT
    assert demand.law == {"kind": kind, "value" if kind == "constant" else "mean": "5ms"}
    assert demand.cv == pytest.approx(spread, rel=0.1)


def test_a_demand_that_no_law_fits_is_laid_over_with_a_warning() -> None:
    rng = np.random.default_rng(2)
    smooth_s, split_s = rng.gamma(4.0, 0.0005, 400), 0.003 * np.where(rng.random(400) < 0.5, 0.1, 1.9) * rng.normal(1.0, 0.005, 400)
    fits = costs.cpu_law("CPU for a call", costs.PATH, smooth_s, 0.002, "")
    assert (fits.value["kind"], fits.warning) == ("gamma", None)
    figure = costs.cpu_law("CPU for a call", costs.PATH, split_s, 0.002, "")
    assert figure.value == {"kind": "exponential", "mean": "2ms"}
    assert figure.warning is not None
    assert figure.warning.startswith("no law fits the spread of the added latencies (P = ")
    assert "the mean is measured, exponential is only the nearer one" in figure.warning
