"""Rate limits as a scenario writes them, for gateways and providers alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from sim.scenario.finding import Finding
from sim.scenario.tree import Steps
from sim.scenario.values import Model, RateLimit

WHAT = ("requests", "tokens", "input_tokens", "output_tokens")


class Limits(Model):
    """Most requests and tokens per unit of time; what is beyond is refused."""

    SHORT: ClassVar[str] = "requests"
    requests: RateLimit | None = Field(None, description="requests per unit time, and at once; default: no limit")
    tokens: RateLimit | None = Field(None, description="of prompts and answers; default: no limit")
    algorithm: Literal["token-bucket", "sliding-log", "fixed-window", "anchored-window"] = Field(
        "token-bucket",
        description="token-bucket refills steadily and holds one window's worth; sliding-log looks back exactly one window; fixed-window "
        "resets by the calendar; anchored-window starts at the first request and counts refused ones too (LiteLLM)",
    )


def check_limits(path: Steps, limits: Limits | None) -> Iterator[Finding]:
    """A limit's count is also its burst: below one, nothing ever fits in. A sliding log holds the times of requests and no sizes: a token
    limit of that kind would not be enforced.
    """
    for what in WHAT:
        rate = getattr(limits, what, None)
        if limits is None or rate is None:
            continue
        if rate.count < 1:
            hint = f"write it over a longer time: {rate.rps * 3600:g}/h" if rate.rps * 3600 >= 1 else "leave the limit out for none"
            yield Finding((*path, what), f"expected at least 1 at a time, found {rate}: it would let nothing through", hint)
        if limits.algorithm == "sliding-log" and what != "requests":
            hint = "use token-bucket, or a window, for tokens"
            yield Finding((*path, what), "a sliding log counts requests and cannot limit tokens", hint)
