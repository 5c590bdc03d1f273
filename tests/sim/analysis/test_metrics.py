"""Figures are formulas over rows: checked against rows small enough to reckon by hand."""

import time

import numpy as np
import pytest

from sim.analysis.breakdowns import attempts_by_status, by_class, cost_by_feature, cost_by_model, latency_by_outcome, outcomes
from sim.analysis.breakdowns import refused_by as refused_by_limit
from sim.analysis.estimators import INSUFFICIENT
from sim.analysis.metrics import FORMULAS, METRICS, measure
from sim.analysis.summary import OF_CONVERSATIONS
from sim.analysis.window import Window
from sim.data.outcomes import ABANDONED, CACHE_HIT, CANNED, ERROR, FAILURES, KINDS, OK, RATE_LIMITED, REJECTED, STALE, TIMEOUT
from sim.data.schema import ATTEMPTS, TIMELINE
from sim.gateway.stages.admission import FULL, TOO_LONG
from sim.gateway.stages.rate_limit import ALL_REQUESTS
from sim.gateway.stages.retry import NO_TARGET
from sim.scenario.metric_names import BATCHES, CLIENT, METRIC_NAMES, UNSERVED
from tests.sim.synthetic_runs import rows, run_of, scenario, synthetic_run


def test_requests_of_the_warm_up_do_not_count() -> None:
    run = run_of(rows(600, latency_s=np.where(np.arange(600) < 60, 99.0, 2.0)))
    assert measure(run, "latency_s.mean").value == 2.0
    assert measure(run, "offered_rps").value == 1.0
    assert sum(outcomes(Window(run)).values()) == 540


def test_latency_is_that_of_answered_requests_and_each_outcome_has_its_own() -> None:
    refused = np.arange(600) % 2 == 1
    run = run_of(rows(600, latency_s=np.where(refused, 0.001, 3.0), outcome=np.where(refused, REJECTED, OK)))
    assert measure(run, "latency_s.p50").value == 3.0
    by_outcome = latency_by_outcome(Window(run))
    assert set(by_outcome) == {"ok", "rejected"}
    assert by_outcome["rejected"]["mean"].value == pytest.approx(0.001)


def test_each_request_class_has_its_own_figures() -> None:
    kind = np.arange(1200) % 2
    outcome = np.where((kind == 1) & (np.arange(1200) % 4 == 1), REJECTED, OK)
    run = run_of(rows(1200, kind=kind, latency_s=1.0 + kind, outcome=outcome, queue_wait_s=3.0 * kind))
    classes = list(by_class(Window(run)).values())
    assert [each["requests"] for each in classes[:2]] == [570, 570], "without the minute of warm-up"
    assert [each["availability"].value for each in classes[:2]] == [1.0, 0.5]
    assert [each["latency_s"]["p50"].value for each in classes[:2]] == [1.0, 2.0]
    assert [each["queue_wait_s"]["mean"].value for each in classes[:2]] == [0.0, 3.0]


@pytest.mark.parametrize(
    ("outcome", "availability", "served"),
    [(OK, 1, 1), (CACHE_HIT, 1, 1), (STALE, 0, 1), (CANNED, 0, 1), (REJECTED, 0, 0), (ABANDONED, 0, 0), (ERROR, 0, 0)],
)
def test_a_degraded_answer_is_served_but_not_available(outcome: int, availability: float, served: float) -> None:
    run = run_of(rows(600, outcome=outcome))
    assert measure(run, "availability").value == availability
    assert measure(run, "served").value == served
    assert measure(run, "degraded_rate").value == served - availability
    assert measure(run, "error_rate.total").value == 1 - served


