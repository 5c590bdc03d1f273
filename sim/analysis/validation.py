"""Two runs of the same requests, side by side and request by request: model against reality, baseline against candidate, A against B.

Both sides rolled the same dice for the same schedule position, so they are compared on replication 0 and paired; but for closed
workloads, where each request follows from the answer before it: there only distributions are compared. Relative errors are
(predicted − measured) / measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from sim.analysis.estimators import Estimate, least_samples
from sim.analysis.metrics import METRICS, measure
from sim.analysis.saturation import SHARE, Share, outcome_shares, past_saturation
from sim.analysis.summary import SCHEMA_VERSION
from sim.analysis.window import Window
from sim.data.outcomes import name_of
from sim.data.run import Run
from sim.gateway.chain import declared, unused_figures

Verdict = Literal["pass", "fail", "invalid"]
FIGURES = (
    *(f"{family}.{name}" for family in ("latency_s", "ttft_s") for name in ("mean", "p50", "p95", "p99")),
    "added_latency_s.p50", "added_latency_s.p99",
    "throughput_rps", "availability", "served", "cache_hit_rate", "degraded_rate", "attempts_per_request",
)  # fmt: skip
COST = "cost_usd"
CODES = 128
"""More than the highest code of an outcome."""
LEAST_PAIRED = 0.99
"""Share of either side's requests that must have a partner for a comparison to mean anything."""


@dataclass(frozen=True)
class Tolerances:
    """The largest relative errors that pass, and the least share of requests that must end alike.

    Past saturation no request is held to end alike, but each outcome's share to be right: within ``outcome_share``, or within the 95 %
    interval of the measured share, which a short run makes wide; never further off than ``same_outcome`` would allow it to be.

    A latency also passes when it is off by ``floor_s`` at most: what HTTP over loopback and the scheduling of three processes cost, which
    no model predicts. It is the lateness up to which the mock certifies itself (mockprovider.evidence.certificate.BOUND_S).
    """

    latency_p50: float = 0.05
    latency_p99: float = 0.10
    same_outcome: float = 0.95
    outcome_share: float = 0.01
    cost: float = 0.02
    throughput: float = 0.05  # of closed workloads: nothing but the answers sets their rate, and so what they spend
    floor_s: float = 0.005


@dataclass(frozen=True)
class Figure:
    """One metric of both runs. ``error`` is null where either side cannot say, or the measured value is zero and the other is not."""

    predicted: Estimate
    measured: Estimate

    @property
    def error(self) -> float | None:
        predicted, measured = self.predicted.value, self.measured.value
        if predicted is None or measured is None:
            return None
        if measured == 0:
            return 0.0 if predicted == 0 else None
        return (predicted - measured) / measured

    @property
    def difference(self) -> float | None:
        """Predicted − measured, in the metric's unit."""
        predicted, measured = self.predicted.value, self.measured.value
        return None if predicted is None or measured is None else predicted - measured


@dataclass(frozen=True)
class Paired:
    """Requests that both runs counted. Latency differences are measured − predicted seconds, over pairs answered on both sides."""

    requests: int
    same_outcome: float | None
    answered: int
    difference_s: dict[str, float | None]
    moved: dict[str, int] = field(default_factory=dict)  # "ok → timeout": how many, most frequent first
    why_not: str = ""  # the requests of these runs have no partners


@dataclass(frozen=True)
class Check:
    """One tolerance: ``found`` against ``limit``; ``ok`` is null when it could not be held to it.

    ``floor_s`` where it is the absolute floor that it passed by, and not the limit.
    """

    name: str
    found: float | None
    limit: float
    ok: bool | None
    floor_s: float | None = None

    @property
    def says(self) -> str:
        if self.floor_s is not None:
            return f"{self.name}: within {self.floor_s * 1e3:g} ms"
        if self.name.startswith(SHARE):
            return f"{self.name}: off by {abs(self.found or 0.0) * 100:.2f} points (≤ {self.limit * 100:.2f})"
        sign = "≥" if self.name in OUTCOME_CHECKS else "≤"
        found = "not known" if self.found is None else f"{self.found * 100:.2f} %"
        return f"{self.name}: {found} ({sign} {self.limit * 100:.4g} %)"


