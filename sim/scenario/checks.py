"""What must hold between the parts of a scenario, beyond what each part's own model says. A table of small checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from sim.scenario.budgets import parse_budget
from sim.scenario.distributions import mean
from sim.scenario.fault_checks import faults_happen, silence_ends
from sim.scenario.finding import Finding
from sim.scenario.limits import check_limits
from sim.scenario.model import Closed, Poisson, Scenario, Stages, Trace, Users
from sim.scenario.model import Gamma as GammaArrivals
from sim.scenario.size import MOST_REQUESTS, expected_requests
from sim.scenario.tree import Steps

SHARES_TOLERANCE = 1e-6


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
        hint = (
            "agents that wait for each answer are conversations: {after: answer, …}, at a rate of calls: N agents at once ask "
            "N / (think + the time of an answer) calls a second"
        )
        yield Finding(("workload", "conversations"), f"conversations do not go with closed arrivals: {reason}", hint)
    if isinstance(arrivals, Trace):
        reason = "the trace already says when each call comes, and holds no turns"
        yield Finding(("workload", "conversations"), f"conversations do not go with a trace: {reason}", "leave one of the two out")


def history_is_meant(scenario: Scenario) -> Iterator[Finding]:
    """Conversations in which nobody asks with the earlier turns, and nobody has said so."""
    classes = scenario.workload.requests
    if scenario.workload.conversations is None or any(each.brings_history for each in classes):
        return
    for index, each in enumerate(classes):
        if each.history is None:
            message = (
                "no call sends earlier turns along: prompts from a catalog bring none by default, so gateway.context has nothing to do"
            )
            hint = "history: true sends them, and costs their tokens; history: false says that they are not meant to be sent"
            yield Finding(("workload", "requests", index, "prompts"), message, hint, warning=True)
            return


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


def provider_limits_work(scenario: Scenario) -> Iterator[Finding]:
    for name, provider in scenario.providers.items():
        yield from check_limits(("providers", name, "limits"), provider.limits)


def clients_have_time(scenario: Scenario) -> Iterator[Finding]:
    if scenario.workload.client.timeout == 0:
        yield Finding(("workload", "client", "timeout"), "expected a duration above zero", "leave it out for no timeout")


def client_retries_fit(scenario: Scenario) -> Iterator[Finding]:
    """What a client sends next can hang on one answer only."""
    workload = scenario.workload
    if workload.client.retries is None:
        return
    if isinstance(workload.arrivals, Closed) or workload.has_agents:
        what = "closed clients" if isinstance(workload.arrivals, Closed) else "agents"
        message = f"{what} already wait for each answer, and cannot send a request again"
        yield Finding(("workload", "client", "retries"), message, "give the arrivals as a rate, or let the gateway retry: gateway.retry")


def budgets_parse(scenario: Scenario) -> Iterator[Finding]:
    for index, text in enumerate(scenario.budgets):
        try:
            parse_budget(text).check(scenario)
        except ValueError as error:
            yield Finding(("budgets", index), str(error))


def cold_starts_are_foreseen(scenario: Scenario) -> Iterator[Finding]:
    for name, provider in scenario.providers.items():
        for model, config in provider.models.items():
            cold = config.cold_start
            if cold is None or cold.prewarm is None:
                continue
            here: Steps = ("providers", name, "models", model, "cold_start")
            arrivals = scenario.workload.arrivals
            if isinstance(arrivals, Trace | Closed):
                message = f"arrivals of kind {arrivals.kind} state no rate over time"
                yield Finding((*here, "prewarm"), message, "leave it out, or state the pattern: stages or users")
            if cold.idle <= 0:
                yield Finding((*here, "idle"), "expected a duration above zero")


RULES: tuple[Callable[[Scenario], Iterator[Finding]], ...] = (
    run_is_finite,
    analysis_fits,
    arrivals_make_sense,
    batches_come,
    conversations_fit_arrivals,
    history_is_meant,
    classes_are_a_mix,
    provider_limits_work,
    cold_starts_are_foreseen,
    clients_have_time,
    client_retries_fit,
    faults_happen,
    silence_ends,
    budgets_parse,
)
