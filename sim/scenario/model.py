"""The scenario as typed, frozen, strict models. Field descriptions are the reference: ``tenfold schema`` prints them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, PlainSerializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from sim.scenario.distributions import Distribution
from sim.scenario.presets import known
from sim.units import DURATION, RATE, Rate, Seconds, parse_duration, parse_rate


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)


Duration = Annotated[
    float,
    BeforeValidator(parse_duration, json_schema_input_type=Annotated[str, Field(pattern=f"^{DURATION.pattern}$")] | Literal[0]),
    PlainSerializer(lambda value: f"{value:.12g}s", return_type=str, when_used="json"),
]
Warmup = Annotated[
    float | Literal["auto"],
    BeforeValidator(
        lambda value: value if value == "auto" else parse_duration(value),
        json_schema_input_type=Annotated[str, Field(pattern=f"^{DURATION.pattern}$")] | Literal[0, "auto"],
    ),
    PlainSerializer(lambda value: value if value == "auto" else f"{value:.12g}s", return_type=str, when_used="json"),
]
RateLimit = Annotated[
    Rate,
    BeforeValidator(parse_rate, json_schema_input_type=Annotated[str, Field(pattern=f"^{RATE.pattern}$")]),
    PlainSerializer(str, return_type=str, when_used="json"),
]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=100)]
HIGHEST_PRIORITY = 9
Target = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=200)]


def in_seconds(value: Distribution) -> Distribution:
    if any(not isinstance(quantity, Seconds) and quantity != 0 for quantity in value.quantities()):
        raise ValueError("expected durations with their units, such as 250ms or 10s")
    return value


def in_counts(value: Distribution) -> Distribution:
    if any(isinstance(quantity, Seconds) and quantity != 0 for quantity in value.quantities()):
        raise ValueError("expected plain numbers here, not durations")
    return value


Durations = Annotated[Distribution, AfterValidator(in_seconds)]
Counts = Annotated[Distribution, AfterValidator(in_counts)]


# ---- workload --------------------------------------------------------------------------------------------------------
class Poisson(Model):
    """Independent arrivals at a constant rate."""

    kind: Literal["poisson"]
    rate: RateLimit = Field(description="calls per unit time")


class Gamma(Model):
    """Renewal arrivals with gamma gaps: cv 1 is Poisson, larger is burstier, 0 is clockwork."""

    kind: Literal["gamma"]
    rate: RateLimit
    cv: Annotated[float, Field(ge=0, le=100)] = 1.0


class Stage(Model):
    """Rate ``rate`` for ``duration``; with ``ramp``, moving there linearly from the stage before."""

    rate: RateLimit
    duration: Duration
    ramp: bool = False


class Stages(Model):
    """Piecewise rates: ramp, spike, soak. Poisson within."""

    kind: Literal["stages"]
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=1000)]


class Users(Model):
    """Daily active users times calls a day, over a diurnal profile. Poisson within."""

    kind: Literal["users"]
    daily_active: Count
    calls_per_day: Annotated[float, Field(gt=0)]
    profile: tuple[Annotated[float, Field(ge=0)], ...] | None = Field(
        None, description="relative rate by equal parts of the day (24 values for hours); default: a sine with the given peak-to-mean"
    )
    peak_to_mean: Annotated[float, Field(ge=1, le=20)] = 1.0
    start_hour: Annotated[float, Field(ge=0, lt=24)] = 0.0


class Trace(Model):
    """Replay of a recorded file. Azure CSV or Mooncake JSONL, plain or gzip, relative to the scenario file."""

    kind: Literal["trace"]
    file: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = Field(None, description="of the file; a resolved scenario carries it")
    format: Literal["auto", "azure", "mooncake"] = "auto"
    jitter: Duration = Field(Seconds(1.0), description="at scale K every call becomes K calls; copies move by up to this much")


class Closed(Model):
    """A fixed number of clients, each waiting for its answer and then thinking."""

    kind: Literal["closed"]
    clients: Count
    think: Durations


Arrivals = Annotated[Poisson | Gamma | Stages | Users | Trace | Closed, Field(discriminator="kind")]


class Client(Model):
    stream: bool = True
    timeout: Duration | None = Field(None, description="the client leaves after this long")
    patience: Durations | None = Field(
        None,
        description="how long a client waits in the admission queue before it leaves (abandoned), drawn for each request",
    )


class Population(Model):
    count: Count = 1000


class Conversations(Model):
    turns: Counts = Field(description="calls in one conversation")
    think: Durations = Field(description="from one call of a conversation to its next")


class Prompts(Model):
    catalog: Count = Field(description="number of distinct prompts that users share")
    zipf: Annotated[float, Field(ge=0, le=5)] = 1.0


class Tokens(Model):
    input: Counts
    output: Counts


class RequestClass(Model):
    name: Name
    share: Share = 1.0
    needs: Name | None = Field(None, description="capability the request asks the router for")
    feature: Name | None = Field(None, description="cost is reported by feature; default: the class's own name")
    prompts: Prompts | None = Field(None, description="shared prompts; without it every prompt is unique")
    priority: Annotated[int, Field(ge=0, le=HIGHEST_PRIORITY)] = Field(
        0, description="higher is let in first from the admission queue, first come first served within one priority; nobody is interrupted"
    )
    history: bool | None = Field(None, description="earlier turns are sent along; default: unless prompts come from a catalog")
    tokens: Tokens = Field(
        description="of this turn alone; the context policy decides how much history comes on top; not read for a trace, which has its own"
    )


class Workload(Model):
    arrivals: Arrivals
    duration: Duration = Field(
        description="of the run, warm-up included; a trace is cut here, and one that is shorter sends nothing after its own end"
    )
    warmup: Warmup = Field(
        Seconds(0.0), description="at the start, served but not counted; auto finds it by MSER-5 in a prediction of a steady state"
    )
    client: Client = Client()
    users: Population | None = Field(
        None, description="default: the arrivals' daily active users or clients; where they say none, 1000, and no cost per user is given"
    )
    conversations: Conversations | None = None
    requests: Annotated[tuple[RequestClass, ...], Field(min_length=1, max_length=1000)]

    @property
    def warmup_s(self) -> float:
        """The warm-up in seconds; 0 while one that is ``auto`` has not been found."""
        return 0.0 if self.warmup == "auto" else self.warmup


# ---- gateway ---------------------------------------------------------------------------------------------------------
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


# ---- providers and faults --------------------------------------------------------------------------------------------
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


class Fault(Model):
    """Something goes wrong at a provider from ``at`` on, for ``for``.

    ``outage``: refused, an error status, or a hang. ``errors``: a share fails. ``brownout``: slower by factors. ``rate-limit``: a share
    gets 429. After the first ``after`` of an answer's tokens: ``stall`` (silence), ``reset``, ``truncate`` (ends cleanly, unfinished),
    ``stream-error`` (an error event), ``malformed`` (a chunk that is not JSON), ``content-filter`` (the answer is cut, with HTTP 200).
    ``slow-headers``: the answer's head trickles in and all comes ``delay`` later.
    """

    kind: Literal[
        "outage", "errors", "brownout", "rate-limit", "stall", "reset", "truncate", "stream-error", "malformed", "content-filter",
        "slow-headers",
    ]  # fmt: skip
    provider: Name
    also: tuple[Name, ...] = Field((), description="other providers struck by the same cause at the same times")
    model: Name | None = None
    key: Annotated[int, Field(ge=0)] | None = Field(None, description="only requests with this key, from 0")
    at: Duration
    for_: Duration = Field(alias="for")
    every: Durations | None = Field(None, description="random, not continuous: time from the end of one to the next; its mean is the MTBF")
    lasting: Durations | None = Field(None, description="with every: how long each lasts; its mean is the MTTR")
    mode: Literal["error", "refused", "hang"] = "error"
    status: Annotated[int, Field(ge=400, le=599)] = 503
    share: Share = 1.0
    first: Count | None = Field(None, description="strike only the first so many attempts of each prompt at a model")
    after: Share = Field(0.5, description="share of the answer's tokens that still come, at least one token")
    delay: Duration = Seconds(5.0)
    ttft_factor: Annotated[float, Field(ge=0, le=1000)] = 1.0
    per_token_factor: Annotated[float, Field(ge=0, le=1000)] = 1.0

    @model_validator(mode="after")
    def random_or_not(self) -> Fault:
        if (self.every is None) != (self.lasting is None):
            raise ValueError("expected both every and lasting, or neither")
        return self


class Scenario(Model):
    tenfold: Literal[1] = Field(description="version of the language")
    name: Name
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    analysis: Literal["terminating", "steady-state"] = Field(
        "terminating",
        description="terminating: a span of time, begun as it stands (a launch, an outage); steady-state: the long run, after its warm-up",
    )
    workload: Workload
    gateway: Gateway
    providers: Annotated[dict[Name, Provider], Field(min_length=1)]
    faults: tuple[Fault, ...] = ()
    budgets: tuple[str, ...] = ()
