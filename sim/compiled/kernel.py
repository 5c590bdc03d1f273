"""What the compiled world takes over from the others as it stands: the policy functions, and draws by the same hash.

``register_jitable`` leaves a function plain Python for Python callers and lets numba compile the same source into its callers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numba.extending import register_jitable

from sim.policy import admission, breaker, cache, context, limiter, retry, router, session
from sim.provider.behaviour import produced_tokens, told_s
from sim.stochastics.random_streams import GAMMA, mix, unit

for function in (
    admission.take_place, admission.pass_on, admission.change_waiting,
    breaker.allow, breaker.release, breaker.permits_call, breaker.record, breaker.over_threshold, breaker.trip, breaker.clear_window,
    breaker.add_to_count_window, breaker.add_to_time_window,
    cache.expires_after_hit, cache.is_fresh, context.context, context.context_tokens, session.remembered_from,
    limiter.take_from_bucket, limiter.wait_for_bucket, limiter.take_from_log, limiter.wait_for_log, limiter.take_from_fixed_window,
    limiter.take_from_anchored_window, limiter.wait_for_window,
    retry.deposit, retry.withdraw, retry.deserves_retry, retry.backoff_s,
    router.observe_latency, router.place_by_weight,
    mix, unit, produced_tokens, told_s,
):  # fmt: skip
    register_jitable(function)


UNCALLABLE: dict[str, Any] = {"no_cpython_wrapper": True}
inlined = njit(forceinline=True, **UNCALLABLE)
"""For the stages, each called from one place or two. No Python can call them: what they work on exists in compiled code only."""


@njit(forceinline=True)
def child(state: Any, word: Any) -> Any:
    """``sim.stochastics.random_streams.child`` in 64-bit words, whose overflow is the modulus."""
    return mix(state + np.uint64(GAMMA) * (np.uint64(word) + np.uint64(1)))


@njit(forceinline=True)
def uniform(root: Any, prompt: int, occurrence: int) -> float:
    """The uniform below a root for two words: (prompt, occurrence), or (request, retry)."""
    return unit(child(child(root, prompt), occurrence))
