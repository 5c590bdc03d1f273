"""How much of every provider's limits a run asks for. See ``sim.analysis.utilization``."""

from __future__ import annotations

from math import inf

import numpy as np

from sim.analysis.utilization_row import Row, blame, row
from sim.data.table import Columns
from sim.provider.pricing import cached_prices, unit_prices
from sim.scenario.distributions import mean
from sim.scenario.model import Batching, Provider, ProviderModel, Scenario

TOO_LONG, TOO_MANY = 400, 429


class Sent:
    """Attempts of a run, by mask; each stands for ``rps`` of offered traffic."""

    def __init__(self, attempts: Columns, rps: float, names: tuple[str, ...]) -> None:
        self.target, self.status = attempts["target"], attempts["status"]
        self.rps, self.names, self.columns = rps, names, attempts

    def per_second(self, among: np.ndarray) -> float:
        return self.rps * int(among.sum())

    def tokens(self, among: np.ndarray) -> tuple[float, float]:
        """Input and output tokens of an answer."""
        answered = among & (self.status == 200)
        return self.average("input_tokens", answered), self.average("output_tokens", answered)

    def in_service(self, among: np.ndarray) -> float:
        """Attempts at once if none were turned away."""
        return self.per_second(among) * self.average("duration_s", among & (self.status != TOO_MANY))

    def average(self, name: str, among: np.ndarray) -> float:
        return float(self.columns[name].mean(where=among)) if among.any() else 0.0


def provider_rows(scenario: Scenario, per_attempt_rps: float, requests: Columns, attempts: Columns, names: tuple[str, ...]) -> list[Row]:
    """Rows of all providers that were asked; an attempt in ``attempts`` stands for ``per_attempt_rps`` of offered traffic.

    An answer 429 is counted once: of all limits that might have given it, under the one with the highest load. It counts there too if
    a fault or a random error gave it; those of a provider without limits are in no row. Likewise 400 and the context window.
    """
    rows: list[Row] = []
    sent = Sent(attempts, per_attempt_rps, names)
    for name, provider in scenario.providers.items():
        places = [place for place, target in enumerate(names) if target.split("/", 1)[0] == name]
        mine = np.isin(sent.target, places)
        if not mine.any():
            continue
        shared = key_rows(scenario, name, sent, mine)
        if provider.concurrency is not None:
            shared.append(attempts_in_service(f"{name}'s concurrency", provider.concurrency, sent.in_service(mine)))
        rows += shared
        for place in places:
            here = sent.target == place
            if not here.any():
                continue
            model = provider.models[names[place].split("/", 1)[1]]
            slots = slot_rows(names[place], model, sent, here)
            window = window_rows(names[place], model, sent, here, requests, place)
            blame([*shared, *slots], int((sent.status[here] == TOO_MANY).sum()), len(here))
            blame(window, int((sent.status[here] == TOO_LONG).sum()), len(here))
            rows += [*slots, *speed_rows(names[place], model, sent, here), *window]
    return rows


def attempts_in_service(words: str, capacity: float, demand: float) -> Row:
    return row(words, float(capacity), "requests in service", demand, "attempts")


def key_rows(scenario: Scenario, name: str, sent: Sent, mine: np.ndarray) -> list[Row]:
    """What all keys of a provider may do together."""
    provider = scenario.providers[name]
    limits = provider.limits
    tokens_in, tokens_out = sent.tokens(mine)
    charged = {
        "request": (limits.requests, 1.0),
        "token": (limits.tokens, tokens_in + (tokens_out if limits.reserve is None else limits.reserve)),
        "input token": (limits.input_tokens, tokens_in - cached_tokens(scenario, provider, sent, mine)),
        "output token": (limits.output_tokens, tokens_out),
    }
    return [
        row(
            f"{name}'s {what} limit", limit.rps * provider.keys * 60, f"{what.split()[-1]}s/min", sent.per_second(mine) * each * 60,
            "attempts",
        )
        for what, (limit, each) in charged.items()
        if limit is not None
    ]  # fmt: skip


def cached_tokens(scenario: Scenario, provider: Provider, sent: Sent, mine: np.ndarray) -> float:
    """Input tokens of an answer that came from the prompt cache, found by what they saved; 0 where they cost as much as any."""
    if provider.prompt_cache is None or provider.limits.input_tokens is None:
        return 0.0
    prices, cached_usd = unit_prices(scenario), cached_prices(scenario)
    answered = mine & (sent.status == 200)
    cached = 0.0
    for place, target in enumerate(sent.names):
        here = answered & (sent.target == place)
        input_usd, output_usd = prices[target]
        saving_usd = input_usd - cached_usd.get(target, input_usd)
        if saving_usd > 0 and here.any():
            full_usd = sent.average("input_tokens", here) * input_usd + sent.average("output_tokens", here) * output_usd
            cached += int(here.sum()) * (full_usd - sent.average("cost_usd", here)) / saving_usd
    return cached / max(1, int(answered.sum()))


def slot_rows(target: str, model: ProviderModel, sent: Sent, here: np.ndarray) -> list[Row]:
    if model.batching is None or model.batching.slots == "unlimited":
        return []
    return [attempts_in_service(f"{target}'s batching slots", model.batching.slots, sent.in_service(here))]


def speed_rows(target: str, model: ProviderModel, sent: Sent, here: np.ndarray) -> list[Row]:
    """A shared server refuses nothing for being slow: the load says when it no longer keeps up."""
    if model.batching is None or (capacity := most_work(model.batching)) == inf:
        return []
    _, tokens_out = sent.tokens(here)
    each_s = 0.0 if model.per_token is None else mean(model.per_token)
    first_s = mean(model.latency) if model.latency is not None else mean(model.ttft) if model.ttft is not None else 0.0
    work = sent.per_second(here) * (first_s + max(0.0, tokens_out - 1) * each_s)
    return [row(f"{target}'s shared speed", capacity, "requests at full speed", work, "attempts")]


def most_work(batching: Batching) -> float:
    """Seconds of work per second that a shared server can do: n · min(1, parallel / n) / (1 + slowdown · n) at its best n."""
    slots = inf if batching.slots == "unlimited" else batching.slots
    n = min(slots, inf if batching.parallel is None else batching.parallel)
    if n == inf:
        return 1 / batching.slowdown if batching.slowdown > 0 else inf
    return n / (1 + batching.slowdown * n)


def window_rows(target: str, model: ProviderModel, sent: Sent, here: np.ndarray, requests: Columns, place: int) -> list[Row]:
    """The context window, against the 99th percentile of what is sent: it does not fill up with traffic, but it refuses."""
    longest = requests["input_tokens"][(requests["target"] == place) & (requests["attempts"] > 0)]
    if model.context is None or not len(longest):
        return []
    _, tokens_out = sent.tokens(here)
    tokens = float(np.quantile(longest, 0.99)) + tokens_out
    return [row(f"{target}'s context window", float(model.context), "tokens (request at the 99th percentile)", tokens, "attempts")]
