"""What the compiled world cannot run, by name. It knows the fields listed here; any other that a scenario sets is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from sim.scenario import model
from sim.scenario.distributions import Law
from sim.scenario.model import Scenario

KNOWN: dict[type[BaseModel], str] = {
    model.Workload: "arrivals duration warmup client users conversations requests",
    model.Client: "stream timeout patience",
    model.RequestClass: "name share needs feature prompts priority history tokens",
    model.Gateway: "kind workers cpu_per_request limits sessions context cache queue routing retry breaker timeout fallback "
    "cancel_on_disconnect",
    model.Limits: "requests tokens algorithm",
    model.GatewayLimits: "per_user global_",
    model.Sessions: "store ttl lookup",
    model.FullContext: "kind",
    model.WindowContext: "kind turns",
    model.SummarizeContext: "kind after_turns keep_turns summary_tokens",
    model.BudgetContext: "kind tokens",
    model.ExactCache: "kind ttl sliding capacity single_flight",
    model.Queue: "concurrency waiting timeout",
    model.Pool: "kind models",
    model.Weighted: "kind weights",
    model.Capability: "kind capabilities",
    model.Backoff: "kind base cap",
    model.Retry: "attempts backoff budget to honor_retry_after",
    model.Breaker: "preset window window_size minimum_calls failure_rate slow_rate slow_after open_for half_open_calls",
    model.Timeout: "first_token total",
    model.Provider: "dialect keys limits concurrency models errors",
    model.ProviderLimits: "requests tokens algorithm",
    model.ProviderModel: "latency ttft per_token price",
    model.Price: "input output",
    model.Errors: "rate status after",
    model.Fault: "kind provider model at for_ mode status share ttft_factor per_token_factor",
    model.Scenario: "tenfold name description seed analysis workload gateway providers faults budgets",
}
SCHEDULED = (
    model.Poisson, model.Gamma, model.Stages, model.Stage, model.Users, model.Trace, model.Closed, model.Population, model.Conversations,
    model.Prompts, model.Tokens,
)  # fmt: skip
"""Parts that shape the schedule alone, which all worlds share."""
ROUTINGS = ("round-robin", "weighted", "least-busy", "cheapest", "fastest", "capability")
FALLBACKS = ("next-provider", "stale-cache", "canned")
FAULTS = ("outage", "errors", "brownout", "rate-limit")


MOST_TARGETS = 62


def why_not(scenario: Scenario) -> list[str]:
    """Reasons why the compiled world cannot run this scenario, each naming the place; empty if it can."""
    return list(reasons(scenario))


def reasons(scenario: Scenario) -> Iterator[str]:
    yield from unknown(scenario, "")
    if scenario.workload.arrivals.kind == "closed":
        yield "workload.arrivals: closed (clients that wait for their answers)"
    elif scenario.workload.waits_for_answers:
        yield "workload.conversations.after: answer (agents that wait for their answers)"
    if sum(len(provider.models) for provider in scenario.providers.values()) > MOST_TARGETS:
        yield f"providers: more than {MOST_TARGETS} models (targets given up are bits of one number)"
    if scenario.gateway.routing.kind not in ROUTINGS:
        yield f"gateway.routing: {scenario.gateway.routing.kind}"
    for step in scenario.gateway.fallback:
        if step not in FALLBACKS:
            yield f"gateway.fallback: {step}"
    for number, fault in enumerate(scenario.faults):
        if fault.kind not in FAULTS:
            yield f"faults[{number}]: {fault.kind}"
    for name, provider in scenario.providers.items():
        laws = [(f"models.{each}.{part}", getattr(config, part)) for each, config in provider.models.items() for part in LAWS_OF_A_MODEL]
        for place, law in [*laws, ("errors.after", provider.errors.after if provider.errors else None)]:
            if law is not None and has_gamma(law):
                yield f"providers.{name}.{place}: a gamma law whose cv is not 1"


LAWS_OF_A_MODEL = ("latency", "ttft", "per_token")


def has_gamma(law: Any) -> bool:
    if law.kind == "mixture":
        return any(has_gamma(part.of) for part in law.parts)
    return has_gamma(law.of) if law.kind == "shifted" else law.kind == "gamma" and law.cv != 1


def unknown(part: BaseModel, path: str) -> Iterator[str]:
    """Fields that differ from their defaults and that this world has never heard of."""
    known = KNOWN.get(type(part), "").split()
    for name, field in type(part).model_fields.items():
        value, place = getattr(part, name), f"{path}.{field.alias or name}" if path else field.alias or name
        if name in known:
            yield from within(value, place)
        elif value != field.get_default(call_default_factory=True):
            yield place


def within(value: object, place: str) -> Iterator[str]:
    if isinstance(value, (Law, *SCHEDULED)):
        return
    if isinstance(value, BaseModel):
        yield from unknown(value, place)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from within(each, f"{place}.{key}")
    elif isinstance(value, tuple) and not hasattr(value, "_fields"):
        for number, each in enumerate(value):
            yield from within(each, f"{place}[{number}]")
