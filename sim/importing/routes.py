"""Routing of an imported gateway: each class to who answered it, and beyond that to whom the configuration would turn."""

from __future__ import annotations

from typing import Any

from sim.importing.classes import Asking
from sim.importing.litellm_config import STRATEGIES, Config, Deployment, shuffled
from sim.importing.prices import list_of
from sim.importing.targets import Targets, clean


def route(asking: Asking, targets: Targets, config: Config | None) -> tuple[dict[str, Any], list[str | None]]:
    """gateway.routing, and what each class needs of it.

    One group, or a log without groups, is a pool. Several are capabilities; a group that several targets answered is one capability for
    each, because a capability's targets are an order and no shares.
    """
    groups = list(dict.fromkeys(asking.group))
    if config is not None and len(config.groups) == 1 and len(groups) <= 1:
        return pool(targets, config), [None] * len(asking.classes)
    if len(set(asking.target)) == 1 and config is None:
        return {"kind": "round-robin", "models": [targets.label(asking.target[0])]}, [None] * len(asking.classes)
    capabilities: dict[str, list[str]] = {}
    needs: list[str | None] = []
    for group, target in zip(asking.group, asking.target, strict=True):
        alone = len({t for g, t in zip(asking.group, asking.target, strict=True) if g == group}) == 1
        name = group if alone else clean(f"{group}-on-{targets.label(target)}")
        name = f"{name}-group" if name in ("kind", "capabilities") else name
        capabilities[name] = list(dict.fromkeys([targets.label(target), *(others(group, targets, config) if config else ())]))
        needs.append(name)
    if config is not None:  # groups that nobody asked for
        for group in config.groups:
            if clean(group, "group") not in asking.group:
                capabilities.setdefault(clean(group, "group"), others(clean(group, "group"), targets, config))
    return {"kind": "capability", **{name: found for name, found in capabilities.items() if found}}, needs


def others(group: str, targets: Targets, config: Config) -> list[str]:
    """The group's deployments in the order of the file, then those of its fallbacks."""
    by_name = {clean(each, "group"): each for each in config.groups}
    own = by_name.get(group)
    following = [name for each in config.fallbacks.get(own or "", config.fallbacks.get("*", [])) for name in (each,)]
    found: list[str] = []
    for name in (own, *following):
        for each in config.groups.get(name or "", ()):
            if config.name_of(each) in targets.names:
                found.append("/".join(config.name_of(each)))
    return found


def pool(targets: Targets, config: Config) -> dict[str, Any]:
    (members,) = config.groups.values()
    labels = {"/".join(name): weight for name, weight in weighted(members, config).items()}
    kind = STRATEGIES.get(config.strategy, "weighted")
    if kind == "weighted" and len(labels) > 1:
        return {"kind": kind, "weights": {label: float(f"{weight:.6g}") for label, weight in labels.items()}}
    return {"kind": "round-robin" if kind == "weighted" else kind, "models": list(labels)}


def weighted(members: list[Deployment], config: Config) -> dict[tuple[str, str], float]:
    """Targets of a group with their weights; deployments of one model at one provider are one target."""
    found: dict[tuple[str, str], float] = {}
    for each, weight in zip(members, shuffled(members), strict=True):
        found[config.name_of(each)] = found.get(config.name_of(each), 0.0) + weight
    return found


def shares_without_log(members: list[Deployment], config: Config) -> dict[tuple[str, str], float]:
    """Of a group's calls, those that each target gets, as far as a share can say what the strategy does; none has 0."""
    weights = weighted(members, config)
    kind = STRATEGIES.get(config.strategy, "weighted")
    if kind == "cheapest":
        prices = {name: list_of(*config.bases.get(name, name)) for name in weights}
        return {min(weights, key=lambda name: sum((prices[name] or (float("inf"),))[:2])): 1.0}
    if kind != "weighted":
        weights = dict.fromkeys(weights, 1.0)
    return {name: weight / sum(weights.values()) for name, weight in weights.items() if weight}
