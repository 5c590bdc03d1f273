"""Providers, fitted: their models' latency and prices, their errors, and the outages that the log saw."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from sim.importing.calls import OK, Calls, failed_for_good
from sim.importing.latency import Latency, answers_of, fit_latency
from sim.importing.laws import FEWEST, fit
from sim.importing.noted import Evidence, law_data, seconds
from sim.importing.outages import Outage, find_outages
from sim.importing.prices import list_of, price_of, usd
from sim.importing.targets import DIALECTS, Targets
from sim.scenario.presets import profiles

GONE = 499
RATE_LIMITED = 429
ASSUMED = "gpt-4o-mini"
"""The profile that stands in for a model without latencies in the log."""


@dataclass
class Provided:
    """``data``: providers of the scenario. ``log_cost_usd``: what every row of the log cost, as logged or by list price. ``outages`` by
    provider and model. ``shares``: faults that last the whole run, still without their times, each with its evidence.
    """

    data: dict[str, Any]
    evidence: list[Evidence]
    log_cost_usd: np.ndarray
    cost_is: str
    latencies: dict[str, Latency] = field(default_factory=dict)
    outages: dict[tuple[str, str], list[Outage]] = field(default_factory=dict)
    shares: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    failed: int = 0
    """Calls that failed whatever target they were sent to, or before they were sent to one."""


Names = Mapping[tuple[str, str], tuple[str, str]]


def fit_providers(attempts: Calls, targets: Targets, timed: bool = True, bases: Names = MappingProxyType({}), again: str = "") -> Provided:
    """``attempts``: every row of the log, retries not folded. ``timed``: its times mean something. ``bases``: the public models
    behind targets with names of their own. ``again``: what the scenario's gateway does after a failure, ``retries`` or also ``fallbacks``:
    calls of the log that failed in the end must not be healed by it.
    """
    found = Provided({}, [], np.full(len(attempts), np.nan, np.float32), "")
    owner = np.where(targets.of >= 0, targets.provider_of[targets.of], -1)
    last, before = failed_for_good(attempts)
    anywhere = last & ((owner < 0) | (again == "fallbacks")) & (attempts.status != GONE) & ~attempts.cache_hit
    known = attempts.knows("call")
    for number, name in enumerate(targets.providers):
        entry: dict[str, Any] = {"dialect": DIALECTS.get(name.split("-")[0], "openai")}
        if entry["dialect"] == "openai":
            del entry["dialect"]
        entry["models"] = {}
        rows = np.flatnonzero(owner == number)
        for target, (provider, model) in enumerate(targets.names):
            if provider == name:
                here = np.flatnonzero(targets.of == target)
                seen = find_outages(attempts.start_s[here], attempts.status[here]) if timed else []
                if seen:
                    found.outages[(name, model)] = seen
                    for each in seen:
                        anywhere[here[(attempts.start_s[here] >= each.start_s) & (attempts.start_s[here] <= each.end_s)]] = False
                entry["models"][model] = fit_model(attempts.where(here, only=()), here, name, model, found, bases.get((name, model)))
        models = [model for provider, model in targets.names if provider == name]
        of = np.array([models.index(model) if provider == name else -1 for provider, model in targets.names])[targets.of[rows]]
        lasting = (last & (again == "retries"))[rows]
        elsewhere = (anywhere | (before & (again != "")))[rows]
        fit_errors(name, entry, attempts.where(rows, only=()), of, found, lasting, elsewhere, known)
        found.data[name] = entry
    found.failed = int(anywhere.sum())
    if len(targets):
        found.cost_is = "as logged" if attempts.has("cost_usd") else "logged tokens at list prices"
    return found


def fit_model(
    rows: Calls, place: np.ndarray, provider: str, model: str, found: Provided, base: tuple[str, str] | None = None
) -> dict[str, Any]:
    path = f"providers.{provider}.models.{model}"
    latency = fit_latency(answers_of(rows))
    data: dict[str, Any] = {}
    if latency is None:
        assumed(path, model if base is None else base[1], data, found)
    else:
        found.latencies[f"{provider}/{model}"] = latency
        written(path, latency, data, found)
    price, cost, evidence = price_of(rows, *(base or (provider, model)), path)
    if base is not None:
        listed = list_of(*base)
        price = usd(*listed[:2]) if price is None and listed is not None else price
        evidence.says += f"; its base_model is {'/'.join(base)}"
    if price is not None:
        data["price"] = price
    found.log_cost_usd[place] = cost
    found.evidence.append(evidence)
    return data


def assumed(path: str, model: str, data: dict[str, Any], found: Provided) -> None:
    data["preset"] = near = nearest_profile(model)
    found.evidence.append(Evidence(f"{path}.preset", f"the log has no latencies: those of {near} are an ASSUMPTION", weak=True))


def nearest_profile(model: str) -> str:
    """The profile whose name the model's holds, else the one that shares two words with it, such as ``claude`` and ``haiku``."""
    known = {name: spelt(name) for name in profiles()}
    within = next((name for name, words in known.items() if words in spelt(model) or spelt(model) in words), None)
    own = {each for each in spelt(model).split("-") if each.isalpha()}
    shared = {name: len(own & set(words.split("-"))) for name, words in known.items()}
    best = max(shared, key=lambda name: shared[name], default=ASSUMED)
    return within or (best if shared.get(best, 0) > 1 else ASSUMED)


