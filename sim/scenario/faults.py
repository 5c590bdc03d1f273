"""What goes wrong at providers, and at Redis, on the scenario's timeline."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sim.scenario.units import Seconds
from sim.scenario.values import Count, Duration, Durations, Model, Name, Share


class Fault(Model):
    """Something goes wrong at a provider from ``at`` on, for ``for``.

    ``outage``: refused, an error status, or a hang. ``errors``: a share fails. ``brownout``: slower by factors. ``rate-limit``: a share
    gets 429. After the first ``after`` of an answer's tokens: ``stall`` (silence), ``reset``, ``truncate`` (ends cleanly, unfinished),
    ``stream-error`` (an error event), ``malformed`` (a chunk that is not JSON), ``content-filter`` (the answer is cut, with HTTP 200).
    ``slow-headers``: the answer's head trickles in and all comes ``delay`` later. ``region-outage``: what stands in a region, gateways and
    providers, cannot be connected to. ``dns-outage``: its address cannot be renewed; it strikes when the cached one has run out.
    ``crash``: a prompt that is long enough brings down whoever takes it, until it has started again; what is under way there goes on.
    """

    kind: Literal[
        "outage", "errors", "brownout", "rate-limit", "stall", "reset", "truncate", "stream-error", "malformed", "content-filter",
        "slow-headers", "region-outage", "dns-outage", "crash",
    ] = Field(
        description="outage: refused, an error, or a hang; errors: a share fails; brownout: slower; rate-limit: a share gets 429; stall, "
        "reset, truncate, stream-error, malformed, content-filter: the answer breaks off after a part; slow-headers: its head is late; "
        "region-outage: gateways and providers of a region are gone; dns-outage: its address is not renewed; "
        "crash: a long prompt brings it down"
    )  # fmt: skip
    provider: Name | None = Field(None, description="who is struck; default: of a region-outage all that stand in the region")
    region: Name | None = Field(None, description="of a region-outage: where; default: it is no outage of a region")
    also: tuple[Name, ...] = Field((), description="other providers struck by the same cause at the same times")
    model: Name | None = Field(None, description="only this model of the provider; default: all")
    key: Annotated[int, Field(ge=0)] | None = Field(None, description="only requests with this API key, counted from 0; default: all keys")
    preset: Literal["openai-api", "anthropic-api"] | None = Field(
        None, description="every and lasting of a provider's public incidents, 2021 to 2024; own fields win; default: none"
    )
    at: Duration = Field(description="when it begins, from the run's start")
    for_: Duration = Field(alias="for", description="how long it lasts")
    every: Durations | None = Field(
        None, description="random, not continuous: time from the end of one to the next; its mean is the MTBF; default: continuous"
    )
    lasting: Durations | None = Field(None, description="with every: how long each lasts; its mean is the MTTR; default: continuous")
    mode: Literal["error", "refused", "hang"] = Field(
        "error", description="of an outage: an error status, no connection, or no answer at all"
    )
    status: Annotated[int, Field(ge=400, le=599)] = Field(503, description="HTTP status of the error answer")
    retry_after: Duration | None = Field(
        None, description="told to whoever is answered with the error status, in the answer's head; default: the answer does not say"
    )
    share: Share = Field(1.0, description="of the requests that are struck")
    first: Count | None = Field(None, description="strike only the first so many attempts of each prompt at a model; default: all attempts")
    after: Share = Field(0.5, description="share of the answer's tokens that still come, at least one token")
    delay: Duration = Field(Seconds(5.0), description="of slow-headers: how much later the answer comes")
    ttft_factor: Annotated[float, Field(ge=0, le=1000)] = Field(
        1.0, description="of a brownout: times to the first token are multiplied by it, a plain number"
    )
    per_token_factor: Annotated[float, Field(ge=0, le=1000)] = Field(
        1.0, description="of a brownout: times per token are multiplied by it, a plain number"
    )

    ttl: Duration = Field(
        Seconds(30.0),
        description="of a dns-outage: life of an address; gateways renew it every so long from the run's start, and cannot connect from "
        "the first renewal that fails to the end (30s: CoreDNS in Kubernetes)",
    )
    input_tokens: Count | None = Field(
        None, description="of a crash: a prompt of at least so many tokens brings down whoever takes it; default: there is none, give it"
    )
    restart: Duration = Field(Seconds(10.0), description="of a crash: until it takes connections again (10s: Kubernetes' first pause)")

    @model_validator(mode="after")
    def poisoned(self) -> Fault:
        if (self.kind == "crash") and self.input_tokens is None:
            raise ValueError("expected input_tokens with kind: crash, from which length on a prompt is too much")
        return self

    @model_validator(mode="after")
    def random_or_not(self) -> Fault:
        if (self.every is None) != (self.lasting is None):
            raise ValueError("expected both every and lasting, or neither")
        return self

    @model_validator(mode="after")
    def somebody(self) -> Fault:
        if (self.kind == "region-outage") != (self.region is not None) or (self.provider is None) != (self.region is not None):
            raise ValueError("expected region with kind: region-outage, and provider with any other kind")
        return self

    def strikes(self, name: str, region: str | None) -> bool:
        """Whether it strikes the provider of that name, in that region."""
        return self.provider == name or name in self.also or (self.region is not None and self.region == region)


def struck_from_s(fault: Fault) -> float:
    """When connections begin to fail: of a dns-outage at the first renewal of the address since it began."""
    return math.ceil(fault.at / fault.ttl) * fault.ttl if fault.kind == "dns-outage" else float(fault.at)


class RedisFault(Model):
    """Redis fails from ``at`` on, for ``for``.

    ``redis-outage``: it is gone, and back with all that it held. ``redis-restart``: gone, and back without. ``redis-slow``: every answer
    comes ``delay`` later. ``redis-full``: it takes nothing new.
    """

    kind: Literal["redis-outage", "redis-restart", "redis-slow", "redis-full"] = Field(
        description="redis-outage: it does not answer; redis-restart: nor does it remember anything afterwards; redis-slow: it answers "
        "late; redis-full: it takes nothing new"
    )
    at: Duration = Field(description="when it begins, from the run's start")
    for_: Duration = Field(alias="for", description="how long it lasts")
    mode: Literal["refused", "hang"] = Field("refused", description="of a redis-outage: no connection, or no answer at all")
    delay: Duration = Field(Seconds(0.05), description="of redis-slow: how much later each answer comes")


AnyFault = Annotated[Fault | RedisFault, Field(discriminator="kind")]
