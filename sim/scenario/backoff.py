"""Pauses before trying again, as a scenario writes them: of the gateway's retries, and of its clients'."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from sim.scenario.units import Seconds
from sim.scenario.values import Duration, Model


class Backoff(Model):
    """AWS's jitters: full U(0, min(cap, base 2^k)), equal half + U(half), decorrelated min(cap, U(base, 3 previous))."""

    SHORT: ClassVar[str] = "kind"
    kind: Literal["none", "constant", "exponential", "full-jitter", "equal-jitter", "decorrelated-jitter"] = Field(
        "full-jitter", description="how the pause before a retry grows and is randomised"
    )
    base: Duration = Field(Seconds(0.5), description="the first pause, before jitter")
    cap: Duration = Field(Seconds(8.0), description="the longest pause")
