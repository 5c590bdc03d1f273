"""The scenario as typed, frozen, strict models: its workload here, the rest in modules of their own. The gateway's words are the stages'.

Field descriptions are the reference: ``tenfold schema`` prints them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from sim.scenario.backoff import Backoff
from sim.scenario.faults import Fault
from sim.scenario.limits import Limits
from sim.scenario.providers import Batching, ColdStart, Errors, Price, PromptCache, Provider, ProviderLimits, ProviderModel
from sim.scenario.units import Seconds
from sim.scenario.values import Count, Counts, Duration, Durations, Model, Name, RateLimit, Share, Target, Warmup

__all__ = (
    "HIGHEST_PRIORITY", "Arrivals", "Batching", "Client", "ClientRetries", "Closed", "ColdStart", "Conversations", "Count",
    "Counts", "Duration", "Durations", "Errors", "Fault", "Gamma", "Limits", "Model", "Name", "Poisson", "Population", "Price",
    "PromptCache", "Prompts", "Provider", "ProviderLimits", "ProviderModel", "RateLimit", "RequestClass", "Scenario", "Share",
    "Stage", "Stages", "Target", "Tokens", "Trace", "Users", "Warmup", "Workload",
)  # fmt: skip

HIGHEST_PRIORITY = 9
Batch = Annotated[
    Counts | None,
    Field(
        description="calls that arrive together, from one user (an agent that asks several things at once, a cron job); the rate still "
        "counts calls, so batches come at rate / mean size; with conversations, so many begin together"
    ),
]


class Poisson(Model):
    """Independent arrivals at a constant rate."""

    kind: Literal["poisson"]
    rate: RateLimit = Field(description="calls per unit time")
    batch: Batch = None


class Gamma(Model):
    """Renewal arrivals with gamma gaps: cv 1 is Poisson, larger is burstier, 0 is clockwork."""

    kind: Literal["gamma"]
    rate: RateLimit
    cv: Annotated[float, Field(ge=0, le=100)] = 1.0
    batch: Batch = None


class Stage(Model):
    """Rate ``rate`` for ``duration``; with ``ramp``, moving there linearly from the stage before."""

    rate: RateLimit
    duration: Duration
    ramp: bool = False


class Stages(Model):
    """Piecewise rates: ramp, spike, soak. Poisson within."""

    kind: Literal["stages"]
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=1000)]
    batch: Batch = None


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
    batch: Batch = None


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


class ClientRetries(Model):
    """Clients send a request again when it has failed, as provider SDKs do. The gateway counts every sending as a request."""

    attempts: Annotated[int, Field(ge=2, le=100)] = Field(3, description="sendings of one request in all, the first one included")
    backoff: Backoff = Field(Backoff(), description="pauses between sendings")
    budget: Annotated[float, Field(ge=0, le=10)] | None = Field(
        None, description="retries allowed as a share of requests, over all clients; default: no limit"
    )
    on: Annotated[tuple[Literal["rejected", "rate_limited", "timeout", "error", "abandoned"], ...], Field(min_length=1)] = Field(
        ("rejected", "rate_limited", "timeout", "error", "abandoned"),
        description="outcomes after which it is sent again; abandoned: the client's own timeout has passed",
    )


class Client(Model):
    stream: bool = True
    timeout: Duration | None = Field(None, description="the client leaves after this long")
    patience: Durations | None = Field(
        None,
        description="how long a client waits in the admission queue before it leaves (abandoned), drawn for each request",
    )
    retries: ClientRetries | None = Field(None, description="default: a client sends each request once")


class Population(Model):
    count: Count = 1000


class Conversations(Model):
    turns: Counts = Field(description="calls in one conversation")
    think: Durations = Field(description="from one call of a conversation to its next")
    after: Literal["answer"] | None = Field(
        None, description="answer: an agent, which thinks from each answer, or failure, to its next call; default: from the call itself"
    )


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
    name: Name
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    analysis: Literal["terminating", "steady-state"] = Field(
        "terminating",
        description="terminating: a span of time, begun as it stands (a launch, an outage); steady-state: the long run, after its warm-up",
    )
    workload: Workload
    gateway: Any
    providers: Annotated[dict[Name, Provider], Field(min_length=1)]
    faults: tuple[Fault, ...] = ()
    budgets: tuple[str, ...] = ()
    assertions: tuple[str, ...] | None = Field(
        None,
        description="what must be observed: a figure of a phase (availability > 99% @after:outage; cost.request > 5x @during: of what it "
        "was before), recovery_time < 30s @outage, sometimes breaker opens, never timeout",
    )
    expected: Literal["fails"] | None = Field(
        None, description="fails: this scenario breaks its own budgets on purpose; `tenfold check` then fails when all of them hold"
    )
