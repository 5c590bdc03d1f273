"""The names of all figures of a run, with their units: what a budget may be about. ``sim.analysis.metrics`` has their formulas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["s", "share", "USD", "/s", "requests", "tokens", "attempts", "breakers", "workers"]
Direction = Literal["lower", "higher", "neither"]
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
UNSERVED = ("rejected", "rate_limited", "timeout", "error", "abandoned")
"""Outcomes of requests that got no answer."""
BATCHES = "batch_"
"""How the names of figures begin that only scenarios with batches have."""
CLIENT = "client."
"""How the names of figures begin that only scenarios have whose clients send failed requests again. There a request is what a client
wants, however often it is sent; everywhere else every sending is one."""

CAPACITY = "cost_usd.capacity_per_month"
"""Only scenarios have it that pay for something by the hour."""


@dataclass(frozen=True)
class MetricName:
    """``name`` is its path in summary.json; ``better`` the direction of improvement, for budgets and comparisons."""

    name: str
    unit: Unit
    better: Direction
    says: str


@dataclass(frozen=True)
class StageFigure:
    """A figure that a stage of the gateway adds: the mean, or a ``quantile``, of one of its columns over the requests of which it is
    known, the share of requests for which it ``equals`` a code, the share that its limit refused (a code of ``sim.kernel.refusals``), or a
    level of the workers over time."""

    unit: Unit
    better: Direction
    says: str
    column: str = ""
    refused_by: int = 0
    equals: int | None = None
    quantile: float | None = None
    workers: Literal["", "mean", "max"] = ""


def delays(family: str, says: str) -> list[MetricName]:
    return [MetricName(f"{family}.{name}", "s", "lower", f"{says}: {name}") for name in ("mean", *QUANTILES)]


TABLE: tuple[MetricName, ...] = (
    *delays("latency_s", "intended send time to last byte, answered requests"),
    *delays("ttft_s", "intended send time to first content, answered requests"),
    *delays("added_latency_s", "latency less the answering attempt's time at the provider, answered requests"),
    *delays("queue_wait_s", "waiting for admission, requests that came to the queue"),
    MetricName("queue_wait_s.p_wait", "share", "lower", "requests that came to the queue and had to wait"),
    *delays(f"{BATCHES}latency_s", "intended send time until the slowest of the calls that came together is answered"),
    MetricName(f"{BATCHES}availability", "share", "higher", "batches all of whose calls were answered"),
    MetricName("availability", "share", "higher", "requests that got a fresh answer, by whichever provider or cache"),
    MetricName("served", "share", "higher", "requests that got an answer, stale and prepared ones included"),
    MetricName("degraded_rate", "share", "lower", "requests that got a stale or a prepared answer"),
    MetricName("goodput", "share", "higher", "answered within the scenario's own latency objectives"),
    MetricName("error_rate.total", "share", "lower", "requests that got no answer at all"),
    *(MetricName(f"error_rate.{outcome}", "share", "lower", f"requests that ended {outcome}") for outcome in UNSERVED),
    MetricName("error_rate.attempts", "share", "lower", "attempts upstream that failed or timed out"),
    MetricName("cache_hit_rate", "share", "higher", "requests answered from the cache"),
    MetricName("attempts_per_request", "attempts", "lower", "sent to providers, per request"),
    MetricName(f"{CLIENT}availability", "share", "higher", "what clients wanted and got, at whichever sending"),
    MetricName(f"{CLIENT}sendings", "attempts", "lower", "of each request by its client"),
    MetricName(f"{CLIENT}amplification", "attempts", "lower", "sent to providers, per request of a client, however often it sent it"),
    MetricName("offered_rps", "/s", "neither", "requests that arrived"),
    MetricName("throughput_rps", "/s", "higher", "answered requests that ended in the window"),
    MetricName("goodput_rps", "/s", "higher", "requests answered within the objectives"),
    MetricName("queue_depth.mean", "requests", "lower", "waiting for admission, over time"),
    MetricName("queue_depth.max", "requests", "lower", "waiting for admission, most seen"),
    MetricName("in_service.mean", "requests", "neither", "in service at once, over time"),
    MetricName("open_breakers.mean", "breakers", "lower", "circuit breakers open, over time"),
    MetricName("tokens.input_per_request", "tokens", "neither", "input tokens after the context policy"),
    MetricName("tokens.output_per_request", "tokens", "neither", "output tokens that reached the client"),
    MetricName("tokens.input_per_s", "/s", "neither", "input tokens"),
    MetricName("tokens.output_per_s", "/s", "neither", "output tokens"),
    MetricName("cost_usd.per_request", "USD", "lower", "of all attempts, per request"),
    MetricName("cost_usd.per_answer", "USD", "lower", "of all attempts, per answered request"),
    MetricName("cost_usd.per_conversation", "USD", "lower", "per conversation begun"),
    MetricName("cost_usd.per_completed_conversation", "USD", "lower", "per conversation all of whose turns were answered"),
    MetricName("cost_usd.per_user_month", "USD", "lower", "per user of the population and 30 days of this traffic"),
    MetricName("cost_usd.per_day", "USD", "lower", "24 hours of this traffic"),
    MetricName("cost_usd.per_month", "USD", "lower", "30 days of this traffic"),
    MetricName(CAPACITY, "USD", "lower", "the part of cost_usd.per_month that is paid by the hour, whatever is asked"),
    MetricName("cost_usd.projected_month", "USD", "lower", "the 30 days that begin now, with the traffic's growth"),
    MetricName("task_completion", "share", "higher", "conversations all of whose turns were answered"),
    MetricName("apdex", "share", "higher", "satisfaction by waits (Apdex): 1 all satisfied, 0 all frustrated"),
)
RECOVERY = MetricName("recovery_time", "s", "lower", "from the end of the last disturbance until availability is back for good")
"""No figure of rows in a window: ``sim.analysis.recovery`` has its definition."""
OF_THE_WHOLE = ("queue_depth", "in_service", "open_breakers", "workers", CAPACITY, BATCHES, RECOVERY.name)
"""Families that cannot be said of one class of requests: they are counted over time, or over calls that belong together."""
METRIC_NAMES: dict[str, MetricName] = {metric.name: metric for metric in TABLE}
