"""From the logs of a real run to a Run: outcomes and latencies as the load generator saw them, attempts and cost as the providers did.

Where the time went in between (queue, pauses …) and which limit said no only the gateway knows; one that was not written here does not
tell. What the answering attempt took is then what its provider says.
"""

from __future__ import annotations

import numpy as np

from loadtest.generator.samples import to_requests
from loadtest.targets.base import GatewayLog
from mockprovider.delivery.playback import End
from sim.analysis.utilization import add_usage
from sim.data.outcomes import CACHE_HIT, OK, STALE
from sim.data.run import Run
from sim.data.schema import ATTEMPTS, TIMELINE
from sim.data.statuses import CANCELLED, REFUSED, TIMED_OUT
from sim.gateway.contents import Contents
from sim.gateway.rows import COSTS, STAGE_COLUMNS
from sim.gateway.stages.freshness import SEMANTIC
from sim.kernel.refusals import names_in
from sim.provider.pricing import cached_prices, unit_prices
from sim.scenario.model import Scenario
from sim.scenario.targets import target_names

KNOWN_BETTER = ("attempts", "output_tokens", "cached_tokens", "cost_usd", "accepted_s")
"""What providers, or the client, know better than the gateway."""
FROM_GATEWAY = ("refused_by", *(name for name in STAGE_COLUMNS if name not in KNOWN_BETTER))

LEFT = (End.CLIENT_LEFT, End.STALLED, End.HANG, End.CUT_OFF)
BROKEN = (End.RESET, End.TRUNCATED, End.STREAM_ERROR, End.MALFORMED)  # an answer began, but whoever read it has none


def measured_run(
    scenario: Scenario, scale: float, samples: np.ndarray, truth: dict[str, np.ndarray], gateway: GatewayLog | None, wall_s: float
) -> Run:
    """The measurement as a Run of one replication. ``truth``: each provider's ground-truth rows, with ``model`` as its index."""
    attempts = attempt_rows(scenario, truth, samples)
    requests = to_requests(samples)
    requests["replication"] = 0
    requests["first_token_s"] = requests["generation_s"] = np.nan  # of the answering attempt, which a client cannot see
    if gateway is not None:
        overlay(requests, gateway.requests)
        name_cuts(attempts, gateway.attempts)
    see_versions(scenario, requests, samples)
    spend(requests, attempts)
    time_answers(requests, attempts)
    run = Run(
        kind="measurement",
        scenario=scenario,
        scale=scale,
        seed=scenario.seed,
        replications=1,
        targets=target_names(scenario),
        requests=requests,
        attempts=attempts,
        timeline=gateway.timeline if gateway is not None else np.zeros(0, TIMELINE),
        events=gateway.events if gateway is not None else [],
        refusals=names_in(requests["refused_by"], attempts["refused_by"]),
        wall_s=wall_s,
    )
    return add_usage(run)


def attempt_rows(scenario: Scenario, truth: dict[str, np.ndarray], samples: np.ndarray) -> np.ndarray:
    """Every attempt that reached a provider, in order of arrival there; billed as the model bills."""
    targets = {name: number for number, name in enumerate(target_names(scenario))}
    prices, cached = unit_prices(scenario), cached_prices(scenario)
    parts = [np.zeros(0, ATTEMPTS)]
    for provider, rows in truth.items():
        part = np.zeros(len(rows), ATTEMPTS)
        for name in ("request", "key", "prompt", "occurrence", "started_s", "duration_s", "status", "refused_by"):
            part[name] = rows[name]
        names = [f"{provider}/{model}" for model in scenario.providers[provider].models]
        part["target"] = np.array([targets[name] for name in names])[rows["model"]]
        came = (rows["status"] == 200) & (rows["first_token_s"] <= rows["duration_s"])
        part["first_token_s"] = np.where(came, rows["first_token_s"], np.nan)
        part["status"][np.isin(rows["end"], LEFT)] = TIMED_OUT  # unless the gateway says that it cancelled
        part["status"][np.isin(rows["end"], BROKEN)] = REFUSED
        billed = (rows["status"] == 200) & np.isfinite(rows["first_token_s"])
        part["input_tokens"] = np.where(billed, rows["input_tokens"], 0)
        part["output_tokens"] = np.where(billed, rows["output_tokens"], 0)
        usd = np.array([(*prices[name], cached.get(name, prices[name][0])) for name in names])[rows["model"]]
        part["cached_tokens"] = np.where(billed, rows["cached_tokens"], 0)
        saved_usd = part["cached_tokens"] * (usd[:, 0] - usd[:, 2])
        part["cost_usd"] = part["input_tokens"] * usd[:, 0] + part["output_tokens"] * usd[:, 1] - saved_usd
        parts.append(part[rows["model"] >= 0])
    attempts = np.concatenate(parts)
    attempts = attempts[np.argsort(attempts["started_s"], kind="stable")]
    find_requests(attempts, samples)
    number_attempts(attempts)
    return attempts


