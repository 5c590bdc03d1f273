"""Providers as a scenario writes them: their models, prices, limits and caches."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from sim.scenario.limits import Limits
from sim.scenario.presets import known
from sim.scenario.units import Seconds
from sim.scenario.values import Count, Duration, Durations, Model, Name, RateLimit, Share


class Price(Model):
    """USD per million tokens."""

    input: Annotated[float, Field(ge=0)] = Field(description="USD per million input tokens")
    output: Annotated[float, Field(ge=0)] = Field(description="USD per million output tokens")
    cached_input: Annotated[float, Field(ge=0)] | None = Field(
        None, description="USD per million input tokens read from the prompt cache; default: as any input, or the list price of such"
    )


class ColdStart(Model):
    """A model without calls for ``idle`` needs ``delay`` to be ready again; calls that come meanwhile wait for it too. It starts warm."""

    idle: Duration = Field(description="without calls for so long, it goes cold")
    delay: Durations = Field(description="until it is ready again")
    prewarm: Duration | None = Field(
        None,
        description="it is called so long before the arrivals' pattern brings a call within idle, and kept warm as long as that does; give "
        "it more than the delay; what these calls cost is left out; default: the first real call wakes it",
    )


class Batching(Model):
    """A server that its requests share while they are in service; the model's latencies are those at full speed.

    With n in service each runs at speed min(1, parallel / n) / (1 + slowdown · n), changing as others come and go.
    """

    slots: Count | Literal["unlimited"] = Field("unlimited", description="requests in service at once; more are answered 429")
    slowdown: Annotated[float, Field(ge=0, le=1000)] = Field(
        0.0, description="continuous batching: what each request costs all the others, a plain number: speed / (1 + slowdown · n)"
    )
    parallel: Count | None = Field(
        None, description="processor sharing: this many requests run at full speed, more share it; default: all run at full speed"
    )


class ProviderModel(Model):
    """A model's latency, price and capacity: ttft with per_token, or latency, or a preset."""

    preset: Annotated[str, AfterValidator(known)] | None = Field(
        None, description="latency of a hosted model, by its name in scenarios/presets/hosted.yaml; own fields win; default: none"
    )
    latency: Durations | None = Field(None, description="the whole answer at once, instead of ttft and per_token; default: those")
    ttft: Durations | None = Field(None, description="time to the first token; default: the preset's, or latency says it all")
    per_token: Durations | None = Field(
        None, description="time from each token to the next, one draw for a whole answer; default: the preset's, or all tokens at once"
    )
    price: Price | None = Field(None, description="USD per million tokens; default: the list price of a model of this name in genai-prices")
    context: Count | None = Field(
        None, description="context window in tokens, answer included; longer requests are refused with 400; default: no limit"
    )
    correlation: Annotated[float, Field(ge=-1, le=1)] = Field(
        0.0,
        description="a plain number from -1 to 1: of a request's time to first token and time per token (normal scores: a Gaussian copula)",
    )
    ttft_per_1k: Duration = Field(Seconds(0.0), description="added to the first token's time per 1000 input tokens that are not cached")
    ttft_per_1k_cached: Duration = Field(Seconds(0.0), description="the same per 1000 input tokens read from the prompt cache")
    doubles_at: Count | None = Field(
        None,
        description="continuous batching: time per token times 1 + n / doubles_at, with n other requests in service; default: never slower",
    )
    cold_start: ColdStart | None = Field(
        None, description="it goes cold without calls, and takes a while to come back; default: always warm"
    )
    batching: Batching | None = Field(
        None,
        description="exactly, as requests come and go; doubles_at goes by the load that a request finds on arrival; default: no sharing",
    )

    @model_validator(mode="after")
    def one_way_to_say_it(self) -> ProviderModel:
        if (self.latency is None) == (self.ttft is None) or (self.latency is not None and self.per_token is not None):
            raise ValueError("expected either latency, or ttft with per_token, or a preset")
        if self.batching is not None and self.doubles_at is not None:
            raise ValueError("expected either batching or doubles_at: both say how load slows answers")
        return self


