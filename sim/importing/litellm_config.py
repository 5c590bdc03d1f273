"""A LiteLLM proxy's configuration as a gateway of the scenario: routes, limits, retries, timeouts, cache; and what is not modelled.

What LiteLLM does by default is LiteLLM 1.10x's behaviour, read in its source. Secrets are never read: only the keys below are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sim.importing.noted import Evidence, seconds
from sim.importing.skipped import refuse
from sim.importing.targets import target_of
from sim.importing.unmodelled import not_modelled
from sim.scenario.errors import did_you_mean

SECTIONS = ("model_list", "router_settings", "litellm_settings", "general_settings")
STRATEGIES = {
    "simple-shuffle": "weighted", "least-busy": "least-busy", "latency-based-routing": "fastest", "cost-based-routing": "cheapest",
    "usage-based-routing": "round-robin", "usage-based-routing-v2": "round-robin",
}  # fmt: skip
RETRIES, COOL_DOWN_S, CACHE_TTL_S, CACHE_ITEMS = 2, 5.0, 600.0, 200
BUSY_S = 6000.0
"""LiteLLM's own default of request_timeout: no limit in practice."""


@dataclass(frozen=True)
class Deployment:
    """``base``: the public model behind a name of one's own (model_info.base_model), whose price and latency it has."""

    group: str
    provider: str
    model: str
    weight: float | None
    rpm: float | None
    tpm: float | None
    base: tuple[str, str] | None = None


@dataclass
class Config:
    """``gateway``: pieces of the scenario's gateway. ``fallbacks``: group -> groups. ``unmodelled``: (key, what that means).
    ``last_resorts``: groups of default_fallbacks.
    """

    deployments: list[Deployment]
    strategy: str
    gateway: dict[str, Any]
    fallbacks: dict[str, list[str]]
    evidence: list[Evidence]
    unmodelled: list[tuple[str, str]] = field(default_factory=list)
    last_resorts: tuple[str, ...] = ()

    @property
    def groups(self) -> dict[str, list[Deployment]]:
        found: dict[str, list[Deployment]] = {}
        for each in self.deployments:
            found.setdefault(each.group, []).append(each)
        return found

    @property
    def asked(self) -> dict[str, list[Deployment]]:
        """Groups that clients ask for: not those that are named in fallbacks alone, unless all are."""
        named = {name for names in self.fallbacks.values() for name in names} | set(self.last_resorts)
        found = {group: members for group, members in self.groups.items() if group in self.fallbacks or group not in named}
        return found or self.groups

    def name_of(self, each: Deployment) -> tuple[str, str]:
        return self.renamed.get((each.provider, each.model), (each.provider, each.model))

    @property
    def bases(self) -> dict[tuple[str, str], tuple[str, str]]:
        """The public model behind each target whose name is its owner's."""
        return {self.name_of(each): each.base for each in self.deployments if each.base is not None}

    @property
    def renamed(self) -> dict[tuple[str, str], tuple[str, str]]:
        """Providers with limits of single models are providers of their own: limits hold per provider and key."""
        models: dict[str, set[str]] = {}
        for each in self.deployments:
            models.setdefault(each.provider, set()).add(each.model)
        return {
            (each.provider, each.model): (f"{each.provider}-{each.model}", each.model)
            for each in self.deployments
            if (each.rpm or each.tpm) and len(models[each.provider]) > 1
        }


