"""Every figure of a run, as a table: the formula over a Window of rows of each name that ``sim.scenario.metric_names`` has.

What counts: requests that arrive after the warm-up (see Window). Latencies are those of *answered* requests (ok, cache hit), measured
from the intended send time: refusals and prepared apologies are quick, and would flatter them. Quantiles are exact. Money per day and
month extrapolates the counted window as it stands, so a ten-minute peak gives the cost of a month of peak; users scale with the run's
``scale``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sim.analysis.batch_latency import has_batches
from sim.analysis.capacity import LEVELS, capacity_usd
from sim.analysis.estimators import INSUFFICIENT, Estimate, mean_estimate, quantile_estimate, ratio_estimate, share_estimate
from sim.analysis.objectives import objectives
from sim.analysis.window import Window
from sim.data.outcomes import CACHE_HIT, FAILURES, KINDS, is_available
from sim.data.run import Run
from sim.data.statuses import CANCELLED
from sim.gateway.chain import declared
from sim.gateway.stages.breaker import IS_OPEN
from sim.gateway.stages.retry import NO_TARGET
from sim.scenario.metric_names import BATCHES, CAPACITY, CLIENT, METRIC_NAMES, QUANTILES, MetricName, StageFigure
from sim.workload.calls import stated_population

DAY_S = 86_400.0
MONTH_DAYS = 30.0
Formula = Callable[[Window], Estimate]


@dataclass(frozen=True)
class Metric(MetricName):
    """A name of the catalogue with its formula."""

    formula: Formula

    def of(self, window: Window) -> Estimate:
        """Its value over a window. Rows that lack what it needs (a measurement without costs) make it insufficient.

        Nothing measured here can be negative, which Student's t does not know.
        """
        value, low, high = self.formula(window)
        if value is None or math.isnan(value):
            return INSUFFICIENT
        return Estimate(value, None if low is None else max(0.0, low), high)


# ---- which requests ---------------------------------------------------------------------------------------------------
def available(window: Window) -> np.ndarray:
    return window.available


def served(window: Window) -> np.ndarray:
    return window.served


def degraded(window: Window) -> np.ndarray:
    return window.served & ~window.available


def everyone(window: Window) -> np.ndarray:
    return np.ones(len(window), dtype=bool)


def queued(window: Window) -> np.ndarray:
    """Came to the admission queue and waited there, or was let in: it sent an attempt, or found no target that would take one."""
    wait = window["queue_wait_s"]
    let_in = (window["attempts"] > 0) | np.isin(window["refused_by"], (IS_OPEN, NO_TARGET))
    return (let_in | (wait > 0)) & ~np.isnan(wait)


# ---- formulas ---------------------------------------------------------------------------------------------------------
def mean_of(column: str, of: Callable[[Window], np.ndarray]) -> Formula:
    def formula(window: Window) -> Estimate:
        values = window[column]
        mask = of(window) & ~np.isnan(values)
        return ratio_estimate(window.sum(values, mask), window.count(mask))

    return formula


def quantile_of(column: str, quantile: float, of: Callable[[Window], np.ndarray]) -> Formula:
    def formula(window: Window) -> Estimate:
        values = window[column]
        return quantile_estimate(window.split(values, of(window) & ~np.isnan(values)), quantile)

    return formula


def share_of(hits: Callable[[Window], np.ndarray], of: Callable[[Window], np.ndarray] = everyone) -> Formula:
    def formula(window: Window) -> Estimate:
        among = of(window)
        return share_estimate(window.count(hits(window) & among), window.count(among))

    return formula


def per_request(column: str) -> Formula:
    return lambda window: ratio_estimate(window.sum(window[column]), window.count())


def per_second(of: Callable[[Window], np.ndarray], times: float = 1.0) -> Formula:
    """Requests (or dollars, tokens: whatever ``of`` gives per replication) per second of the window."""
    return lambda window: mean_estimate(of(window) / window.seconds).times(times) if window.seconds > 0 else INSUFFICIENT


def ended(outcome: int) -> Callable[[Window], np.ndarray]:
    return lambda window: window["outcome"] == outcome


def waited(window: Window) -> np.ndarray:
    return window["queue_wait_s"] > 1e-9


def good(window: Window) -> np.ndarray:
    """Answered, and within the scenario's own latency objectives."""
    mask = window.available
    for column, limit_s in objectives(window.run.scenario).items():
        mask = mask & ~(window[column] > limit_s)
    return mask


def completed(window: Window) -> np.ndarray:
    """Answered requests that *ended* in the window, whenever they arrived: what the system delivered, also when it falls behind."""
    rows = window.run.requests
    end_s = rows["arrival_s"] + rows["latency_s"]
    inside = is_available(rows["outcome"]) & window.selected
    inside &= np.logical_or.reduce([(end_s >= start) & (end_s < end) for start, end in window.spans])
    return np.bincount(rows["replication"][inside], minlength=window.run.replications)


def spending(window: Window) -> np.ndarray:
    """All that is paid: for the requests, and for what is paid by the hour."""
    return window.sum(window["cost_usd"]) + capacity_usd(window)


