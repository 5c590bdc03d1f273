"""Faults on the scenario's timeline, as a provider sees them: which hold for this attempt now, and what do they do to it?"""

from __future__ import annotations

from enum import IntEnum
from math import inf, nan
from typing import Any, get_args

import numpy as np

from sim.kernel.containers import NOBODY
from sim.kernel.refusals import refusal
from sim.provider.draws import fault_draw
from sim.provider.state import Fault
from sim.scenario.faults import struck_from_s
from sim.scenario.model import Fault as Config
from sim.stochastics.distributions import quantile
from sim.stochastics.random_streams import Purpose, uniforms

BLOCK = 64
MOST_OUTAGES = 100_000
SHORTEST_CYCLE_S = 1e-3

# What a fault does: to all it strikes; instead of an answer; to the answer.
SLOWS = 0
ERROR, HANG, CONNECTION_REFUSED = 1, 2, 3
LATE_HEADERS, BREAKS_OFF = 4, 5
CRASHES = 6
LAST_INSTEAD = CONNECTION_REFUSED


class Ending(IntEnum):
    """How a 200 answer ends. Whoever reads it has an answer after the first two only."""

    COMPLETE = 0
    FILTERED = 1  # cut by the content filter, which the answer says
    RESET = 2
    TRUNCATED = 3  # ends cleanly, without its last events
    STREAM_ERROR = 4
    MALFORMED = 5
    STALLED = 6  # never ends


COMPLETE, FILTERED, STALLED = int(Ending.COMPLETE), int(Ending.FILTERED), int(Ending.STALLED)
ENDINGS = {
    "content-filter": Ending.FILTERED, "reset": Ending.RESET, "truncate": Ending.TRUNCATED, "stream-error": Ending.STREAM_ERROR,
    "malformed": Ending.MALFORMED, "stall": Ending.STALLED,
}  # fmt: skip
OUTAGES = {"error": ERROR, "refused": CONNECTION_REFUSED, "hang": HANG}
REFUSED_BY = {kind: refusal(f"fault: {kind}") for kind in get_args(Config.model_fields["kind"].annotation)}
"""Of every kind, so that a process which only reads rows knows the names of their codes."""
EFFECTS = {"brownout": SLOWS, "errors": ERROR, "rate-limit": ERROR, "slow-headers": LATE_HEADERS, "region-outage": CONNECTION_REFUSED,
           "dns-outage": CONNECTION_REFUSED, "crash": CRASHES}  # fmt: skip


def find_faults(p: Any, c: Any, provider: Any, now_s: float) -> int:
    """The fault that strikes the attempt instead of an answer, NOBODY if none does.

    Otherwise ``c.broken_by`` is the first of those that strike its answer, and the call's factors are those of all that slow it.
    """
    c.ttft_factor = c.per_token_factor = 1.0
    for place in range(provider.first_fault, provider.first_fault + provider.faults):
        fault = p.faults[place]
        if now_s < fault.down_until_s:
            return place
        if not (fault.at_s <= now_s and now_s < fault.until_s and concerns(p, fault, c, now_s)):
            continue
        if fault.effect == CRASHES:
            if c.input_tokens >= fault.input_tokens:
                fault.down_until_s = now_s + fault.restart_s
                return place
        elif fault.effect == SLOWS:
            c.ttft_factor *= fault.ttft_factor
            c.per_token_factor *= fault.per_token_factor
        elif fault.share >= 1.0 or fault_draw(p, fault.number, c.prompt, c.occurrence) < fault.share:
            if fault.effect <= LAST_INSTEAD:
                return place
            if c.broken_by == NOBODY:
                c.broken_by = place
    return NOBODY


def concerns(p: Any, fault: Any, c: Any, now_s: float) -> bool:
    """Whether a fault of this time concerns the attempt. Shares are not drawn here."""
    return bool(
        (fault.target == NOBODY or fault.target == c.target)
        and (fault.key == NOBODY or fault.key == c.key)
        and (fault.first == NOBODY or c.occurrence < fault.first)
        and (fault.changes == NOBODY or changes_until(p, fault, now_s) % 2 == 1)
    )


def changes_until(p: Any, fault: Any, now_s: float) -> int:
    """How often a random fault has begun or ended by now (binary search)."""
    low, high = 0, fault.changes
    while low < high:
        middle = (low + high) >> 1
        if p.changes[fault.first_change + middle] <= now_s:
            low = middle + 1
        else:
            high = middle
    return low


# ---- from the scenario


def fault_of(number: int, config: Config, target: int, seed: int, changes: list[float]) -> Fault:
    """The record of fault ``number``, which strikes ``target`` (NOBODY: any). The times of a random one are added to ``changes``."""
    effect = OUTAGES[config.mode] if config.kind == "outage" else EFFECTS.get(config.kind, BREAKS_OFF)
    fault = Fault(
        number=number, effect=effect, at_s=struck_from_s(config), until_s=config.at + config.for_, target=target,
        key=NOBODY if config.key is None else config.key, first=NOBODY if config.first is None else config.first, share=config.share,
        status=429 if config.kind == "rate-limit" else config.status, refused_by=REFUSED_BY[config.kind],
        retry_after_s=nan if config.retry_after is None else config.retry_after,
        ttft_factor=config.ttft_factor, per_token_factor=config.per_token_factor, ending=int(ENDINGS.get(config.kind, Ending.COMPLETE)),
        after=config.after, delay_s=config.delay, restart_s=config.restart,
        input_tokens=inf if config.input_tokens is None else float(config.input_tokens),
    )  # fmt: skip
    if config.every is not None:
        times = outages(number, config, seed)
        fault.first_change, fault.changes = len(changes), len(times)
        changes.extend(times)
    return fault


def outages(number: int, fault: Config, seed: int) -> list[float]:
    """Begin, end, begin, end … of a random fault: an alternating renewal process of ``every`` (up) and ``lasting`` (down).

    Raises ValueError when a scenario asks for more than MOST_OUTAGES.
    """
    assert fault.every is not None
    assert fault.lasting is not None
    changes: list[float] = []
    now_s, end_s = fault.at, fault.at + fault.for_
    while now_s < end_s:
        cycles = np.arange(BLOCK) + len(changes) // 2
        up = quantile(fault.every, uniforms(seed, Purpose.TIME_TO_FAILURE, number, cycles)).tolist()
        down = quantile(fault.lasting, uniforms(seed, Purpose.TIME_TO_REPAIR, number, cycles)).tolist()
        for up_s, down_s in zip(up, down, strict=True):
            begin_s = now_s + max(up_s, SHORTEST_CYCLE_S)
            now_s = begin_s + down_s
            changes += (begin_s, now_s)
            if now_s >= end_s:
                break
        if len(changes) > 2 * MOST_OUTAGES:
            raise ValueError(f"fault {number} would strike more than {MOST_OUTAGES} times")
    return changes