def read_config(path: Path) -> Config:
    """Raises ScenarioError for a file that is no such configuration."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise refuse(str(path), f"cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise refuse(str(path), f"is not YAML: {getattr(error, 'problem', error)}", None if mark is None else mark.line + 1) from None
    if not isinstance(content, dict) or not isinstance(content.get("model_list"), list) or not content["model_list"]:
        near = did_you_mean("model_list", content) if isinstance(content, dict) else ""
        raise refuse(str(path), "expected a LiteLLM configuration with a model_list", hint=near)
    router, settings, general = ({**(content.get(name) or {})} for name in SECTIONS[1:])
    deployments = [deployment(each, number, str(path)) for number, each in enumerate(content["model_list"])]
    config = Config(deployments, str(router.get("routing_strategy") or "simple-shuffle"), {}, {}, [])
    for source in (settings, router):
        for each in source.get("fallbacks") or ():
            config.fallbacks |= {str(group): [str(name) for name in names] for group, names in each.items() if isinstance(names, list)}
        config.last_resorts += tuple(map(str, source.get("default_fallbacks") or ()))
    for write in (retries, timeouts, cache, cool_down, parallel):
        write(config, router, settings, general)
    config.gateway["cancel_on_disconnect"] = bool(general.get("cancel_on_disconnect", False))
    config.evidence.append(Evidence("gateway.cancel_on_disconnect", "LiteLLM goes on upstream when a client leaves, unless told otherwise"))
    config.unmodelled = [*not_modelled(content), *strategy_not_modelled(config)]
    return config


def strategy_not_modelled(config: Config) -> list[tuple[str, str]]:
    """Where a scenario cannot say how LiteLLM chooses among a group's deployments: what it says instead."""
    key = f"router_settings.routing_strategy: {config.strategy}"
    if all(len({config.name_of(each) for each in group}) == 1 for group in config.groups.values()):
        return []
    if config.strategy not in STRATEGIES:
        return [(key, "taken for simple-shuffle")]
    if len(config.groups) > 1:
        kept = "with several groups each deployment has a share of its group's calls that no load changes: the log's, without a log "
        return [(key, kept + SHARES[config.strategy])]
    return [(key, "taken for round-robin: LiteLLM goes by the minute's tokens")] if config.strategy.startswith("usage-based") else []


SHARES = {
    "simple-shuffle": "that of its weight, rpm or tpm",
    "least-busy": "an equal one; in truth a deployment gets less the slower it is, so a slow one is overstated under load",
    "latency-based-routing": "an equal one; in truth the fastest gets nearly all, so latency is overstated and its limits bind too late",
    "cost-based-routing": "all to the cheapest at list prices; in truth the next ones take what is beyond its rpm and tpm",
    **dict.fromkeys(
        ("usage-based-routing", "usage-based-routing-v2"),
        "an equal one; in truth whoever has used least of its tpm and rpm is next, so limits bind too early",
    ),
}
"""Of a deployment in its group, by strategy."""


def shuffled(members: list[Deployment]) -> list[float]:
    """Weights of LiteLLM's simple_shuffle: the weights if any is given, else the rpm, else the tpm, else alike."""
    for stated in ([each.weight for each in members], [each.rpm for each in members], [each.tpm for each in members]):
        if any(stated):
            return [each or 0.0 for each in stated]
    return [1.0] * len(members)


def deployment(entry: Any, number: int, file: str) -> Deployment:
    params = entry.get("litellm_params") if isinstance(entry, dict) else None
    if not isinstance(params, dict) or not params.get("model") or not entry.get("model_name"):
        raise refuse(file, f"model_list[{number}]: expected model_name and litellm_params.model")
    provider, model = target_of(str(params["model"]), str(params.get("custom_llm_provider") or ""))
    rpm, tpm = (numeric(params.get(name, entry.get(name))) for name in ("rpm", "tpm"))
    info = entry.get("model_info") if isinstance(entry.get("model_info"), dict) else {}
    base = str(first(info.get("base_model"), params.get("base_model"), ""))
    known_as = target_of(base, "" if "/" in base else provider) if base else None
    return Deployment(str(entry["model_name"]), provider, model, numeric(params.get("weight")), rpm, tpm, known_as)


def numeric(value: Any) -> float | None:
    try:
        return float(value) if value is not None and not isinstance(value, bool) and float(value) > 0 else None
    except (TypeError, ValueError):
        return None


