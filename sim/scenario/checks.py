"""What must hold between the parts of a scenario, beyond what each part's own model says. A table of small checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from sim.scenario.errors import Problem, ScenarioError, did_you_mean
from sim.scenario.model import Capability, Closed, Fault, Limits, Poisson, Pool, Scenario, Stages, Trace, Users, Weighted
from sim.scenario.model import Gamma as GammaArrivals
from sim.scenario.tree import Steps
from sim.units import Rate

MOST_REQUESTS = 50_000_000
"""Expected requests of one replication. A schedule of this many fills some 5 GB."""
MOST_IN_ALL = 200_000_000
"""Expected requests of all replications of one scale. Their rows fill some 25 GB of disk, where long runs keep them (sim.spill)."""
SHARES_TOLERANCE = 1e-6


class Finding(NamedTuple):
    """Something that does not hold at ``path``. A ``warning`` is told, and the scenario runs."""

    path: Steps
    message: str
    hint: str = ""
    warning: bool = False


def check(scenario: Scenario) -> list[Finding]:
    return [finding for rule in RULES for finding in rule(scenario)]


def expected_requests(scenario: Scenario, scale: float = 1.0) -> float:
    """How many requests one replication is expected to make, warm-up included.

    Closed clients count once each, the least they can do; a trace counts 0, because only its file can tell.
    """
    arrivals, duration_s = scenario.workload.arrivals, scenario.workload.duration
    if isinstance(arrivals, (Poisson, GammaArrivals)):
        return arrivals.rate.rps * duration_s * scale
    if isinstance(arrivals, Stages):
        return scale * sum(stage.rate.rps * stage.duration for stage in arrivals.stages)
    if isinstance(arrivals, Users):
        return scale * arrivals.daily_active * arrivals.calls_per_day * duration_s / 86400
    return arrivals.clients * scale if isinstance(arrivals, Closed) else 0.0


def refuse_too_many(scenario: Scenario, scale: float, replications: int = 1) -> None:
    """Raises ScenarioError, before anything is computed, for more requests at this scale than a run may have."""
    requests = expected_requests(scenario, scale)
    if requests > MOST_REQUESTS:
        message = f"about {requests:,.0f} requests at {scale:g}x; a run may have {MOST_REQUESTS:,}"
        hint = "lower --scale, or shorten workload.duration"
    elif requests * replications > MOST_IN_ALL:
        message = (
            f"about {requests * replications:,.0f} requests in {replications:,} replications at {scale:g}x; the most is {MOST_IN_ALL:,}"
        )
        hint = "lower --replications or --scale, or shorten workload.duration"
    else:
        return
    raise ScenarioError([Problem("scenario", message, path="workload.arrivals", hint=hint)])


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


# What each kind of fault reads; anything else that is given would be ignored without a word.
FAULT_READS = {
    "outage": {"mode", "status"},
    "errors": {"share", "status"},
    "brownout": {"ttft_factor", "per_token_factor"},
    "rate-limit": {"share"},
    "stall": {"share", "after"},
    "reset": {"share", "after"},
    "truncate": {"share", "after"},
    "stream-error": {"share", "after"},
    "malformed": {"share", "after"},
    "content-filter": {"share", "after"},
    "slow-headers": {"share", "delay"},
}
EVERY_FAULT_READS = {"kind", "provider", "also", "model", "key", "at", "for_", "every", "lasting", "first"}


def faults_happen(scenario: Scenario) -> Iterator[Finding]:
    """A fault that never begins is refused: a chaos run would pass without having been one. One that outlasts the run is a warning."""
    for index, fault in enumerate(scenario.faults):
        here: Steps = ("faults", index)
        yield from fault_has_victim(scenario, fault, here)
        end_s, duration_s = fault.at + fault.for_, scenario.workload.duration
        if fault.at >= duration_s:
            message = f"begins at {fault.at:g}s, after the run has ended at {duration_s:g}s: it would never happen"
            yield Finding((*here, "at"), message, "move it, lengthen workload.duration, or drop it (--set faults=[])")
        elif end_s > duration_s:
            message = f"lasts until {end_s:g}s, the run only until {duration_s:g}s: recovery will not be seen"
            yield Finding((*here, "for"), message, warning=True)
        if fault.for_ <= 0:
            yield Finding((*here, "for"), "expected a duration above zero")
        readable = EVERY_FAULT_READS | FAULT_READS[fault.kind]
        given = {name for name, field in Fault.model_fields.items() if getattr(fault, name) != field.default}
        for field in sorted(given - readable):
            hint = f"{fault.kind} reads {' and '.join(sorted(FAULT_READS[fault.kind]))}"
            yield Finding((*here, field), f"means nothing to a fault of kind {fault.kind}", hint)


def fault_has_victim(scenario: Scenario, fault: Fault, here: Steps) -> Iterator[Finding]:
    if fault.provider not in scenario.providers:
        hint = did_you_mean(fault.provider, scenario.providers) or f"there are {', '.join(scenario.providers)}"
        yield Finding((*here, "provider"), f"no provider is called {fault.provider!r}", hint)
    for other in fault.also:
        if other not in scenario.providers:
            hint = did_you_mean(other, scenario.providers) or f"there are {', '.join(scenario.providers)}"
            yield Finding((*here, "also"), f"no provider is called {other!r}", hint)
    if fault.provider in scenario.providers and fault.key is not None and fault.key >= scenario.providers[fault.provider].keys:
        yield Finding((*here, "key"), f"provider {fault.provider!r} has keys 0 to {scenario.providers[fault.provider].keys - 1}")
    if (
        fault.provider in scenario.providers
        and fault.model is not None
        and fault.model not in (models := scenario.providers[fault.provider].models)
    ):
        hint = did_you_mean(fault.model, models) or f"it has {', '.join(models)}"
        yield Finding((*here, "model"), f"provider {fault.provider!r} has no model {fault.model!r}", hint)


def silence_ends(scenario: Scenario) -> Iterator[Finding]:
    """A request that is never answered must be given up by somebody, or the run would never end."""
    timeout, client = scenario.gateway.timeout, scenario.workload.client
    for index, fault in enumerate(scenario.faults):
        hangs = fault.kind == "outage" and fault.mode == "hang"
        if not hangs and fault.kind != "stall":
            continue
        if timeout.total is None and client.timeout is None and (timeout.first_token is None or not hangs):
            message = f"{'a provider that hangs' if hangs else 'a stream that stalls'} never ends, and nobody here gives up waiting"
            yield Finding(("faults", index), message, "set gateway.timeout.total or workload.client.timeout")


def budgets_parse(scenario: Scenario) -> Iterator[Finding]:
    if scenario.budgets:
        from sim.budgets import parse_budget  # late: it reads results, and so stands above the scenario
    for index, text in enumerate(scenario.budgets):
        try:
            parse_budget(text).spans(scenario)
        except ValueError as error:
            yield Finding(("budgets", index), str(error))


RULES: tuple[Callable[[Scenario], Iterator[Finding]], ...] = (
    run_is_finite,
    analysis_fits,
    arrivals_make_sense,
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
