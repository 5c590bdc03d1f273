"""What compiled programs are made of: every stage, every provider function, and the forms that a few functions have here."""

from __future__ import annotations

from typing import Any

from sim.engine.compiled_driver import containers, draws, randomness, switches
from sim.engine.compiled_driver.numbing import only_with, register
from sim.gateway import chain, hooks
from sim.gateway.call import CONTINUE
from sim.gateway.stages import redis
from sim.kernel import containers as kernel_containers
from sim.kernel import random
from sim.provider import (
    attempt,
    fault_timeline,
    latency_effects,
    processor_sharing,
    prompt_cache,
    rate_limiter,
    rate_limits,
    simulated,
)
from sim.provider import draws as provider_draws

FORMS = (containers, draws, randomness, switches)
KERNEL = (kernel_containers, random, chain, hooks)
PROVIDER = (attempt, fault_timeline, latency_effects, processor_sharing, prompt_cache, rate_limiter, rate_limits, simulated)
TWO_FORMS = {
    chain.enter, chain.woken, chain.rescue, chain.review, chain.hold, chain.leave, chain.tick, hooks.permits, hooks.stale, hooks.load,
    hooks.nearest, hooks.ask, hooks.busy_s, hooks.resized, hooks.trip_s, hooks.take_slot, hooks.free_slot, hooks.fork, hooks.note,
    kernel_containers.forget, kernel_containers.put, kernel_containers.find, kernel_containers.add, kernel_containers.drop,
    random.uniform_of, random.node_below, random.uniform_below, prompt_cache.identity, provider_draws.count_visit,
    provider_draws.service_times, provider_draws.error_draw, provider_draws.fault_draw,
    provider_draws.error_after_s, provider_draws.cold_delay_s,
}  # fmt: skip
ONLY_WITH: dict[str, dict[Any, Any]] = {  # a table that p or g may be without -> functions that are of use with it only, and without it
    "redis": {
        redis.answered: lambda g, c, now_s: True,
        redis.without: lambda g, c: CONTINUE,
        redis.held: lambda g, since_s, now_s: True,
        redis.takes: lambda g, now_s: True,
    },
    "limits": {rate_limits.charge: lambda p, c, provider, now_s: True},
    "prefixes": {prompt_cache.read_history: lambda p, c, model, now_s: 0},
    "servers": {
        processor_sharing.enter: lambda p, number, now_s: False,
        processor_sharing.leave: lambda p, c, now_s: None,
        processor_sharing.server_due: lambda p, number, now_s: None,
        simulated.share: lambda p, c, shows: None,
        simulated.go_on_shared: lambda p, c, now_s: False,
        simulated.end_shared: lambda p, c: None,
    },
}
RARE = {chain.depart}

for field, functions in ONLY_WITH.items():
    for function, otherwise in functions.items():
        only_with(field, function, otherwise)
REGISTERED = (*KERNEL, *chain.STAGES, *PROVIDER)
register(REGISTERED, TWO_FORMS.union(*ONLY_WITH.values()), RARE)
