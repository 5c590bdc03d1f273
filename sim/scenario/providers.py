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

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]
    cached_input: Annotated[float, Field(ge=0)] | None = Field(
        None, description="of input tokens read from the prompt cache; default: as any input, or the list price of such"
    )


class ColdStart(Model):
    """A model without calls for ``idle`` needs ``delay`` to be ready again; calls that come meanwhile wait for it too. It starts warm."""

    idle: Duration
    delay: Durations


class Batching(Model):
    """A server that its requests share while they are in service; the model's latencies are those at full speed.

    With n in service each runs at speed min(1, parallel / n) / (1 + slowdown · n), changing as others come and go.
    """

    slots: Count | Literal["unlimited"] = Field("unlimited", description="requests in service at once; more are answered 429")
    slowdown: Annotated[float, Field(ge=0, le=1000)] = Field(0.0, description="continuous batching: what each request costs all the others")
    parallel: Count | None = Field(None, description="processor sharing: this many run at full speed, more share it")


class ProviderModel(Model):
    preset: Annotated[str, AfterValidator(known)] | None = Field(
        None, description="latency of a hosted model, by its name in scenarios/presets/hosted.yaml; own fields win"
    )
    latency: Durations | None = Field(None, description="the whole answer at once, instead of ttft and per_token")
    ttft: Durations | None = None
    per_token: Durations | None = None
    price: Price | None = Field(None, description="default: genai-prices")
    context: Count | None = Field(None, description="context window in tokens, answer included; longer requests are refused with 400")
    correlation: Annotated[float, Field(ge=-1, le=1)] = Field(
        0.0, description="of time to first token and time per token within a request (of their normal scores: a Gaussian copula)"
    )
    ttft_per_1k: Duration = Field(Seconds(0.0), description="added to the first token's time per 1000 input tokens that are not cached")
    ttft_per_1k_cached: Duration = Field(Seconds(0.0), description="the same per 1000 input tokens read from the prompt cache")
    doubles_at: Count | None = Field(
        None, description="continuous batching: time per token is multiplied by 1 + n / doubles_at, with n other requests in service"
    )
    cold_start: ColdStart | None = None
    batching: Batching | None = Field(
        None, description="exactly, as requests come and go; doubles_at instead goes by the load that a request finds on arrival"
    )

    @model_validator(mode="after")
    def one_way_to_say_it(self) -> ProviderModel:
        if (self.latency is None) == (self.ttft is None) or (self.latency is not None and self.per_token is not None):
            raise ValueError("expected either latency, or ttft with per_token")
        if self.batching is not None and self.doubles_at is not None:
            raise ValueError("expected either batching or doubles_at: both say how load slows answers")
        return self


class Errors(Model):
    SHORT: ClassVar[str] = "rate"
    rate: Share
    status: Annotated[int, Field(ge=400, le=599)] = 500
    after: Durations | None = Field(None, description="time until the error answer; default 100 ms")


class ProviderLimits(Limits):
    """Limits of one API key.

    A request that fails later, or that the next limit refuses, has counted. OpenAI: ``tokens``, with ``reserve`` as large as the
    client's max_tokens. Azure OpenAI: ``window: 10s`` or ``1s``.
    Anthropic: ``input_tokens`` and ``output_tokens``, cache reads not counted.
    """

    input_tokens: RateLimit | None = Field(None, description="input tokens, those read from the prompt cache not counted")
    output_tokens: RateLimit | None = None
    reserve: Count | None = Field(None, description="output tokens charged to limits.tokens per request; default: those it produces")
    window: Duration | None = Field(None, description="enforce each limit in windows of this length, each with its part of the limit")


class PromptCache(Model):
    """Prompt prefixes are kept for ``ttl`` after their last use. Cached input tokens come in multiples of ``step``, from ``minimum`` on."""

    SHORT: ClassVar[str] = "ttl"
    ttl: Duration = Seconds(300.0)
    minimum: Count = 1024
    step: Count = 128


class Provider(Model):
    dialect: Literal["openai", "anthropic", "azure", "gemini"] = "openai"
    keys: Annotated[int, Field(ge=1, le=1000)] = 1
    limits: ProviderLimits = Field(ProviderLimits(), description="per key")
    concurrency: Count | None = Field(None, description="requests in service at once; more are answered 429")
    models: Annotated[dict[Name, ProviderModel], Field(min_length=1)]
    errors: Errors | None = None
    rtt: Duration = Field(Seconds(0.0), description="network round trip to this provider or region, on top of every answer")
    prompt_cache: PromptCache | None = None
