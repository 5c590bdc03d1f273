"""How much of every provider's limits a run asks for. See ``sim.analysis.utilization``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

import numpy as np

from sim.analysis.utilization_row import Refusals, Row, row
from sim.data.table import Columns
from sim.gateway.stages.connections import NO_FREE_CONNECTION
from sim.kernel.refusals import NOT_REFUSED
from sim.provider.attempt import CONCURRENCY, CONTEXT_WINDOW, SLOTS
from sim.provider.rate_limits import INPUT_TOKENS, OUTPUT_TOKENS, REQUESTS, TOKENS
from sim.scenario.distributions import mean
from sim.scenario.model import Batching, Provider, ProviderModel, Scenario

IN_SERVICE = "requests in service"


class Sent:
    """Attempts of a run, by mask; each stands for ``rps`` of offered traffic."""

    def __init__(self, attempts: Columns, rps: float, names: tuple[str, ...]) -> None:
        self.target, self.status, self.refused_by = attempts["target"], attempts["status"], attempts["refused_by"]
        self.rps, self.names, self.columns = rps, names, attempts

    def per_second(self, among: np.ndarray) -> float:
        return self.rps * int(among.sum())

    def tokens(self, among: np.ndarray) -> tuple[float, float]:
        """Input and output tokens of an answer."""
        answered = among & (self.status == 200)
        return self.average("input_tokens", answered), self.average("output_tokens", answered)

    def in_service(self, among: np.ndarray) -> float:
        """Attempts at once if none were turned away."""
        return self.per_second(among) * self.average("duration_s", among & (self.refused_by == NOT_REFUSED))

    def average(self, name: str, among: np.ndarray) -> float:
        return float(self.columns[name].mean(where=among)) if among.any() else 0.0


def provider_rows(
    scenario: Scenario, per_attempt_rps: float, requests: Columns, attempts: Columns, names: tuple[str, ...], refusals: Mapping[int, str]
) -> list[Row]:
    """Rows of all providers that were asked; an attempt in ``attempts`` stands for ``per_attempt_rps`` of offered traffic."""
    rows: list[Row] = []
    sent = Sent(attempts, per_attempt_rps, names)
    refused = Refusals("attempts", attempts["refused_by"], sent.target)
    for name, provider in scenario.providers.items():
        places = [place for place, target in enumerate(names) if target.split("/", 1)[0] == name]
        mine = np.isin(sent.target, places)
        if not mine.any():
            continue
        rows += key_rows(name, provider, sent, mine, refused, places)
        if provider.concurrency is not None:
            words, demand = f"{name}'s concurrency", sent.in_service(mine)
            rows.append(row(words, float(provider.concurrency), IN_SERVICE, demand, refused, (CONCURRENCY,), places))
        for place in places:
            here = sent.target == place
            if here.any():
                model = provider.models[names[place].split("/", 1)[1]]
                rows += slot_rows(names[place], model, sent, here, refused, place)
                rows += speed_rows(names[place], model, sent, here, refused)
                rows += window_rows(names[place], model, sent, here, requests, refused, place)
        rows += refused.rest(refusals, places, f" at {name}")
    return rows


def pool_rows(scenario: Any, per_attempt_rps: float, requests: Columns, attempts: Columns, names: tuple[str, ...]) -> Iterator[Row]:
    """Of the gateway's connections to each provider, which an attempt holds while it is set up, on its way and answered."""
    connections = scenario.gateway.connections
    if connections is None or connections.max == "unlimited":
        return
    sent = Sent(attempts, per_attempt_rps, names)
    refused = Refusals("requests", requests["refused_by"], requests["target"])
    for name in scenario.providers:
        places = [place for place, target in enumerate(names) if target.split("/", 1)[0] == name]
        mine, here = np.isin(sent.target, places), np.isin(requests["target"], places) & (requests["attempts"] > 0)
        if mine.any() and here.any():
            set_up_s = float(requests["connect_s"].sum(where=here)) / int(requests["attempts"].sum(where=here))
            held = sent.per_second(mine) * (sent.average("duration_s", mine) + set_up_s)
            words = f"the connection pool to {name}"
            yield row(words, float(connections.max), "connections", held, refused, (NO_FREE_CONNECTION,), places)


def key_rows(name: str, provider: Provider, sent: Sent, mine: np.ndarray, refused: Refusals, places: list[int]) -> list[Row]:
    """What all keys of a provider may do together."""
    limits = provider.limits
    tokens_in, tokens_out = sent.tokens(mine)
    answer = tokens_out if limits.reserve is None else limits.reserve
    cached = sent.average("cached_tokens", mine & (sent.status == 200))
    charged = {
        "request": (limits.requests, 1.0, REQUESTS),
        "token": (limits.tokens, tokens_in + limits.output_weight * answer, TOKENS),
        "input token": (limits.input_tokens, tokens_in - cached, INPUT_TOKENS),
        "output token": (limits.output_tokens, tokens_out, OUTPUT_TOKENS),
    }
    return [
        row(
            f"{name}'s {what} limit", limit.rps * provider.keys * provider.units * 60, f"{what.split()[-1]}s/min",
            sent.per_second(mine) * each * 60, refused, (code,), places,
        )
        for what, (limit, each, code) in charged.items()
        if limit is not None
    ]  # fmt: skip


def slot_rows(target: str, model: ProviderModel, sent: Sent, here: np.ndarray, refused: Refusals, place: int) -> list[Row]:
    if model.batching is None or model.batching.slots == "unlimited":
        return []
    words, slots = f"{target}'s batching slots", float(model.batching.slots)
    return [row(words, slots, IN_SERVICE, sent.in_service(here), refused, (SLOTS,), (place,))]


def speed_rows(target: str, model: ProviderModel, sent: Sent, here: np.ndarray, refused: Refusals) -> list[Row]:
    """A shared server refuses nothing for being slow: the load says when it no longer keeps up."""
    if model.batching is None or (capacity := most_work(model.batching)) == inf:
        return []
    _, tokens_out = sent.tokens(here)
    each_s = 0.0 if model.per_token is None else mean(model.per_token)
    first_s = mean(model.latency) if model.latency is not None else mean(model.ttft) if model.ttft is not None else 0.0
    work = sent.per_second(here) * (first_s + max(0.0, tokens_out - 1) * each_s)
    return [row(f"{target}'s shared speed", capacity, "requests at full speed", work, refused, ())]


def most_work(batching: Batching) -> float:
    """Seconds of work per second that a shared server can do: n · min(1, parallel / n) / (1 + slowdown · n) at its best n."""
    slots = inf if batching.slots == "unlimited" else batching.slots
    n = min(slots, inf if batching.parallel is None else batching.parallel)
    if n == inf:
        return 1 / batching.slowdown if batching.slowdown > 0 else inf
    return n / (1 + batching.slowdown * n)


def window_rows(
    target: str, model: ProviderModel, sent: Sent, here: np.ndarray, requests: Columns, refused: Refusals, place: int
) -> list[Row]:
    """The context window, against the 99th percentile of what is sent: it does not fill up with traffic, but it refuses."""
    longest = requests["input_tokens"][(requests["target"] == place) & (requests["attempts"] > 0)]
    if model.context is None or not len(longest):
        return []
    _, tokens_out = sent.tokens(here)
    tokens = float(np.quantile(longest, 0.99)) + tokens_out
    words, unit = f"{target}'s context window", "tokens (request at the 99th percentile)"
    return [row(words, float(model.context), unit, tokens, refused, (CONTEXT_WINDOW,), (place,))]
