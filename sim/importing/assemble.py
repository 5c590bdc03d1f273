"""From a log, a configuration, or both, to a scenario as plain data with the evidence for each of its figures."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sim.importing.arrivals import Arriving, fit_arrivals
from sim.importing.calls import Calls, folded, no_calls
from sim.importing.classes import Asking, fit_classes, fit_conversations, fit_users
from sim.importing.litellm_config import Config, Deployment
from sim.importing.noted import Evidence, seconds
from sim.importing.providers import GONE, Provided, fit_providers
from sim.importing.routes import route, shares_without_log
from sim.importing.skipped import Skipped
from sim.importing.targets import STAND_IN, Targets, clean, targets_of

MOST_REPLAYED = 500_000
PLACEHOLDER_RATE = 1.0
ASSUMED_TOKENS = {"input": {"kind": "lognormal", "median": 400, "p99": 2500}, "output": {"kind": "lognormal", "median": 120, "p99": 600}}


@dataclass
class Draft:
    """``data``: the scenario. ``calls``: the log with retries folded, None without a log. ``log_cost_usd``: of each row of the log.
    ``replayed``: the calls to write as a trace beside the scenario. ``remarks``: for the head of the file.
    """

    data: dict[str, Any]
    evidence: list[Evidence]
    calls: Calls | None = None
    log_cost_usd: np.ndarray = field(default_factory=lambda: np.zeros(0))
    cost_is: str = ""
    replayed: Calls | None = None
    remarks: list[str] = field(default_factory=list)
    has_history: bool = False
    has_latency: bool = False


def draft(
    attempts: Calls | None,
    config: Config | None,
    name: str,
    skipped: Skipped,
    file: str,
    arrivals: str = "auto",
    history: bool = True,
    timed: bool = True,
) -> Draft:
    """``attempts``: rows of the log, None with a configuration alone. ``arrivals``: auto, replay or fit. ``history``: whether conversations
    may send theirs along, where the log's prompts grow like that.
    """
    if attempts is None:
        assert config is not None
        return from_config(config, name)
    renamed = config.renamed if config else {}
    known = [config.name_of(each) for each in config.deployments] if config else []
    targets = targets_of(attempts, tuple(dict.fromkeys(known)), renamed)
    calls = folded(attempts, skipped, file)
    provided = fit_providers(attempts, targets, timed, config.bases if config else {}, again_of(config, calls))
    own = targets_of(calls, targets.names, renamed) if len(calls) != len(attempts) else targets
    talking = fit_conversations(calls)
    fresh = talking.fresh if talking is not None and history else None
    asking = fit_classes(calls, own, fresh)
    users, a_day, users_say = fit_users(calls)
    arriving = fit_arrivals(calls.start_s, a_day, timed)
    evidence = [*provided.evidence, *asking.evidence, *(talking.evidence if talking else ())]
    made = Draft({}, evidence, calls, provided.log_cost_usd, provided.cost_is, has_history=fresh is not None)
    made.has_latency = calls.has("duration_s")
    if not attempts.names["model"] and not attempts.names["provider"]:
        made.remarks.append(f"the log names no model: {'/'.join(STAND_IN)} stands in, with its list price (an ASSUMPTION)")
    replay = arrivals == "replay" or (
        arrivals == "auto" and talking is None and len(asking.classes) == 1 and timed and len(calls) <= MOST_REPLAYED
    )
    workload = workload_of(made, arriving, asking, users, users_say, replay)
    if talking is not None and not replay:
        workload["conversations"] = talking.data
        if fresh is None:
            for each in asking.classes:
                each["history"] = False
            made.remarks.append("input tokens are as logged, history included: the context policy and more turns change nothing")
    gateway = gateway_of(made, config, calls, asking, targets)
    if provided.failed:
        gateway = {"validation": failing(made, provided.failed, config), **gateway}
    workload["requests"] = in_order(asking)
    add_config_limits(provided, config, targets)
    made.data = {
        "tenfold": 1, "name": name, "description": described(calls, file), "seed": 1, "workload": workload, "gateway": gateway,
        "providers": provided.data,
    }  # fmt: skip
    faults = faults_of(made, provided, arriving, calls.start_s[0], workload["duration"])
    if faults:
        made.data["faults"] = faults
    return made


def again_of(config: Config | None, calls: Calls) -> str:
    """What the scenario's gateway does after a failure: see fit_providers."""
    retry = config.gateway.get("retry", {}) if config is not None else {"attempts": int(calls.attempts.max())}
    return "fallbacks" if config is not None and config.gateway.get("fallback") else "retries" if retry.get("attempts", 1) > 1 else ""


