"""From which monthly volume fine-tuning, a server of one's own, provisioned capacity and a cache pay, solved from the model.

What a request costs at the API, how many tokens it has, what a server bears and what a cache saves come from predictions. What the other
way costs is stated here, or in its scenario, with its source. A way pays from the volume at which its fixed cost is earned back by what
each request saves.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from sim.analysis.capacity import reserved_usd_per_hour
from sim.analysis.estimators import Estimate
from sim.analysis.metrics import DAY_S, MONTH_DAYS, measure
from sim.formatting import dollars
from sim.guide.cases import Cases
from sim.provider.pricing import MILLION

MONTH_S = DAY_S * MONTH_DAYS
MONTH_HOURS = MONTH_S / 3600
GPT_4 = (30.0, 60.0)
"""USD per million tokens in and out in 2023, the guide's "GPT-4 API, 30-60"."""
GUIDE = (500_000, 1_000_000)
"""The guide's "Fine-tuning pays off at ~500K-1M monthly requests in a narrow domain"."""
ANSWERED = 0.99
"""Share of requests that a server of one's own has to answer."""
MOST_SCALE = 64.0
REDIS_USD_A_MONTH = 11.5
"""The smallest managed node, 0.016 USD an hour (AWS ElastiCache cache.t4g.micro, list price) for 720 hours."""


class Terms(NamedTuple):
    """USD of a month: ``fixed``, of which ``rent`` again for every further ``capacity`` requests, and for each request."""

    fixed: float
    per_request: float
    rent: float = 0.0
    capacity: float = math.inf

    def cost(self, volume: np.ndarray) -> np.ndarray:
        """USD a month, by requests a month."""
        further = np.maximum(0.0, np.ceil(volume / self.capacity) - 1.0)
        return np.asarray(self.fixed + further * self.rent + volume * self.per_request)

    def pays_from(self, api: float) -> float:
        """The fewest requests a month at which it costs no more than the API at ``api`` USD a request; inf where even full units cost more.
        A further unit, not yet full, may cost more again for a while.
        """
        saved = api - self.per_request
        units = 1
        while saved > 0:
            volume = (self.fixed + (units - 1) * self.rent) / saved
            if volume <= units * self.capacity:
                return volume
            if saved * self.capacity <= self.rent:
                break
            units += 1
        return math.inf


class Way(NamedTuple):
    """``cheap`` and ``dear`` are the ends of what it may cost; ``api`` what a request costs without it, USD."""

    name: str
    api: Estimate
    cheap: Terms
    dear: Terms
    source: str

    def as_dict(self) -> dict[str, Any]:
        """The volumes with the intervals that the API's price leaves them; null: it never pays."""
        ends = [self.pays(terms) for terms in (self.cheap, self.dear)]
        return {
            "way": self.name,
            "api_usd_per_request": self.api.as_dict(),
            "terms": [terms_dict(terms) for terms in (self.cheap, self.dear)],
            "pays_from_requests_a_month": ends,
            "source": self.source,
        }

    def pays(self, terms: Terms) -> dict[str, float | None]:
        low, high = self.api.high, self.api.low  # the dearer the API, the sooner it pays
        found = {"value": self.api.value, "low": low, "high": high}
        return {name: None if api is None else finite(terms.pays_from(api)) for name, api in found.items()}


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def terms_dict(terms: Terms) -> dict[str, float | None]:
    return {
        "fixed_usd_a_month": terms.fixed,
        "usd_per_request": terms.per_request,
        "rent_usd_a_month": terms.rent,
        "capacity_a_month": finite(terms.capacity),
    }


