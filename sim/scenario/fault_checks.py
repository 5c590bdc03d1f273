"""What must hold of a scenario's faults: they strike somebody, within the run, with fields that mean something, and end."""

from __future__ import annotations

from collections.abc import Iterator

from sim.scenario.errors import did_you_mean
from sim.scenario.faults import struck_from_s
from sim.scenario.finding import Finding
from sim.scenario.model import Fault, Scenario
from sim.scenario.tree import Steps

# What each kind of fault reads; anything else that is given would be ignored without a word.
FAULT_READS = {
    "outage": {"mode", "status", "retry_after"},
    "errors": {"share", "status", "retry_after"},
    "brownout": {"ttft_factor", "per_token_factor"},
    "rate-limit": {"share", "retry_after"},
    "stall": {"share", "after"},
    "reset": {"share", "after"},
    "truncate": {"share", "after"},
    "stream-error": {"share", "after"},
    "malformed": {"share", "after"},
    "content-filter": {"share", "after"},
    "slow-headers": {"share", "delay"},
    "region-outage": {"region"},
    "dns-outage": {"ttl"},
    "crash": {"input_tokens", "restart"},
    "redis-outage": {"mode"},
    "redis-restart": set(),
    "redis-slow": {"delay"},
    "redis-full": set(),
}
EVERY_FAULT_READS = {"kind", "provider", "also", "model", "key", "at", "for_", "every", "lasting", "first", "preset"}


def faults_happen(scenario: Scenario) -> Iterator[Finding]:
    """A fault that never begins is refused: a chaos run would pass without having been one. One that outlasts the run is a warning."""
    for index, fault in enumerate(scenario.faults):
        here: Steps = ("faults", index)
        if isinstance(fault, Fault):
            yield from fault_has_victim(scenario, fault, here)
        end_s, duration_s = fault.at + fault.for_, scenario.workload.duration
        if fault.at >= duration_s:
            message = f"begins at {fault.at:g}s, after the run has ended at {duration_s:g}s: it would never happen"
            yield Finding((*here, "at"), message, "move it, lengthen workload.duration, or drop it (--set faults=[])")
        elif end_s > duration_s:
            message = f"lasts until {end_s:g}s, the run only until {duration_s:g}s: recovery will not be seen"
            yield Finding((*here, "for"), message, warning=True)
        if isinstance(fault, Fault) and fault.kind == "dns-outage" and struck_from_s(fault) >= min(end_s, duration_s):
            message = f"is over before the first address has to be renewed, at {struck_from_s(fault):g}s: nobody would notice it"
            yield Finding((*here, "ttl"), message, "make it last longer than ttl")
        if fault.for_ <= 0:
            yield Finding((*here, "for"), "expected a duration above zero")
        readable = EVERY_FAULT_READS | FAULT_READS[fault.kind]
        given = {name for name, field in type(fault).model_fields.items() if getattr(fault, name) != field.default}
        for field in sorted(given - readable):
            hint = f"{fault.kind} reads {' and '.join(sorted(FAULT_READS[fault.kind])) or 'nothing else'}"
            yield Finding((*here, field), f"means nothing to a fault of kind {fault.kind}", hint)


def fault_has_victim(scenario: Scenario, fault: Fault, here: Steps) -> Iterator[Finding]:
    if fault.provider is not None and fault.provider not in scenario.providers:
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
        if timeout.total is None and timeout.attempt is None and client.timeout is None and (timeout.first_token is None or not hangs):
            message = f"{'a provider that hangs' if hangs else 'a stream that stalls'} never ends, and nobody here gives up waiting"
            yield Finding(("faults", index), message, "set gateway.timeout.total or workload.client.timeout")