@dataclass(frozen=True)
class Comparison:
    """The verdict and everything it rests on; ``as_dict`` is the ``verify --json`` document."""

    verdict: Verdict
    why_invalid: tuple[str, ...]
    checks: tuple[Check, ...]
    figures: dict[str, Figure]
    paired: Paired
    certificate: dict[str, Any]
    shares: dict[str, Share] = field(default_factory=dict)  # of outcomes, by name
    past_saturation: str = ""  # why it is, if it is: then outcomes are held to their shares
    findings: tuple[dict[str, Any], ...] = ()  # where they part: kind, says (loadtest.measurement.findings)
    errors: tuple[dict[str, Any], ...] = ()  # what the target answered instead, most frequent first: status, error, requests

    def as_dict(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "verdict": self.verdict,
            "why_invalid": list(self.why_invalid),
            "comparison": {
                name: {"predicted": figure.predicted.as_dict(), "measured": figure.measured.as_dict(), "error": figure.error}
                for name, figure in self.figures.items()
            },
            "paired": {
                "requests": self.paired.requests,
                "same_outcome": self.paired.same_outcome,
                "answered": self.paired.answered,
                "latency_difference_s": self.paired.difference_s,
                "moved": self.paired.moved,
                "why_not": self.paired.why_not,
            },
            "outcome_shares": {
                name: {"predicted": share.predicted.as_dict(), "measured": share.measured.as_dict()} for name, share in self.shares.items()
            },
            "past_saturation": self.past_saturation,
            "checks": [
                {"check": one.name, "found": one.found, "limit": one.limit, "ok": one.ok, "floor_s": one.floor_s} for one in self.checks
            ],
            "certificate": self.certificate,
            "findings": list(self.findings),
            "errors": list(self.errors),
        }


WHY_CLOSED = "who waits for an answer asks when it is there, so the requests of two runs are not the same; distributions are compared"
OUTCOME_CHECKS = ("same_outcome", "outcome_shares")
LEAST_JUDGED = 0.95
"""A share of outcomes alike of this much needs least_samples(0.95) = 72 requests to be told from another."""
NO_DIFFERENCE: dict[str, float | None] = {"mean": None, "p50": None, "p95_abs": None}


class NotComparable(ValueError):
    """The two runs did not send the same requests."""


def compare(
    prediction: Run,
    measurement: Run,
    tolerances: Tolerances | None = None,
    why_invalid: Sequence[str] = (),
    certificate: dict[str, Any] | None = None,
    only_worse: bool = False,
    errors: Sequence[dict[str, Any]] = (),
    findings: Sequence[dict[str, Any]] = (),
) -> Comparison:
    """Compare replication 0 of both. With ``only_worse``, a difference for the better passes (a regression gate).

    ``why_invalid``: bounds of the certificate that the measurement broke; any makes the verdict invalid, as do too few requests for a
    tolerance's quantile. Closed workloads are held to their throughput and shares of outcomes instead of to pairs; past saturation each
    outcome's share takes the place of pairs that end alike. Raises NotComparable when scales, kinds of arrivals or prompts differ.
    """
    predicted, measured = (Window(run.first(1)) for run in (prediction, measurement))
    if prediction.scale != measurement.scale:
        raise NotComparable(f"one run is at scale {prediction.scale:g}, the other at {measurement.scale:g}")
    closed = is_closed(prediction)
    if closed != is_closed(measurement):
        raise NotComparable("one run has a closed workload, the other has not")
    left, right = pair(predicted, measured)
    names = (*FIGURES, *stage_figures(measurement))
    figures = {name: Figure(measure(predicted, name), measure(measured, name)) for name in names}
    figures[COST] = Figure(spent(predicted), spent(measured))
    paired = Paired(0, None, 0, NO_DIFFERENCE, why_not=WHY_CLOSED) if closed else paired_figures(predicted, measured, left, right)
    alike = outcomes_in_common(predicted, measured) if closed else paired.same_outcome
    shares, past = outcome_shares(predicted, measured), "" if closed else past_saturation(predicted, measured)
    limits = tolerances or Tolerances()
    ends = held_shares(shares, limits) if past else (held_alike("outcome_shares" if closed else "same_outcome", alike, limits),)
    checks = (*hold(figures, closed, limits, only_worse), *ends)
    reasons = [*why_invalid, *([] if closed else lost(predicted, measured, len(left))), *unanswered(checks, predicted, measured)]
    verdict: Verdict = "invalid" if reasons else "pass" if all(check.ok is not False for check in checks) else "fail"
    return Comparison(
        verdict, tuple(reasons), checks, figures, paired, certificate or {}, shares, past,
        explained(verdict, checks, findings, bool((certificate or {}).get("target"))), tuple(errors),
    )  # fmt: skip


def stage_figures(measurement: Run) -> list[str]:
    """Those of the stages that the scenario uses, where the gateway has told of its stages: only one of ours keeps a timeline."""
    if measurement.kind == "measurement" and not len(measurement.timeline):
        return []
    unused = unused_figures(measurement.scenario)
    return [name for name in declared("FIGURES") if name not in unused]


def explained(verdict: Verdict, checks: Sequence[Check], findings: Sequence[dict[str, Any]], cpu_known: bool) -> tuple[dict[str, Any], ...]:
    """The findings; where they disagree and nothing else was found, that leaves the model. ``cpu_known``: of the gateway's processes."""
    if verdict != "fail" or findings:
        return tuple(findings)
    wrong = "; ".join(check.says for check in checks if check.ok is False)
    seen = (
        "neither the mocks nor the gateway's CPU show another cause"
        if cpu_known
        else "the mocks show no other cause, and the CPU of the gateway's processes is not known"
    )
    return ({"kind": "model wrong", "says": f"{wrong}; {seen}"},)


