"""Routing: in which order may a request try its targets?"""

from __future__ import annotations

from collections.abc import Sequence

from sim.policy.breaker import BreakerState, permits_call

SMOOTHING = 0.1


class TargetState:
    """One provider/model as the gateway sees it: its breaker, calls in flight, smoothed latency, prices."""

    __slots__ = (
        "breaker", "cached_saving_usd", "in_flight", "index", "input_usd", "keys", "latency_s", "model", "name", "next_key", "output_usd",
        "provider",
    )  # fmt: skip

    def __init__(self, index: int, name: str, keys: int, breaker: BreakerState | None, prices_usd: tuple[float, float]) -> None:
        self.index = index
        self.name = name
        self.provider, self.model = name.split("/", 1)
        self.keys = keys
        self.next_key = 0
        self.breaker = breaker
        self.input_usd, self.output_usd = prices_usd
        self.cached_saving_usd = 0.0  # per input token that comes from the provider's prompt cache
        self.in_flight = 0
        self.latency_s = 0.0

    def __repr__(self) -> str:
        return f"<Target {self.name}, {self.in_flight} in flight, {self.breaker}>"


def observe_latency(target: TargetState, latency_s: float) -> None:
    """Exponentially weighted moving average over successful calls; a target never measured counts as 0, so it is tried."""
    target.latency_s = latency_s if target.latency_s == 0.0 else target.latency_s + SMOOTHING * (latency_s - target.latency_s)


def rotate(targets: Sequence[TargetState], by: int) -> list[TargetState]:
    by %= len(targets)
    return [*targets[by:], *targets[:by]]


def by_weight(targets: Sequence[TargetState], weights: Sequence[float], draw: float) -> list[TargetState]:
    """The target that ``draw``, uniform in (0, 1), falls on; then the others as they stand."""
    return rotate(targets, place_by_weight(weights, draw))


def place_by_weight(weights: Sequence[float], draw: float) -> int:
    left = draw * sum(weights)
    for place in range(len(weights)):
        left -= weights[place]
        if left < 0:
            return place
    return 0


def permitted(targets: Sequence[TargetState], now_s: float) -> list[TargetState]:
    """Without those whose breaker would refuse."""
    return [target for target in targets if target.breaker is None or permits_call(target.breaker, now_s)]
