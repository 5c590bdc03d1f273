"""The scenario as typed, frozen, strict models: its workload here, the rest in modules of their own. The gateway's words are the stages'.

Field descriptions are the reference: ``tenfold schema`` prints them.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from sim.scenario.backoff import Backoff
from sim.scenario.faults import AnyFault, Fault, RedisFault
from sim.scenario.limits import Limits
from sim.scenario.providers import Batching, ColdStart, Errors, Price, PromptCache, Provider, ProviderLimits, ProviderModel
from sim.scenario.units import Seconds
from sim.scenario.values import Count, Counts, Duration, Durations, Model, Name, RateLimit, Share, Target, Warmup

__all__ = (
    "HIGHEST_PRIORITY", "Arrivals", "Batching", "Client", "ClientRetries", "Closed", "ColdStart", "Conversations", "Count",
    "Counts", "Duration", "Durations", "Errors", "Fault", "Gamma", "Limits", "Model", "Name", "Poisson", "Population", "Price",
    "PromptCache", "Prompts", "Provider", "ProviderLimits", "ProviderModel", "RateLimit", "RedisFault", "RequestClass", "Scenario", "Share",
    "Stage", "Stages", "Target", "Tokens", "Trace", "Users", "Warmup", "Workload",
)  # fmt: skip

HIGHEST_PRIORITY = 9
Batch = Annotated[
    Counts | None,
    Field(
        description="calls that arrive together, from one user (an agent that asks several things at once, a cron job); the rate still "
        "counts calls, so batches come at rate / mean size; with conversations, so many begin together; default: calls come alone"
    ),
]


class Poisson(Model):
    """Independent arrivals at a constant rate."""

    SHORT: ClassVar[str] = "rate"
    kind: Literal["poisson"]
    rate: RateLimit = Field(description="calls per unit time")
    batch: Batch = None


class Gamma(Model):
    """Renewal arrivals with gamma gaps: cv 1 is Poisson, larger is burstier, 0 is clockwork."""

    kind: Literal["gamma"]
    rate: RateLimit = Field(description="calls per unit time, on average")
    cv: Annotated[float, Field(ge=0, le=100)] = Field(
        1.0, description="standard deviation / mean of the gaps, a plain number: 1 is Poisson, 2 to 5 bursty, 0 clockwork"
    )
    batch: Batch = None


class Stage(Model):
    """Rate ``rate`` for ``duration``; with ``ramp``, moving there linearly from the stage before."""

    rate: RateLimit = Field(description="calls per unit time; with ramp, at the end of the stage")
    duration: Duration = Field(description="how long the stage lasts")
    ramp: bool = Field(False, description="move there linearly from the rate of the stage before; default: at once")


class Stages(Model):
    """Piecewise rates: ramp, spike, soak. Poisson within."""

    kind: Literal["stages"]
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=1000)] = Field(
        description="one after the other; together they last workload.duration"
    )
    batch: Batch = None


class Users(Model):
    """Daily active users times calls a day, over a diurnal profile. Poisson within."""

    kind: Literal["users"]
    daily_active: Count = Field(description="users on a day")
    calls_per_day: Annotated[float, Field(gt=0)] = Field(description="calls of one user on a day")
    profile: tuple[Annotated[float, Field(ge=0)], ...] | None = Field(
        None, description="relative rate by equal parts of the day (24 values for hours); default: a sine with the given peak-to-mean"
    )
    peak_to_mean: Annotated[float, Field(ge=1, le=20)] = Field(
        1.0,
        description="the busiest moment's rate / the day's mean rate, a plain number; above 2 the nights are empty and the days narrower",
    )
    start_hour: Annotated[float, Field(ge=0, lt=24)] = Field(0.0, description="hour of the day at which the run begins")
    batch: Batch = None


class Trace(Model):
    """Replay of a recorded file. Azure CSV or Mooncake JSONL, plain or gzip, relative to the scenario file."""

    kind: Literal["trace"]
    file: str = Field(description="the recorded calls, relative to this file: Azure CSV or Mooncake JSONL, plain or .gz")
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = Field(
        None, description="of the file; a resolved scenario carries it; default: any content"
    )
    format: Literal["auto", "azure", "mooncake"] = Field("auto", description="of the file; auto: told by its content")
    jitter: Duration = Field(Seconds(1.0), description="at scale K every call becomes K calls; copies move by up to this much")


class Closed(Model):
    """A fixed number of clients, each waiting for its answer and then thinking."""

    kind: Literal["closed"]
    clients: Count = Field(description="callers, each with one call at a time")
    think: Durations = Field(description="duration from an answer to the client's next call")


Arrivals = Annotated[Poisson | Gamma | Stages | Users | Trace | Closed, Field(discriminator="kind")]


class ClientRetries(Model):
    """Clients send a request again when it has failed, as provider SDKs do. The gateway counts every sending as a request."""

    attempts: Annotated[int, Field(ge=2, le=100)] = Field(
        3, description="attempts of one request in all, each sent to the gateway, the first one included"
    )
    backoff: Backoff = Field(Backoff(), description="pauses between sendings")
    budget: Annotated[float, Field(ge=0, le=10)] | None = Field(
        None, description="retries allowed as a share of requests, over all clients; default: no limit"
    )
    on: Annotated[tuple[Literal["rejected", "rate_limited", "timeout", "error", "abandoned"], ...], Field(min_length=1)] = Field(
        ("rejected", "rate_limited", "timeout", "error", "abandoned"),
        description="outcomes after which it is sent again; abandoned: the client's own timeout has passed",
    )


class Client(Model):
    """What the callers do while they wait."""

    stream: bool = Field(True, description="the client reads the answer as it comes; false: all at once at its end")
    timeout: Duration | None = Field(None, description="the client leaves after this long; default: it waits for ever")
    patience: Durations | None = Field(
        None,
        description="how long a client waits in the admission queue before it leaves (abandoned), drawn for each; default: for ever",
    )
    satisfied: Annotated[Duration, Field(gt=0)] | None = Field(
        None,
        description="Apdex's T: users are satisfied with an answer within it (its first content, if they stream), and tolerate one within "
        "four times as long; default: none, and no figure apdex",
    )
    retries: ClientRetries | None = Field(None, description="requests are sent again by the client, as SDKs do; default: each is sent once")


class Population(Model):
    """The users that calls come from."""

    SHORT: ClassVar[str] = "count"
    count: Count = Field(1000, description="users that calls are spread over evenly; limits per user and cost per user go by it")
    regions: Annotated[dict[Name, Share], Field(min_length=1, max_length=100)] | None = Field(
        None, description="shares of the users by region, with gateway.regions; default: all at one place"
    )


class Conversations(Model):
    """Calls come in conversations: each one after the first sends along what was said before."""

    turns: Counts = Field(description="calls in one conversation")
    think: Durations = Field(description="from one call of a conversation to its next")
    after: Literal["answer"] | None = Field(
        None, description="answer: an agent, which thinks from each answer, or failure, to its next call; default: from the call itself"
    )


class Prompts(Model):
    """Prompts that users share, so that a cache can help: some are asked often, most hardly ever."""

    SHORT: ClassVar[str] = "catalog"
    catalog: Count = Field(description="number of distinct prompts that users share")
    zipf: Annotated[float, Field(ge=0, le=5)] = Field(
        1.0, description="skew, a plain number: the k-th most popular prompt is asked in proportion to k^-zipf; 0: all alike"
    )
    topics: Count | None = Field(
        None,
        description="topics that the prompts are about, in turn: those of one topic share text, so that a semantic cache finds them; "
        "default: each has its own",
    )
    common: Share = Field(
        0.8, description="share of its text that a prompt has in common with its topic, at least; uniform from here to all of it"
    )
    changes: Annotated[Duration, Field(gt=0)] | None = Field(
        None,
        description="how long an answer stays right, on average (exponential): what it is about changes at random times; rows say which "
        "answers of caches are outdated, and `tenfold audit` judges caches by it; default: not said",
    )


class Tokens(Model):
    """Lengths of a turn."""

    input: Counts = Field(description="tokens of the prompt, without earlier turns")
    output: Counts = Field(description="tokens of the answer")


class RequestClass(Model):
    """A kind of request."""

    name: Name = Field(description="what the report calls it: letters, digits, . _ - and :, no spaces")
    share: Share = Field(1.0, description="of all calls; the shares of the classes sum to 1")
    needs: Name | None = Field(None, description="capability the request asks the router for; default: none, which is capability `default`")
    feature: Name | None = Field(None, description="cost is reported by feature; default: the class's own name")
    prompts: Prompts | None = Field(None, description="prompts that users share; default: every prompt is unique, and no cache can hit")
    priority: Annotated[int, Field(ge=0, le=HIGHEST_PRIORITY)] = Field(
        0, description="higher is let in first from the admission queue, first come first served within one priority; nobody is interrupted"
    )
    history: bool | None = Field(None, description="earlier turns are sent along; default: unless prompts come from a catalog")
    tokens: Tokens = Field(
        description="of this turn alone; the context policy decides how much history comes on top; not read for a trace, which has its own"
    )

    @property
    def brings_history(self) -> bool:
        """Whether earlier turns are sent along: as the class says, else unless its prompts come from a catalog."""
        return self.history if self.history is not None else self.prompts is None


class Workload(Model):
    """Who asks what, how often, and for how long."""

    arrivals: Arrivals = Field(description="when calls come: of a kind, or a bare rate such as 4/s for poisson")
    duration: Duration = Field(
        description="of the run, warm-up included; a trace is cut here, and one that is shorter sends nothing after its own end"
    )
    warmup: Warmup = Field(
        Seconds(0.0), description="at the start, served but not counted; auto finds it by MSER-5 in a prediction of a steady state"
    )
    growth: Annotated[float, Field(gt=-1, le=10)] = Field(
        0.0, description="of the traffic in 30 days, a share: 0.1 is ten percent more; what cost.projected_month goes by, and nothing else"
    )
    client: Client = Field(Client(), description="what callers do while they wait")
    users: Population | None = Field(
        None,
        description="who calls: how many there are, and where; default: the arrivals' daily active users or clients; where they say none, "
        "1000, and no cost per user is given",
    )
    conversations: Conversations | None = Field(None, description="group calls into conversations; default: each call stands alone")
    requests: Annotated[tuple[RequestClass, ...], Field(min_length=1, max_length=1000)] = Field(
        description="kinds of request, with shares that sum to 1"
    )

    @property
    def waits_for_answers(self) -> bool:
        """When calls come depends on the answers to others: no schedule can say it."""
        return isinstance(self.arrivals, Closed) or self.has_agents or self.client.retries is not None

    @property
    def has_agents(self) -> bool:
        return self.conversations is not None and self.conversations.after == "answer"

    @property
    def warmup_s(self) -> float:
        """The warm-up in seconds; 0 while one that is ``auto`` has not been found."""
        return 0.0 if self.warmup == "auto" else self.warmup


class Scenario(Model):
    """A scenario whose gateway is any: ``sim.gateway.language`` has the one whose gateway is made of the words of the chain's stages."""

    tenfold: Literal[1] = Field(description="version of the language")
    name: Name = Field(description="of the scenario and its run directories: letters, digits, . _ - and :, no spaces")
    description: str = Field("", description="what it is about, in words")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(0, description="a whole number, the root of all random draws: same seed, same run")
    analysis: Literal["terminating", "steady-state"] = Field(
        "terminating",
        description="terminating: a span of time, begun as it stands (a launch, an outage); steady-state: the long run, after its warm-up",
    )
    workload: Workload = Field(description="who asks what, how often, and for how long")
    gateway: Any
    providers: Annotated[dict[Name, Provider], Field(min_length=1)] = Field(
        description="by names of your own; a routing's targets are provider/model"
    )
    faults: tuple[AnyFault, ...] = Field((), description="what goes wrong at providers, or at Redis, and when")
    budgets: tuple[str, ...] = Field(
        (),
        description="what must hold, such as 'latency.p99 < 8s', 'cost.month < 900 USD', 'latency.p99{class=chat} < 8s' (also feature=, "
        "needs=), 'availability > 99.9% @outage' or 'recovery_time < 30s @outage'; `tenfold check` gates",
    )
    assertions: tuple[str, ...] | None = Field(
        None,
        description="what must be observed: a figure of a phase (availability > 99% @after:outage; cost.request > 5x @during: of what it "
        "was before), recovery_time < 30s @outage, sometimes breaker opens, never timeout; default: nothing",
    )
    expected: Literal["fails"] | None = Field(
        None, description="fails: this scenario breaks its own budgets on purpose; `tenfold check` then fails when all hold; default: none"
    )
