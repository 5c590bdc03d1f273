"""Two runs of the same requests are compared request by request, and a verdict says what it rests on."""

import json
from typing import Any

import numpy as np
import pytest

from mockprovider.evidence.certificate import BOUND_S
from sim.analysis.validation import Check, NotComparable, Tolerances, compare
from sim.data.outcomes import CANNED, ERROR, TIMEOUT
from sim.data.run import Run
from sim.report.verdicts import verify_verdict
from tests.sim.synthetic_runs import rows, run_of, scenario, synthetic_run

LATENCY = np.random.default_rng(5).lognormal(0, 0.5, 1060)


def made(factor: float = 1.0, kind: Any = "prediction", n: int = 1060, **columns: Any) -> Run:
    return run_of(rows(n, **({"latency_s": LATENCY[:n] * factor, "cost_usd": 0.01} | columns)), kind=kind)


def check_of(comparison: Any, name: str) -> Check:
    (found,) = [check for check in comparison.checks if check.name == name]
    return found


def test_a_run_agrees_with_itself() -> None:
    run = synthetic_run(replications=3)
    comparison = compare(run, run)
    assert comparison.verdict == "pass"
    assert {figure.error for figure in comparison.figures.values()} == {0.0}
    assert comparison.paired.same_outcome == 1.0
    assert comparison.paired.difference_s == {"mean": 0.0, "p50": 0.0, "p95_abs": 0.0}


def test_the_document_keeps_the_contract() -> None:
    certificate = {"send_lag_s": {"p50": 0.001, "p99": 0.004}, "delivered_rate_error": 0.0, "cpu": 0.3}
    comparison = compare(synthetic_run(), synthetic_run(replications=1, kind="measurement", noise=0.02), certificate=certificate)
    document = json.loads(json.dumps(comparison.as_dict(), allow_nan=False))
    assert document["verdict"] in ("pass", "fail", "invalid")
    assert document["schema_version"] == 2
    figures = ("latency_s.p50", "latency_s.p99", "ttft_s.p50", "added_latency_s.p50", "added_latency_s.p99", "throughput_rps")
    for name in (*figures, "availability", "served", "cost_usd"):
        assert {"predicted", "measured", "error"} <= document["comparison"][name].keys()
    assert {"requests", "same_outcome", "latency_difference_s"} <= document["paired"].keys()
    assert {"p50", "p95_abs"} <= document["paired"]["latency_difference_s"].keys()
    assert document["certificate"] == certificate


@pytest.mark.parametrize(
    ("factor", "verdict", "error"),
    [(1 / 1.04, "pass", 0.04), (1 / 1.06, "fail", 0.06), (1 / 0.96, "pass", -0.04), (1 / 0.94, "fail", -0.06)],
)
def test_latency_may_be_off_by_its_tolerance_either_way(factor: float, verdict: str, error: float) -> None:
    comparison = compare(made(), made(factor, "measurement"))
    assert comparison.verdict == verdict
    assert comparison.figures["latency_s.p50"].error == pytest.approx(error)


def quick(latency_s: float, kind: Any = "prediction") -> Run:
    """Nothing but quick answers: from a cache, say."""
    return made(kind=kind, latency_s=latency_s)


@pytest.mark.parametrize(
    ("predicted_s", "measured_s", "verdict"),
    [
        (0.0, 0.0016, "pass"),
        (0.0, 0.0049, "pass"),
        (0.001, 0.0, "pass"),
        (0.0, 0.0051, "fail"),
        (0.006, 0.0, "fail"),
        (0.02, 0.027, "fail"),
    ],
)
def test_milliseconds_that_no_model_predicts_are_no_disagreement(predicted_s: float, measured_s: float, verdict: str) -> None:
    assert compare(quick(predicted_s), quick(measured_s, "measurement")).verdict == verdict


def test_a_figure_that_the_floor_alone_lets_pass_says_so() -> None:
    comparison = compare(quick(0.0), quick(0.0016, "measurement"))
    assert check_of(comparison, "latency_s.p50").says == "latency_s.p50: within 5 ms"
    assert "P50 within 5 ms" in verify_verdict(comparison.as_dict())[1]
    assert "P50 off by 3.8 % (at most 5 %)" in verify_verdict(compare(made(), made(1.04, "measurement")).as_dict())[1]


def test_the_floor_of_times_is_what_the_mock_certifies() -> None:
    assert Tolerances().floor_s == BOUND_S


def test_money_has_no_floor() -> None:
    assert compare(made(cost_usd=1e-6), made(kind="measurement", cost_usd=2e-6)).verdict == "fail"