def spelt(name: str) -> str:
    """Vendors spell versions with dots or dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def written(path: str, latency: Latency, data: dict[str, Any], found: Provided) -> None:
    for name, each in (("latency", latency.whole), ("ttft", latency.ttft), ("per_token", latency.per_token)):
        if each is not None:
            data[name] = law_data(each.law)
            found.evidence.append(Evidence(f"{path}.{name}", each.says, each, weak=each.n < FEWEST))
    if latency.ttft is not None and latency.per_token is None:
        data["latency"] = data.pop("ttft")  # there is no time per token
        found.evidence[-1].path = f"{path}.latency"
    if latency.ttft_per_1k and "ttft" in data:
        data["ttft_per_1k"] = seconds(latency.ttft_per_1k)
        found.evidence.append(Evidence(f"{path}.ttft_per_1k", "medians of the first token's time by the prompt's length"))
    elif latency.ttft_per_1k:
        data["ttft_per_1k"] = seconds(latency.ttft_per_1k)
    if latency.doubles_at:
        data["doubles_at"] = latency.doubles_at
        found.evidence.append(Evidence(f"{path}.doubles_at", "medians of the time per token by how many others were in flight"))
    if latency.correlation and "per_token" in data:
        data["correlation"] = latency.correlation
        found.evidence.append(Evidence(f"{path}.correlation", "rank correlation of the two within a call"))
    found.evidence.append(Evidence(path, latency.says, weak=latency.n < FEWEST or latency.off > 2))


def fit_errors(
    name: str, entry: dict[str, Any], rows: Calls, of: np.ndarray, found: Provided, lasting: np.ndarray, elsewhere: np.ndarray, known: bool
) -> None:
    """Errors outside outages, as a share of attempts; 429s apart, because they are a limit's. Where the provider's models differ, each has
    shares of its own. ``of``: the model of each row, by its name's number in ``entry``. ``lasting``: rows after which no attempt followed,
    where the gateway retries; ``known``: the log tells attempts of a call. ``elsewhere``: rows that count nowhere here.
    """
    reached = ~rows.cache_hit & (rows.status != GONE) & ~elsewhere
    models: list[str] = list(entry["models"])
    for number, model in enumerate(models):
        for each in found.outages.get((name, model), ()):
            reached &= (of != number) | (rows.start_s < each.start_s) | (rows.start_s > each.end_s)
    limited = reached & (rows.status == RATE_LIMITED) & ~lasting
    bad = reached & (rows.status != OK) & ~limited & ~lasting
    gone = int((rows.status == GONE).sum())
    if gone:
        says = f"{gone:,} calls were left by their clients (499): not the provider's errors"
        found.evidence.append(Evidence(f"providers.{name}.models", says))
    for kind, struck in (("lasting" if known else "lasting?", reached & lasting), ("rate-limit", limited), ("errors", bad)):
        if not struck.any():
            continue
        if not differ(struck, reached, of, len(models)):
            add_share(kind, name, None, rows, struck, int(reached.sum()), entry, found)
            continue
        for model_number, model in enumerate(models):
            here = reached & (of == model_number)
            add_share(kind, name, model, rows, struck & here, int(here.sum()), entry, found)


def differ(struck: np.ndarray, reached: np.ndarray, of: np.ndarray, models: int) -> bool:
    """Whether models of a provider fail at plainly different shares: one is off the mean by 2 points and four standard errors."""
    mean = struck.sum() / max(1, reached.sum())
    for number in range(models):
        n = int((reached & (of == number)).sum())
        if n and abs((struck & (of == number)).sum() / n - mean) > max(0.02, 4 * np.sqrt(mean * (1 - mean) / n)):
            return True
    return False


def add_share(
    kind: str, name: str, model: str | None, rows: Calls, struck: np.ndarray, attempts: int, entry: dict[str, Any], found: Provided
) -> None:
    """A share of errors as the provider's ``errors``; 429s, second ones and shares of single models as faults that last the whole run."""
    count = int(struck.sum())
    if not count or not attempts:
        return
    share = float(f"{count / attempts:.3g}")
    codes, counts = np.unique(rows.status[struck], return_counts=True)
    status = int(codes[np.argmax(counts)])
    told = f"{name}{'' if model is None else f'/{model}'}: {count:,} of {attempts:,} attempts "
    told += (
        "were answered 429" if kind == "rate-limit" else "failed, " + ", ".join(f"{c}: {n:,}" for c, n in zip(codes, counts, strict=True))
    )
    lasting = kind.startswith("lasting")
    if lasting:
        told += f"; {FOR_GOOD if kind == 'lasting' else ROWS_ARE_CALLS}" + ("" if unretried(status) == status else NOT_RETRIED)
        status = unretried(status)
    if kind != "rate-limit" and model is None and "errors" not in entry:
        errors: dict[str, Any] = {"rate": share, "status": status}
        spent = rows.duration_s[struck]
        spent = spent[np.isfinite(spent) & (spent > 0)]
        if len(spent):
            after = fit(spent, True) if len(spent) >= FEWEST else fit(np.full(1, np.median(spent)), True)
            errors["after"] = law_data(after.law)
        entry["errors"] = errors
        found.evidence.append(Evidence(f"providers.{name}.errors", told, weak=count < 10 or kind == "lasting?"))
        return
    of_kind = {"kind": kind} if kind == "rate-limit" else {"kind": "errors", "status": status}
    found.shares.append((of_kind | {"provider": name} | ({} if model is None else {"model": model}) | {"share": share}, told))


FOR_GOOD = "these are the last attempts of calls that no retry healed"
ROWS_ARE_CALLS = (
    "each failed row is taken for a call that failed after all its retries, as LiteLLM's spend log has them (an ASSUMPTION); errors that a "
    "retry healed are in no such log"
)
NOT_RETRIED = "; 400 stands for their status, because it is not retried"


def unretried(status: int) -> int:
    """A status that gateways do not retry, for a call that no retry healed: its own, or 400."""
    return 400 if status >= 500 or status in (408, 409, RATE_LIMITED) else status
