"""Figures by kind: of end, model, feature, status and request class, over a Window of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sim.analysis.estimators import Estimate, mean_estimate, quantile_estimate, ratio_estimate, share_estimate
from sim.analysis.metrics import DAY_S, MONTH_DAYS, ended, mean_of, quantile_of
from sim.analysis.window import Window
from sim.data.outcomes import KINDS, count_by_name
from sim.data.statuses import CANCELLED, REFUSED, TIMED_OUT
from sim.kernel.refusals import NAMES, NOT_REFUSED
from sim.scenario.metric_names import QUANTILES


def outcomes(window: Window) -> dict[str, int]:
    """Requests by how they ended, all replications together; sums to len(window)."""
    return count_by_name(window["outcome"])


def refused_by(window: Window) -> dict[str, int]:
    """Requests by the limit of the gateway that said no, most frequent first; also of those that got a degraded answer instead."""
    return count_refusals(window, window["refused_by"])


def attempts_refused_by(window: Window) -> dict[str, int]:
    """Attempts by the limit of a provider that said no, most frequent first."""
    return count_refusals(window, window.attempts["refused_by"])


def count_refusals(window: Window, codes: np.ndarray) -> dict[str, int]:
    names = NAMES | window.run.refusals
    found = zip(*(each.tolist() for each in np.unique(codes[codes != NOT_REFUSED], return_counts=True)), strict=True)
    return {names.get(code, f"limit {code}"): count for code, count in sorted(found, key=lambda each: (-each[1], each[0]))}


def cost_by_model(window: Window) -> dict[str, Estimate]:
    """USD per 30 days of this traffic, by provider/model."""
    return cost_by(window, window.run.targets)


def cost_by_provider(window: Window) -> dict[str, Estimate]:
    """USD per 30 days of this traffic, by provider."""
    return cost_by(window, [target.split("/", 1)[0] for target in window.run.targets])


def cost_by(window: Window, names: Sequence[str]) -> dict[str, Estimate]:
    """USD per 30 days of this traffic, by what each target is called here."""
    attempts, targets = window.attempts, list(dict.fromkeys(names))
    sent = attempts["target"] >= 0
    if window.seconds <= 0 or not sent.any():
        return {}
    factor = DAY_S * MONTH_DAYS / window.seconds
    target = np.array([targets.index(name) for name in names])[attempts["target"][sent]]
    place = attempts["replication"][sent].astype(np.int64) * len(targets) + target
    cells = window.run.replications * len(targets)
    spent = np.bincount(place, weights=attempts["cost_usd"][sent], minlength=cells).reshape(-1, len(targets))
    seen = np.bincount(target, minlength=len(targets))
    return {name: mean_estimate(spent[:, index]).times(factor) for index, name in enumerate(targets) if seen[index]}


def cost_by_feature(window: Window) -> dict[str, Estimate]:
    """USD per 30 days of this traffic, by feature (a request class's ``feature``, else its name)."""
    if window.seconds <= 0:
        return {}
    factor = DAY_S * MONTH_DAYS / window.seconds
    features: dict[str, np.ndarray] = {}
    for index, kind in enumerate(window.run.scenario.workload.requests):
        feature = kind.feature or kind.name
        spent = window.sum(window["cost_usd"], window["kind"] == index)
        features[feature] = features.get(feature, 0) + spent
    return {feature: mean_estimate(spent).times(factor) for feature, spent in features.items()}


def latency_by_outcome(window: Window) -> dict[str, dict[str, Estimate]]:
    """Mean, P50 and P99 seconds until each kind of end, also of requests that got no answer."""
    return {
        kind.name: {
            "mean": mean_of("latency_s", ended(kind.code))(window),
            "p50": quantile_of("latency_s", 0.5, ended(kind.code))(window),
            "p99": quantile_of("latency_s", 0.99, ended(kind.code))(window),
        }
        for kind in KINDS
        if np.any(window["outcome"] == kind.code)
    }


def attempts_by_status(window: Window) -> dict[str, int]:
    """Attempts by how they ended: an HTTP status, or refused, timed_out, cancelled."""
    words = {REFUSED: "refused", TIMED_OUT: "timed_out", CANCELLED: "cancelled"}
    statuses, counts = np.unique(window.attempts["status"], return_counts=True)
    return {words.get(status, str(status)): count for status, count in zip(statuses.tolist(), counts.tolist(), strict=True)}


def by_class(window: Window) -> dict[str, dict[str, Any]]:
    """Each request class's requests, priority, availability, share served, latency and mean wait in the queue; empty for a single class."""
    classes = window.run.scenario.workload.requests
    if len(classes) < 2:
        return {}
    figures: dict[str, dict[str, Any]] = {}
    for kind, each in enumerate(classes):
        mine = window["kind"] == kind
        answered = mine & window.available & ~np.isnan(window["latency_s"])
        latencies = window.split(window["latency_s"], answered)
        figures[each.name] = {
            "requests": int(np.count_nonzero(mine)),
            "priority": each.priority,
            "availability": share_estimate(window.count(mine & window.available), window.count(mine)),
            "served": share_estimate(window.count(mine & window.served), window.count(mine)),
            "latency_s": {name: quantile_estimate(latencies, QUANTILES[name]) for name in ("p50", "p99")},
            "queue_wait_s": {"mean": ratio_estimate(window.sum(window["queue_wait_s"], mine), window.count(mine))},
        }
    return figures
