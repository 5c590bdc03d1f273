"""One scenario's faults laid over another: at the same times, or as far into a shorter run, striking its providers by their order."""

from __future__ import annotations

import json
from typing import Any

from sim.scenario.assertions import BREAKER, RECOVERY
from sim.scenario.budgets import parse_budget, split_budget
from sim.scenario.model import Fault, RedisFault, Scenario


class NothingToLay(ValueError):
    """The scenario is no fault's: its trigger is its own traffic, or its own limits."""


def overlay(chaos: Scenario, under: Scenario) -> tuple[str, ...]:
    """``path=value`` overrides for ``under``. Raises NothingToLay.

    The first provider of ``chaos`` becomes the first of ``under``, and so on; where ``under`` has fewer, its last one is struck. A model
    or key that it does not have becomes any. Its budgets stay, but for those about faults that it no longer has; of the assertions come
    along those that any gateway can be held to (``carries_over``), for figures are of the scenario they were written for.
    """
    if not chaos.faults:
        raise NothingToLay(f"{chaos.name} has no faults that could be laid over another scenario: its trigger is its own traffic or limits")
    if any(isinstance(fault, Fault) and fault.region is not None for fault in chaos.faults):
        raise NothingToLay(f"{chaos.name} has the outage of a region: where users, gateways and providers stand is of its own scenario")
    faults = [moved(fault, chaos, under) for fault in chaos.faults]
    kinds = {None, *(fault.kind for fault in chaos.faults)}
    budgets = [text for text in under.budgets if parse_budget(text).fault in kinds]
    assertions = [text for text in chaos.assertions or () if carries_over(text, under)]
    lists = {"faults": faults, "budgets": budgets, "assertions": assertions}
    return tuple(f"{name}={json.dumps(value)}" for name, value in lists.items())


def carries_over(assertion: str, under: Any) -> bool:
    """To recover within a time; that a breaker opens, where there is one."""
    words = split_budget(assertion)
    if words is not None and words.metric == RECOVERY:
        return "<" in words.comparison
    return assertion.split()[:2] == ["sometimes", BREAKER] and under.gateway.breaker is not None


def moved(fault: Fault | RedisFault, chaos: Scenario, under: Scenario) -> dict[str, Any]:
    squeeze = min(1.0, counted_s(under) / counted_s(chaos))
    at_s = under.workload.warmup_s + (fault.at - chaos.workload.warmup_s) * squeeze
    plain = fault.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    plain |= {"at": f"{max(0.0, at_s):.6g}s", "for": f"{fault.for_ * squeeze:.6g}s"}
    if isinstance(fault, RedisFault):
        return plain
    names = counterparts(chaos, under)
    provider = plain["provider"] = names[fault.provider or ""]
    also = dict.fromkeys(names[name] for name in fault.also if names[name] != provider)
    plain = {key: value for key, value in plain.items() if key not in ("model", "key", "also")}
    if also:
        plain["also"] = list(also)
    if fault.model is not None and fault.model in under.providers[provider].models:
        plain["model"] = fault.model
    if fault.key is not None and fault.key < under.providers[provider].keys:
        plain["key"] = fault.key
    return plain


def counterparts(chaos: Scenario, under: Scenario) -> dict[str, str]:
    """Those that faults name come first, in the order of the faults; a provider of the same name is its own counterpart."""
    theirs = list(under.providers)
    struck = list(
        dict.fromkeys(
            name for fault in chaos.faults if isinstance(fault, Fault) for name in (fault.provider, *fault.also) if name is not None
        )
    )
    rest = iter([name for name in theirs if name not in struck])
    return {name: name if name in theirs else next(rest, theirs[-1]) for name in struck}


def counted_s(scenario: Scenario) -> float:
    return scenario.workload.duration - scenario.workload.warmup_s