def ways(cases: Cases) -> list[Way]:
    narrow = cases.run("break_even/narrow")
    inputs, outputs = (measure(narrow, f"tokens.{side}_per_request") for side in ("input", "output"))
    today = measure(narrow, "cost_usd.per_request")
    tokens_in, tokens_out = inputs.value or 0.0, outputs.value or 0.0
    gpt_4 = price_of(inputs, outputs, *GPT_4)
    whole = (tokens_in + tokens_out) / MILLION
    bears, gpu_usd = server_bears(cases), reserved_usd_per_hour(cases.of("break_even/own_server").scenario)
    rent = gpu_usd * MONTH_HOURS
    provisioned = cases.of("capacity/provisioned").scenario
    provider, units_usd = provisioned.providers["dedicated"], reserved_usd_per_hour(provisioned) * MONTH_HOURS
    unit_tpm, weight = provider.limits.tokens.rps * 60, provider.limits.output_weight
    units_bear = provider.units * unit_tpm / (tokens_in + weight * tokens_out) * MONTH_S / 60
    reserved = Terms(units_usd, 0.0, units_usd, units_bear)
    hosted, own = (Terms(500, 3 * whole), Terms(2000, 12 * whole)), (Terms(5000, 0.1 * whole), Terms(20_000, whole))
    guides = "set-up and price per token: the guide's table; the set-up earned back in one month"
    return [
        Way("fine-tuned GPT-3.5 against GPT-4 (2023)", gpt_4, *hosted, guides),
        Way("fine-tuned open-source model against GPT-4 (2023)", gpt_4, *own, guides),
        Way("fine-tuned hosted model against gpt-4o (today)", today, *hosted, guides),
        Way("fine-tuned open-source model against gpt-4o (today)", today, *own, guides),
        Way(
            "servers of one's own against gpt-4o",
            today,
            Terms(rent + 5_000 / 12, 0.0, rent, bears),
            Terms(rent + 20_000 / 12, 0.0, rent, bears),
            f"{dollars(gpu_usd)} an hour for a GPU that bears {bears / MONTH_S:.1f} requests/s by the model with {ANSWERED:.0%} "
            "answered; the guide's set-up earned back in a year",
        ),
        Way(
            "provisioned capacity against gpt-4o",
            today,
            reserved,
            reserved,
            f"{provider.units} units at {dollars(units_usd / provider.units)} a month, each {unit_tpm:,.0f} input tokens a minute, an "
            f"output token counting {weight:g}: {units_bear:,.0f} requests a month when full",
        ),
        cache_way(cases),
    ]


def price_of(inputs: Estimate, outputs: Estimate, input_usd: float, output_usd: float) -> Estimate:
    """USD per request at prices per million tokens; the bounds are those of both together, at their worst."""
    pairs = zip(inputs, outputs, strict=True)
    return Estimate(*(None if None in pair else (pair[0] * input_usd + pair[1] * output_usd) / MILLION for pair in pairs))  # type: ignore[operator]


def server_bears(cases: Cases) -> float:
    """Requests a month that one server answers ANSWERED of, the largest by bisection over scales."""
    name = "break_even/own_server"
    rate = measure(cases.run(name), "offered_rps").value or 0.0
    low, high = 1.0, MOST_SCALE
    while high / low > 1.05:
        middle = math.sqrt(low * high)
        enough = (measure(cases.run(name, scale=middle), "availability").value or 0.0) >= ANSWERED
        low, high = (middle, high) if enough else (low, middle)
    return rate * low * MONTH_S


def cache_way(cases: Cases) -> Way:
    """A cache pays by what it saves of each request."""
    api, cached = (cases.figure(name, "cost_usd.per_request") for name in ("growth_before", "strategies/caching"))
    terms = Terms(REDIS_USD_A_MONTH, cached.value or 0.0)
    saving = cases.saving("growth_before", "strategies/caching")
    paired = Estimate(*(None if part is None else (cached.value or 0.0) / (1 - part) for part in saving))
    return Way(
        "a shared cache of identical prompts", paired, terms, terms,
        f"a Redis node at {dollars(REDIS_USD_A_MONTH)} a month; of a request at {dollars(api.value)} it saves what the model says",
    )  # fmt: skip
