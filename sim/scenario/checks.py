"""What must hold between the parts of a scenario, beyond what each part's own model says. A table of small checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from sim.scenario.budgets import parse_budget
from sim.scenario.distributions import mean
from sim.scenario.errors import did_you_mean
from sim.scenario.fault_checks import faults_happen, silence_ends
from sim.scenario.finding import Finding
from sim.scenario.model import Capability, Closed, Limits, Poisson, Pool, Scenario, Stages, Trace, Users, Weighted
from sim.scenario.model import Gamma as GammaArrivals
from sim.scenario.size import MOST_REQUESTS, expected_requests
from sim.scenario.tree import Steps
from sim.scenario.units import Rate

SHARES_TOLERANCE = 1e-6


def check(scenario: Scenario) -> list[Finding]:
    return [finding for rule in RULES for finding in rule(scenario)]


def run_is_finite(scenario: Scenario) -> Iterator[Finding]:
    workload = scenario.workload
    if workload.duration <= 0:
        yield Finding(("workload", "duration"), "expected a duration above zero")
    elif workload.warmup_s >= workload.duration:
        yield Finding(
            ("workload", "warmup"),
            f"expected a warm-up shorter than the duration ({workload.duration:g}s), found {workload.warmup_s:g}s",
            "the duration includes the warm-up: with nothing after it there is nothing to count",
        )
    if (requests := expected_requests(scenario)) > MOST_REQUESTS:
        hint = "shorten the run or lower the rate; several replications of a shorter run say more"
        yield Finding(("workload", "arrivals"), f"about {requests:,.0f} requests; a run may have {MOST_REQUESTS:,}", hint)


def analysis_fits(scenario: Scenario) -> Iterator[Finding]:
    """A steady state has a start to leave out; a span of time begins where it begins."""
    warmup = scenario.workload.warmup
    if scenario.analysis == "terminating":
        if warmup == "auto":
            message = "a terminating run begins as it stands: there is no steady state whose warm-up could be found"
            yield Finding(("workload", "warmup"), message, "say analysis: steady-state, or give the warm-up as a duration")
        return
    if warmup == 0:
        message = "a steady-state run starts empty and needs a warm-up"
        yield Finding(("analysis",), message, "say workload.warmup: auto, or give it as a duration")
    if scenario.faults:
        yield Finding(("analysis",), "faults come and go, so this run has no steady state", "say analysis: terminating", warning=True)


def arrivals_make_sense(scenario: Scenario) -> Iterator[Finding]:
    workload, arrivals = scenario.workload, scenario.workload.arrivals
    here: Steps = ("workload", "arrivals")
    if isinstance(arrivals, (Poisson, GammaArrivals)) and arrivals.rate.rps <= 0:
        yield Finding((*here, "rate"), "expected a rate above zero")
    if isinstance(arrivals, Stages):
        total_s = math.fsum(stage.duration for stage in arrivals.stages)
        if not math.isclose(total_s, workload.duration, rel_tol=1e-6):
            message = f"the stages last {total_s:g}s together, the workload {workload.duration:g}s"
            yield Finding((*here, "stages"), message, f"set workload.duration to {total_s:g}s, or change a stage")
        if all(stage.rate.rps == 0 for stage in arrivals.stages):
            yield Finding((*here, "stages"), "expected a stage with a rate above zero")
    if isinstance(arrivals, Users) and arrivals.profile is not None:
        if not arrivals.profile or max(arrivals.profile) == 0:
            yield Finding((*here, "profile"), "expected at least one value above zero")
        if "peak_to_mean" in arrivals.model_fields_set and arrivals.peak_to_mean != 1:
            yield Finding((*here, "peak_to_mean"), "profile already says how the day goes", "leave out peak_to_mean, or the profile")


def batches_come(scenario: Scenario) -> Iterator[Finding]:
    """A batch is of at least one call, and there is at least one."""
    batch = getattr(scenario.workload.arrivals, "batch", None)
    if batch is None:
        return
    here, size = ("workload", "arrivals", "batch"), mean(batch)
    if size < 1:
        yield Finding(here, f"expected batches of 1 call or more on average, found {size:g}", "leave batch out for calls that come alone")
        return
    talks = scenario.workload.conversations
    begun = expected_requests(scenario) / (1 if talks is None else max(1.0, mean(talks.turns)))
    if begun < size:
        message = f"batches of {size:,.0f} calls on average, and about {begun:,.0f} calls in all: a run may well have no batch"
        if talks is not None:
            message = f"{size:,.0f} conversations begin together on average, and about {begun:,.0f} in all: a run may well have none"
        yield Finding(
            here, message, "the rate counts calls, not batches: raise it, lengthen the run, or make batches smaller", warning=True
        )


def conversations_fit_arrivals(scenario: Scenario) -> Iterator[Finding]:
    arrivals = scenario.workload.arrivals
    if scenario.workload.conversations is None:
        return
    if isinstance(arrivals, Closed):
        reason = "a closed client waits for each answer, so its calls cannot follow the conversations' own timetable"
        yield Finding(("workload", "conversations"), f"conversations do not go with closed arrivals: {reason}", "leave one of the two out")
    if isinstance(arrivals, Trace):
        reason = "the trace already says when each call comes, and holds no turns"
        yield Finding(("workload", "conversations"), f"conversations do not go with a trace: {reason}", "leave one of the two out")


def classes_are_a_mix(scenario: Scenario) -> Iterator[Finding]:
    classes = scenario.workload.requests
    total = math.fsum(each.share for each in classes)
    if abs(total - 1) > SHARES_TOLERANCE:
        shares = " + ".join(f"{each.share:g}" for each in classes[:8]) + (" + …" if len(classes) > 8 else "")
        yield Finding(("workload", "requests"), f"expected shares that sum to 1, found {shares} = {total:g}")
    seen: set[str] = set()
    for index, each in enumerate(classes):
        if each.name in seen:
            yield Finding(
                ("workload", "requests", index, "name"), f"a request class called {each.name!r} stands above already", "rename one"
            )
        seen.add(each.name)


def targets_of(scenario: Scenario) -> list[str]:
    """Every provider/model of the scenario."""
    return [f"{provider}/{model}" for provider, entry in scenario.providers.items() for model in entry.models]


def routes_lead_somewhere(scenario: Scenario) -> Iterator[Finding]:
    routing, known = scenario.gateway.routing, targets_of(scenario)
    here: Steps = ("gateway", "routing")
    listed: list[tuple[Steps, str]] = []
    if isinstance(routing, Pool):
        listed = [((*here, "models", index), target) for index, target in enumerate(routing.models)]
    elif isinstance(routing, Weighted):
        listed = [((*here, "weights", target), target) for target in routing.weights]
        if not any(routing.weights.values()):
            yield Finding((*here, "weights"), "expected at least one weight above zero")
    else:
        listed = [((*here, name, index), target) for name, targets in routing.capabilities.items() for index, target in enumerate(targets)]
    for path, target in listed:
        if target not in known:
            hint = did_you_mean(target, known) or f"the providers have {', '.join(known[:8])}{', …' if len(known) > 8 else ''}"
            yield Finding(path, f"no provider has the target {target!r}", hint)


def needs_are_met(scenario: Scenario) -> Iterator[Finding]:
    routing = scenario.gateway.routing
    if not isinstance(routing, Capability):
        return
    for index, each in enumerate(scenario.workload.requests):
        here: Steps = ("workload", "requests", index)
        if each.needs is None and "default" not in routing.capabilities:
            hint = f"add `needs` with one of {', '.join(routing.capabilities)}, or a capability called default"
            yield Finding(here, f"request class {each.name!r} needs nothing, so capability routing has no target for it", hint)
        elif each.needs is not None and each.needs not in routing.capabilities:
            hint = did_you_mean(each.needs, routing.capabilities) or f"the routing has {', '.join(routing.capabilities)}"
            yield Finding((*here, "needs"), f"the routing has no capability {each.needs!r}", hint)


def limits_of(scenario: Scenario) -> Iterator[tuple[Steps, Limits, dict[str, Rate]]]:
    """Every set of limits with its path, and those of its limits that are given, by name."""
    gateway = scenario.gateway.limits
    found: list[tuple[Steps, Limits | None]] = [
        (("gateway", "limits", "per_user"), gateway.per_user),
        (("gateway", "limits", "global"), gateway.global_),
        *((("providers", name, "limits"), provider.limits) for name, provider in scenario.providers.items()),
    ]
    for path, limits in found:
        if limits is not None:
            rates = {what: getattr(limits, what, None) for what in ("requests", "tokens", "input_tokens", "output_tokens")}
            yield path, limits, {what: rate for what, rate in rates.items() if rate is not None}


def limits_let_something_through(scenario: Scenario) -> Iterator[Finding]:
    """A limit's count is also its burst: below one, nothing ever fits in."""
    for path, _, rates in limits_of(scenario):
        for what, rate in rates.items():
            if rate.count < 1:
                hint = f"write it over a longer time: {rate.rps * 3600:g}/h" if rate.rps * 3600 >= 1 else "leave the limit out for none"
                yield Finding((*path, what), f"expected at least 1 at a time, found {rate}: it would let nothing through", hint)