class Errors(Model):
    """Failures that happen all the time (those of an incident are faults)."""

    SHORT: ClassVar[str] = "rate"
    rate: Share = Field(description="share of requests that fail")
    status: Annotated[int, Field(ge=400, le=599)] = Field(500, description="HTTP status of the error answer")
    after: Durations | None = Field(None, description="time until the error answer; default: 100 ms")


class ProviderLimits(Limits):
    """Limits of one API key.

    A request that fails later, or that the next limit refuses, has counted. OpenAI: ``tokens``, with ``reserve`` as large as the
    client's max_tokens. Azure OpenAI: ``window: 10s`` or ``1s``.
    Anthropic: ``input_tokens`` and ``output_tokens``, cache reads not counted.
    """

    input_tokens: RateLimit | None = Field(
        None, description="input tokens, those read from the prompt cache not counted; default: no limit"
    )
    output_tokens: RateLimit | None = Field(None, description="tokens of answers; default: no limit")
    reserve: Count | None = Field(
        None, description="output tokens charged to limits.tokens per request (as max_tokens is); default: those it produces"
    )
    output_weight: Annotated[float, Field(gt=0, le=100)] = Field(
        1.0,
        description="an output token counts as so many in limits.tokens, a plain number (Azure's provisioned units: gpt-4o 3, gpt-4.1 4)",
    )
    window: Duration | None = Field(
        None,
        description="enforce each limit in windows of this length, each with its part; default: the limit's own time",
    )


class Reserved(Model):
    """Capacity of its own, paid by the hour whatever it is used: provisioned units, an endpoint, servers of one's own. Tokens then cost
    nothing, unless a model states its price. What is refused for being full can go on to another target: ``fallback: [next-provider]``.
    """

    SHORT: ClassVar[str] = "usd_per_hour"
    usd_per_hour: Annotated[float, Field(ge=0)] = Field(description="USD that one unit costs in an hour, used or not")
    units: Annotated[int, Field(ge=1, le=100_000)] = Field(1, description="units; the provider's limits are then those of one unit")


class PromptCache(Model):
    """Prompt prefixes are kept for ``ttl`` after their last use. Cached input tokens come in multiples of ``step``, from ``minimum`` on."""

    SHORT: ClassVar[str] = "ttl"
    ttl: Duration = Field(Seconds(300.0), description="a prefix is kept for so long after its last use")
    minimum: Count = Field(1024, description="tokens from which a prefix is kept (OpenAI: 1024)")
    step: Count = Field(128, description="cached tokens come in multiples of so many tokens (OpenAI: 128)")


class Provider(Model):
    """Whoever serves models: its limits, its keys and what it does to requests."""

    dialect: Literal["openai", "anthropic", "azure", "gemini"] = Field("openai", description="the API that its mock server speaks")
    keys: Annotated[int, Field(ge=1, le=1000)] = Field(1, description="API keys that calls take turns with; limits are of each key")
    limits: ProviderLimits = Field(ProviderLimits(), description="per key")
    concurrency: Count | None = Field(None, description="requests in service at once; more are answered 429; default: no limit")
    models: Annotated[dict[Name, ProviderModel], Field(min_length=1)] = Field(description="by name, each with its latency")
    errors: Errors | None = Field(None, description="failures that happen all the time; default: none")
    region: Name | None = Field(
        None,
        description="where it stands, with gateway.regions; default: at no distance from any gateway, and struck by no region's outage",
    )
    rtt: Duration = Field(Seconds(0.0), description="network round trip to this provider or region, on top of every answer")
    reserved: Reserved | None = Field(
        None, description="capacity of its own, paid by the hour instead of by the token; default: paid by the token"
    )
    discount: Share = Field(
        0.0, description="off its models' prices, as for a batch API (OpenAI, Anthropic: 50%, answers within 24h: give that as latency)"
    )
    prompt_cache: PromptCache | None = Field(
        None, description="the provider keeps prefixes of prompts, which are then cheaper; default: none"
    )

    @property
    def units(self) -> int:
        """How many times each of its limits there is, for every key."""
        return 1 if self.reserved is None else self.reserved.units