def test_apologies_flatter_neither_latency_nor_throughput_nor_the_cost_of_an_answer() -> None:
    degraded = np.resize([False, True, True], 600)
    outcome = np.where(degraded, np.resize([OK, STALE, CANNED], 600), OK)
    latency = np.where(degraded, 0.001, 3.0)
    run = run_of(rows(600, outcome=outcome, latency_s=latency, ttft_s=latency, cost_usd=0.01))
    assert measure(run, "latency_s.p50").value == measure(run, "ttft_s.p50").value == 3.0
    assert measure(run, "throughput_rps").value == pytest.approx(1 / 3, abs=0.01)
    assert measure(run, "goodput").value == pytest.approx(1 / 3)
    assert measure(run, "cost_usd.per_answer").value == pytest.approx(0.03), "what was spent on the others counts too"
    assert measure(run, "cost_usd.per_request").value == pytest.approx(0.01)


def test_added_latency_is_what_the_gateway_itself_costs() -> None:
    outcome = np.resize([OK, OK, CACHE_HIT, STALE, ERROR], 1000)
    latency = np.resize([1.25, 1.05, 0.002, 0.5, 9.0], 1000)
    run = run_of(rows(1000, outcome=outcome, arrival_s=60 + np.arange(1000) / 2, latency_s=latency, first_token_s=0.4, generation_s=0.6))
    assert sorted(set(Window(run).added_latency_s[Window(run).available])) == [0.002, 0.05, 0.25]
    assert measure(run, "added_latency_s.p50").value == 0.05
    assert measure(run, "added_latency_s.p99").value == 0.25
    silent = run_of(rows(1000, latency_s=latency, first_token_s=np.nan))
    assert measure(silent, "added_latency_s.p50") == INSUFFICIENT, "a gateway that does not say"


def test_added_latency_is_never_a_rounding_error_below_zero() -> None:
    run = run_of(rows(600, latency_s=0.1 + 0.2, first_token_s=0.1, generation_s=0.2 + 1e-16))
    assert measure(run, "added_latency_s.p50").value == 0.0


def test_queue_waits_are_those_of_requests_that_came_to_the_queue() -> None:
    outcome = np.resize([OK, CACHE_HIT, CANNED, REJECTED, REJECTED, ERROR], 600)
    refused_by = np.resize([0, 0, ALL_REQUESTS, FULL, TOO_LONG, NO_TARGET], 600)
    wait = np.resize([1.0, 0.0, 0.0, 0.0, 11.0, 0.0], 600)  # the last one was let in at once, and found all breakers open
    attempts = np.resize([1, 0, 0, 0, 0, 0], 600)
    run = run_of(rows(600, outcome=outcome, queue_wait_s=wait, refused_by=refused_by, attempts=attempts))
    assert measure(run, "queue_wait_s.mean").value == 4.0
    assert measure(run, "queue_wait_s.p_wait").value == pytest.approx(2 / 3)


def test_who_ran_out_of_time_before_the_queue_did_not_wait_in_it() -> None:
    outcome = np.resize([OK, TIMEOUT, TIMEOUT], 600)
    wait = np.resize([1.0, 0.0, 3.0], 600)  # the second one's deadline passed at the gateway's CPU, the third's in the queue
    run = run_of(rows(600, outcome=outcome, queue_wait_s=wait, attempts=np.where(outcome == OK, 1, 0)))
    assert measure(run, "queue_wait_s.mean").value == 2.0


def test_goodput_is_answered_within_the_scenarios_own_objectives() -> None:
    run = run_of(rows(600, latency_s=np.resize([1.0, 31.0, 1.0, 1.0], 600), ttft_s=np.resize([1.0, 1.0, 5.0, np.nan], 600)))
    assert measure(run, "goodput").value == 0.5  # latency.p99 < 30s and ttft.p99 < 4s are budgets of the scenario
    assert measure(run, "availability").value == 1.0
    assert measure(run_of(run.requests, scenario=scenario(budgets=[])), "goodput").value == 1.0