def failing(made: Draft, count: int, config: Config | None) -> dict[str, Any]:
    """Calls that fail wherever they are sent, as requests that are refused."""
    assert made.calls is not None
    bad = made.calls.where(~made.calls.served & (made.calls.status != GONE), only=())
    codes = ", ".join(f"{code}: {n:,}" for code, n in zip(*np.unique(bad.status, return_counts=True), strict=True))
    says = f"{count:,} of {len(made.calls):,} calls failed ({codes}), "
    if config is not None and config.gateway.get("fallback"):
        says += "each taken for a call that failed after all retries and fallbacks, as LiteLLM's spend log has them (an ASSUMPTION): "
    else:
        says += "with no word of who was asked: "
    says += "they are refused here, whatever the providers do; verify --target litellm cannot refuse so (add --set gateway.validation=null)"
    made.evidence.append(Evidence("gateway.validation", says, weak=True))
    return {"malformed": float(f"{count / len(made.calls):.4g}")}


def described(calls: Calls, file: str) -> str:
    return f"Imported from a log of {len(calls):,} calls over {seconds(calls.span_s)}."


def workload_of(
    made: Draft, arriving: Arriving, asking: Asking, users: int | None, users_say: Evidence | None, replay: bool
) -> dict[str, Any]:
    assert made.calls is not None
    data: dict[str, Any] = {"arrivals": arriving.data, "duration": duration(arriving.duration_s)}
    if replay:
        made.replayed = made.calls
        span = math.floor(float(made.calls.start_s[-1] - made.calls.start_s[0])) + 1
        data = {"arrivals": {"kind": "trace", "file": "", "format": "mooncake"}, "duration": f"{span}s"}
        arriving.evidence.says = f"the log replayed, call by call; a fitted rate would be {arriving.data['kind']}: {arriving.evidence.says}"
    made.evidence.append(arriving.evidence)
    if users is not None and users_say is not None and arriving.data["kind"] != "users":
        data["users"] = {"count": users}
        made.evidence.append(users_say)
    return data


def duration(value: float) -> str:
    return f"{value:.9g}s"


def in_order(asking: Asking) -> list[dict[str, Any]]:
    """Classes with shares that sum to 1 as printed."""
    total = sum(each["share"] for each in asking.classes)
    shares = [round(each["share"] / total, 6) for each in asking.classes]
    shares[0] = round(shares[0] + 1 - sum(shares), 6)
    order = ("name", "share", "needs", "history", "prompts", "tokens")
    for each, share in zip(asking.classes, shares, strict=True):
        each["share"] = share
    return [{key: each[key] for key in order if key in each} for each in asking.classes]


def gateway_of(made: Draft, config: Config | None, calls: Calls, asking: Asking, targets: Targets) -> dict[str, Any]:
    gateway: dict[str, Any] = {}
    if config is not None:
        gateway |= config.gateway
        made.evidence += config.evidence
        made.remarks += [f"not modelled: {key}: {means}" for key, means in config.unmodelled]
    most = int(calls.attempts.max())
    if config is None and most > 1:
        gateway["retry"] = {"attempts": min(20, most)}
        made.evidence.append(Evidence("gateway.retry", f"the log has calls of {most} attempts"))
    hits = float(calls.cache_hit.mean())
    if hits > 0:
        cached(made, gateway, calls, asking, hits)
    routing, needs = route(asking, targets, config)
    for each, need in zip(asking.classes, needs, strict=True):
        if need is not None:
            each["needs"] = need
    return {**gateway, "routing": routing}


def cached(made: Draft, gateway: dict[str, Any], calls: Calls, asking: Asking, hits: float) -> None:
    """The exact cache that the log's hits show. Without prompts to tell apart, a class of one prompt is what hits."""
    says = f"{hits:.1%} of calls were answered from a cache"
    if not gateway.get("cache"):
        gateway["cache"] = [{"kind": "exact", "ttl": duration(max(60.0, longest_hit(calls))), "capacity": 100_000, "single_flight": False}]
        says += "; its ttl is at least the longest time from a prompt to its hit"
    if not any("prompts" in each for each in asking.classes):
        says += "; the log does not tell prompts apart: one class of a single prompt stands for the hits (an ASSUMPTION)"
        first = max(asking.classes, key=lambda each: each["share"])
        share = min(hits, first["share"] * 0.999)
        again = {**first, "name": f"{first['name']}-cached", "share": share, "prompts": {"catalog": 1, "zipf": 0}}
        first["share"] -= share
        number = asking.classes.index(first)
        asking.classes.append(again)
        asking.group.append(asking.group[number])
        asking.target.append(asking.target[number])
    made.evidence.append(Evidence("gateway.cache", says))


