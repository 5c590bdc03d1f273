"""How much of every limit a run asks for: offered demand beside capacity, so that the limit reached first can be named.

Demand is what the offered traffic would put on a limit if no other limit stood before it. It is extrapolated from the requests
that did get through: their share that needs a slot, their time in service, their attempts and tokens.

A refusal is counted once. Rows do not say which limit refused, so where several might have, it stands under the one with the highest
load; between the gateway's global and per-user limits it is split as the gateway's own counters are.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sim.analysis.provider_utilization import provider_rows
from sim.analysis.utilization_row import Row, blame, row
from sim.data.run import Run
from sim.data.schema import Outcome
from sim.data.table import Columns
from sim.scenario.distributions import mean
from sim.scenario.model import GatewayLimits, Scenario


def add_usage(run: Run) -> Run:
    """Fill ``run.usage`` with the rows of ``usage``."""
    counted = Columns(run.requests, run.requests["arrival_s"] >= run.warmup_s)
    attempts = Columns(run.attempts, run.attempts["started_s"] >= run.warmup_s)
    span_s = (run.scenario.workload.duration - run.warmup_s) * run.replications
    run.usage.extend(usage(run.scenario, span_s, counted, attempts, run.targets, run.limited))
    return run


def usage(
    scenario: Scenario, span_s: float, requests: Columns, attempts: Columns, names: tuple[str, ...], limited: Mapping[str, int]
) -> list[Row]:
    """One row per limit: ``limit`` (words), ``capacity`` and ``demand`` in ``unit``, ``load`` = demand / capacity, ``refused`` (requests
    or attempts, as ``refused_of`` says) and ``refused_share`` among all of those.

    ``requests`` and ``attempts`` are columns of the counted rows of ``span_s`` seconds, all replications together; ``names`` the targets;
    ``limited`` the requests refused by each of the gateway's rate limits ("global", "per_user"), the warm-up included.
    """
    seen, gateway = len(requests), scenario.gateway
    if not seen or span_s <= 0:
        return []
    offered_rps = seen / span_s
    outcome = requests["outcome"]
    passed = outcome != Outcome.RATE_LIMITED  # masks, not rows: copies of ten million rows would not fit
    rows = rate_limit_rows(gateway.limits, span_s, requests, passed, limited)
    if gateway.cpu_per_request is not None:
        rows.append(row("the gateway's CPU", float(gateway.workers), "cores", offered_rps * mean(gateway.cpu_per_request)))
    needing = passed & (outcome != Outcome.CACHE_HIT)
    asked = needing & (requests["attempts"] > 0)
    needing_rps = offered_rps * int(needing.sum()) / max(1, int(passed.sum()))
    if gateway.queue is not None and gateway.queue.concurrency != "unlimited":
        in_service_s = requests["latency_s"] - requests["queue_wait_s"] - requests["coalesced_s"] - requests["cpu_s"]
        service_s = float(in_service_s.mean(where=asked)) if asked.any() else 0.0
        slots = row("the gateway's concurrency", float(gateway.queue.concurrency), "requests in service", needing_rps * service_s)
        ran_out = (outcome == Outcome.TIMEOUT) & (requests["attempts"] == 0) & (requests["queue_wait_s"] > 0)
        blame([slots], int(((outcome == Outcome.REJECTED) | ran_out).sum()), seen)
        rows.append(slots)
    if asked.any():
        rows += provider_rows(scenario, needing_rps / int(asked.sum()), requests, attempts, names)
    return rows


def rate_limit_rows(limits: GatewayLimits, span_s: float, requests: Columns, passed: np.ndarray, limited: Mapping[str, int]) -> list[Row]:
    """Of the gateway's own rate limits, with the counted requests that they refused."""
    offered_rps = len(requests) / span_s
    overall, per_user = limits.global_, limits.per_user
    tokens = tokens_of_a_request(requests, passed)
    global_rows, user_rows = [], []
    if overall and overall.requests:
        global_rows.append(row("the gateway's global request limit", overall.requests.rps, "requests/s", offered_rps))
    if overall and overall.tokens:
        global_rows.append(row("the gateway's global token limit", overall.tokens.rps, "tokens/s", offered_rps * tokens))
    if per_user and (per_user.requests or per_user.tokens):
        busiest_rps, who = rate_of_a_busy_user(span_s, requests), "(user at the 99th percentile)"
        if per_user.requests:
            user_rows.append(row(f"the per-user request limit {who}", per_user.requests.rps, "requests/s", busiest_rps))
        if per_user.tokens:
            user_rows.append(row(f"the per-user token limit {who}", per_user.tokens.rps, "tokens/s", busiest_rps * tokens))
    refused = len(passed) - int(passed.sum())
    counters = [limited.get("global", 0), limited.get("per_user", 0)]
    if global_rows and user_rows and sum(counters):
        by_user = round(refused * counters[1] / sum(counters))
        blame(user_rows, by_user, len(passed))
        blame(global_rows, refused - by_user, len(passed))
    else:  # only one of them is there, or nobody counted
        blame([*global_rows, *user_rows], refused, len(passed))
    return [*global_rows, *user_rows]


def tokens_of_a_request(requests: Columns, passed: np.ndarray) -> float:
    """What a token limit at the door is charged for one: its input and output. Answers from the cache have no output of their own."""
    answered = requests["outcome"] == Outcome.OK
    tokens_in = float(requests["input_tokens"].mean(where=passed)) if passed.any() else 0.0
    return tokens_in + (float(requests["output_tokens"].mean(where=answered)) if answered.any() else 0.0)


def rate_of_a_busy_user(span_s: float, requests: Columns) -> float:
    """Requests per second of the user at the 99th percentile of those who came."""
    replication, user = requests["replication"].astype(np.int64), requests["user"]
    _, calls = np.unique(replication * (int(user.max()) + 1) + user, return_counts=True)
    return float(np.quantile(calls, 0.99)) / (span_s / len(np.unique(replication)))