def find_requests(attempts: np.ndarray, samples: np.ndarray) -> None:
    """Attempts whose gateway did not pass the request's number on belong to the last request of their prompt sent before them."""
    unknown = np.flatnonzero(attempts["request"] < 0)
    if not len(unknown):
        return
    order = np.lexsort((samples["arrival_s"], samples["prompt"]))
    prompts, arrivals, numbers = (samples[name][order] for name in ("prompt", "arrival_s", "request"))
    for row in unknown:
        prompt = attempts["prompt"][row]
        low, high = np.searchsorted(prompts, [prompt, prompt + 1])
        place = low + np.searchsorted(arrivals[low:high], attempts["started_s"][row], side="right") - 1
        if place >= low:
            attempts["request"][row] = numbers[place]


def number_attempts(attempts: np.ndarray) -> None:
    """``attempt`` counts from 0 within each request, in order of arrival."""
    order = np.argsort(attempts["request"], kind="stable")
    requests = attempts["request"][order]
    first = np.flatnonzero(np.r_[True, requests[1:] != requests[:-1]]) if len(requests) else np.zeros(0, int)
    attempts["attempt"][order] = np.arange(len(requests)) - np.repeat(first, np.diff(np.r_[first, len(requests)]))


def overlay(requests: np.ndarray, told: np.ndarray) -> None:
    """What the gateway knows of each request, beside what its client saw."""
    _, mine, theirs = np.intersect1d(requests["request"], told["request"], return_indices=True)
    for name in FROM_GATEWAY:
        requests[name][mine] = told[name][theirs]


def see_versions(scenario: Scenario, requests: np.ndarray, samples: np.ndarray) -> None:
    """Which answers of caches were outdated, by the version that they tell themselves: the gateway's word does not count where they do. A
    semantic cache may have answered with another prompt's, which only the gateway knows.
    """
    contents = Contents(scenario, scenario.seed)
    told = (samples["version"] >= 0) & np.isin(requests["outcome"], (CACHE_HIT, STALE)) & (requests["cache_layer"] != SEMANTIC)
    for place in np.flatnonzero(told):
        now = contents.version(int(samples["prompt"][place]), float(samples["ended_s"][place]))
        requests["outdated"][place] = now is not None and samples["version"][place] != now % 1000


def name_cuts(attempts: np.ndarray, told: np.ndarray) -> None:
    """Attempts that the gateway cut because its client left are CANCELLED, the others it cut TIMED_OUT."""
    cancelled = {(int(row["request"]), int(row["attempt"])) for row in told[told["status"] == CANCELLED]}
    for place in np.flatnonzero(attempts["status"] == TIMED_OUT):
        if (int(attempts["request"][place]), int(attempts["attempt"][place])) in cancelled:
            attempts["status"][place] = CANCELLED


def spend(requests: np.ndarray, attempts: np.ndarray) -> None:
    """Attempts, their cost and what they read from prompt caches, summed by request; with what the gateway itself paid for."""
    place, mine = places_of(requests, attempts)
    size = len(requests)
    requests["attempts"] = np.bincount(place, minlength=size)
    requests["cost_usd"] = np.bincount(place, weights=attempts["cost_usd"][mine], minlength=size)
    for name in COSTS:
        requests["cost_usd"] += np.nan_to_num(requests[name])  # unknown of gateways that are not ours
    requests["cached_tokens"] = np.bincount(place, weights=attempts["cached_tokens"][mine], minlength=size)


def time_answers(requests: np.ndarray, attempts: np.ndarray) -> None:
    """How long the answering attempt took, by its provider's clock, where the gateway does not say."""
    answers = attempts[attempts["status"] == 200]
    place, mine = places_of(requests, answers)
    silent = (requests["outcome"][place] == OK) & np.isnan(requests["first_token_s"][place])
    answers, place = answers[mine][silent], place[silent]
    requests["first_token_s"][place] = answers["first_token_s"]
    requests["generation_s"][place] = answers["duration_s"] - answers["first_token_s"]


def places_of(requests: np.ndarray, attempts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The place of each attempt's request, and a mask of the attempts that have one."""
    if not len(requests):
        return np.zeros(0, np.int64), np.zeros(len(attempts), bool)
    order = np.argsort(requests["request"], kind="stable")
    found = np.clip(np.searchsorted(requests["request"][order], attempts["request"]), 0, len(order) - 1)
    place = order[found]
    mine = (attempts["request"] >= 0) & (requests["request"][place] == attempts["request"])
    return place[mine], mine