def longest_hit(calls: Calls) -> float:
    """Seconds from a prompt's answer by a provider to the last hit that it gave; 600 where prompts are not told apart."""
    prompt = calls.hashes["prompt"]
    if not prompt.any():
        return 1e6
    order = np.argsort(prompt, kind="stable")
    asked_at = np.where(calls.cache_hit[order], -np.inf, calls.start_s[order])
    begins = np.concatenate([[True], prompt[order][1:] != prompt[order][:-1]])
    group = np.cumsum(begins) - 1
    last = np.maximum.accumulate(asked_at + group * 1e13) - group * 1e13
    age = calls.start_s[order] - last
    age = age[calls.cache_hit[order] & np.isfinite(age) & (age < 1e9)]
    return float(np.quantile(age, 0.99)) if len(age) else 600.0


def faults_of(made: Draft, provided: Provided, arriving: Arriving, log_start_s: float, runs: str) -> list[dict[str, Any]]:
    """Outages at their times in the log, and 429s as a share; what lies outside the run is a remark."""
    faults: list[dict[str, Any]] = []
    end_s = float(runs[:-1])
    for fault, says in provided.shares:
        made.evidence.append(Evidence(f"faults[{len(faults)}]", says))
        share = fault.pop("share")
        faults.append({**fault, "at": "0s", "for": runs, "share": share})
    for (name, model), seen in provided.outages.items():
        of_model = {"model": model} if len(provided.data[name]["models"]) > 1 else {}
        for each in seen:
            at = each.start_s - log_start_s
            lasted = seconds(each.end_s - each.start_s)
            says = f"{name}/{model}: {each.share:.0%} of {each.calls:,} attempts failed (mostly {each.status}) for {lasted}"
            if math.isnan(arriving.offset_s) or at >= end_s:
                made.remarks.append(f"an outage seen outside the run's part of the log: {says}, {seconds(at)} after its start")
                continue
            whole = each.share > 0.95
            down: dict[str, Any] = {"kind": "outage" if whole else "errors", "provider": name, **of_model, "at": f"{at:.6g}s"}
            down |= {"for": f"{each.end_s - each.start_s:.6g}s", "status": max(400, each.status)}
            made.evidence.append(Evidence(f"faults[{len(faults)}]", says))
            faults.append(down if whole else down | {"share": float(f"{each.share:.3g}")})
    return faults


def add_config_limits(provided: Provided, config: Config | None, targets: Targets) -> None:
    if config is None:
        return
    for each in config.deployments:
        name = config.name_of(each)
        if name[0] in provided.data:
            limits_of(provided.data[name[0]], [other for other in config.deployments if config.name_of(other) == name])


def limits_of(entry: dict[str, Any], same: Sequence[Deployment]) -> None:
    """Deployments of one model at one provider are keys of it; LiteLLM's rpm and tpm hold for each."""
    if len(same) > 1:
        entry["keys"] = len(same)
    limits = {"requests": same[0].rpm, "tokens": same[0].tpm}
    told = {what: f"{value:.12g}/min" for what, value in limits.items() if value}
    if told:
        entry["limits"] = told


def from_config(config: Config, name: str) -> Draft:
    """Without a log: the gateway is the configuration's, traffic and latencies are assumptions that say so."""
    names = list(dict.fromkeys(map(config.name_of, config.deployments)))
    targets = Targets(tuple(names), np.zeros(0, np.int32))
    provided = fit_providers(no_calls(), targets, bases=config.bases)
    asking = Asking()
    for group, members in config.asked.items():
        shares = shares_without_log(members, config) if len(config.groups) > 1 else {names[0]: 1.0}
        for target, share in shares.items():
            name = clean(group if len(shares) == 1 else f"{group}-on-{'/'.join(target)}", "group")
            asking.classes.append({"name": name, "share": share / len(config.asked), "tokens": copy.deepcopy(ASSUMED_TOKENS)})
            asking.group.append(clean(group, "group"))
            asking.target.append(names.index(target))
    made = Draft({}, [*provided.evidence, *config.evidence])
    says = "no log: the rate, equal shares of the groups and the tokens are ASSUMPTIONS; import with --logs"
    if len(config.asked) < len(config.groups):
        says += f"; nobody is taken to ask for {', '.join(config.groups.keys() - config.asked.keys())}, which only fallbacks name"
    made.evidence.append(Evidence("workload", says, weak=True))
    made.remarks += [f"not modelled: {key}: {means}" for key, means in config.unmodelled]
    routing, needs = route(asking, targets, config)
    for each, need in zip(asking.classes, needs, strict=True):
        if need is not None:
            each["needs"] = need
    add_config_limits(provided, config, targets)
    made.data = {
        "tenfold": 1, "name": name, "description": "Imported from a LiteLLM configuration, without a log.", "seed": 1,
        "workload": {"arrivals": {"kind": "poisson", "rate": f"{PLACEHOLDER_RATE:g}/s"}, "duration": "10m", "requests": in_order(asking)},
        "gateway": {**config.gateway, "routing": routing}, "providers": provided.data,
    }  # fmt: skip
    return made
