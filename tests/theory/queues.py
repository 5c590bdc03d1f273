"""Queues in front of one provider: M/M/c and its relatives."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sim.analysis.metrics import mean_of
from sim.data.outcomes import ABANDONED, ERROR, REJECTED
from tests.theory.closed_forms import erlang_c
from tests.theory.entry import (
    MEANS,
    RARE,
    TAILS,
    VALUES,
    Entry,
    Figure,
    accepted,
    accepted_wait_quantile,
    lognormal,
    metric,
    service,
    share_goal,
    share_that,
    wait_of_everyone,
    wait_over,
)  # fmt: skip

RATE = "workload.arrivals.rate={:.12g}/s"
SLOTS = "gateway.queue.concurrency={:.0f}"
ROOM = "gateway.queue.waiting={:.0f}"
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def single_server_figures(values: dict) -> list[Figure]:
    figures = [
        Figure("mean time in system", metric("latency_s.mean"), values["T_mean"], MEANS),
        Figure("mean wait", metric("queue_wait_s.mean"), values["Wq_mean"], MEANS),
        Figure("P(wait)", metric("queue_wait_s.p_wait"), values.get("P_wait", values.get("erlangC")), MEANS),
    ]
    for name in QUANTILES:
        if f"T_{name}" in values:
            figures.append(Figure(f"time in system, {name}", metric(f"latency_s.{name}"), values[f"T_{name}"], TAILS))
        if values.get(f"Wq_{name}"):
            figures.append(Figure(f"wait, {name}", metric(f"queue_wait_s.{name}"), values[f"Wq_{name}"], TAILS))
    if "Lq" in values:
        figures.append(Figure("mean number waiting", metric("queue_depth.mean"), values["Lq"], MEANS))
    return figures


def markovian() -> Iterator[Entry]:
    for name, requests, replications in (("mm1/rho0.8", 75_000, 45), ("mm1/rho0.5", 15_000, 80)):
        values = VALUES[name]
        figures = single_server_figures(values)
        yield Entry(name, [RATE.format(values["lam"])], figures, requests / values["lam"], 1_000.0, replications)
    for name, requests, replications in (("mmc/c10_a8", 70_000, 80), ("mmc/c2_a1.5", 60_000, 60)):
        values = VALUES[name]
        tails = [Figure(f"P(wait > {t} s)", wait_over(float(t)), share, share_goal(share)) for t, share in values["P_wait_gt"].items()]
        sets = [RATE.format(values["lam"]), SLOTS.format(values["c"])]
        yield Entry(name, sets, single_server_figures(values) + tails, requests / values["lam"], 200.0, replications)


def finite() -> Iterator[Entry]:
    for name in ("mmck/c2_K5_lam3", "mmck/c1_K10_rho1.2"):
        values = VALUES[name]
        sets = [RATE.format(values["lam"]), SLOTS.format(values["c"]), ROOM.format(values["K"] - values["c"])]
        figures = [
            Figure("P(block)", share_that(REJECTED), values["P_block"], MEANS),
            Figure("throughput", metric("throughput_rps"), values["throughput"], MEANS),
            Figure("mean wait, accepted", metric("queue_wait_s.mean"), values["Wq_accepted"], MEANS),
            Figure("mean time in system, accepted", metric("latency_s.mean"), values["T_accepted"], MEANS),
            Figure("P(wait), accepted", metric("queue_wait_s.p_wait"), values["P_wait_accepted"], MEANS),
            Figure("wait p95, accepted", accepted_wait_quantile(0.95), values["Wq_acc_p95"], TAILS),
            Figure("wait p99, accepted", accepted_wait_quantile(0.99), values["Wq_acc_p99"], TAILS),
            Figure("utilisation", metric("in_service.mean", 1 / values["c"]), values["util"], MEANS),
            Figure("mean number waiting", metric("queue_depth.mean"), values["Lq"], MEANS),
        ]
        yield Entry(name, sets, figures, 20_000 / values["lam"], 100.0, quick=0.15)


def erlang_b() -> Iterator[Entry]:
    """Insensitive: every service law with the same mean loses the same share."""
    values = VALUES["erlang_b"]
    laws = {
        "exponential": "{kind: exponential, mean: 1s}",
        "lognormal cv² 4": lognormal(1.0, 4.0),
        "constant": "{kind: constant, value: 1s}",
        "gamma cv 0.5": "{kind: gamma, mean: 1s, cv: 0.5}",
    }
    for key, slots, load, law, requests, seeds in (
        ("B_c10_a8", 10, 8, "exponential", 30_000, 1),
        ("B_c10_a8", 10, 8, "lognormal cv² 4", 40_000, 1),
        ("B_c10_a8", 10, 8, "constant", 30_000, 1),
        ("B_c5_a3", 5, 3, "gamma cv 0.5", 15_000, 1),
        ("B_c100_a90", 100, 90, "exponential", 150_000, 2),
        ("B_c100_a100", 100, 100, "constant", 80_000, 1),
        ("B_c20_a200_10x", 20, 200, "exponential", 10_000, 1),
    ):
        sets = [RATE.format(load), SLOTS.format(slots), ROOM.format(0), service(laws[law])]
        figures = [Figure("P(block)", share_that(REJECTED), values[key], MEANS)]
        yield Entry(f"erlang_b/{key} {law}", sets, figures, requests / load, 20.0, seeds=seeds, quick=0.03)


def waits_over(brackets: dict) -> list[tuple[int, tuple[float, float]]]:
    return [(t, tuple(brackets[f"P_Wq_gt_{t}"])) for t in (1, 5, 10, 20)]


def general_service() -> Iterator[Entry]:
    for name, requests, seeds, quick in (
        ("mg1_lognormal/rho0.8_cv2_4", 200_000, 4, 0.0),
        ("mg1_lognormal/rho0.5_cv2_2.25", 110_000, 2, 0.1),
    ):
        values = VALUES[name]
        figures = [
            Figure("mean time in system", metric("latency_s.mean"), values["T_mean"], MEANS),
            Figure("mean wait", metric("queue_wait_s.mean"), values["Wq_mean"], MEANS),
            Figure("P(wait)", metric("queue_wait_s.p_wait"), values["P_wait"], MEANS),
            *(
                Figure(f"{words} {name}", metric(f"{family}.{name}"), tuple(values["quantile_brackets"][f"{symbol}_p{quantile:g}"]), TAILS)
                for symbol, family, words in (("T", "latency_s", "time in system,"), ("Wq", "queue_wait_s", "wait,"))
                for name, quantile in (("p90", 0.9), ("p95", 0.95), ("p99", 0.99))
            ),
            *(Figure(f"P(wait > {t} s)", wait_over(t), over, share_goal(over[0])) for t, over in waits_over(values["quantile_brackets"])),
        ]
        sets = [RATE.format(values["lam"]), service(lognormal(values["S_mean"], values["S_cv2"]))]
        yield Entry(name, sets, figures, requests / values["lam"], 5_000.0, seeds=seeds, quick=quick)
    for name, requests in (("md1/rho0.8", 60_000), ("md1/rho0.5", 32_000)):
        values = VALUES[name]
        tails = [Figure(f"P(wait > {t} s)", wait_over(t), over, share_goal(over)) for t in (1, 2, 5) for over in (values[f"P_Wq_gt_{t}"],)]
        sets = [RATE.format(values["lam"]), service("{kind: constant, value: 1s}")]
        yield Entry(name, sets, single_server_figures(values) + tails, requests / values["lam"], 1_000.0, replications=64)


def general_arrivals() -> Iterator[Entry]:
    for name in ("gim1/D_rho0.8", "gim1/E2_rho0.8"):
        values = VALUES[name]
        arrivals = f"workload.arrivals={{kind: gamma, rate: {values['lam']}/s, cv: {math.sqrt(values['ca2']):.15g}}}"
        figures = single_server_figures(values | {"T_mean": values["T_mean_exact"], "Wq_mean": values["Wq_mean_exact"]})
        yield Entry(name, [arrivals], figures, 80_000 / values["lam"], 1_000.0)


def impatience() -> Iterator[Entry]:
    """Erlang-A: patience is exponential. M/M/c+D: everybody leaves after the same time, the queue's timeout."""
    for name, seconds in (("erlang_a/lam120_c100_th1", 400.0), ("erlang_a/lam9_c10_th0.2", 9_000.0)):
        values = VALUES[name]
        patience = f"workload.client.patience={{kind: exponential, mean: {1 / values['theta']:.12g}s}}"
        figures = [
            Figure("P(abandon)", share_that(ABANDONED), values["P_abandon"], MEANS),
            Figure("P(wait)", metric("queue_wait_s.p_wait"), values["P_wait"], MEANS),
            Figure("mean wait, everyone", wait_of_everyone, values["Wq_mean_all"], MEANS),
            Figure("mean number waiting", metric("queue_depth.mean"), values["Lq"], MEANS),
            Figure("throughput", metric("throughput_rps"), values["throughput"], MEANS),
        ]
        yield Entry(name, [RATE.format(values["lam"]), SLOTS.format(values["c"]), patience], figures, seconds, 20.0, replications=24)
    for name, tau, seconds in (("mmc_plus_D/lam9_c10_tau1", 1, 17_000.0), ("mmc_plus_D/10x_lam80_c10_tau2", 2, 100.0)):
        values = VALUES[name]
        figures = [
            Figure("P(abandon)", share_that(REJECTED), values["P_abandon"], MEANS),
            Figure("P(wait)", metric("queue_wait_s.p_wait"), values["P_wait"], MEANS),
            Figure("mean wait, everyone", wait_of_everyone, values["E_actual_wait"], MEANS),
        ]
        sets = [RATE.format(values["lam"]), SLOTS.format(values["c"]), f"gateway.queue.timeout={tau}s"]
        yield Entry(name, sets, figures, seconds, 20.0, replications=24)