def test_throughput_counts_what_ended_in_the_window() -> None:
    run = run_of(rows(600, latency_s=np.where(np.arange(600) < 330, 0.0, 1000.0)))
    assert measure(run, "throughput_rps").value == 0.5
    assert measure(run, "offered_rps").value == 1.0


def test_money_extrapolates_the_counted_window_and_users_scale() -> None:
    run = run_of(rows(600, cost_usd=0.01, turn=np.resize([0, 1, 2, 3], 600)), scale=10.0)
    assert measure(run, "cost_usd.per_request").value == pytest.approx(0.01)
    assert measure(run, "cost_usd.per_conversation").value == pytest.approx(0.04)
    assert measure(run, "cost_usd.per_day").value == pytest.approx(864)
    assert measure(run, "cost_usd.per_month").value == pytest.approx(25_920)
    assert measure(run, "cost_usd.per_user_month").value == pytest.approx(2.592)


def test_cost_by_model_and_by_feature_sum_to_the_cost() -> None:
    window = Window(synthetic_run(replications=2))
    whole = measure(window, "cost_usd.per_month").value
    assert sum(estimate.value or 0 for estimate in cost_by_model(window).values()) == pytest.approx(whole)
    assert sum(estimate.value or 0 for estimate in cost_by_feature(window).values()) == pytest.approx(whole)
    assert set(cost_by_feature(window)) == {"faq", "agents"}


def test_attempts_belong_to_the_window_of_their_request() -> None:
    attempts = np.zeros(4, ATTEMPTS)
    attempts["request"] = [10, 100, -1, -1]  # in the warm-up, counted, unknown
    attempts["started_s"] = [61.0, 100.0, 30.0, 200.0]
    attempts["status"] = [500, 200, 500, -1]
    run = run_of(rows(600), attempts=attempts)
    assert attempts_by_status(Window(run)) == {"200": 1, "timed_out": 1}
    assert measure(run, "error_rate.attempts").value == 0.5


def test_queue_depth_comes_from_the_timeline_after_the_warm_up() -> None:
    timeline = np.zeros(600, TIMELINE)
    timeline["at_s"] = np.arange(600)
    timeline["waiting"] = np.where(np.arange(600) < 60, 500, np.resize([0, 8], 600))
    run = run_of(rows(600), timeline=timeline)
    assert measure(run, "queue_depth.mean").value == 4.0
    assert measure(run, "queue_depth.max") == (8.0, None, None)
    assert measure(run_of(rows(600)), "queue_depth.max") == INSUFFICIENT


def test_too_few_requests_say_so() -> None:
    run = run_of(rows(300))  # 240 of them counted
    assert measure(run, "latency_s.p99") == INSUFFICIENT
    assert measure(run, "latency_s.p95").value == 1.0
    assert measure(run, "latency_s.mean") == (1.0, None, None)


def test_refusals_are_counted_by_the_limit_that_said_no_under_any_outcome() -> None:
    refused_by = np.resize([0, FULL, FULL, ALL_REQUESTS, 32_000], 600)
    run = run_of(rows(600, refused_by=refused_by, outcome=np.resize([OK, REJECTED, CANNED, RATE_LIMITED, REJECTED], 600)))
    assert refused_by_limit(Window(run)) == {"queue": 216, "global requests": 108, "limit 32000": 108}
    assert outcomes(Window(run))["rejected"] == 216
    named = run_of(run.requests, refusals={32_000: "dollars per user"})
    assert refused_by_limit(Window(named))["dollars per user"] == 108, "a limit that this process does not know"


@pytest.mark.parametrize("name", METRICS)
def test_a_run_in_which_nothing_was_asked_has_no_figures_made_up(name: str) -> None:
    estimate = measure(run_of(rows(0)), name)
    rates = {"offered_rps", "throughput_rps", "goodput_rps", "tokens.input_per_s", "tokens.output_per_s"}
    there_anyway = {"workers.mean": 1.0, "workers.max": 1.0, "cost_usd.capacity_per_month": 0.0}
    per_time = rates | {"cost_usd.per_day", "cost_usd.per_month", "cost_usd.projected_month", "cost_usd.per_user_month"}
    assert estimate.value == (0.0 if name in per_time else there_anyway.get(name))