def pair(predicted: Window, measured: Window) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers in each window of the requests that both hold, in order of the schedule; no closed workload's. Raises NotComparable."""
    if is_closed(predicted.run):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    _, left, right = np.intersect1d(predicted["request"], measured["request"], return_indices=True)
    differ = np.flatnonzero(predicted["prompt"][left] != measured["prompt"][right])
    if len(differ):
        number = predicted["request"][left][differ[0]]
        raise NotComparable(f"the runs sent different requests: {len(differ)} of {len(left)} prompts differ, the first is request {number}")
    return left, right


def spent(window: Window) -> Estimate:
    """USD over the window: what was paid, so without bounds."""
    total = float(window["cost_usd"].sum())
    return Estimate(None if np.isnan(total) else total)


def paired_figures(predicted: Window, measured: Window, left: np.ndarray, right: np.ndarray) -> Paired:
    before, after = predicted["outcome"][left], measured["outcome"][right]
    both = predicted.available[left] & measured.available[right]
    difference_s = (measured["latency_s"][right] - predicted["latency_s"][left])[both]
    difference_s = difference_s[~np.isnan(difference_s)]
    codes, counts = np.unique(before.astype(int) * CODES + after, return_counts=True)
    moves = [(*divmod(int(codes[place]), CODES), int(counts[place])) for place in np.argsort(-counts, kind="stable")]
    known = len(difference_s) > 0
    return Paired(
        requests=len(left),
        same_outcome=float(np.mean(before == after)) if len(left) else None,
        answered=int(both.sum()),
        difference_s={
            "mean": float(difference_s.mean()) if known else None,
            "p50": float(np.median(difference_s)) if known else None,
            "p95_abs": float(np.quantile(np.abs(difference_s), 0.95)) if known else None,
        },
        moved={f"{name_of(one)} → {name_of(other)}": count for one, other, count in moves if one != other},
    )


def is_closed(run: Run) -> bool:
    return run.scenario.workload.waits_for_answers


def outcomes_in_common(predicted: Window, measured: Window) -> float | None:
    """1 − the total variation distance of the two sides' shares of outcomes: what pairs that end alike could be at most."""
    if not len(predicted) or not len(measured):
        return None
    shares = [np.bincount(window["outcome"], minlength=CODES) / len(window) for window in (predicted, measured)]
    return float(np.minimum(*shares).sum())


def hold(figures: dict[str, Figure], closed: bool, tolerances: Tolerances, only_worse: bool) -> tuple[Check, ...]:
    """Every tolerance but those of outcomes."""
    limits = {"latency_s.p50": tolerances.latency_p50, "latency_s.p99": tolerances.latency_p99, COST: tolerances.cost}
    if closed:
        limits |= {"throughput_rps": tolerances.throughput, COST: tolerances.cost + tolerances.throughput}
    checks = []
    for name, limit in limits.items():
        error, difference = figures[name].error, figures[name].difference
        if difference is None:
            checks.append(Check(name, None, limit, None))
            continue
        better = difference < 0 if name == "throughput_rps" else difference > 0
        relative = (error is not None and abs(error) <= limit) or (only_worse and better)
        close = name in METRICS and METRICS[name].unit == "s" and abs(difference) <= tolerances.floor_s
        checks.append(Check(name, error, limit, relative or close, tolerances.floor_s if close and not relative else None))
    return tuple(checks)


def held_alike(name: str, alike: float | None, tolerances: Tolerances) -> Check:
    """``alike``: the share of outcomes that are the same on both sides."""
    return Check(name, alike, tolerances.same_outcome, None if alike is None else alike >= tolerances.same_outcome)


def held_shares(shares: dict[str, Share], tolerances: Tolerances) -> tuple[Check, ...]:
    checks = []
    for name, share in shares.items():
        limit = share.tolerance(tolerances.outcome_share, 1 - tolerances.same_outcome)
        checks.append(Check(f"{SHARE}{name}", share.difference, limit, abs(share.difference) <= limit))
    return tuple(checks)


def is_of_outcomes(check: str) -> bool:
    return check in OUTCOME_CHECKS or check.startswith(SHARE)


def lost(predicted: Window, measured: Window, paired: int) -> list[str]:
    return [
        f"{paired:,} of {len(window):,} requests of the {window.run.kind} have a partner in the other run"
        for window in (predicted, measured)
        if paired < LEAST_PAIRED * len(window) or not paired
    ]


def unanswered(checks: Sequence[Check], predicted: Window, measured: Window) -> list[str]:
    """Tolerances that nothing can be held to. A target that reports no cost is not held to one.

    One that does not answer what was predicted to be answered has no latencies for that very reason: a disagreement, and none too few.
    """
    if len(measured) >= least_samples(LEAST_JUDGED) and any(is_of_outcomes(check.name) and check.ok is False for check in checks):
        return []
    answered = min(int(window.available.sum()) for window in (predicted, measured))
    least = {"latency_s.p50": least_samples(0.5), "latency_s.p99": least_samples(0.99)}
    return [
        f"too few requests for {check.name}: {answered} were answered, {least[check.name]} are needed; run for longer"
        for check in checks
        if check.ok is None and check.name in least
    ]
