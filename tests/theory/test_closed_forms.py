"""The copied table agrees with formulas computed here, so neither is trusted alone; and estimators agree with textbook numbers."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from sim.analysis.estimators import least_samples, order_ranks
from tests.theory import closed_forms as known
from tests.theory.entry import VALUES

EXACT = {"rel": 2e-5}


@pytest.mark.parametrize(("name", "servers"), [("mmc/c10_a8", 10), ("mmc/c2_a1.5", 2), ("mm1/rho0.8", 1), ("mm1/rho0.5", 1)])
def test_erlang_c(name, servers):
    values = VALUES[name]
    wait = known.erlang_c(servers, values["lam"])
    assert values.get("erlangC", values.get("P_wait")) == pytest.approx(wait, **EXACT)
    assert values["Wq_mean"] == pytest.approx(wait / (servers - values["lam"]), **EXACT)
    for t, share in values.get("P_wait_gt", {}).items():
        assert share == pytest.approx(known.mmc_wait_over(servers, values["lam"], float(t)), **EXACT)


@pytest.mark.parametrize("name", ["mmck/c2_K5_lam3", "mmck/c1_K10_rho1.2"])
def test_finite_queue(name):
    values = VALUES[name]
    loss = known.mmck(int(values["c"]), int(values["K"]), values["lam"])
    assert values["P_block"] == pytest.approx(loss.blocked, **EXACT)
    assert values["Lq"] == pytest.approx(loss.waiting, **EXACT)
    assert values["Wq_accepted"] == pytest.approx(loss.waiting / values["lam"] / (1 - loss.blocked), **EXACT)


@pytest.mark.parametrize(
    ("key", "servers", "load"),
    [("B_c10_a8", 10, 8), ("B_c100_a90", 100, 90), ("B_c100_a100", 100, 100), ("B_c20_a200_10x", 20, 200), ("B_c5_a3", 5, 3)],
)
def test_erlang_b(key, servers, load):
    assert VALUES["erlang_b"][key] == pytest.approx(known.erlang_b(servers, load), **EXACT)


@pytest.mark.parametrize(
    ("name", "cv2"), [("mg1_lognormal/rho0.8_cv2_4", 4), ("mg1_lognormal/rho0.5_cv2_2.25", 2.25), ("md1/rho0.8", 0), ("md1/rho0.5", 0)]
)
def test_pollaczek_and_khinchine(name, cv2):
    assert VALUES[name]["Wq_mean"] == pytest.approx(known.mg1_wait(VALUES[name]["lam"], 1.0, cv2), **EXACT)


def test_batches_of_one_are_no_batches():
    for servers, rate in ((1, 0.8), (10, 8.0)):
        found = known.batch_mmc(servers, rate, lambda n: (n <= 1).astype(float))
        wait = known.erlang_c(servers, rate)
        assert found == pytest.approx((wait / (servers - rate), wait, wait), **EXACT)
    assert known.batch_mg1_wait(0.8, 1.0, 4.0, 1.0, 1.0) == known.mg1_wait(0.8, 1.0, 4.0)


@pytest.mark.parametrize(
    ("at_least", "size", "square", "time_in_system"),
    [
        (lambda n: (n <= 4).astype(float), 4, 16, (4 + 1) / 2 / (1 - 0.7)),  # Gross et al., 3.1: constant batches
        (lambda n: 0.75 ** (n - 1.0), 4, 28, 4 / (1 - 0.7)),  # geometric ones: the time in system is exponential
    ],
)
def test_batches_before_one_server(at_least, size, square, time_in_system):
    chain = known.batch_mmc(1, 0.7, at_least)
    assert chain.mean_wait + 1 == pytest.approx(time_in_system, **EXACT)
    assert known.batch_mg1_wait(0.7, 1.0, 1.0, size, square) + 1 == pytest.approx(time_in_system, **EXACT)
    assert chain.first_waits == pytest.approx(0.7, **EXACT)
    assert chain.waits == pytest.approx(1 - 0.3 / size, **EXACT), "only the first of a batch that finds nobody does not wait"


@pytest.mark.parametrize("name", ["erlang_a/lam120_c100_th1", "erlang_a/lam9_c10_th0.2"])
def test_erlang_a(name):
    values = VALUES[name]
    loss = known.erlang_a(int(values["c"]), values["lam"], values["theta"])
    assert values["P_abandon"] == pytest.approx(loss.blocked, **EXACT)
    assert values["Lq"] == pytest.approx(loss.waiting, **EXACT)


def test_renewal_arrivals():
    rate = 0.8
    assert VALUES["gim1/D_rho0.8"]["sigma"] == pytest.approx(known.gm1_sigma(lambda s: math.exp(-s / rate)), **EXACT)
    assert VALUES["gim1/E2_rho0.8"]["sigma"] == pytest.approx(known.gm1_sigma(lambda s: (2 * rate / (2 * rate + s)) ** 2), **EXACT)


@pytest.mark.parametrize("name", ["priority_mg1/exp_.2_.3_.3", "priority_mg1/mixed"])
def test_priorities(name):
    values = VALUES[name]
    assert values["Wq_nonpreemptive"] == pytest.approx(known.priority_waits(values["lams"], values["ES"], values["ES2"]), **EXACT)


def test_set_up_times():
    values = VALUES["mg1_setup"]
    assert values["Wq_exp_setup_mean10_lam0p5_mu1"] == pytest.approx(known.setup_wait(0.5, 1.0, 2.0, 10.0, 200.0), **EXACT)
    assert values["Wq_det_setup10_lam0p5_mu1"] == pytest.approx(known.setup_wait(0.5, 1.0, 2.0, 10.0, 100.0), **EXACT)


def test_processor_sharing():
    values = VALUES["batch_ps/phi_n_over_1+0.05n_N32_lam8"]
    loss = known.sharing(8.0, lambda n: n / (1 + 0.05 * n), 32)
    assert values["P_block"] == pytest.approx(loss.blocked, **EXACT)
    assert values["L"] == pytest.approx(loss.in_service, **EXACT)
    assert VALUES["mg1_ps/rho0.8"]["L"] == pytest.approx(known.sharing(0.8, lambda n: 1.0, 500).in_service, **EXACT)


def test_the_slowest_of_several():
    values, law = VALUES["fanout_max"], stats.lognorm(math.sqrt(math.log(2)), scale=1 / math.sqrt(2))
    for calls, mean in values["exp_mean"].items():
        assert mean == pytest.approx(known.slowest_mean(stats.expon.sf, int(calls)), **EXACT)
    for calls, mean in values["ln_mean1_cv1_mean"].items():
        assert mean == pytest.approx(known.slowest_mean(law.sf, int(calls)), **EXACT)
    for name, law_of, q in (("exp_p99", stats.expon, 0.99), ("ln_mean1_cv1_p50", law, 0.5), ("ln_mean1_cv1_p99", law, 0.99)):
        for calls, value in values[name].items():
            assert value == pytest.approx(known.slowest_quantile(law_of.ppf, int(calls), q), **EXACT)
    assert values["tail_at_scale_P_slow"]["n100_p0.01"] == pytest.approx(1 - 0.99**100, **EXACT)


@pytest.mark.parametrize("name", ["closed/locust_50users_Z1_mu1_c10", "closed/locust_10users_Z1_mu1_c10", "closed/mm1_N5_Z10"])
def test_closed_network(name):
    """The table takes N ≤ c for an infinite number of servers, and 50 users for saturated; both are so to its six digits or nearly."""
    values = VALUES[name]
    throughput, response = known.closed_network(int(values["N"]), values["Z"], int(values["c"]))
    assert values["X"] == pytest.approx(throughput, rel=1e-5)
    assert values["R"] == pytest.approx(response, rel=1e-4)


@pytest.mark.parametrize("name", ["rate_limiter/lam8_r10_b10", "rate_limiter/lam10_r10_b10", "rate_limiter/lam100_r10_b10"])
def test_rate_limiters(name):
    values = VALUES[name]
    limit = int(values["limit_per_s"])
    assert values["sliding_log_1s_loss"] == pytest.approx(known.erlang_b(limit, values["lam"]), **EXACT)
    assert values["fixed_window_1s_loss"] == pytest.approx(known.fixed_window_loss(values["lam"], limit), **EXACT)
    assert values["token_bucket_GCRA_loss"] == pytest.approx(known.token_bucket_loss(values["lam"], limit, int(values["burst"])), rel=1e-3)


def test_caches():
    assert VALUES["lru_che/N10000_a1.0_C100"]["hit"] == pytest.approx(known.lru_che(10_000, 1.0, 100), **EXACT)
    assert VALUES["lru_che/N10000_a0.8_C1000"]["hit"] == pytest.approx(known.lru_che(10_000, 0.8, 1000), **EXACT)
    assert VALUES["ttl/N10000_a1.0_lam10_T60"]["hit_fixed_ttl"] == pytest.approx(known.ttl_hits(10_000, 1.0, 10, 60), **EXACT)
    assert VALUES["ttl/N10000_a1.0_lam10_T600"]["hit_fixed_ttl"] == pytest.approx(known.ttl_hits(10_000, 1.0, 10, 600), **EXACT)
    assert VALUES["ttl/N10000_a1.0_lam10_T60"]["hit_sliding_ttl"] == pytest.approx(known.sliding_ttl_hits(10_000, 1.0, 10, 60), **EXACT)
    assert VALUES["ttl/N10000_a1.0_lam10_T600"]["hit_sliding_ttl"] == pytest.approx(known.sliding_ttl_hits(10_000, 1.0, 10, 600), **EXACT)


def test_breakers_and_retries():
    values = VALUES["circuit_breaker"]
    for p, share in values["P_trip_100win_50pct"].items():
        assert share == pytest.approx(known.at_least(50, 100, float(p)), **EXACT)
    for p, share in values["P_reopen_halfopen_10_50pct"].items():
        assert share == pytest.approx(known.at_least(5, 10, float(p)), **EXACT)
    for p, share in values["P_trip_polly_100_10pct"].items():
        assert share == pytest.approx(known.at_least(10, 100, float(p)), **EXACT)
    for p, share in values["hystrix_20_50pct"].items():
        assert share == pytest.approx(known.at_least(10, 20, float(p)), **EXACT)
    for values in (VALUES["retry"][f"p{p}_n{n}"] for p in ("0.1", "0.5", "0.9") for n in (3, 4)):
        assert (values["E_attempts"], values["success"]) == pytest.approx(known.attempts_needed(values["p"], int(values["n"])), **EXACT)


def test_order_statistics_and_sample_sizes():
    for values in VALUES["quantile_ci"].values():
        if isinstance(values, dict):
            ranks = order_ranks(int(values["n"]), values["p"])
            assert ranks == pytest.approx((values["rank_lo"], values["rank_hi"]), abs=1)
    assert least_samples(0.99) == pytest.approx(VALUES["quantile_ci"]["min_n_upper_bound_p99"], abs=1)
    assert least_samples(0.999) == pytest.approx(VALUES["quantile_ci"]["min_n_upper_bound_p999"], abs=1)