def cost_per_answer(window: Window) -> Estimate:
    """Everything spent, also on what came to nothing, over the answers that it bought."""
    return ratio_estimate(spending(window), window.count(window.available))


def cost_per_conversation(window: Window) -> Estimate:
    """Cost over conversations *begun* in the window: unbiased although conversations reach over its edges."""
    return ratio_estimate(spending(window), window.count(window["turn"] == 0))


def conversations(window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Conversations begun in the window, and those of them all of whose turns in it were answered, per replication.

    With clients that send again, a turn is answered if any of its sendings is.
    """
    number, turn = window["conversation"], window["turn"]
    if len(number) and (number.min() < 0 or number.max() >= 4 * len(number) + 1000):  # as a trace calls them
        number = np.unique(number, return_inverse=True)[1]
    begun = turn == 0
    if not len(number) or window.run.scenario.workload.conversations is None:
        return window.count(begun & False), window.count(begun & False)
    key = window.replication.astype(np.int64) * (int(number.max()) + 1) + number
    unanswered = ~window.available
    if window.run.scenario.workload.client.retries is not None:
        turns = key * (int(turn.max()) + 1) + turn
        unanswered &= ~np.isin(turns, turns[window.available])
    failed = np.bincount(key[unanswered], minlength=int(key.max()) + 1) > 0
    first = first_of_request(window, begun) if window.run.scenario.workload.client.retries is not None else begun
    return window.count(first), window.count(first & ~failed[key])


def task_completion(window: Window) -> Estimate:
    """A proxy for the user's goal: that everything asked was answered, before the client's patience ended."""
    begun, whole = conversations(window)
    return share_estimate(whole, begun)


def cost_per_completed_conversation(window: Window) -> Estimate:
    """Everything spent over the conversations that came to their end."""
    return ratio_estimate(spending(window), conversations(window)[1])


def apdex(window: Window) -> Estimate:
    """Apdex of T seconds (workload.client.satisfied): answers within T count 1, within 4 T a half; later ones, and failures, nothing.

    The wait is until the first content for clients that stream, otherwise until the whole answer. Source: Application Performance Index,
    Apdex Technical Specification 1.1 (2007), https://www.apdex.org.
    """
    client = window.run.scenario.workload.client
    if client.satisfied is None:
        return INSUFFICIENT
    wait_s = window["ttft_s" if client.stream else "latency_s"]
    satisfied = window.available & (wait_s <= client.satisfied)
    tolerating = window.available & (wait_s <= 4 * client.satisfied) & ~satisfied
    return ratio_estimate(window.count(satisfied) + 0.5 * window.count(tolerating), window.count())


def projected_month(window: Window) -> Estimate:
    """Thirty days of cost that grows exponentially, by ``workload.growth`` in as many days, from now on."""
    growth = window.run.scenario.workload.growth
    return per_second(spending, DAY_S * MONTH_DAYS * (growth / math.log1p(growth) if growth else 1.0))(window)


def cost_per_user_month(window: Window) -> Estimate:
    """Unknown where the scenario does not say how many users there are: the default population is nobody's."""
    if stated_population(window.run.scenario.workload) is None:
        return INSUFFICIENT
    return per_second(spending, DAY_S * MONTH_DAYS / window.users)(window)


def sampled(column: str) -> Formula:
    """Time average of a timeline column."""

    def formula(window: Window) -> Estimate:
        rows = window.timeline
        if not len(rows):
            return INSUFFICIENT
        count = np.bincount(rows["replication"], minlength=window.run.replications)
        return ratio_estimate(np.bincount(rows["replication"], weights=rows[column], minlength=window.run.replications), count)

    return formula


def highest(column: str) -> Formula:
    """The highest value that any replication's timeline saw: an observation, hence without bounds."""
    return lambda window: Estimate(float(window.timeline[column].max())) if len(window.timeline) else INSUFFICIENT


def attempt_failures(window: Window) -> Estimate:
    attempts = window.attempts
    failed = (attempts["status"] != 200) & (attempts["status"] != CANCELLED)
    replication, n = attempts["replication"], window.run.replications
    return share_estimate(np.bincount(replication[failed], minlength=n), np.bincount(replication, minlength=n))


def batch_mean(window: Window) -> Estimate:
    """Insufficient, as all figures of batches, where no calls come together."""
    if not has_batches(window.run.scenario.workload):
        return INSUFFICIENT
    batches, n = window.batches, window.run.replications
    return ratio_estimate(batches.sums(n), batches.number(n, batches.available))


def batch_quantile(quantile: float) -> Formula:
    def formula(window: Window) -> Estimate:
        if not has_batches(window.run.scenario.workload):
            return INSUFFICIENT
        return quantile_estimate(window.batches.latencies(window.run.replications), quantile)

    return formula


def batches_available(window: Window) -> Estimate:
    if not has_batches(window.run.scenario.workload):
        return INSUFFICIENT
    batches, n = window.batches, window.run.replications
    return share_estimate(batches.number(n, batches.available), batches.number(n))


def of_clients(what: Callable[[Window], np.ndarray]) -> Formula:
    """Per request of a client, all its sendings together: they are of one conversation and turn."""

    def formula(window: Window) -> Estimate:
        if window.run.scenario.workload.client.retries is None:
            return INSUFFICIENT
        return ratio_estimate(what(window), wanted(window))

    return formula


def wanted(window: Window) -> np.ndarray:
    """Requests of clients per replication; of those whose first sending lies before the window, too."""
    return window.count(first_of_request(window, np.ones(len(window), bool)))


def got(window: Window) -> np.ndarray:
    return window.count(first_of_request(window, window.available))


def first_of_request(window: Window, among: np.ndarray) -> np.ndarray:
    """A mask of one of the sendings ``among`` for each request of a client."""
    places = np.flatnonzero(among)
    keys = np.stack([window.replication[places], window["conversation"][places], window["turn"][places]])
    mask = np.zeros(len(window), bool)
    mask[places[np.unique(keys, axis=1, return_index=True)[1]]] = True
    return mask


# ---- the table --------------------------------------------------------------------------------------------------------
def delays(family: str, of: Callable[[Window], np.ndarray]) -> dict[str, Formula]:
    quantiles = {f"{family}.{name}": quantile_of(family, quantile, of) for name, quantile in QUANTILES.items()}
    return {f"{family}.mean": mean_of(family, of)} | quantiles


def stage_figure(figure: StageFigure) -> Formula:
    """What a stage adds: a level of the workers over time, the mean or a quantile of a column where it is known, or the share of requests
    with a code in it, or that its limit refused.
    """
    if figure.workers:
        return LEVELS[figure.workers]
    if figure.equals is not None:
        return share_of(lambda window: window[figure.column] == figure.equals)
    if figure.quantile is not None:
        return quantile_of(figure.column, figure.quantile, everyone)
    if figure.column:
        return mean_of(figure.column, everyone)
    return share_of(lambda window: window["refused_by"] == figure.refused_by)


FORMULAS: dict[str, Formula] = {
    **delays("latency_s", available),
    **delays("ttft_s", available),
    **delays("added_latency_s", available),
    **delays("queue_wait_s", queued),
    "queue_wait_s.p_wait": share_of(waited, queued),
    f"{BATCHES}latency_s.mean": batch_mean,
    **{f"{BATCHES}latency_s.{name}": batch_quantile(quantile) for name, quantile in QUANTILES.items()},
    f"{BATCHES}availability": batches_available,
    "availability": share_of(available),
    "served": share_of(served),
    "degraded_rate": share_of(degraded),
    "goodput": share_of(good),
    "error_rate.total": share_of(lambda window: ~window.served),
    **{f"error_rate.{kind.name}": share_of(ended(kind.code)) for kind in KINDS if kind.code >= FAILURES},
    "error_rate.attempts": attempt_failures,
    "cache_hit_rate": share_of(ended(CACHE_HIT)),
    "attempts_per_request": per_request("attempts"),
    f"{CLIENT}availability": of_clients(got),
    f"{CLIENT}sendings": of_clients(lambda window: window.count()),
    f"{CLIENT}amplification": of_clients(lambda window: window.sum(window["attempts"])),
    "offered_rps": per_second(lambda window: window.count()),
    "throughput_rps": per_second(completed),
    "goodput_rps": per_second(lambda window: window.count(good(window))),
    "queue_depth.mean": sampled("waiting"),
    "queue_depth.max": highest("waiting"),
    "in_service.mean": sampled("in_service"),
    "open_breakers.mean": sampled("open_breakers"),
    "tokens.input_per_request": per_request("input_tokens"),
    "tokens.output_per_request": per_request("output_tokens"),
    "tokens.input_per_s": per_second(lambda window: window.sum(window["input_tokens"])),
    "tokens.output_per_s": per_second(lambda window: window.sum(window["output_tokens"])),
    "cost_usd.per_request": per_request("cost_usd"),
    "cost_usd.per_answer": cost_per_answer,
    "cost_usd.per_conversation": cost_per_conversation,
    "cost_usd.per_completed_conversation": cost_per_completed_conversation,
    "cost_usd.per_user_month": cost_per_user_month,
    "cost_usd.per_day": per_second(spending, DAY_S),
    "cost_usd.per_month": per_second(spending, DAY_S * MONTH_DAYS),
    CAPACITY: per_second(capacity_usd, DAY_S * MONTH_DAYS),
    "cost_usd.projected_month": projected_month,
    "task_completion": task_completion,
    "apdex": apdex,
}
FORMULAS |= {name: stage_figure(each) for name, each in declared("FIGURES").items()}
METRICS: dict[str, Metric] = {
    name: Metric(name, known.unit, known.better, known.says, FORMULAS[name]) for name, known in METRIC_NAMES.items()
}


def measure(run: Run | Window, name: str) -> Estimate:
    """One metric of a run (or of a window of it). Raises KeyError for a name not in METRICS."""
    return METRICS[name].of(run if isinstance(run, Window) else Window(run))
