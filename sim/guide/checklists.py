"""The guide's checklists by size. A line is ticked from the scenario and its predictions, or says what to do.

What no scenario can show (a dashboard that someone looks at, a review that takes place) is neither ticked nor not: ``None``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sim.analysis.budgets import judge
from sim.analysis.metrics import measure
from sim.data.run import Run
from sim.formatting import dollars, interval, listed, percent
from sim.gateway.stages.freshness import caches_of
from sim.guide.mistakes.no_degradation import PREPARED, STALE
from sim.guide.mistakes.single_provider import NEXT
from sim.guide.mistakes.token_limits import brings_history
from sim.guide.reach import model_of, targets_of, used_providers, used_targets
from sim.workload.calls import stated_population

PEAK, PROJECTED = 10.0, 100.0
ANSWERED = 0.9
"""Share answered at PROJECTED below which the cost is that of those who came through."""


class Line(NamedTuple):
    """``ticked`` None: a scenario cannot show it. ``says``: what was seen; ``todo``: what to do where it is not ticked."""

    ticked: bool | None
    says: str
    todo: str = ""


class Seen(NamedTuple):
    """A scenario, its runs by scale, and the names of the mistakes found in it."""

    scenario: Any
    runs: Mapping[float, Run]
    mistakes: frozenset[str]


# ---- before launch ----------------------------------------------------------------------------------------------------
def load_tested(seen: Seen) -> Line:
    judged = judge(seen.runs[PEAK])
    prove = f"prove it with `tenfold verify --scale {PEAK:g}`"
    if not judged:
        available = percent(measure(seen.runs[PEAK], "availability").value)
        return Line(False, f"no budget says what has to hold; {available} answered at {PEAK:g}x", "state budgets")
    failing = [each.budget.text for each in judged if each.verdict != "ok"]
    if failing:
        return Line(False, f"{listed(failing)} does not hold at {PEAK:g}x", "see `tenfold plan` for what to raise first")
    return Line(True, f"predicted: every budget holds at {PEAK:g}x; {prove}")


def projected(seen: Seen) -> Line:
    cost = measure(seen.runs[PROJECTED], "cost_usd.per_month")
    bounds = interval(cost.as_dict(), "USD")
    available = measure(seen.runs[PROJECTED], "availability").value or 0.0
    said = f"{dollars(cost.value)} a month at {PROJECTED:g}x{f' ({bounds})' if bounds else ''}, {percent(available)} answered"
    if available < ANSWERED and (now := measure(seen.runs[1.0], "cost_usd.per_month").value) is not None:
        said += f"; to answer all at today's cost of each, about {dollars(now * PROJECTED)}"
    return Line(cost.value is not None, said, "give the models' prices")


def falls_back(seen: Seen) -> Line:
    steps = [step for step in seen.scenario.gateway.fallback if step in (PREPARED, STALE)]
    if "no graceful degradation" in seen.mistakes or not steps:
        return Line(False, "users get the error" if not steps else f"{listed(steps)} answers too few", "add canned to gateway.fallback")
    return Line(True, f"gateway.fallback: {listed(steps)}")


def limits_rates(seen: Seen) -> Line:
    limits = seen.scenario.gateway.limits
    missing = [name for name, limit in (("per_user", limits.per_user), ("global", limits.global_)) if limit is None]
    said = "per user and globally" if not missing else f"none {listed(missing)}"
    return Line(not missing, said, listed([f"add gateway.limits.{name}" for name in missing]))


def dashboards(seen: Seen) -> Line:
    return Line(None, "the gateway serves /metrics; whether anyone looks at them no scenario can say")


# ---- at 1,000 users ---------------------------------------------------------------------------------------------------
def caches(seen: Seen) -> Line:
    hits = measure(seen.runs[1.0], "cache_hit_rate").value or 0.0
    if not seen.scenario.gateway.cache:
        return Line(False, "no cache", "add gateway.cache, 5 to 15 minutes for identical prompts")
    return Line(hits > 0, f"{percent(hits)} of requests answered from the cache", "no prompt is shared: see the warnings")


def queues(seen: Seen) -> Line:
    queue, jobs = seen.scenario.gateway.queue, seen.scenario.gateway.jobs
    if jobs is not None:
        return Line(True, f"{'all requests' if jobs.classes is None else listed(jobs.classes)} accepted at once, as jobs")
    waiting = queue is not None and queue.waiting != 0
    return Line(
        waiting, "calls wait in a queue while all slots are taken" if waiting else "no waiting room", "add gateway.queue, or gateway.jobs"
    )


def several_keys(seen: Seen) -> Line:
    single = [name for name in used_providers(seen.scenario) if seen.scenario.providers[name].keys < 2]
    return Line(not single, f"one key at {listed(single)}" if single else "several keys at each provider", "add keys: 2 or more")


def sessions(seen: Seen) -> Line:
    if seen.scenario.workload.conversations is None:
        return Line(True, "no conversations, so nothing to store")
    store = None if seen.scenario.gateway.sessions is None else seen.scenario.gateway.sessions.store
    said = f"sessions in {store}" if store else "no sessions: clients send their history"
    return Line(store == "redis", said, "sessions: redis, so that every process has them")


def alerts(seen: Seen) -> Line:
    count = len(seen.scenario.budgets)
    return Line(count > 0, f"{count} budgets" if count else "no budgets", "state budgets: they are the thresholds")


# ---- at 10,000 users --------------------------------------------------------------------------------------------------
def several_models(seen: Seen) -> Line:
    first = {targets_of(seen.scenario, each)[0].partition("/")[2] for each in seen.scenario.workload.requests}
    ticked = seen.scenario.gateway.routing.kind == "capability" and len(first) > 1
    said = f"classes go to {listed(sorted(first))}" if ticked else "all classes go to the same models"
    return Line(ticked, said, "routing: capability, with a cheaper model for what is simple")


def semantic(seen: Seen) -> Line:
    ticked = bool(caches_of(seen.scenario, "semantic"))
    return Line(ticked, "a semantic cache" if ticked else "no semantic cache", "add one for questions that are asked in many words")


def context(seen: Seen) -> Line:
    kind = seen.scenario.gateway.context.kind
    if not brings_history(seen.scenario):
        talks = seen.scenario.workload.conversations is not None
        said = "no call brings its conversation's history" if talks else "no conversations"
        return Line(None if talks else True, said, "history: true at the request classes that are sent with earlier turns")
    return Line(kind != "full", f"context: {kind}", "gateway.context: window, summarize or budget")


def second_provider(seen: Seen) -> Line:
    ticked = "single provider dependency" not in seen.mistakes and NEXT in seen.scenario.gateway.fallback
    names = listed(used_providers(seen.scenario))
    return Line(
        ticked, f"{names}, calls fail over" if ticked else f"{names}, calls do not fail over", "a second provider and next-provider"
    )


def weekly(seen: Seen) -> Line:
    return Line(None, "a review happens outside of a scenario: `tenfold audit --against` the last one kept says what has drifted")


# ---- at 100,000 users -------------------------------------------------------------------------------------------------
def regions(seen: Seen) -> Line:
    placed = seen.scenario.gateway.regions
    if placed is not None:
        said = f"gateways in {listed(list(placed.gateways))}"
        return Line(len(placed.gateways) > 1, said, "add a second region to gateway.regions.gateways")
    trips = {seen.scenario.providers[name].rtt for name in used_providers(seen.scenario)}
    said = "providers at different distances (rtt)" if len(trips) > 1 else "all providers at one distance: one region"
    return Line(len(trips) > 1, said, "add gateway.regions, workload.users.regions and the providers' region")


def cost_aware(seen: Seen) -> Line:
    kind = seen.scenario.gateway.routing.kind
    return Line(kind == "cheapest", f"routing: {kind}", "routing: cheapest sends each call where its own tokens cost least")


def predictive(seen: Seen) -> Line:
    scaler = seen.scenario.gateway.autoscale
    if scaler is None:
        return Line(False, "the workers stay as many as they are", "add gateway.autoscale with forecast: a little more than start_up")
    if scaler.forecast is None:
        return Line(
            False, f"{scaler.kind} follows what it sees", "add forecast to gateway.autoscale: a little more than start_up and every"
        )
    most = measure(seen.runs[PEAK], "workers.max").value or 0.0
    return Line(True, f"{scaler.kind} looks {scaler.forecast:g} s ahead: up to {most:g} workers at {PEAK:g}x")


def dedicated(seen: Seen) -> Line:
    own = [target for target in used_targets(seen.scenario) if is_dedicated(seen.scenario, target)]
    said = f"{listed(own)} has capacity of its own" if own else "every model is shared with others and limited by the minute"
    return Line(
        bool(own), said, "add a provider with reserved: {usd_per_hour: …, units: …}; `tenfold guide` says from which volume it pays"
    )


def is_dedicated(scenario: Any, target: str) -> bool:
    provider = scenario.providers[target.partition("/")[0]]
    return provider.reserved is not None or model_of(scenario, target).batching is not None


def quarterly(seen: Seen) -> Line:
    return weekly(seen)


# ---- the lists --------------------------------------------------------------------------------------------------------
CHECKLISTS: tuple[tuple[str, int, tuple[tuple[str, Callable[[Seen], Line]], ...]], ...] = (
    ("Before launch", 0, (
        ("Load tested with 10x expected peak traffic", load_tested),
        ("Cost projections for 100x current usage", projected),
        ("Fallback responses for API failures", falls_back),
        ("Rate limiting per user and globally", limits_rates),
        ("Monitoring dashboards configured", dashboards),
    )),
    ("At 1,000 users", 1_000, (
        ("Basic caching implemented", caches),
        ("Queue-based processing for long requests", queues),
        ("Multiple API keys for rate limit distribution", several_keys),
        ("Session storage optimized (Redis)", sessions),
        ("Alert thresholds configured", alerts),
    )),
    ("At 10,000 users", 10_000, (
        ("Multi-model routing operational", several_models),
        ("Semantic caching for repeated queries", semantic),
        ("Context window optimization deployed", context),
        ("Secondary API provider configured", second_provider),
        ("Cost optimization review weekly", weekly),
    )),
    ("At 100,000+ users", 100_000, (
        ("Multi-region deployment", regions),
        ("Advanced load balancing with cost awareness", cost_aware),
        ("Predictive scaling based on traffic patterns", predictive),
        ("Dedicated API capacity or private endpoints", dedicated),
        ("Quarterly architecture review", quarterly),
    )),
)  # fmt: skip
"""Title, users from which it is due, and its lines in the guide's words."""


def walk(seen: Seen) -> list[dict[str, Any]]:
    """Every checklist with its lines; ``due`` are those of the scenario's size. Users that no scenario states make only the first due."""
    users = stated_population(seen.scenario.workload) or 0
    return [
        {
            "title": title,
            "users": least,
            "due": users >= least,
            "lines": [{"line": words, **line._asdict()} for words, of in lines for line in [of(seen)]],
        }
        for title, least, lines in CHECKLISTS
    ]