def priorities() -> Iterator[Entry]:
    """Non-preemptive priorities; classes with service laws of their own go to models of their own behind one queue."""
    for name, requests in (("priority_mg1/exp_.2_.3_.3", 95_000), ("priority_mg1/mixed", 70_000)):
        values = VALUES[name]
        total = sum(values["lams"])
        tokens = "tokens: {input: {kind: constant, value: 100}, output: {kind: constant, value: 1}}"
        classes = [
            f"{{name: c{place}, share: {rate / total:.17g}, needs: n{place}, priority: {9 - place}, {tokens}}}"
            for place, rate in enumerate(values["lams"])
        ]
        models = [
            f"m{place}: {{latency: {{kind: exponential, mean: {s}s}}, price: {{input: 0, output: 0}}}}"
            for place, s in enumerate(values["ES"])
        ]
        routes = [f"n{place}: [server/m{place}]" for place in range(len(classes))]
        sets = [
            RATE.format(total),
            f"workload.requests=[{', '.join(classes)}]",
            f"gateway.routing={{kind: capability, {', '.join(routes)}}}",
            f"providers.server.models={{{', '.join(models)}}}",
        ]
        figures = [
            Figure(
                f"mean wait, class {place + 1}", mean_of("queue_wait_s", lambda window, place=place: window["kind"] == place), wait, MEANS
            )
            for place, wait in enumerate(values["Wq_nonpreemptive"])
        ]
        yield Entry(name, sets, figures, requests / total, 2_000.0, replications=26)