def test_the_order_of_the_rows_does_not_matter() -> None:
    run = synthetic_run(replications=3)
    shuffled = np.random.default_rng(3).permutation(run.requests)
    other = run_of(shuffled, scenario=run.scenario, attempts=run.attempts, timeline=run.timeline)
    for name in METRICS:
        assert measure(other, name) == pytest.approx(measure(run, name), nan_ok=True), name


def test_every_metric_lies_in_its_own_interval() -> None:
    window = Window(synthetic_run(scale=10, replications=4))
    for name in METRICS:
        value, low, high = measure(window, name)
        unsaid = name in OF_CONVERSATIONS or name == "apdex"  # nor in conversations, and nobody says what satisfies
        assert (value is None) == (unsaid or name.startswith((BATCHES, CLIENT, "job_s"))), name  # all come alone, once, and are no jobs
        if low is not None and high is not None:
            assert low <= value <= high, name


def test_a_window_of_phases_counts_only_what_arrived_in_them() -> None:
    run = synthetic_run(replications=2)
    during, rest = Window(run, [(300, 390)]), Window(run, [(60, 300), (390, 600)])
    assert during.seconds + rest.seconds == Window(run).seconds
    assert len(during) + len(rest) == len(Window(run))
    assert measure(during, "degraded_rate").value > 0.2 > 0.0 == measure(rest, "degraded_rate").value


@pytest.mark.slow
def test_two_million_rows_are_measured_in_seconds() -> None:
    run = synthetic_run(scale=100, replications=10)
    started = time.process_time()
    window = Window(run)
    for name in METRICS:
        measure(window, name)
    assert len(run.requests) > 2_000_000
    assert time.process_time() - started < 15


def test_rows_without_costs_have_no_cost() -> None:
    assert measure(run_of(rows(600, cost_usd=np.nan)), "cost_usd.per_month") == INSUFFICIENT


def test_a_trace_that_ends_early_ends_the_window() -> None:
    workload = scenario().model_dump(by_alias=True, mode="json", exclude_none=True)["workload"]
    trace = scenario(workload=workload | {"arrivals": {"kind": "trace", "file": "calls.csv"}})
    assert measure(run_of(rows(361), scenario=trace), "offered_rps").value == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize(
    ("arrivals", "users"),
    [({"kind": "closed", "clients": 20, "think": {"kind": "constant", "value": "1s"}}, 40), ({"kind": "poisson", "rate": "1/s"}, 2000)],
)
def test_the_population_scales_with_the_traffic(arrivals: dict[str, object], users: int) -> None:
    workload = scenario().model_dump(by_alias=True, mode="json", exclude_none=True)["workload"]
    assert Window(run_of(rows(10), scenario=scenario(workload=workload | {"arrivals": arrivals}), scale=2.0)).users == users


def test_every_name_has_a_formula_and_every_outcome_that_is_not_served_a_name() -> None:
    assert set(FORMULAS) == set(METRIC_NAMES)
    assert list(UNSERVED) == [kind.name for kind in KINDS if kind.code >= FAILURES]


def test_what_clients_send_again_counts_once_for_them() -> None:
    made = rows(6, outcome=[ERROR, ERROR, OK, OK, ERROR, OK])
    made["conversation"], made["turn"] = [1, 2, 3, 1, 2, 4], 0
    again = scenario(workload={**scenario().workload.model_dump(mode="json"), "client": {"retries": {"attempts": 3}}, "warmup": 0})
    run = run_of(made, scenario=again)
    assert measure(run, "client.availability").value == 3 / 4
    assert measure(run, "client.sendings").value == 6 / 4
    assert measure(run, "client.amplification").value == 6 / 4
