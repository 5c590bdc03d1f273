"""How much of every limit a run asks for: offered demand beside capacity, so that the limit reached first can be named.

Demand is what the offered traffic would put on a limit if no other limit stood before it. It is extrapolated from the requests
that did get through: their share that needs a slot, their time in service, their attempts and tokens. What a limit refused is counted in
the rows, where it stands under the limit that said no.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from sim.analysis.provider_utilization import pool_rows, provider_rows
from sim.analysis.utilization_row import Refusals, Row, row
from sim.data.outcomes import CACHE_HIT, OK
from sim.data.run import Run
from sim.data.table import Columns
from sim.gateway.stages.admission import FULL, TOO_LONG
from sim.gateway.stages.connections import NO_FREE_CONNECTION
from sim.gateway.stages.cpu import laws, works
from sim.gateway.stages.jobs import EXPIRED
from sim.gateway.stages.jobs import FULL as JOBS_FULL
from sim.gateway.stages.jobs import LONG_FULL as LONG_JOBS_FULL
from sim.gateway.stages.rate_limit import ALL_REQUESTS, ALL_TOKENS, USER_REQUESTS, USER_TOKENS
from sim.scenario.distributions import mean
from sim.scenario.model import Scenario

PER_USER = "the per-user "
RATE_LIMITS = (ALL_REQUESTS, ALL_TOKENS, USER_REQUESTS, USER_TOKENS)


def add_usage(run: Run) -> Run:
    """Fill ``run.usage`` with the rows of ``usage``."""
    counted = Columns(run.requests, run.requests["arrival_s"] >= run.warmup_s)
    attempts = Columns(run.attempts, run.attempts["started_s"] >= run.warmup_s)
    span_s = (run.scenario.workload.duration - run.warmup_s) * run.replications
    run.usage.extend(usage(run.scenario, span_s, counted, attempts, run.targets, run.refusals))
    return run


def usage(
    scenario: Scenario, span_s: float, requests: Columns, attempts: Columns, names: tuple[str, ...], refusals: Mapping[int, str]
) -> list[Row]:
    """One row per limit: ``limit`` (words), ``capacity`` and ``demand`` in ``unit``, ``load`` = demand / capacity, ``refused`` (requests
    or attempts, as ``refused_of`` says) and ``refused_share`` among all of those. What refuses without having a capacity (a breaker, a
    fault) has a row without a load.

    ``requests`` and ``attempts`` are columns of the counted rows of ``span_s`` seconds, all replications together; ``names`` the targets;
    ``refusals`` the names of the codes in ``refused_by``.
    """
    seen, gateway = len(requests), scenario.gateway
    if not seen or span_s <= 0:
        return []
    offered_rps = seen / span_s
    refused = Refusals("requests", requests["refused_by"])
    passed = ~np.isin(requests["refused_by"], RATE_LIMITS)  # masks, not rows: copies of ten million rows would not fit
    rows = rate_limit_rows(gateway.limits, span_s, requests, passed, refused)
    needing = passed & (requests["outcome"] != CACHE_HIT)
    asked = needing & (requests["attempts"] > 0)
    needing_rps = offered_rps * int(needing.sum()) / max(1, int(passed.sum()))
    rows += cpu_rows(scenario, offered_rps, needing_rps, requests, asked, refused)
    rows += job_rows(gateway, span_s, requests, refused)
    if gateway.queue is not None and gateway.queue.concurrency != "unlimited":
        in_service_s = requests["latency_s"] - requests["queue_wait_s"] - requests["coalesced_s"] - requests["cpu_s"]
        if gateway.connections is not None:
            in_service_s = in_service_s - requests["pool_wait_s"]
        if gateway.jobs is not None:
            in_service_s = in_service_s - requests["job_wait_s"]
        service_s = float(in_service_s.mean(where=asked)) if asked.any() else 0.0
        slots, demand = float(gateway.queue.concurrency), needing_rps * service_s
        if gateway.queue.per == "worker":
            slots *= most_workers(gateway)
        rows.append(row("the gateway's concurrency", slots, "requests in service", demand, refused, (FULL, TOO_LONG)))
    per_attempt_rps = needing_rps / max(1, int(asked.sum()))
    pools = list(pool_rows(scenario, per_attempt_rps, requests, attempts, names))
    if pools:
        refused.take((NO_FREE_CONNECTION,))
    rows += pools
    rows += refused.rest(refusals)
    if asked.any():
        rows += provider_rows(scenario, per_attempt_rps, requests, attempts, names, refusals)
    return rows


def job_rows(gateway: Any, span_s: float, requests: Columns, refused: Refusals) -> Iterator[Row]:
    """Of the workers of each lane of jobs: those accepted and refused, each for as long as one that was done has taken."""
    if gateway.jobs is None:
        return
    accepted = np.isfinite(requests["accepted_s"])
    for lane, (words, config, full) in enumerate(
        (("the workers for jobs", gateway.jobs, JOBS_FULL), ("the workers for long jobs", gateway.jobs.long, LONG_JOBS_FULL))
    ):
        mine = accepted & (requests["job_lane"] == lane)
        done = mine & (requests["refused_by"] != EXPIRED)
        if config is not None and done.any():
            taken_s = requests["latency_s"] - requests["accepted_s"] - requests["job_wait_s"] - requests["queue_wait_s"]
            came = int(mine.sum()) + int((requests["refused_by"] == full).sum())
            demand = came / span_s * float(taken_s.mean(where=done))
            yield row(words, float(config.workers), "jobs", demand, refused, (full,))


def cpu_rows(
    scenario: Any, offered_rps: float, needing_rps: float, requests: Columns, asked: np.ndarray, refused: Refusals
) -> Iterator[Row]:
    """Of serial work, and of the workers: demand before and after the provider and for each streamed token. Stalls take from what workers
    can do.
    """
    if (law := scenario.gateway.serial_per_request) is not None:
        yield row("the gateway's serial work", 1.0, "calls at a time", offered_rps * mean(law), refused, ())
    if not works(scenario):
        return
    workers, stalls = most_workers(scenario.gateway), scenario.gateway.stalls
    tokens = float(requests["output_tokens"].mean(where=asked)) if asked.any() else 0.0
    pace = 1.0 - scenario.gateway.parallel + scenario.gateway.parallel / scenario.gateway.cores
    capacity = workers if stalls is None or stalls.every is None else workers * stalls.every / (stalls.every + stalls.for_)
    alone = offered_rps * pace * own_work_s(scenario, needing_rps / offered_rps, tokens)
    yield row("the gateway's CPU", float(capacity), "cores", crowded(scenario, alone, float(capacity)), refused, ())


def crowded(scenario: Any, alone: float, capacity: float) -> float:
    """Cores that calls ask for together, which alone would ask for ``alone`` of the ``capacity``.

    At a share r of it a call comes to 1 / (1 - r) of them on average, itself counted (M/M/1, as all in turns), and takes the share
    s + (1 - s) (1 - r) of its work alone, s being ``cpu_crowded``: so r = a / (1 + a (1 - s)), a = alone / capacity, and past 1 it is a s.
    """
    share, load = float(scenario.gateway.cpu_crowded), alone / capacity
    return capacity * max(load / (1.0 + load * (1.0 - share)), load * share)


def most_workers(gateway: Any) -> int:
    return int(gateway.workers if gateway.autoscale is None else gateway.autoscale.max)


def own_work_s(scenario: Any, sent: float, tokens: float) -> float:
    """Mean CPU seconds of the gateway for a call, stalls that come by calls included; the share ``sent`` of calls goes to a provider, and
    gets ``tokens`` back.
    """
    before_s, after_s, background_s, token_s = (0.0 if law is None else mean(law) for law in laws(scenario.gateway))
    stalls = scenario.gateway.stalls
    stalled_s = stalls.for_ / stalls.calls if stalls is not None and stalls.calls else 0.0
    work_s = before_s + background_s + stalled_s + sent * (after_s + (tokens * token_s if scenario.workload.client.stream else 0.0))
    return work_s / float(scenario.gateway.cpu_speed)


def rate_limit_rows(limits: Any, span_s: float, requests: Columns, passed: np.ndarray, refused: Refusals) -> list[Row]:
    """Of the gateway's own rate limits."""
    offered_rps = len(requests) / span_s
    overall, per_user = limits.global_, limits.per_user
    tokens = tokens_of_a_request(requests, passed)
    rows = []
    if overall and overall.requests:
        rate = overall.requests.rps
        rows.append(row("the gateway's global request limit", rate, "requests/s", offered_rps, refused, (ALL_REQUESTS,)))
    if overall and overall.tokens:
        rate = overall.tokens.rps
        rows.append(row("the gateway's global token limit", rate, "tokens/s", offered_rps * tokens, refused, (ALL_TOKENS,)))
    if per_user and (per_user.requests or per_user.tokens):
        busiest_rps, user = rate_of_a_busy_user(span_s, requests), "(user at the 99th percentile)"
        if per_user.requests:
            rate = per_user.requests.rps
            rows.append(row(f"{PER_USER}request limit {user}", rate, "requests/s", busiest_rps, refused, (USER_REQUESTS,)))
        if per_user.tokens:
            rate = per_user.tokens.rps
            rows.append(row(f"{PER_USER}token limit {user}", rate, "tokens/s", busiest_rps * tokens, refused, (USER_TOKENS,)))
    return rows


def tokens_of_a_request(requests: Columns, passed: np.ndarray) -> float:
    """What a token limit at the door is charged for one: its input and output. Answers from the cache have no output of their own."""
    answered = requests["outcome"] == OK
    tokens_in = float(requests["input_tokens"].mean(where=passed)) if passed.any() else 0.0
    return tokens_in + (float(requests["output_tokens"].mean(where=answered)) if answered.any() else 0.0)


def rate_of_a_busy_user(span_s: float, requests: Columns) -> float:
    """Requests per second of the user at the 99th percentile of those who came."""
    replication, user = requests["replication"].astype(np.int64), requests["user"]
    _, calls = np.unique(replication * (int(user.max()) + 1) + user, return_counts=True)
    return float(np.quantile(calls, 0.99)) / (span_s / len(np.unique(replication)))