def test_as_a_regression_gate_only_worse_fails() -> None:
    assert compare(made(), made(0.5), only_worse=True).verdict == "pass"
    assert compare(made(), made(1.2), only_worse=True).verdict == "fail"
    assert compare(made(), made(cost_usd=0.005), only_worse=True).verdict == "pass"


def test_each_tolerance_alone_can_fail_it() -> None:
    few = (np.arange(1060) % 10 == 0) * ERROR
    tail = made(kind="measurement", latency_s=np.where(np.arange(1060) % 50 == 0, LATENCY * 10, LATENCY))
    for measured, name in [(tail, "latency_s.p99"), (made(outcome=few), "same_outcome"), (made(cost_usd=0.0103), "cost_usd")]:
        comparison = compare(made(), measured)
        assert comparison.verdict == "fail"
        assert [check.name for check in comparison.checks if not check.ok] == [name]


def test_what_nothing_else_explains_is_the_model_and_what_was_not_looked_at_is_said() -> None:
    (known,) = compare(made(), made(2.0, "measurement"), certificate={"target": {"cpu": 0.3}}).findings
    assert known["kind"] == "model wrong"
    assert known["says"].endswith("neither the mocks nor the gateway's CPU show another cause")
    (unknown,) = compare(made(), made(2.0, "measurement"), certificate={"target": None}).findings
    assert unknown["says"].endswith("the mocks show no other cause, and the CPU of the gateway's processes is not known")
    other = {"kind": "saturated", "says": "no rest"}
    assert compare(made(), made(2.0, "measurement"), findings=[other]).findings == (other,)
    assert compare(made(), made(kind="measurement")).findings == ()


def test_tolerances_can_be_set() -> None:
    assert compare(made(), made(1.06), Tolerances(latency_p50=0.1)).verdict == "pass"


def test_a_broken_certificate_is_neither_a_pass_nor_a_failure() -> None:
    comparison = compare(made(), made(2.0), why_invalid=["send lag p99 0.2 s exceeds 0.05 s"])
    assert comparison.verdict == "invalid"
    assert comparison.why_invalid == ("send lag p99 0.2 s exceeds 0.05 s",)


def test_too_few_requests_for_a_p99_make_it_invalid() -> None:
    comparison = compare(made(n=300), made(n=300, kind="measurement"))
    assert comparison.verdict == "invalid"
    assert comparison.why_invalid == ("too few requests for latency_s.p99: 240 were answered, 368 are needed; run for longer",)


def test_a_target_that_fails_everything_disagrees_and_is_quoted() -> None:
    told = [{"status": 500, "error": "boom", "requests": 990}, {"status": 0, "error": "ClientOSError: reset", "requests": 10}]
    comparison = compare(made(), made(kind="measurement", outcome=ERROR, cost_usd=0.0), errors=told)
    assert (comparison.verdict, comparison.why_invalid) == ("fail", ())
    says = verify_verdict(comparison.as_dict())[1]
    assert "Availability: 100 % predicted, 0 % measured." in says
    assert "Most frequent errors: 990 × HTTP 500: boom; 10 × ClientOSError: reset." in says


def test_a_prediction_of_failures_disagrees_with_a_target_that_serves() -> None:
    assert compare(made(outcome=ERROR), made(kind="measurement")).verdict == "fail"


def test_a_handful_of_failures_is_too_few_to_say() -> None:
    comparison = compare(made(n=120), made(n=120, kind="measurement", outcome=ERROR))
    assert comparison.verdict == "invalid"
    assert comparison.why_invalid[0].startswith("too few requests for latency_s.p50: 0 were answered")