def first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def retries(config: Config, router: dict[str, Any], settings: dict[str, Any], _general: dict[str, Any]) -> None:
    count = first(router.get("num_retries"), settings.get("num_retries"))
    told = int(count) if count is not None else RETRIES
    several = any(len(group) > 1 for group in config.groups.values())
    if told > 0:
        retry: dict[str, Any] = {"attempts": min(told + 1, 20), "backoff": {"kind": "exponential", "base": "500ms", "cap": "8s"}}
        if several:  # the pause is then 0, as long as another deployment is healthy
            retry |= {"backoff": {"kind": "none"}, "to": "any"}
        config.gateway["retry"] = retry
        stated = "num_retries" if count is not None else "LiteLLM's default"
        config.evidence.append(
            Evidence(
                "gateway.retry", f"{stated}: {told} retries, {'at once on another deployment' if several else '0.5 s doubled up to 8 s'}"
            )
        )
    if any(config.fallbacks.values()):
        config.gateway["fallback"] = ["next-provider"]


def timeouts(config: Config, router: dict[str, Any], settings: dict[str, Any], _general: dict[str, Any]) -> None:
    """Of streams, which clients of the scenario ask for: a limit on the silence, so that no time is too long for a whole answer."""
    told = first(router.get("stream_timeout"), router.get("timeout"), settings.get("request_timeout"))
    limit_s = numeric(told)
    if limit_s is None or limit_s >= BUSY_S:
        return
    config.gateway["timeout"] = {"first_token": seconds(limit_s)}
    says = "stream_timeout, or else timeout or request_timeout: of a stream LiteLLM limits the silence; of whole answers, each attempt"
    config.evidence.append(Evidence("gateway.timeout", says))


def cache(config: Config, _router: dict[str, Any], settings: dict[str, Any], _general: dict[str, Any]) -> None:
    if not settings.get("cache"):
        return
    params = settings.get("cache_params") or {}
    ttl = numeric(params.get("ttl")) or CACHE_TTL_S
    shared = str(params.get("type", "local")).startswith("redis")
    config.gateway["cache"] = [
        {"kind": "exact", "ttl": seconds(ttl), "capacity": 10_000 if shared else CACHE_ITEMS, "single_flight": False}
    ]
    size = "redis: 10,000 entries are an ASSUMPTION" if shared else f"in memory: {CACHE_ITEMS} entries a worker"
    config.evidence.append(
        Evidence("gateway.cache", f"cache: true, ttl {'as given' if params.get('ttl') else 'LiteLLM default'}; {size}", weak=shared)
    )


def cool_down(config: Config, router: dict[str, Any], _settings: dict[str, Any], _general: dict[str, Any]) -> None:
    if router.get("disable_cooldowns") or all(len(group) == 1 for group in config.groups.values()):
        return
    cooldown_s, allowed = numeric(router.get("cooldown_time")) or COOL_DOWN_S, router.get("allowed_fails")
    config.gateway["ejection"] = {"kind": "litellm", "cooldown_time": seconds(cooldown_s)}
    says = "cool-down: over half of 5 calls and more in a minute failed"
    if isinstance(allowed, int) and not isinstance(allowed, bool) and allowed >= 0:
        config.gateway["ejection"]["allowed_fails"] = allowed
        says = f"cool-down: more than {allowed} calls failed in the time of a cool-down"
    config.evidence.append(Evidence("gateway.ejection", says))


def parallel(config: Config, _router: dict[str, Any], _settings: dict[str, Any], general: dict[str, Any]) -> None:
    most = numeric(first(general.get("global_max_parallel_requests"), general.get("max_parallel_requests")))
    if most:
        config.gateway["queue"] = {"concurrency": int(most), "waiting": 0}
        config.evidence.append(Evidence("gateway.queue", "max_parallel_requests: LiteLLM answers 429 beyond it and never queues"))
