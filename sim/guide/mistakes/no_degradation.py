"""No graceful degradation: when no provider answers, users get the error."""

from __future__ import annotations

from sim.analysis.metrics import measure
from sim.formatting import percent, seconds
from sim.gateway.stages.freshness import caches_of
from sim.guide.found import Found
from sim.guide.outage import outage, outage_span
from sim.guide.reach import used_providers
from sim.guide.trials import Trials, by_replication, change, gain

WORDS = "No graceful degradation: When APIs fail, users get errors instead of helpful fallbacks."
PREPARED, STALE = "canned", "stale-cache"
BARE = 0.05
"""Share of requests that end in an error during an outage of all providers from which degradation is missing."""
SCALE = 10.0


def find(trials: Trials) -> Found | None:
    scenario = trials.scenario
    if PREPARED in scenario.gateway.fallback:
        return None
    spans = [outage_span(scenario)]
    fault = outage(scenario, used_providers(scenario))
    before = trials.run(fault)
    bare = 1 - float(by_replication(before, "served", spans).mean())
    if bare <= BARE:
        return None
    steps = [
        *scenario.gateway.fallback,
        *([STALE] if caches_of(scenario, "exact") and STALE not in scenario.gateway.fallback else []),
        PREPARED,
    ]
    mend = (change("gateway.fallback", steps), change("gateway.fallback_on", ["error", "timeout", "rejected", "rate_limited"]))
    after = trials.run((*mend, *fault))
    begins, ends = spans[0]
    errors = measure(trials.run(scale=SCALE), "error_rate.total").value
    return Found(
        where="gateway.fallback",
        says=f"with every provider out for {seconds(ends - begins)}, {percent(bare)} of the requests in that time end in an error; at "
        f"{SCALE:g}x, without any outage, {percent(errors)} do",
        mend=mend,
        todo="give an earlier answer or a prepared text instead of an error: fallback: [stale-cache, canned], also for refused calls "
        "(fallback_on)",
        gains=tuple(gain(figure, before, after, spans, "during the outage") for figure in ("served", "degraded_rate")),
    )