def closed() -> Iterator[Entry]:
    """A fixed population that thinks for an exponential time between answers."""
    for name, seconds in (
        ("closed/locust_50users_Z1_mu1_c10", 500.0),
        ("closed/locust_10users_Z1_mu1_c10", 700.0),
        ("closed/mm1_N5_Z10", 12_000.0),
    ):
        values = VALUES[name]
        arrivals = f"workload.arrivals={{kind: closed, clients: {values['N']:.0f}, think: {{kind: exponential, mean: {values['Z']}s}}}}"
        figures = [
            Figure("throughput", metric("throughput_rps"), values["X"], MEANS),
            Figure("mean response time", mean_of("latency_s", accepted), values["R"], MEANS),
        ]
        yield Entry(name, [arrivals, SLOTS.format(values["c"])], figures, seconds, 100.0, quick=0.15)


def sharing() -> Iterator[Entry]:
    """Servers that slow down with the number in service: insensitive to the law of the work."""
    values = VALUES["mg1_ps/rho0.8"]
    for law, words, replications in ((lognormal(1.0, 4.0), "lognormal cv² 4", 36), ("{kind: exponential, mean: 1s}", "exponential", 20)):
        sets = [
            RATE.format(values["lam"]), "gateway.queue={concurrency: unlimited}", service(law),
            "providers.server.models.job.batching={parallel: 1}",
        ]  # fmt: skip
        figures = [
            Figure("mean time in system", metric("latency_s.mean"), values["T_mean"], MEANS),
            Figure("mean number in system", metric("in_service.mean"), values["L"], MEANS),
        ]
        yield Entry(f"mg1_ps/rho0.8 {words}", sets, figures, 80_000 / 0.8, 2_000.0, replications=replications)
    name = "batch_ps/phi_n_over_1+0.05n_N32_lam8"
    values = VALUES[name]
    for law, words in ((lognormal(1.0, 2.0), "lognormal cv² 2"), ("{kind: exponential, mean: 1s}", "exponential")):
        sets = [
            RATE.format(values["lam"]), "gateway.queue={concurrency: unlimited}", service(law),
            "providers.server.models.job.batching={slots: 32, slowdown: 0.05}",
        ]  # fmt: skip
        figures = [
            Figure("mean time, accepted", metric("latency_s.mean"), values["T_mean_accepted"], MEANS),
            Figure("P(block)", share_that(ERROR), values["P_block"], RARE),
            Figure("mean number in service", metric("in_service.mean"), values["L"], MEANS),
            Figure("throughput", metric("throughput_rps"), values["throughput"], MEANS),
        ]
        yield Entry(f"{name} {words}", sets, figures, 3_000.0, 100.0, quick=0.08)


