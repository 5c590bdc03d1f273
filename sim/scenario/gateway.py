"""The gateway as a scenario writes it: the policies that a request passes, in their order."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from sim.scenario.units import Seconds
from sim.scenario.values import Count, Duration, Durations, Model, Name, RateLimit, Share, Target


class Limits(Model):
    requests: RateLimit | None = None
    tokens: RateLimit | None = None
    algorithm: Literal["token-bucket", "sliding-log", "fixed-window", "anchored-window"] = "token-bucket"


class GatewayLimits(Model):
    per_user: Limits | None = None
    global_: Limits | None = Field(None, alias="global")


class Sessions(Model):
    store: Literal["memory", "redis"] = "memory"
    ttl: Duration = Field(Seconds(1800.0), description="a conversation idle for longer starts again without its history")
    lookup: Durations | None = Field(None, description="default: nothing in memory, 1 ms in redis")


class FullContext(Model):
    kind: Literal["full"]


class WindowContext(Model):
    kind: Literal["window"]
    turns: Annotated[int, Field(ge=0)] = Field(description="earlier turns sent along")


class SummarizeContext(Model):
    kind: Literal["summarize"]
    after_turns: Count
    keep_turns: Annotated[int, Field(ge=0)]
    summary_tokens: Annotated[int, Field(ge=0)] = 100


class BudgetContext(Model):
    kind: Literal["budget"]
    tokens: Annotated[int, Field(ge=0)] = Field(description="most tokens of history sent along; whole turns, newest first")


Context = Annotated[FullContext | WindowContext | SummarizeContext | BudgetContext, Field(discriminator="kind")]


class ExactCache(Model):
    kind: Literal["exact"]
    ttl: Duration
    sliding: bool = Field(False, description="each hit gives an entry its whole ttl again")
    capacity: Count = 10_000
    single_flight: bool = Field(True, description="identical prompts under way wait for the first instead of asking again")


class Queue(Model):
    concurrency: Count | Literal["unlimited"] = Field(description="requests in service at once")
    waiting: Annotated[int, Field(ge=0)] | Literal["unlimited"] = 0
    timeout: Duration | None = None


class Pool(Model):
    kind: Literal["round-robin", "least-busy", "cheapest", "fastest"]
    models: Annotated[tuple[Target, ...], Field(min_length=1, max_length=100)]


class Weighted(Model):
    kind: Literal["weighted"]
    weights: dict[Target, Annotated[float, Field(ge=0)]]


class Capability(Model):
    """Every other key is a capability, with its targets in order of preference."""

    kind: Literal["capability"]
    capabilities: Annotated[dict[Name, Annotated[tuple[Target, ...], Field(min_length=1)]], Field(min_length=1)]

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        (targets,) = schema["properties"]["capabilities"]["patternProperties"].values()
        return schema | {"required": ["kind"], "additionalProperties": targets}

    @model_validator(mode="before")
    @classmethod
    def gather(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        named = raw["capabilities"] if raw.keys() == {"kind", "capabilities"} else {key: raw[key] for key in raw if key != "kind"}
        if isinstance(named, dict):  # tuples, because strict validation takes no lists here
            named = {key: tuple(targets) if isinstance(targets, list) else targets for key, targets in named.items()}
        return {"kind": raw.get("kind"), "capabilities": named}


Routing = Annotated[Pool | Weighted | Capability, Field(discriminator="kind")]


class Backoff(Model):
    """AWS's jitters: full U(0, min(cap, base 2^k)), equal half + U(half), decorrelated min(cap, U(base, 3 previous))."""

    kind: Literal["none", "constant", "exponential", "full-jitter", "equal-jitter", "decorrelated-jitter"] = "full-jitter"
    base: Duration = Seconds(0.5)
    cap: Duration = Seconds(8.0)


class Retry(Model):
    attempts: Annotated[int, Field(ge=1, le=20)] = Field(3, description="the first one included")
    backoff: Backoff = Backoff()
    budget: Annotated[float, Field(ge=0, le=10)] | None = Field(None, description="retries allowed as a share of requests")
    to: Literal["same", "next"] = Field("same", description="target of a retry")
    honor_retry_after: bool = True


class Hedge(Model):
    """A second call races the first when that has shown no content after ``after``; the loser is cancelled and billed what it produced."""

    after: Duration
    at_most: Share = Field(0.05, description="hedges allowed as a share of calls; up to 10 may be saved up")
    to: Literal["same", "next"] = Field("same", description="target of the second call: the same, or the next in the routing's order")


class Breaker(Model):
    """Resilience4j's names; ``preset`` fills what is not given."""

    preset: Literal["resilience4j", "polly", "hystrix"] = "resilience4j"
    window: Literal["count", "time"] | None = None
    window_size: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(None, description="calls, or seconds for a time window")
    minimum_calls: Count | None = None
    failure_rate: Share | None = None
    slow_rate: Share | None = None
    slow_after: Duration | None = None
    open_for: Duration | None = None
    half_open_calls: Count | None = None


class Timeout(Model):
    first_token: Duration | None = Field(None, description="of one attempt, to its first content")
    total: Duration | None = Field(None, description="of the whole request, from its arrival at the gateway")


class Gateway(Model):
    kind: Literal["reference", "litellm", "haproxy", "nginx", "envoy", "url"] = "reference"
    workers: Annotated[int, Field(ge=1, le=1000)] = 1
    cpu_per_request: Durations | None = Field(None, description="the target's own work per call, for the model; measured by calibrate")
    limits: GatewayLimits = GatewayLimits()
    sessions: Sessions | None = None
    context: Context = FullContext(kind="full")
    cache: Annotated[tuple[ExactCache, ...], Field(max_length=1)] = ()
    queue: Queue | None = None
    routing: Routing
    retry: Retry = Retry(attempts=1)
    hedge: Hedge | None = None
    breaker: Breaker | None = None
    timeout: Timeout = Timeout()
    fallback: Annotated[tuple[Literal["next-provider", "stale-cache", "canned"], ...], Field(max_length=3)] = ()
    cancel_on_disconnect: bool = Field(True, description="a client that leaves cancels the work upstream")
