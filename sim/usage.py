"""How much of every limit a run asks for: offered demand beside capacity, so that the limit reached first can be named.

Demand is what the offered traffic would put on a limit if no other limit stood before it. It is extrapolated from the requests
that did get through: their share that needs a slot, their time in service, their attempts and tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sim.distributions import mean
from sim.records import Outcome
from sim.rows import Columns
from sim.scenario.model import Scenario


def usage(
    scenario: Scenario, span_s: float, requests: Columns, attempts: Columns, names: tuple[str, ...], limited: Mapping[str, int]
) -> list[dict[str, Any]]:
    """One row per limit: ``limit`` (words), ``capacity`` and ``demand`` in ``unit``, ``load`` = demand / capacity, ``refused`` (requests
    or attempts).

    ``requests`` and ``attempts`` are columns of the counted rows of ``span_s`` seconds, all replications together; ``names`` the targets;
    ``limited`` the requests refused by each of the gateway's rate limits ("global", "per_user").
    """
    gateway = scenario.gateway
    rows: list[dict[str, Any]] = []
    if not len(requests) or span_s <= 0:
        return rows

    def limit(words: str, capacity: float, unit: str, demand: float, refused: int) -> None:
        rows.append({"limit": words, "capacity": capacity, "unit": unit, "demand": demand, "load": demand / capacity, "refused": refused})

    offered_rps = len(requests) / span_s
    outcome = requests["outcome"]
    passed = outcome != Outcome.RATE_LIMITED  # masks, not rows: copies of ten million rows would not fit
    overall, per_user = gateway.limits.global_, gateway.limits.per_user
    if overall and overall.requests:
        limit("the gateway's global request limit", overall.requests.rps, "requests/s", offered_rps, limited.get("global", 0))
    if overall and overall.tokens and passed.any():
        tokens = float((requests["input_tokens"] + requests["output_tokens"]).mean(where=passed))
        limit("the gateway's global token limit", overall.tokens.rps, "tokens/s", offered_rps * tokens, limited.get("global", 0))
    if per_user and per_user.requests:
        population = int(requests["user"].max()) + 1
        _, calls = np.unique(requests["replication"].astype(np.int64) * population + requests["user"], return_counts=True)
        busiest = float(np.quantile(calls, 0.99)) / (span_s / max(1, len(np.unique(requests["replication"]))))
        words = "the per-user request limit (user at the 99th percentile)"
        limit(words, per_user.requests.rps, "requests/s", busiest, limited.get("per_user", 0))
    if gateway.cpu_per_request is not None:
        limit("the gateway's CPU", float(gateway.workers), "cores", offered_rps * mean(gateway.cpu_per_request), 0)

    needing = passed & (outcome != Outcome.CACHE_HIT)
    asked = needing & (requests["attempts"] > 0)
    if not asked.any():
        return rows
    needing_rps = offered_rps * int(needing.sum()) / max(1, int(passed.sum()))
    if gateway.queue is not None and gateway.queue.concurrency != "unlimited":
        in_service_s = requests["latency_s"] - requests["queue_wait_s"] - requests["coalesced_s"] - requests["cpu_s"]
        service_s = float(in_service_s.mean(where=asked))
        refused = int((outcome == Outcome.REJECTED).sum())
        limit("the gateway's concurrency", float(gateway.queue.concurrency), "requests in service", needing_rps * service_s, refused)
    providers = list(scenario.providers)
    provider_of = np.array([providers.index(name.split("/", 1)[0]) for name in names])[attempts["target"]]
    status, tokens_in, tokens_out = attempts["status"], attempts["input_tokens"], attempts["output_tokens"]
    for number, (name, provider) in enumerate(scenario.providers.items()):
        mine = provider_of == number
        count = int(mine.sum())
        if not count:
            continue
        per_second = needing_rps * count / int(asked.sum())
        refused = int((status[mine] == 429).sum())
        if provider.limits.requests:
            capacity = provider.limits.requests.rps * provider.keys * 60
            limit(f"{name}'s request limit", capacity, "requests/min", per_second * 60, refused)
        if provider.limits.tokens:
            capacity = provider.limits.tokens.rps * provider.keys * 60
            served = mine & (status == 200)
            each = float((tokens_in[served] + tokens_out[served]).mean()) if served.any() else 0.0
            limit(f"{name}'s token limit", capacity, "tokens/min", per_second * each * 60, refused)
        if provider.concurrency is not None:
            in_service = per_second * float(attempts["duration_s"][mine].mean())
            limit(f"{name}'s concurrency", float(provider.concurrency), "requests in service", in_service, refused)
    return rows
