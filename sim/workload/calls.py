"""What one call asks: its class, its prompt, its tokens. Shared by open-loop schedules and closed workloads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from sim.scenario.distributions import Distribution
from sim.scenario.errors import Problem, ScenarioError
from sim.scenario.model import RequestClass, Workload
from sim.stochastics.distributions import Inverse, inverse
from sim.stochastics.random_streams import Purpose, uniforms

MAX_TOKENS = 1_000_000  # of one prompt or answer; laws with longer tails are cut here
MAX_CATALOG = 10_000_000
UNSTATED_POPULATION = 1000
GRID = 1 << 16


def population(workload: Workload, scale: float = 1.0) -> int:
    """Number of users: ``workload.users`` if given, else the daily active ones of ``users`` arrivals, else 1000; times the scale.

    A closed workload has one user for each client.
    """
    stated = stated_population(workload)
    return max(1, round((UNSTATED_POPULATION if stated is None else stated) * scale))


def stated_population(workload: Workload) -> int | None:
    """Number of users that the scenario gives; None where nothing in it says how many there are."""
    arrivals = workload.arrivals
    if arrivals.kind == "closed":
        return arrivals.clients
    if workload.users is not None:
        return workload.users.count
    return arrivals.daily_active if arrivals.kind == "users" else None


def whole(values: np.ndarray, most: int) -> np.ndarray:
    """Rounded to whole numbers from 1 to ``most``, float64."""
    return np.clip(np.rint(values), 1, most)


@lru_cache(maxsize=64)
def whole_mean(law: Distribution, most: int) -> float:
    """Mean of the law as ``whole`` makes use of it (midpoint rule over its quantiles)."""
    return float(whole(inverse(law)((np.arange(GRID) + 0.5) / GRID), most).mean())


@dataclass(frozen=True)
class ClassLaws:
    """One request class, ready to draw: ``first_prompt`` numbers its catalog, ``popularity`` is the running share of its prompts."""

    input: Inverse
    output: Inverse
    first_prompt: int
    popularity: np.ndarray | None


class CallDraws:
    """Draws the columns of calls. ``unique_from`` is the number of the first prompt that is in no catalog.

    The entity of a call is its position in the order of arrival (open loop) or (client, n) (closed). Tokens are keyed by the prompt,
    so identical prompts have identical tokens. Raises ScenarioError for classes that have no share, or a catalog beyond MAX_CATALOG.
    """

    def __init__(self, workload: Workload, seed: int) -> None:
        self.seed = seed
        shares = np.array([request.share for request in workload.requests])
        if shares.sum() <= 0:
            raise ScenarioError([Problem("scenario", "expected shares that add up to more than zero", path="workload.requests")])
        self.shares = np.cumsum(shares) / shares.sum()
        self.laws: list[ClassLaws] = []
        self.unique_from = 0
        for number, request in enumerate(workload.requests):
            laws = ClassLaws(inverse(request.tokens.input), inverse(request.tokens.output), self.unique_from, popularity(request, number))
            self.laws.append(laws)
            self.unique_from += 0 if laws.popularity is None else len(laws.popularity)

    def kinds(self, *call: Any) -> np.ndarray:
        """Class of each call, int16, by share."""
        drawn = np.searchsorted(self.shares[:-1], uniforms(self.seed, Purpose.REQUEST_CLASS, *call), side="right")
        return drawn.astype(np.int16)

    def prompts(self, kinds: np.ndarray, unique: np.ndarray, *call: np.ndarray) -> np.ndarray:
        """Prompt of each call, int64: from its class's catalog by popularity, or the number in ``unique`` for a prompt of its own."""
        prompts = unique.copy()
        for kind, laws in enumerate(self.laws):
            if laws.popularity is not None:
                here = np.flatnonzero(kinds == kind)
                drawn = uniforms(self.seed, Purpose.PROMPT, *(words[here] for words in call))
                prompts[here] = laws.first_prompt + np.searchsorted(laws.popularity[:-1], drawn, side="right")
        return prompts

    def tokens(self, kinds: np.ndarray, prompts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Input and output tokens of each call's own turn, int32."""
        sizes = np.empty(len(kinds), np.int32), np.empty(len(kinds), np.int32)
        for kind, laws in enumerate(self.laws):
            here = np.flatnonzero(kinds == kind)
            keys = prompts[here]
            sizes[0][here] = whole(laws.input(uniforms(self.seed, Purpose.INPUT_TOKENS, keys)), MAX_TOKENS)
            sizes[1][here] = whole(laws.output(uniforms(self.seed, Purpose.OUTPUT_TOKENS, keys)), MAX_TOKENS)
        return sizes

    def from_catalog(self, prompts: np.ndarray) -> np.ndarray:
        return (prompts >= 0) & (prompts < self.unique_from)


def popularity(request: RequestClass, number: int) -> np.ndarray | None:
    """Running share of the catalog's prompts, most popular first: Zipf's law, the k-th prompt in proportion to k^-zipf."""
    if request.prompts is None:
        return None
    if request.prompts.catalog > MAX_CATALOG:
        message = f"expected a catalog of at most {MAX_CATALOG:,} prompts"
        raise ScenarioError([Problem("scenario", message, path=f"workload.requests[{number}].prompts.catalog")])
    running = np.cumsum(np.arange(1, request.prompts.catalog + 1, dtype=np.float64) ** -request.prompts.zipf)
    return running / running[-1]