def cold_starts() -> Iterator[Entry]:
    """A server that is off when nothing is there, and takes a set-up time to start (Welch 1964)."""
    values = VALUES["mg1_setup"]
    for key, law in (
        ("Wq_exp_setup_mean10_lam0p5_mu1", "{kind: exponential, mean: 10s}"),
        ("Wq_det_setup10_lam0p5_mu1", "{kind: constant, value: 10s}"),
    ):
        # The request that finds the server off carries the set-up in its attempt, as part of its service: mean time in system is W + E S.
        sets = [RATE.format(0.5), f"providers.server.models.job.cold_start={{idle: 1us, delay: {law}}}"]
        figures = [Figure("mean time in system", metric("latency_s.mean"), values[key] + 1.0, MEANS)]
        yield Entry(f"mg1_setup/{key[3:]}", sets, figures, 30_000.0, 1_000.0)


def agents() -> Iterator[Entry]:
    """Agents that go on after each answer with probability 0.6, after a tool that nobody queues for: the model's queue is as M/M/c at the
    rate of all calls (Jackson; infinite servers for the tool by Baskett, Chandy, Muntz & Palacios). 20 slots are the table's, 15 wait more.
    """
    values = VALUES["jackson/agent_loop"]
    rate, going_on, tool_s = values["lam"][1], values["P"][1][2], 1 / values["nodes_mu_c"][2][0]
    talk = f"{{turns: {{kind: geometric, mean: {1 / (1 - going_on):.12g}}}, think: {{kind: exponential, mean: {tool_s}s}}, after: answer}}"
    for slots, time_s in ((20, values["T_node"][1]), (15, 1.0 + erlang_c(15, rate) / (15 - rate))):
        figures = [
            Figure("mean time at the model", metric("latency_s.mean"), time_s, MEANS),
            Figure("P(wait)", metric("queue_wait_s.p_wait"), erlang_c(slots, rate), share_goal(erlang_c(slots, rate))),
            Figure("calls per second", metric("throughput_rps"), rate, MEANS),
        ]
        sets = [RATE.format(rate), f"workload.conversations={talk}", SLOTS.format(slots)]
        yield Entry(f"jackson/agent_loop c={slots}", sets, figures, 40_000 / rate, 100.0, replications=20 if slots == 20 else 66)


def networks() -> Iterator[Entry]:
    """Two stations in tandem: the gateway's own CPU, first come first served, then the queue for a slot."""
    values = VALUES["jackson/tandem"]
    sets = [RATE.format(0.8), "gateway.workers=1", "gateway.cpu_per_request={kind: exponential, mean: 1s}"]
    figures = [
        Figure("mean time in system", metric("latency_s.mean"), values["T_total"], MEANS),
        Figure("mean time at the CPU", mean_of("cpu_s", accepted), values["T_node"][0], MEANS),
        Figure("mean wait for a slot", metric("queue_wait_s.mean"), values["T_node"][1] - 1.0, MEANS),
    ]
    yield from agents()
    after = [words.replace("cpu_per_request", "cpu_after") for words in sets]
    yield Entry("jackson/tandem, CPU after the answer", after, figures, 75_000 / 0.8, 2_000.0, replications=30, quick=0.03)
    yield Entry("jackson/tandem", sets, figures, 75_000 / 0.8, 2_000.0, replications=30)


def entries() -> Iterator[Entry]:
    for family in (
        markovian, finite, erlang_b, general_service, general_arrivals, impatience, priorities, closed, sharing, cold_starts, networks,
    ):  # fmt: skip
        yield from family()