def logs_count_requests(scenario: Scenario) -> Iterator[Finding]:
    """A sliding log holds the times of requests and no sizes: a token limit of that kind would not be enforced."""
    for path, limits, rates in limits_of(scenario):
        for what in rates if limits.algorithm == "sliding-log" else ():
            if what != "requests":
                hint = "use token-bucket, or a window, for tokens"
                yield Finding((*path, what), "a sliding log counts requests and cannot limit tokens", hint)


def timeouts_leave_time(scenario: Scenario) -> Iterator[Finding]:
    timeout, client = scenario.gateway.timeout, scenario.workload.client
    for path, value in (
        (("gateway", "timeout", "first_token"), timeout.first_token),
        (("gateway", "timeout", "total"), timeout.total),
        (("workload", "client", "timeout"), client.timeout),
    ):
        if value == 0:
            yield Finding(path, "expected a duration above zero", "leave it out for no timeout")


def gateway_agrees_with_itself(scenario: Scenario) -> Iterator[Finding]:
    gateway = scenario.gateway
    if "stale-cache" in gateway.fallback and not gateway.cache:
        index = gateway.fallback.index("stale-cache")
        yield Finding(("gateway", "fallback", index), "stale-cache answers from a cache, and there is none", "add gateway.cache")
    first, total = gateway.timeout.first_token, gateway.timeout.total
    if first is not None and total is not None and first > total:
        yield Finding(("gateway", "timeout", "first_token"), f"expected at most timeout.total ({total:g}s), found {first:g}s")


def budgets_parse(scenario: Scenario) -> Iterator[Finding]:
    for index, text in enumerate(scenario.budgets):
        try:
            parse_budget(text).spans(scenario)
        except ValueError as error:
            yield Finding(("budgets", index), str(error))


RULES: tuple[Callable[[Scenario], Iterator[Finding]], ...] = (
    run_is_finite,
    analysis_fits,
    arrivals_make_sense,
    batches_come,
    conversations_fit_arrivals,
    classes_are_a_mix,
    routes_lead_somewhere,
    needs_are_met,
    limits_let_something_through,
    logs_count_requests,
    timeouts_leave_time,
    gateway_agrees_with_itself,
    faults_happen,
    silence_ends,
    budgets_parse,
)