def test_requests_that_were_never_measured_make_it_invalid() -> None:
    run = made(kind="measurement")
    comparison = compare(made(), run_of(run.requests[: len(run.requests) // 2], kind="measurement"))
    assert comparison.why_invalid[0] == "470 of 1,000 requests of the prediction have a partner in the other run"


def test_a_target_that_reports_no_cost_is_not_held_to_one() -> None:
    comparison = compare(made(), made(kind="measurement", cost_usd=np.nan))
    assert comparison.verdict == "pass"
    assert check_of(comparison, "cost_usd").ok is None


def test_pairs_are_by_schedule_position_whatever_the_order_of_rows() -> None:
    measured = made(1.02, "measurement")
    shuffled = run_of(np.random.default_rng(1).permutation(measured.requests), kind="measurement")
    assert compare(made(), shuffled).paired == compare(made(), measured).paired


def test_only_replication_zero_is_compared() -> None:
    measured = synthetic_run(replications=1, kind="measurement")
    comparison = compare(synthetic_run(replications=4), measured)
    assert comparison.paired.requests == len(measured.counted)
    assert comparison.figures["latency_s.p99"].error == 0.0


def test_outcomes_that_moved_are_counted() -> None:
    moved = compare(made(), made(outcome=(np.arange(1060) % 100 == 0) * TIMEOUT)).paired.moved
    assert moved == {"ok → timeout": 10}


def test_an_apology_on_one_side_is_another_outcome_and_no_pair_of_latencies() -> None:
    degraded = np.arange(1060) % 2 == 0
    comparison = compare(made(), made(outcome=degraded * CANNED, latency_s=np.where(degraded, 0.001, LATENCY), kind="measurement"))
    assert comparison.paired.moved == {"ok → canned": 500}
    assert comparison.paired.answered == 500
    assert comparison.paired.difference_s["p95_abs"] == 0.0
    assert comparison.figures["availability"].measured.value == 0.5
    assert comparison.figures["served"].measured.value == 1.0


def test_the_latency_that_each_side_adds_is_compared() -> None:
    predicted = made(latency_s=LATENCY + 0.010, first_token_s=LATENCY, generation_s=0.0)
    measured = made(kind="measurement", latency_s=LATENCY + 0.008, first_token_s=LATENCY, generation_s=0.0)
    assert compare(predicted, measured).figures["added_latency_s.p50"].error == pytest.approx(0.25)


def test_runs_of_different_requests_are_refused() -> None:
    with pytest.raises(NotComparable, match="1000 of 1000 prompts differ, the first is request 60"):
        compare(made(), made(prompt=-1))
    with pytest.raises(NotComparable, match="scale 1, the other at 10"):
        compare(synthetic_run(scale=1), synthetic_run(scale=10))


CLOSED = {"kind": "closed", "clients": 20, "think": {"kind": "constant", "value": "1s"}}


def closed(factor: float = 1.0, kind: Any = "prediction", n: int = 1060, first: int = 0, **columns: Any) -> Run:
    """As of closed clients: the requests of one run are numbered and prompted unlike those of another, and may be fewer."""
    plain = scenario()
    plan = scenario(workload=plain.workload.model_dump(mode="json", by_alias=True, exclude_none=True) | {"arrivals": CLOSED})
    made_up = {"latency_s": LATENCY[:n] * factor, "cost_usd": 0.01, "request": np.arange(n) + first, "prompt": np.arange(n) + 7 * first}
    made_up["arrival_s"] = np.linspace(0, 599, n)
    return run_of(rows(n, **(made_up | columns)), kind=kind, scenario=plan)


def test_closed_workloads_are_compared_as_distributions() -> None:
    comparison = compare(closed(), closed(1.02, "measurement", first=900))
    assert (comparison.verdict, comparison.why_invalid) == ("pass", ())
    assert comparison.paired.requests == 0
    document = comparison.as_dict()
    assert "who waits for an answer asks when it is there" in document["paired"]["why_not"]
    assert "unpaired, because who waits for an answer" in verify_verdict(document)[1]
    assert {check.name for check in comparison.checks} == {"latency_s.p50", "latency_s.p99", "cost_usd", "throughput_rps", "outcome_shares"}


def test_closed_workloads_disagree_by_latency_throughput_or_outcomes() -> None:
    few = (np.arange(1060) % 10 == 0) * ERROR
    for measured, name in [
        (closed(1.2, "measurement"), "latency_s.p99"),
        (closed(kind="measurement", n=900), "throughput_rps"),
        (closed(kind="measurement", outcome=few), "outcome_shares"),
    ]:
        comparison = compare(closed(), measured)
        assert comparison.verdict == "fail"
        assert name in [check.name for check in comparison.checks if check.ok is False]


def test_for_a_closed_workload_more_throughput_is_better() -> None:
    assert compare(closed(), closed(0.5, n=1060, cost_usd=0.005), only_worse=True).verdict == "pass"
    assert check_of(compare(closed(n=900), closed(n=1060), only_worse=True), "throughput_rps").ok is True
    assert check_of(compare(closed(n=1060), closed(n=900), only_worse=True), "throughput_rps").ok is False


def test_a_closed_workload_is_not_comparable_with_an_open_one() -> None:
    with pytest.raises(NotComparable, match="closed workload"):
        compare(closed(), made(kind="measurement"))


def test_a_check_reads_as_a_sentence() -> None:
    assert Check("latency_s.p50", 0.0312, 0.05, True).says == "latency_s.p50: 3.12 % (≤ 5 %)"
    assert Check("same_outcome", 0.9912, 0.95, True).says == "same_outcome: 99.12 % (≥ 95 %)"
    assert Check("cost_usd", None, 0.02, None).says == "cost_usd: not known (≤ 2 %)"
