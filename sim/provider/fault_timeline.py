"""Faults on the scenario's timeline, as a provider sees them: which are active for this request now?"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

import numpy as np

from sim.scenario.model import Fault
from sim.stochastics.distributions import quantile
from sim.stochastics.random_streams import Purpose, uniforms

BLOCK = 64
MOST_OUTAGES = 100_000
SHORTEST_CYCLE_S = 1e-3


class Timeline:
    """One fault, numbered as in the scenario. ``changes`` are the instants at which a random one begins and ends, in turn."""

    __slots__ = ("changes", "ends_s", "fault", "number", "starts_s")

    def __init__(self, number: int, fault: Fault, seed: int) -> None:
        self.number = number
        self.fault = fault
        self.starts_s = fault.at
        self.ends_s = fault.at + fault.for_
        self.changes = outages(number, fault, seed) if fault.every is not None else None

    def strikes(self, model: str, key: int, occurrence: int, now_s: float) -> bool:
        """Whether it is under way, holding in [at, at + for), and concerns this attempt. Shares are not drawn here."""
        fault = self.fault
        return (
            self.starts_s <= now_s < self.ends_s
            and (fault.model is None or fault.model == model)
            and (fault.key is None or fault.key == key)
            and (fault.first is None or occurrence < fault.first)
            and (self.changes is None or bisect_right(self.changes, now_s) % 2 == 1)
        )


def timelines(faults: Iterable[Fault], provider: str, seed: int) -> list[Timeline]:
    """Those that strike ``provider``. A cause shared by several providers strikes them at the same times."""
    return [Timeline(number, fault, seed) for number, fault in enumerate(faults) if fault.provider == provider or provider in fault.also]


def outages(number: int, fault: Fault, seed: int) -> list[float]:
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
