"""A scenario's providers, at the start of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sim.kernel.containers import NOBODY, Hashed, Keyed, Line, PerCall
from sim.provider.draws import ModelDraws
from sim.provider.fault_timeline import fault_of
from sim.provider.rate_limiter import Limit, limit_of, ring_of
from sim.provider.rate_limits import in_windows
from sim.provider.state import Fault, Model, Prefix, Provider, Providers, ProvidersInPython, Server
from sim.scenario.faults import Fault as ProviderFault
from sim.scenario.model import Provider as Config
from sim.scenario.model import ProviderModel, Scenario
from sim.scenario.units import Rate
from sim.workload.rates import busy_spans

RETRY_AFTER_STEP_S = {"anthropic": 1.0}
"""Anthropic tells retry-after in whole seconds; the others have a header in milliseconds."""


def build(scenario: Scenario, seed: int, calls: Any, ready: Any, history: Any = (), only: str | None = None) -> Providers:
    """``calls`` and ``ready`` are the gateway's own, ``history`` the tokens of all turns that calls refer to.

    Targets are numbered in the scenario's order; with ``only``, those of this one provider alone.
    """
    configs = {name: config for name, config in scenario.providers.items() if only in (None, name)}
    providers: list[Provider] = []
    models: list[Model] = []
    draws: list[ModelDraws] = []
    servers: list[Server] = []
    limits: list[Limit] = []
    rings: list[list[float]] = []
    faults: list[Fault] = []
    changes: list[float] = []
    for name, config in configs.items():
        provider = provider_of(config, limits, rings)
        targets = {model: len(models) + number for number, model in enumerate(config.models)}
        provider.first_fault = len(faults)
        faults += faults_at(scenario, name, targets, seed, changes)
        provider.faults = len(faults) - provider.first_fault
        for model_name, model in config.models.items():
            models.append(model_of(config, model, len(providers), servers))
            keep_warm(models[-1], model, scenario, changes)
            draws.append(ModelDraws(seed, f"{name}/{model_name}", model, config.errors.after if config.errors else None))
        providers.append(provider)
    return ProvidersInPython(
        seed=seed, calls=calls, ready=ready, history=history, providers=table(Provider, providers), models=table(Model, models),
        draws=draws, visits=[{} for _ in models], limits=table(Limit, limits),
        rings=table(list, rings), faults=table(Fault, faults), changes=changes,
        places=Hashed(), prefixes=Keyed("prefix", Prefix), servers=table(Server, servers),
        marks=Keyed(len(servers), PerCall), rearmed=Line(),
    )  # fmt: skip


def table(kind: Any, rows: Sequence[Any]) -> Keyed:
    return Keyed(len(rows), kind, rows)


def provider_of(config: Config, limits: list[Limit], rings: list[list[float]]) -> Provider:
    """``limits`` and ``rings`` grow by those of the provider's keys."""

    def place(rate: Rate | None) -> int:
        if rate is None:
            return NOBODY
        rate = in_windows(rate.times(config.units), config.limits.window)
        limits.extend(limit_of(rate, config.limits.algorithm) for _ in range(config.keys))
        rings.extend(ring_of(rate, config.limits.algorithm) for _ in range(config.keys))
        return len(limits) - config.keys

    given = config.limits
    provider = Provider(
        keys=config.keys, rtt_s=config.rtt, retry_after_step_s=RETRY_AFTER_STEP_S.get(config.dialect, 0.001),
        requests_limit=place(given.requests), tokens_limit=place(given.tokens), input_limit=place(given.input_tokens),
        output_limit=place(given.output_tokens), output_weight=given.output_weight,
        reserve=NOBODY if given.reserve is None else given.reserve,
    )  # fmt: skip
    provider.limited = any((given.requests, given.tokens, given.input_tokens, given.output_tokens))
    if config.concurrency is not None:
        provider.concurrency = float(config.concurrency)
    if config.errors is not None:
        provider.error_rate, provider.error_status = config.errors.rate, config.errors.status
    return provider


def model_of(config: Config, model: ProviderModel, provider: int, servers: list[Server]) -> Model:
    """``servers`` grows by the model's own, if it has one."""
    row = Model(provider=provider, per_input_token_s=model.ttft_per_1k / 1000.0, per_cached_token_s=model.ttft_per_1k_cached / 1000.0)
    row.shaped = bool(model.ttft_per_1k or model.ttft_per_1k_cached or model.doubles_at or model.cold_start)
    if model.context is not None:
        row.context = float(model.context)
    if model.doubles_at is not None:
        row.doubles_at = float(model.doubles_at)
    if model.cold_start is not None:
        row.idle_s = model.cold_start.idle
    if config.prompt_cache is not None:
        cache = config.prompt_cache
        row.cached, row.ttl_s, row.minimum, row.step = True, cache.ttl, cache.minimum, cache.step
    if model.batching is not None:
        row.server = len(servers)
        server = Server(slowdown=model.batching.slowdown)
        if model.batching.slots != "unlimited":
            server.slots = float(model.batching.slots)
        if model.batching.parallel is not None:
            server.parallel = float(model.batching.parallel)
        servers.append(server)
    return row


def keep_warm(row: Model, model: ProviderModel, scenario: Scenario, changes: list[float]) -> None:
    """``changes`` grow by the times at which a model begins and ends to be kept warm for what is foreseen."""
    cold, workload = model.cold_start, scenario.workload
    if cold is None or cold.prewarm is None:
        return
    spans = busy_spans(workload.arrivals, workload.duration, 1.0 / cold.idle, cold.prewarm)
    row.first_change, row.changes = len(changes), len(spans)
    changes.extend(spans)


def faults_at(scenario: Scenario, provider: str, targets: dict[str, int], seed: int, changes: list[float]) -> list[Fault]:
    """The faults that strike a provider. A cause shared by several providers strikes them at the same times."""
    return [
        fault_of(number, fault, NOBODY if fault.model is None else targets[fault.model], seed, changes)
        for number, fault in enumerate(scenario.faults)
        if isinstance(fault, ProviderFault)
        and fault.strikes(provider, scenario.providers[provider].region)
        and (fault.model is None or fault.model in targets)
    ]
